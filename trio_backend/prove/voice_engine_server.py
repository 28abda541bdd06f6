"""Speech recognition, a language model and speech synthesis of known slowness behind HTTP, for `prove voice`.

``python -m trio_backend.prove.voice_engine_server`` writes its address on standard error and serves until it
is ended. What it takes for itself is what `VoiceTimes` says; it understands only `voice_corpus`.
"""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import AsyncIterator

import attrs
import msgspec
import trio
from websockets.exceptions import WebSocketException

from ..audio.pcm import Pcm
from ..audio.utterance import RATE
from ..errors import ConfigError
from .engine_bytes import NOT_FOUND, HttpRequest, take_request
from .engine_server import BACKLOG
from .voice_corpus import Corpus, make_corpus
from .voice_engine_log import EngineLog, SpeechRequest
from .voice_engine_times import (
    FIRST_SOUND,
    PIECE,
    REPLY_WORDS,
    SECONDS_PER_LETTER,
    SPEECH_RATE,
    SPEED,
    TIMES,
)
from .voice_realtime import RealtimeRecogniser, serve_realtime
from .voice_recognition import Recogniser
from .voice_waveform import marked_tone

LARGEST = 8_000_000
"""Bytes of a request: a minute of speech as a WAV file is 2 MB."""

_JSON = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
_EVENTS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
_SOUND = b"HTTP/1.1 200 OK\r\nContent-Type: audio/pcm\r\nTransfer-Encoding: chunked\r\n\r\n"
_END = b"0\r\n\r\n"


class _SpeechBody(msgspec.Struct):
    input: str = ""


@attrs.define(eq=False)
class VoiceEngineServer:
    """``/v1/audio/transcriptions``, ``/v1/realtime``, ``/v1/chat/completions``, ``/v1/audio/speech``;
    ``/log`` is its `EngineLog`.
    """

    _recogniser: Recogniser | None
    log: EngineLog = attrs.field(factory=EngineLog, init=False)

    async def serve(self, stream: trio.SocketStream) -> None:
        """One connection, until it is closed; what is being done for it ends with it."""
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        received = bytearray()
        try:
            while found := await _next_request(stream, received):
                head, request = found
                if request.path.startswith("/v1/realtime"):
                    await self._listen(stream, head)
                    return
                async with trio.open_nursery() as nursery:
                    # Nobody sends the next request before the answer: what comes instead is the end.
                    nursery.start_soon(_until_gone, stream, received, nursery.cancel_scope)
                    await self._answer(stream, request)
                    nursery.cancel_scope.cancel("answered")
        except* (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        finally:
            await trio.aclose_forcefully(stream)

    async def _answer(self, stream: trio.SocketStream, request: HttpRequest) -> None:
        match request.path.partition("?")[0]:
            case "/v1/audio/transcriptions":
                await self._transcribe(stream, request.body)
            case "/v1/chat/completions":
                await self._reply(stream)
            case "/v1/audio/speech":
                await self._speak(stream, msgspec.json.decode(request.body, type=_SpeechBody).input)
            case "/log":
                body = self.log.to_json()
                await stream.send_all(_JSON % (len(body), body))
            case _:
                await stream.send_all(NOT_FOUND)

    async def _transcribe(self, stream: trio.SocketStream, form: bytes) -> None:
        due = trio.current_time() + TIMES.transcription
        self.log.transcriptions += 1
        text = await trio.to_thread.run_sync(self._understand, form)
        await trio.sleep_until(due)
        body = msgspec.json.encode({"text": text})
        await stream.send_all(_JSON % (len(body), body))
        self.log.transcribed += 1

    def _understand(self, form: bytes) -> str:
        """The words in the WAV file of a form."""
        begin = form.find(b"RIFF")
        if begin < 0 or self._recogniser is None:
            return ""
        # The form's last line stands behind the file, whose header says how long it is.
        size = int.from_bytes(form[begin + 4 : begin + 8], "little") + 8
        return self._recogniser.understand(Pcm.from_wav(form[begin : begin + size]))

    async def _listen(self, stream: trio.SocketStream, head: bytes) -> None:
        self.log.listened += 1
        recogniser = RealtimeRecogniser(self._recogniser or Recogniser(Corpus(())))
        try:
            self.log.finals += await serve_realtime(stream, head, recogniser)
        except WebSocketException:
            return  # it said something else than the protocol: the connection ends

    async def _reply(self, stream: trio.SocketStream) -> None:
        self.log.replies += 1
        began = trio.current_time()
        await stream.send_all(_EVENTS)
        for number, word in enumerate(REPLY_WORDS):
            await trio.sleep_until(began + TIMES.token_at(number))
            await stream.send_all(_chunk(_token(word)))
            self.log.tokens += 1
        await stream.send_all(_chunk(_DONE) + _END)
        self.log.whole_replies += 1

    async def _speak(self, stream: trio.SocketStream, text: str) -> None:
        request = self.log.speech(time.monotonic())
        due = trio.current_time() + TIMES.speech
        seconds = max(FIRST_SOUND, SECONDS_PER_LETTER * len(text))
        sound = marked_tone(request.number, seconds, SPEECH_RATE)
        await trio.sleep_until(due)
        async for piece in _pieces(sound, due):
            await stream.send_all((b"" if request.begun else _SOUND) + _chunk(piece))
            self._sent(request, piece)
        await stream.send_all(_END)
        request.whole = True

    @staticmethod
    def _sent(request: SpeechRequest, piece: bytes) -> None:
        if request.begun is None:
            request.begun = time.monotonic()
        request.seconds += len(piece) / 2 / SPEECH_RATE


async def _pieces(sound: bytes, due: float) -> AsyncIterator[bytes]:
    """The first 0.3 s at ``due``, the others as fast as they are made."""
    first, step = int(FIRST_SOUND * SPEECH_RATE) * 2, int(PIECE * SPEECH_RATE) * 2
    yield sound[:first]
    for number, at in enumerate(range(first, len(sound), step), 1):
        await trio.sleep_until(due + number * PIECE / SPEED)
        yield sound[at : at + step]


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


_DONE = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'


def _token(word: str) -> bytes:
    choice = {"index": 0, "delta": {"content": word}, "finish_reason": None}
    return b"data: %b\n\n" % msgspec.json.encode(
        {"id": "1", "object": "chat.completion.chunk", "choices": [choice]}
    )


async def _next_request(stream: trio.SocketStream, received: bytearray) -> tuple[bytes, HttpRequest] | None:
    """The next whole request, after the bytes of its head; None when the other side is gone."""
    while True:
        head = bytes(received[: received.find(b"\r\n\r\n") + 4])
        request = take_request(received)
        if request is not None:
            return head, request
        data = await stream.receive_some()
        if not data or len(received) > LARGEST:
            return None
        received += data


async def _until_gone(stream: trio.SocketStream, received: bytearray, scope: trio.CancelScope) -> None:
    """Cancel ``scope`` when the other side closes the connection."""
    while data := await stream.receive_some():
        received += data
    scope.cancel("whoever asked is gone")


def main() -> None:
    """Serve on a free port of this machine, until the process is ended."""
    trio.run(_main)


def _recogniser() -> Recogniser | None:
    """One that has its envelopes ready, so that the first to be understood does not wait for them."""
    try:
        recogniser = Recogniser(make_corpus())
    except ConfigError:
        return None  # the scenario says so, and asks nothing
    recogniser.understand(Pcm(recogniser.corpus.utterances[0].samples, RATE))
    return recogniser


async def _main() -> None:
    recogniser = await trio.to_thread.run_sync(_recogniser)
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1", backlog=BACKLOG)
    port = listeners[0].socket.getsockname()[1]
    print(f"the engine server is at http://127.0.0.1:{port}", file=sys.stderr, flush=True)
    await trio.serve_listeners(VoiceEngineServer(recogniser).serve, listeners)


if __name__ == "__main__":
    main()
