"""``/tts-ws``: text in, sentences out as sound files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Literal

import attrs
import msgspec
import trio

from ..audio.pcm import Pcm
from ..concurrency import map_in_order
from ..engines.base import Tts
from ..engines.whole import spoken
from ..errors import CacheFull, ConfigError, EngineError, WireClosed, first_leaf
from ..protocol.outgoing import Error
from ..protocol.rate import RateLimit
from ..text.lines import Line, SpeechFilters, lines_of
from ..wire import Wire, receive_within
from .client_address import share_of
from .fair_queue import FairQueue
from .sound_cache import SoundCache

# What a request may hold besides its text: the JSON around it, and fields that mean nothing here.
LONGEST_ENVELOPE = 4096
# Taking so many characters apart costs a millisecond, whatever they are; less than a thread.
SHORT_TEXT = 1000


@attrs.frozen
class SpeechLimits:
    """Texts of up to ``longest`` characters, as written and as spoken, of each ``ahead`` sentences at once.

    A text waits up to ``deadline`` seconds for its turn, and is spoken in as many. ``messages`` makes a limit
    of messages for one client.
    """

    longest: int
    ahead: int
    deadline: float
    messages: Callable[[], RateLimit]


@attrs.frozen
class Speech:
    """How to speak, and how much. ``queue`` shares the voice among the addresses that ask."""

    open_tts: Callable[[], AbstractAsyncContextManager[Tts]]
    filters: SpeechFilters
    cache: SoundCache
    limits: SpeechLimits
    queue: FairQueue
    # Taking a long text apart is no work for the event loop: of 20 000 characters it took a second, at worst.
    _readers: trio.CapacityLimiter = attrs.field(factory=lambda: trio.CapacityLimiter(1), init=False)

    async def lines(self, text: str) -> list[Line]:
        """The sentences of ``text`` that can be spoken. Raises `ValueError` if they are too long then."""
        if len(text) <= SHORT_TEXT:
            return self._lines(text)
        return await trio.to_thread.run_sync(self._lines, text, limiter=self._readers)

    def _lines(self, text: str) -> list[Line]:
        lines = [line for line in lines_of(text, self.filters) if line.spoken]
        # One character can be spoken as eighteen: U+FDFA is a sentence.
        if sum(len(line.spoken) for line in lines) > self.limits.longest:
            raise ValueError(f"as it is spoken, {_too_long(self.limits.longest)}")
        return lines


class _Request(msgspec.Struct):
    text: str


class _Partial(msgspec.Struct):
    audioPath: str  # noqa: N815
    text: str
    status: Literal["partial"] = "partial"


class _Status(msgspec.Struct, omit_defaults=True):
    status: Literal["complete", "error"]
    message: str = ""


async def serve_speech(wire: Wire, speech: Speech, *, client: str = "") -> None:
    """Speak what the client sends, one text after the other, until it leaves; then nothing goes on.

    ``client`` is its address, with which others may share what it has of the voice and the cache.
    """

    async def refuse(error: Error) -> None:
        await _fail(wire, error.message)

    # Without room: a client that sends faster than we speak waits.
    put, get = trio.open_memory_channel[str | bytes](0)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_speak_all, wire, speech, share_of(client), get, name="tts-ws/voice")
        limit = speech.limits.messages()
        try:
            while True:
                await put.send(await receive_within(limit, wire, refuse))
        except (WireClosed, trio.BrokenResourceError):
            # The client has left, as this task or the voice's has learned.
            nursery.cancel_scope.cancel("the client has left")


async def _speak_all(
    wire: Wire, speech: Speech, maker: str, frames: trio.MemoryReceiveChannel[str | bytes]
) -> None:
    try:
        # Closed when nobody speaks any more, or the reader would wait here for ever with its next frame.
        with frames:
            async for frame in frames:
                await _answer(wire, speech, maker, frame)
    except* WireClosed:
        pass  # the reader notices too, and ends this


async def _answer(wire: Wire, speech: Speech, maker: str, frame: str | bytes) -> None:
    try:
        lines = await speech.lines(_text(frame, speech.limits.longest))
        await _speak_in_turn(wire, speech, maker, lines)
        await wire.send(msgspec.json.encode(_Status("complete")))
    except* (EngineError, ConfigError, CacheFull, ValueError, trio.TooSlowError) as group:
        await _fail(wire, str(first_leaf(group)))


async def _speak_in_turn(wire: Wire, speech: Speech, maker: str, lines: Sequence[Line]) -> None:
    """Speak ``lines`` when it is the turn of ``maker``. Raises `trio.TooSlowError`, with words for people."""
    deadline = speech.limits.deadline
    waited = trio.current_time() + deadline
    with trio.move_on_at(waited) as scope:
        async with speech.queue.turn(maker):
            scope.deadline = trio.current_time() + deadline
            await _speak(wire, speech, maker, lines)
            return
    # A turn that came moved the deadline.
    if scope.deadline == waited:
        raise trio.TooSlowError("too many texts are being spoken; try again in a moment")
    raise trio.TooSlowError(
        f"the text was not spoken within {deadline:g} s (speech_timeout); send a shorter one"
    )


async def _speak(wire: Wire, speech: Speech, maker: str, lines: Sequence[Line]) -> None:
    """Send a file for each of ``lines``, in order."""
    # All of them are there already, and are bounded as the text is.
    put, source = trio.open_memory_channel[Line](len(lines))
    with put:
        for line in lines:
            put.send_nowait(line)
    async with speech.open_tts() as tts:

        async def perform(line: Line) -> tuple[Line, Pcm]:
            return line, await spoken(tts, line.spoken)

        async with map_in_order(perform, source, ahead=speech.limits.ahead) as performed:
            async for line, pcm in performed:
                if pcm.samples:
                    name = await speech.cache.add(pcm.to_wav(), maker=maker)
                    await wire.send(msgspec.json.encode(_Partial(f"cache/{name}", line.display)))


def _text(frame: str | bytes, longest: int) -> str:
    """The text of a request. Raises `ValueError`."""
    # Each character can be written as twelve: a pair of escapes.
    if len(frame) > 12 * longest + LONGEST_ENVELOPE:
        raise ValueError(_too_long(longest))
    try:
        text = msgspec.json.decode(frame, type=_Request).text
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise ValueError('send JSON with the text to speak: {"text": "Hello."}') from None
    if len(text) > longest:
        raise ValueError(_too_long(longest))
    return text


def _too_long(longest: int) -> str:
    return f"the text is longer than {longest} characters (max_speech_text)"


async def _fail(wire: Wire, message: str) -> None:
    await wire.send(msgspec.json.encode(_Status("error", message)))
