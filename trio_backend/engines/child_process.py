"""What runs inside an engine's child process: requests on standard input, answers on standard output.

A frame is its length in four bytes, little-endian, then that many bytes; an answer has one more byte in
front, that says what it is. The first answer, to no request, says that the engine is loaded. Each request
that was received is answered twice: that it has begun, and how it ended; so who asked knows whether it may
have been the request that ended a process. Between them it may say how far a download is (loading.py). An
interrupt, SIGINT, ends a request early where the library runs Python code; it is answered all the same, and
the engine stays loaded.

An engine whose answers come in parts sends each of them as a frame before the last. A request of no bytes
then stops the one that runs, which ends as if it had said all.

The code of each engine's process is a module of its own, ``asr/…_process.py``, beside the adapter that starts
it. Both import nothing but the standard library and our errors: a process that imported the adapter would be
there after 240 ms instead of 20, and a new one is started after each request that was cancelled.
"""

from __future__ import annotations

import json
import os
import signal
import struct
import sys
from collections.abc import Callable, Generator
from contextlib import closing
from enum import IntEnum
from queue import SimpleQueue
from threading import Event, Lock, Thread
from types import TracebackType
from typing import Any, BinaryIO, TypeAlias

from ..errors import EngineError
from .loading import WANTED, tell_downloads

SETTINGS = "TRIO_BACKEND_ENGINE_SETTINGS"
"""The environment variable with the engine's settings, as JSON."""

HEAD = struct.Struct("<I")
ANSWER_HEAD = struct.Struct("<BI")

_writing = Lock()

Work: TypeAlias = Callable[[bytes], str | bytes]

WorkInParts: TypeAlias = Callable[[bytes], Generator[str, None, None]]


class RequestInterrupted(BaseException):
    """The request is to end. Not an `Exception`: libraries catch those, and go on."""


class AnswerKind(IntEnum):
    """What an answer is."""

    DONE = 0
    FAILED = 1
    BEGUN = 2
    PART = 3
    DOWNLOADING = 4


def work(load: Callable[[dict[str, Any]], Work]) -> None:
    """Load the engine, then answer request after request, until standard input ends.

    An `EngineError` of either goes to whoever asked, and its text to people; anything else ends the process,
    and amid a request only where it was and of what type goes to standard error.
    """
    requests, answers = _take_pipes()
    interrupts = _Interrupts()
    signal.signal(signal.SIGINT, interrupts.handle)
    try:
        do = load(json.loads(os.environ.pop(SETTINGS)))
    except EngineError as problem:
        _answer(answers, AnswerKind.FAILED, str(problem))
        return
    sys.excepthook = _tell_error
    _answer(answers, AnswerKind.DONE, "")
    while (request := _read(requests)) is not None:
        _answer(answers, AnswerKind.BEGUN, "")
        _answer(answers, *_result(do, request, interrupts))


class _Interrupts:
    """An interrupt counts while a request is worked on; one that comes too late must tear no frame."""

    def __init__(self) -> None:
        self.working = False

    def handle(self, _number: int, _frame: object) -> None:
        if self.working:
            self.working = False
            raise RequestInterrupted


def _result(do: Work, request: bytes, interrupts: _Interrupts) -> tuple[AnswerKind, str | bytes]:
    try:
        try:
            interrupts.working = True
            return AnswerKind.DONE, do(request)
        except EngineError as problem:
            return AnswerKind.FAILED, str(problem)
        finally:
            interrupts.working = False
    except RequestInterrupted:
        return AnswerKind.FAILED, "it was interrupted"


def work_in_parts(load: Callable[[dict[str, Any], Event], WorkInParts]) -> None:
    """As `work`, of an engine whose answers come in parts.

    The event is set while a request is to be stopped. It is looked at after each part; an engine that takes
    long for one looks at it, too, and may stop by whatever it likes.
    """
    requests, answers = _take_pipes()
    stopped = Event()
    try:
        do = load(json.loads(os.environ.pop(SETTINGS)), stopped)
    except EngineError as problem:
        _answer(answers, AnswerKind.FAILED, str(problem))
        return
    inbox: SimpleQueue[bytes | None] = SimpleQueue()
    # Who asks waits for an answer before the next request, so the queue holds one at most. A daemon, since a
    # process that ends by an error must not wait for more requests.
    Thread(target=_sort, args=(requests, inbox, stopped), daemon=True).start()
    sys.excepthook = _tell_error
    _answer(answers, AnswerKind.DONE, "")
    while (request := inbox.get()) is not None:
        _answer(answers, AnswerKind.BEGUN, "")
        try:
            with closing(do(request)) as parts:
                for part in parts:
                    if stopped.is_set():
                        break
                    _answer(answers, AnswerKind.PART, part)
        except EngineError as problem:
            _answer(answers, AnswerKind.FAILED, str(problem))
        else:
            _answer(answers, AnswerKind.DONE, "")


def _tell_error(kind: type[BaseException], _error: BaseException, trace: TracebackType | None) -> None:
    """Write where an error was raised, without its words, which may be those that somebody said."""
    # Not needed by those that run well, and 2 ms of their start.
    import traceback

    print("".join(traceback.format_tb(trace)), kind.__name__, sep="", file=sys.stderr, flush=True)


def _sort(requests: BinaryIO, inbox: SimpleQueue[bytes | None], stopped: Event) -> None:
    """Tell requests from the wish to stop, until there are no more; then stop, too."""
    while (request := _read(requests)) is not None:
        if request:
            # The one before has ended: a wish to stop that came too late for it means nothing.
            stopped.clear()
            inbox.put(request)
        else:
            stopped.set()
    stopped.set()
    inbox.put(None)


def _take_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Our two pipes. What a library prints goes to standard error, and cannot tear a frame.

    Its downloads are told to who listens.
    """
    # Requests without a buffer: a thread that waits in one would spoil the end of the process.
    requests, answers = os.fdopen(os.dup(0), "rb", buffering=0), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    sys.stdin.close()
    if os.environ.pop(WANTED, ""):
        tell_downloads(lambda step: _answer(answers, AnswerKind.DOWNLOADING, step.encode()))
    return requests, answers


def _read(requests: BinaryIO) -> bytes | None:
    head = _exactly(requests, HEAD.size)
    return None if head is None else _exactly(requests, *HEAD.unpack(head))


def _exactly(requests: BinaryIO, size: int) -> bytes | None:
    found = bytearray()
    while len(found) < size:
        more = requests.read(size - len(found))
        if not more:
            return None
        found += more
    return bytes(found)


def _answer(answers: BinaryIO, kind: AnswerKind, result: str | bytes) -> None:
    body = result.encode("utf-8", "replace") if isinstance(result, str) else result
    # Downloads are told by threads.
    with _writing:
        answers.write(ANSWER_HEAD.pack(kind, len(body)) + body)
        answers.flush()
