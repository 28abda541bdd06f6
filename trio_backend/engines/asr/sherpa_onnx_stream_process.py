"""The child process of `sherpa_onnx_asr` with a streaming model: pieces of many utterances in, texts out.

A request is `REQUEST`, the numbers of utterances that were given up, and 16-bit samples. The answer is what
is said in that utterance so far.
"""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import Any

from ...errors import EngineError
from ..child_process import Work, work
from .sherpa_onnx_process import load_recognizer

REQUEST = struct.Struct("<BIII")
"""A `Step`, the utterance's number, its sample rate, and how many numbers of others follow."""
NUMBER = struct.Struct("<I")

TAIL = 0.66
"""Seconds of silence behind the sound, as in sherpa-onnx's examples: its models look ahead that far."""


class Step(IntEnum):
    """What to do with the samples of a request."""

    BEGIN = 0
    GO_ON = 1
    END = 2


def load(settings: dict[str, Any]) -> Work:
    """The recognizer of ``settings``."""
    recognizer = load_recognizer("OnlineRecognizer", settings)
    import numpy as np

    streams: dict[int, Any] = {}

    def recognise(request: bytes) -> str:
        step, number, rate, given_up = REQUEST.unpack_from(request)
        at = REQUEST.size
        for _ in range(given_up):
            streams.pop(NUMBER.unpack_from(request, at)[0], None)
            at += NUMBER.size
        if step == Step.BEGIN:
            streams[number] = recognizer.create_stream()
        stream = streams.get(number)
        if stream is None:
            raise EngineError("sherpa_onnx_asr: its process was replaced amid an utterance; say it again")
        stream.accept_waveform(rate, np.frombuffer(request[at:], "<i2").astype(np.float32) / 32768)
        if step == Step.END:
            stream.accept_waveform(rate, np.zeros(round(TAIL * rate), np.float32))
            stream.input_finished()
            del streams[number]
        while recognizer.is_ready(stream):
            recognizer.decode_stream(stream)
        return str(recognizer.get_result(stream)).strip()

    return recognise


if __name__ == "__main__":
    work(load)
