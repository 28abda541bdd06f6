"""`SpeechEngines`: a character's speech recognition and VAD, leased when they are first needed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Any, Generic, TypeAlias, TypeVar

import attrs
import trio
from loguru import logger

from ..audio.endpointing import Rules
from ..audio.pcm import Pcm
from ..boundary import UNCOUNTED, Boundary
from ..config.character import CharacterConfig, EngineChoice
from ..engines.base import Asr, Detector, TurnDetector, Vad
from ..engines.registry import embedded
from ..engines.whole import transcribed
from ..errors import ConfigError, EngineError
from .recognition import Recognition

E = TypeVar("E")

LeaseEngine: TypeAlias = Callable[[EngineChoice], AbstractAsyncContextManager[Any]]
"""Leases the engine of a choice. Raises `EngineError`, or `ConfigError` where its settings are wrong."""


@attrs.frozen
class SpeechEngines:
    """Speech recognition and voice activity detection of one character.

    Neither is loaded before it is asked for, since the embedded recognition alone takes 100 MB, which users
    who only type need not pay for. It loads when a microphone is switched on, or with the first sound of a
    client that does not tell. What was loaded stays leased until the block of `open_speech_engines` is left.
    """

    _asr: Standby[Asr]
    _vad: Standby[Vad]
    _turn: TurnDetector | None = None

    def prepare(self) -> None:
        """Begin to load speech recognition, unless it is loaded or loading. Returns at once.

        Where it could not be loaded, it is tried again when somebody needs it, and not with each piece of
        sound, each of which would start another process.
        """
        self._asr.prepare()

    def load(self, failed: Callable[[EngineError], Awaitable[None]]) -> None:
        """Begin to load speech recognition for somebody who is about to speak. Returns at once.

        ``failed`` is called in another task if it cannot be loaded; not once these engines are left.
        """
        self._asr.start(partial(_load, self._asr, failed), name="speech engines/load recognition")

    @property
    def asr(self) -> Asr | None:
        """The speech recognition, once it is loaded."""
        return self._asr.loaded

    @property
    def streams(self) -> bool:
        """Whether recognition is loaded, and understands while one speaks: see `Asr.streams`."""
        return self._asr.loaded is not None and self._asr.loaded.streams

    def recognise(self, changed: Callable[[Recognition], None]) -> Recognition | None:
        """Begin to recognise an utterance that is being said; None once the character is leaving.

        It ends with these engines at the latest. ``changed`` is as of `Recognition`.
        """
        recognition = Recognition(self.streams, changed)
        begun = self._asr.start(partial(recognition.run, self._asr.engine), name="speech engines/recognition")
        return recognition if begun else None

    async def transcribe(self, pcm: Pcm, recognition: Recognition | None = None) -> str:
        """What is said in ``pcm``; what ``recognition`` has understood of it, unless that fails.

        Cancelling stops the decoding. Raises `EngineError`.
        """
        if recognition is not None:
            text = await recognition.result()
            if text is not None:
                return text
        async with self._asr.engine() as asr:
            return await transcribed(asr, pcm)

    @property
    def hear_ends(self) -> bool:
        """Whether there is a model that hears the end of a turn."""
        return self._turn is not None

    def judge_end(self, pcm: Pcm, tell: Callable[[float], None]) -> None:
        """Ask that model whether ``pcm``, an utterance and the pause behind it, is a whole turn.

        Returns at once. ``tell`` gets the probability some 50 ms later, in another task; never, if the model
        fails.
        """
        if self._turn is not None:
            self._asr.start(partial(_judge_end, self._turn, pcm, tell), name="speech engines/turn model")

    async def detector(self) -> tuple[Detector, Rules]:
        """What tells speech in a new stream, and by which rules. Raises `EngineError`."""
        async with self._vad.engine() as vad:
            return vad.detector(), vad.rules


@asynccontextmanager
async def open_speech_engines(
    config: CharacterConfig,
    lease: LeaseEngine,
    boundary: Boundary = UNCOUNTED,
    *,
    turn: TurnDetector | None = None,
) -> AsyncIterator[SpeechEngines]:
    """The speech engines of a character; the embedded ones, where it has chosen none.

    ``turn`` is its model for the ends of turns, which the caller leases. Leaving the block gives back what
    was leased.
    """
    asr = asr_of(config)
    vad = config.vad or embedded("vad")
    async with trio.open_nursery() as nursery:
        standbys = (
            Standby[Asr](asr, lease, nursery, boundary),
            Standby[Vad](vad, lease, nursery, boundary),
        )
        try:
            yield SpeechEngines(*standbys, turn)
        finally:
            # The session's loop is another task, and may ask for an engine until this one has ended.
            for standby in standbys:
                standby.close()
            nursery.cancel_scope.cancel("the speech engines are no longer needed")


def asr_of(config: CharacterConfig) -> EngineChoice:
    """The speech recognition of a character; the embedded one, where it has chosen none."""
    return config.asr or embedded("asr")


async def _load(asr: Standby[Asr], failed: Callable[[EngineError], Awaitable[None]]) -> None:
    try:
        async with asr.engine():
            pass
    except EngineError as error:
        await failed(error)


async def _judge_end(turn: TurnDetector, pcm: Pcm, tell: Callable[[float], None]) -> None:
    try:
        probability = await turn.probability(pcm)
    except EngineError as error:
        # The silence that ends the turn is then found without it.
        logger.warning("{}", error)
    else:
        tell(probability)


@attrs.define(eq=False)
class Standby(Generic[E]):
    """An engine that is leased when it is first needed, and kept by a task in ``nursery`` from then on."""

    _choice: EngineChoice
    _lease: LeaseEngine
    _nursery: trio.Nursery
    _boundary: Boundary
    loaded: E | None = attrs.field(default=None, init=False)
    """The engine, while it is held."""
    _held: bool = attrs.field(default=False, init=False)
    _failed: bool = attrs.field(default=False, init=False)
    """Whether it could not be held when that was last tried."""
    _closed: bool = attrs.field(default=False, init=False)

    def close(self) -> None:
        """Hold nothing from now on: the nursery is about to be left."""
        self._closed = True

    def prepare(self) -> None:
        """Begin to hold it, unless that failed since somebody last needed it."""
        if not self._held and not self._failed and not self._closed:
            self._held = True
            # Callers have leases of their own: a bug here ends no more than this lease.
            self.start(self._hold, name=f"speech engines/{self._choice.name}")

    def start(self, async_fn: Callable[[], Awaitable[None]], *, name: str) -> bool:
        """Run something that needs the engine; False, and nothing is started, once it is closed."""
        if self._closed:
            return False
        self._nursery.start_soon(self._boundary.run, "speech engines", async_fn, name=name)
        return True

    @asynccontextmanager
    async def engine(self) -> AsyncIterator[E]:
        """The engine, once it is loaded; each caller has a lease of its own, and so an error of its own."""
        self._failed = False
        self.prepare()
        try:
            async with self._lease(self._choice) as engine:
                yield engine
        except ConfigError as error:
            raise EngineError(str(error)) from error

    async def _hold(self) -> None:
        try:
            async with self._lease(self._choice) as self.loaded:
                await trio.sleep_forever()
        except ConfigError as error:
            self._failed = True
            # Callers get the error from their own lease; this is for the log.
            logger.warning("{}", error)
        except EngineError as error:
            self._failed = True
            # `Leases` has warned of it, once for all who wanted it.
            logger.debug("{}", error)
        finally:
            self._held, self.loaded = False, None
