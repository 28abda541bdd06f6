"""What the engine server reads and sends: HTTP/1.1 and OpenAI's API, as far as it needs them. No I/O.

All that is sent is made once: what the engine server costs is then what its system calls cost.
"""

from __future__ import annotations

import array
import io
import math
import sys
import wave

import attrs

from .stand_ins import REPLY

SPEECH_SECONDS, SPEECH_RATE = 0.3, 24_000


@attrs.frozen
class HttpRequest:
    """One request whose body has arrived."""

    path: str
    body: bytes


def take_request(received: bytearray) -> HttpRequest | None:
    """Remove a whole request from the beginning of ``received``; None if there is none yet."""
    head_end = received.find(b"\r\n\r\n")
    if head_end < 0:
        return None
    line, *fields = bytes(received[:head_end]).split(b"\r\n")
    length = 0
    for field in fields:
        name, _, value = field.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    end = head_end + 4 + length
    if len(received) < end:
        return None
    body = bytes(received[head_end + 4 : end])
    del received[:end]
    return HttpRequest(line.split(b" ")[1].decode(), body)


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _event(delta: bytes, finish: bytes = b"null") -> bytes:
    return (
        b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"stand-in",'
        b'"choices":[{"index":0,"delta":%b,"finish_reason":%b}]}\n\n' % (delta, finish)
    )


def _words(text: str) -> list[bytes]:
    """One event a word, as most models have a token: the space belongs to the word that follows it."""
    return [b" %b" % word.encode() for word in text.split()]


_STREAM_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
TOKENS = [_chunk(_event(b'{"content":"%b"}' % word)) for word in _words(REPLY)]
BEGIN = _STREAM_HEAD + _chunk(_event(b'{"role":"assistant","content":""}'))
END = _chunk(_event(b"{}", b'"stop"')) + _chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n"
WHOLE_REPLY = BEGIN + b"".join(TOKENS) + END
WATCH_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n"
NOT_FOUND = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"


def _speech() -> bytes:
    tone = array.array(
        "h",
        (
            round(8000 * math.sin(2 * math.pi * 400 * at / SPEECH_RATE))
            for at in range(int(SPEECH_SECONDS * SPEECH_RATE))
        ),
    )
    if sys.byteorder == "big":
        tone.byteswap()
    file = io.BytesIO()
    with wave.open(file, "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(SPEECH_RATE)
        wav.writeframes(tone.tobytes())
    body = file.getvalue()
    return b"HTTP/1.1 200 OK\r\nContent-Type: audio/wav\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


SPEECH = _speech()
