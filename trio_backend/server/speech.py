"""``/tts-ws``: clients send text, and get a sound file for each sentence."""

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
from ..text.paths import without_folders
from ..wire import Wire, receive_within
from .client_address import share_of
from .fair_queue import FairQueue
from .sound_cache import SoundCache

# Bytes that a request may have besides its text: the JSON around it, and fields without a meaning here.
MAX_ENVELOPE = 4096
# Characters. Splitting a shorter text takes at most a millisecond, which is less than a thread costs.
SHORT_TEXT = 1000


@attrs.frozen
class SpeechLimits:
    """Texts may have ``longest`` characters, as written and as spoken.

    ``ahead`` sentences are synthesized at once. A text waits up to ``deadline`` seconds for its turn, and
    then may take as many to be spoken. ``messages`` returns a new message limit, for one client.
    """

    longest: int
    ahead: int
    deadline: float
    messages: Callable[[], RateLimit]


@attrs.frozen
class Speech:
    """What ``/tts-ws`` needs. Addresses share the TTS engine by ``queue``."""

    open_tts: Callable[[], AbstractAsyncContextManager[Tts]]
    filters: SpeechFilters
    cache: SoundCache
    limits: SpeechLimits
    queue: FairQueue
    # Long texts are split in a thread, one at a time: 20 000 characters took a second, at worst.
    _splitter: trio.CapacityLimiter = attrs.field(factory=lambda: trio.CapacityLimiter(1), init=False)

    async def lines(self, text: str) -> list[Line]:
        """The sentences of ``text`` that can be spoken. Raises `ValueError` if they are too long."""
        if len(text) <= SHORT_TEXT:
            return self._lines(text)
        return await trio.to_thread.run_sync(self._lines, text, limiter=self._splitter)

    def _lines(self, text: str) -> list[Line]:
        lines = [line for line in lines_of(text, self.filters) if line.spoken]
        # NFKC can make 18 characters of one: U+FDFA stands for a whole phrase.
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
    """Speak the client's texts, one after the other, until it leaves; then all work for it is cancelled.

    ``client`` is its IP address: all connections of one address share its turns of the engine and its part of
    the cache.
    """

    async def refuse(error: Error) -> None:
        await _fail(wire, error.message)

    # A capacity of 0: a client that sends faster than we speak is not read, and has to wait.
    put, get = trio.open_memory_channel[str | bytes](0)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_speak_all, wire, speech, share_of(client), get, name="tts-ws/speech")
        limit = speech.limits.messages()
        try:
            while True:
                await put.send(await receive_within(limit, wire, refuse))
        except (WireClosed, trio.BrokenResourceError):
            # The client has left: either this task has seen it, or the one that sends.
            nursery.cancel_scope.cancel("the client has left")


async def _speak_all(
    wire: Wire, speech: Speech, owner: str, frames: trio.MemoryReceiveChannel[str | bytes]
) -> None:
    try:
        # Closed with this task, or the reader would wait for ever to hand over its next frame.
        with frames:
            async for frame in frames:
                await _answer(wire, speech, owner, frame)
    except* WireClosed:
        pass  # the reader sees it too, and ends the connection


async def _answer(wire: Wire, speech: Speech, owner: str, frame: str | bytes) -> None:
    try:
        lines = await speech.lines(_text(frame, speech.limits.longest))
        await _speak_in_turn(wire, speech, owner, lines)
        await wire.send(msgspec.json.encode(_Status("complete")))
    except* (EngineError, ConfigError, CacheFull, ValueError, trio.TooSlowError) as group:
        await _fail(wire, str(first_leaf(group)))


async def _speak_in_turn(wire: Wire, speech: Speech, owner: str, lines: Sequence[Line]) -> None:
    """Speak ``lines`` in a turn of ``owner``. Raises `trio.TooSlowError` with a text for the client."""
    deadline = speech.limits.deadline
    waited = trio.current_time() + deadline
    with trio.move_on_at(waited) as scope:
        async with speech.queue.turn(owner):
            scope.deadline = trio.current_time() + deadline
            await _speak(wire, speech, owner, lines)
            return
    # The deadline was moved if there was a turn.
    if scope.deadline == waited:
        raise trio.TooSlowError("too many texts are being spoken; try again in a moment")
    raise trio.TooSlowError(
        f"the text was not spoken within {deadline:g} s (speech_timeout); send a shorter one"
    )


async def _speak(wire: Wire, speech: Speech, owner: str, lines: Sequence[Line]) -> None:
    """Send a file for each of ``lines``, in order."""
    # All lines are there already, and their number is limited by that of the text.
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
                    name = await speech.cache.add(pcm.to_wav(), owner=owner)
                    await wire.send(msgspec.json.encode(_Partial(f"cache/{name}", line.display)))


def _text(frame: str | bytes, longest: int) -> str:
    """The text of a request. Raises `ValueError`."""
    # JSON can take twelve bytes for one character: a pair of escapes, \\ud83d\\ude00.
    if len(frame) > 12 * longest + MAX_ENVELOPE:
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
    await wire.send(msgspec.json.encode(_Status("error", without_folders(message))))
