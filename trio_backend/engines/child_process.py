"""What runs inside an engine's child process: requests on standard input, answers on standard output.

A frame is its length in four bytes, little-endian, then that many bytes; an answer has one more byte in
front, that says what it is. The first answer, to no request, says that the engine is loaded. Each request
that was received is answered twice: that it has begun, and how it ended; so who asked knows whether it may
have been the request that ended a process.

The code of each engine's process is a module of its own, ``asr/…_process.py``, beside the adapter that starts
it. Both import nothing but the standard library and our errors: a process that imported the adapter would be
there after 240 ms instead of 20, and a new one is started after each request that was cancelled.
"""

from __future__ import annotations

import json
import os
import struct
import sys
from collections.abc import Callable
from enum import IntEnum
from typing import Any, BinaryIO, TypeAlias

from ..errors import EngineError

SETTINGS = "TRIO_BACKEND_ENGINE_SETTINGS"
"""The environment variable with the engine's settings, as JSON."""

HEAD = struct.Struct("<I")
ANSWER_HEAD = struct.Struct("<BI")

Work: TypeAlias = Callable[[bytes], str | bytes]


class AnswerKind(IntEnum):
    """What an answer is."""

    DONE = 0
    FAILED = 1
    BEGUN = 2


def work(load: Callable[[dict[str, Any]], Work]) -> None:
    """Load the engine, then answer request after request, until standard input ends.

    An `EngineError` of either goes to whoever asked, and its text to people; anything else ends the process.
    """
    requests, answers = _take_pipes()
    try:
        do = load(json.loads(os.environ.pop(SETTINGS)))
    except EngineError as problem:
        _answer(answers, AnswerKind.FAILED, str(problem))
        return
    _answer(answers, AnswerKind.DONE, "")
    while (request := _read(requests)) is not None:
        _answer(answers, AnswerKind.BEGUN, "")
        try:
            result = do(request)
        except EngineError as problem:
            _answer(answers, AnswerKind.FAILED, str(problem))
        else:
            _answer(answers, AnswerKind.DONE, result)


def _take_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Our two pipes. What a library prints goes to standard error, and cannot tear a frame."""
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    sys.stdin.close()
    return requests, answers


def _read(requests: BinaryIO) -> bytes | None:
    head = requests.read(HEAD.size)
    if len(head) < HEAD.size:
        return None
    (size,) = HEAD.unpack(head)
    body = requests.read(size)
    return body if len(body) == size else None


def _answer(answers: BinaryIO, kind: AnswerKind, result: str | bytes) -> None:
    body = result.encode("utf-8", "replace") if isinstance(result, str) else result
    answers.write(ANSWER_HEAD.pack(kind, len(body)) + body)
    answers.flush()
