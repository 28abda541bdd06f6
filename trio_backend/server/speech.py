"""``/tts-ws``: text in, sentences out as sound files."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Literal

import attrs
import msgspec
import trio

from ..audio.pcm import Pcm
from ..concurrency import map_in_order
from ..engines.base import Tts
from ..errors import ConfigError, EngineError, WireClosed, first_leaf
from ..protocol.outgoing import Error
from ..protocol.rate import RateLimit
from ..text.lines import Line, LineReader, SpeechFilters
from ..wire import Wire, receive_within
from .sound_cache import CacheFull, SoundCache


@attrs.frozen
class Speech:
    """How to speak, and how much: texts of up to ``longest`` characters, ``ahead`` sentences at once.

    ``limit`` makes a limit of messages for one client.
    """

    open_voice: Callable[[], AbstractAsyncContextManager[Tts]]
    filters: SpeechFilters
    cache: SoundCache
    longest: int
    ahead: int
    limit: Callable[[], RateLimit]


class _Request(msgspec.Struct):
    text: str


class _Partial(msgspec.Struct):
    audioPath: str  # noqa: N815
    text: str
    status: Literal["partial"] = "partial"


class _Status(msgspec.Struct, omit_defaults=True):
    status: Literal["complete", "error"]
    message: str = ""


async def serve_speech(wire: Wire, speech: Speech) -> None:
    """Speak what the client sends, one text after the other, until it leaves; then nothing goes on."""

    async def refuse(error: Error) -> None:
        await _fail(wire, error.message)

    # Without room: a client that sends faster than we speak waits.
    put, get = trio.open_memory_channel[str | bytes](0)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_speak_all, wire, speech, get, name="tts-ws/voice")
        limit = speech.limit()
        try:
            while True:
                await put.send(await receive_within(limit, wire, refuse))
        except WireClosed:
            nursery.cancel_scope.cancel("the client has left")


async def _speak_all(wire: Wire, speech: Speech, frames: trio.MemoryReceiveChannel[str | bytes]) -> None:
    try:
        async for frame in frames:
            try:
                await _speak(wire, speech, _text(frame, speech.longest))
                await wire.send(msgspec.json.encode(_Status("complete")))
            except* (EngineError, ConfigError, CacheFull, ValueError) as group:
                await _fail(wire, str(first_leaf(group)))
    except* WireClosed:
        pass  # the reader notices too, and ends this


async def _speak(wire: Wire, speech: Speech, text: str) -> None:
    """Send a file for each sentence of ``text`` that can be spoken, in order."""
    reader = LineReader((), speech.filters, first_early=False)
    lines = [line for line in (*reader.feed(text), *reader.flush()) if line.spoken]
    # All of them are there already, and are bounded as the text is.
    put, source = trio.open_memory_channel[Line](len(lines))
    with put:
        for line in lines:
            put.send_nowait(line)
    async with speech.open_voice() as tts:

        async def perform(line: Line) -> tuple[Line, Pcm]:
            return line, await tts.speak(line.spoken)

        async with map_in_order(perform, source, ahead=speech.ahead) as performed:
            async for line, pcm in performed:
                if pcm.samples:
                    name = await speech.cache.add(pcm.to_wav())
                    await wire.send(msgspec.json.encode(_Partial(f"cache/{name}", line.display)))


def _text(frame: str | bytes, longest: int) -> str:
    """The text of a request. Raises `ValueError`."""
    try:
        text = msgspec.json.decode(frame, type=_Request).text
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise ValueError('send JSON with the text to speak: {"text": "Hello."}') from None
    if len(text) > longest:
        raise ValueError(f"the text is longer than {longest} characters (max_speech_text)")
    return text


async def _fail(wire: Wire, message: str) -> None:
    await wire.send(msgspec.json.encode(_Status("error", message)))
