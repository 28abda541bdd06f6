"""`Hearing`: a session's microphones, and what is done about the sound that they bring."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Literal, TypeAlias, assert_never

import attrs
import trio

from ..audio.endpointing import Edge
from ..audio.pcm import Pcm
from ..audio.utterance import RATE
from ..engines.base import Detector
from ..errors import EngineError, ProtocolError
from ..protocol import Control, Error, MicAudioData, MicFormat, MicFormatAgreed, Outgoing, RawAudioData
from .ears import Ears
from .microphone import Microphone, Stream


@attrs.frozen
class Samples:
    """A binary frame: sound, in the format that was agreed upon."""

    data: bytes = attrs.field(repr=lambda data: f"<{len(data)} bytes>")


Sound: TypeAlias = MicAudioData | RawAudioData | MicFormat | Samples


@attrs.define(eq=False)
class Hearing:
    """Fed with sound by the session's loop. ``hush`` is awaited when somebody begins to speak in a stream.

    Looking for speech takes about a millisecond for each 32 ms, in which nothing else runs, wherever it
    is done: so it is done here, with a rest after each window, and the sender waits for it.
    """

    _tell: Callable[[Outgoing], Awaitable[None]]
    _hush: Callable[[], Awaitable[None]]
    _microphone: Microphone
    _carries: Literal["", "mic-audio-data", "raw-audio-data"] = attrs.field(default="", init=False)
    _ears: Ears | None = attrs.field(default=None, init=False)
    """Whose detector listens to the stream, or could not."""
    _detector: Detector | None = attrs.field(default=None, init=False)

    async def hear(self, sound: Sound, ears: Ears | None) -> None:
        """Take in some sound. ``ears`` are those of the character who is present, if one is."""
        try:
            match sound:
                case MicAudioData(audio):
                    self._add(_samples(audio), ears)
                case RawAudioData(audio):
                    await self._listen(_samples(audio), ears)
                case MicFormat(format_, carries):
                    self._carries = carries
                    await self._tell(MicFormatAgreed(format_, carries))
                case Samples(data):
                    await self._hear_bytes(data, ears)
                case _:
                    assert_never(sound)
        except ProtocolError as error:
            await self._tell(Error(str(error), error.code))

    def end(self) -> Pcm | None:
        """The utterance that is now complete; None if there was none, or if it is being answered already."""
        return self._microphone.end(trio.current_time())

    def close(self) -> None:
        """Keep nothing any more: the session is over."""
        self._microphone.clear()

    async def _hear_bytes(self, data: bytes, ears: Ears | None) -> None:
        if not self._carries:
            raise ProtocolError("bad-message", "binary frames are understood after a mic-format only")
        if len(data) % 2:
            raise ProtocolError("bad-message", "a binary frame must hold whole samples of 16 bits")
        if self._carries == "mic-audio-data":
            self._add(data, ears)
        else:
            await self._listen(data, ears)

    def _add(self, samples: bytes, ears: Ears | None) -> None:
        self._microphone.add(samples)
        if ears is not None:
            ears.prepare()

    async def _listen(self, samples: bytes, ears: Ears | None) -> None:
        """Look for speech in the next piece of the stream. While nobody is there to hear it, it is lost."""
        if ears is not None and ears is not self._ears:
            await self._begin_stream(ears)
        stream, detector = self._microphone.stream, self._detector
        if ears is None or stream is None or detector is None:
            await trio.lowlevel.checkpoint()
            return
        ears.prepare()
        for window in stream.windows(samples):
            edge = stream.judge(window, detector.probability(window), trio.current_time())
            if edge is Edge.STARTED:
                # First: a client that takes nothing must not keep the reply going.
                await self._hush()
                await self._tell(Control("interrupt"))
            elif edge is Edge.ENDED:
                await self._tell(Control("mic-audio-end"))
            await trio.lowlevel.checkpoint()
        self._microphone.count()

    async def _begin_stream(self, ears: Ears) -> None:
        """Another character listens, by its own rules. What it lacks is told once."""
        self._ears, self._detector, self._microphone.stream = ears, None, None
        try:
            self._detector, rules = await ears.detector()
        except EngineError as error:
            await self._tell(Error(str(error), "engine-error"))
        else:
            self._microphone.stream = Stream.of(rules, limit=self._microphone.limit)


def _samples(audio: list[float]) -> bytes:
    """Takes 30 µs for a thousand samples."""
    return Pcm.from_floats(audio, RATE).samples
