"""`SpeechInput`: what a session's microphones bring, and where speech begins and ends in it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import attrs
import trio

from ..audio.endpointing import WINDOW_BYTES, Edge
from ..audio.pcm import Pcm
from ..engines.base import Detector
from ..errors import EngineError
from .events import Event, Problem, SpeechEnded, SpeechStarted
from .microphone import Microphone, Stream
from .speech_engines import SpeechEngines

# Windows of a stream that are kept while the engine for it is being loaded: a second. More would hold up the
# session's loop when they are looked at.
EARLY = 31
# How long the loop waits for an engine that is loaded already, seconds; it needs some microseconds to say so.
AT_ONCE = 0.01


@attrs.define(eq=False)
class SpeechInput:
    """Fed with 16 kHz mono samples of 16 bits by the session's loop. Raises `ProtocolError` for too much.

    ``stop_for_speech`` is awaited when somebody begins to speak in a stream. What runs beside the loop, the
    loading of a detector, runs in ``nursery``.

    Looking for speech takes about a millisecond for each 32 ms, in which nothing else runs, wherever it
    is done: so it is done here, with a rest after each window, and the sender waits for it.
    """

    _emit: Callable[[Event], Awaitable[object]]
    _stop_for_speech: Callable[[], Awaitable[None]]
    _microphone: Microphone
    _nursery: trio.Nursery
    _engines: SpeechEngines | None = attrs.field(default=None, init=False)
    """Whose detector listens to the stream, will, or could not."""
    _detector: Detector | None = attrs.field(default=None, init=False)
    _early: bytes = attrs.field(default=b"", init=False)
    """The newest of the stream, while the detector is being loaded."""

    def add(self, samples: bytes, engines: SpeechEngines | None) -> None:
        """More of an utterance that the client found. ``engines`` are the active character's."""
        self._microphone.add(samples)
        if engines is not None:
            engines.prepare()

    async def listen(self, samples: bytes, engines: SpeechEngines | None) -> None:
        """Look for speech in the next piece of the stream. While no character is active, it is lost."""
        if engines is None:
            await trio.lowlevel.checkpoint()
            return
        if engines is not self._engines:
            await self._begin_stream(engines)
        engines.prepare()
        stream, detector = self._microphone.stream, self._detector
        if stream is None or detector is None:
            self._early = (self._early + samples)[-EARLY * WINDOW_BYTES :]
            await trio.lowlevel.checkpoint()
            return
        samples, self._early = self._early + samples, b""
        for window in stream.windows(samples):
            edge = stream.judge(window, detector.probability(window), trio.current_time())
            if edge is Edge.STARTED:
                # First: a client that takes nothing must not keep the reply going.
                await self._stop_for_speech()
                await self._emit(SpeechStarted())
            elif edge is Edge.ENDED:
                await self._emit(SpeechEnded())
            await trio.lowlevel.checkpoint()
        self._microphone.count()

    def end(self) -> Pcm | None:
        """The utterance that is now complete; None if there was none, or if it is being answered already."""
        return self._microphone.end(trio.current_time())

    def close(self) -> None:
        """Keep nothing any more: the session is over."""
        self._early = b""
        self._microphone.clear()

    async def _begin_stream(self, engines: SpeechEngines) -> None:
        """Another character listens, by its own rules."""
        self._engines, self._detector, self._microphone.stream, self._early = engines, None, None, b""
        settled = trio.Event()
        self._nursery.start_soon(self._load, engines, settled, name="session/voice activity detection")
        with trio.move_on_after(AT_ONCE):
            await settled.wait()

    async def _load(self, engines: SpeechEngines, settled: trio.Event) -> None:
        """Get the detector of ``engines``. What it lacks is told once."""
        try:
            await self._get_detector(engines)
        finally:
            settled.set()

    async def _get_detector(self, engines: SpeechEngines) -> None:
        try:
            detector, rules = await engines.detector()
        except EngineError as error:
            await self._emit(Problem("engine-error", str(error)))
            return
        if engines is self._engines:
            self._detector = detector
            self._microphone.stream = Stream.of(rules, limit=self._microphone.limit)
