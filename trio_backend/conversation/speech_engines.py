"""`SpeechEngines`: a character's speech recognition and VAD, leased when they are first needed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Generic, TypeAlias, TypeVar

import attrs
import trio
from loguru import logger

from ..audio.endpointing import Rules
from ..audio.pcm import Pcm
from ..boundary import UNCOUNTED, Boundary
from ..config.character import CharacterConfig, EngineChoice
from ..engines.base import Asr, Detector, Vad
from ..engines.registry import embedded
from ..engines.whole import transcribed
from ..errors import ConfigError, EngineError

E = TypeVar("E")

LeaseEngine: TypeAlias = Callable[[EngineChoice], AbstractAsyncContextManager[Any]]
"""Leases the engine of a choice. Raises `EngineError`, or `ConfigError` where its settings are wrong."""


@attrs.frozen
class SpeechEngines:
    """Speech recognition and voice activity detection of one character.

    Neither is loaded before it is asked for, so a user who only types never waits for them: recognition loads
    when the first sound comes, while the user still speaks. What was loaded stays leased until the block of
    `open_speech_engines` is left.
    """

    _asr: _Standby[Asr]
    _vad: _Standby[Vad]

    def prepare(self) -> None:
        """Begin to load speech recognition, unless it is loaded or loading. Returns at once."""
        self._asr.prepare()

    async def transcribe(self, pcm: Pcm) -> str:
        """What is said in ``pcm``. Cancelling stops the decoding. Raises `EngineError`."""
        async with self._asr.engine() as asr:
            return await transcribed(asr, pcm)

    async def detector(self) -> tuple[Detector, Rules]:
        """What tells speech in a new stream, and by which rules. Raises `EngineError`."""
        async with self._vad.engine() as vad:
            return vad.detector(), vad.rules


@asynccontextmanager
async def open_speech_engines(
    config: CharacterConfig, lease: LeaseEngine, boundary: Boundary = UNCOUNTED
) -> AsyncIterator[SpeechEngines]:
    """The speech engines of a character; the embedded ones, where it has chosen none.

    Leaving the block gives back what was leased.
    """
    asr = config.asr or embedded("asr")
    vad = config.vad or embedded("vad")
    async with trio.open_nursery() as nursery:
        standbys = (
            _Standby[Asr](asr, lease, nursery, boundary),
            _Standby[Vad](vad, lease, nursery, boundary),
        )
        try:
            yield SpeechEngines(*standbys)
        finally:
            # The session's loop is another task, and may ask for an engine until this one has ended.
            for standby in standbys:
                standby.close()
            nursery.cancel_scope.cancel("the speech engines are no longer needed")


@attrs.define(eq=False)
class _Standby(Generic[E]):
    """An engine that is leased when it is first needed, and kept by a task in ``nursery`` from then on."""

    _choice: EngineChoice
    _lease: LeaseEngine
    _nursery: trio.Nursery
    _boundary: Boundary
    _held: bool = attrs.field(default=False, init=False)
    _closed: bool = attrs.field(default=False, init=False)

    def close(self) -> None:
        """Hold nothing from now on: the nursery is about to be left."""
        self._closed = True

    def prepare(self) -> None:
        if not self._held and not self._closed:
            self._held = True
            # Callers have leases of their own: a bug here ends no more than this lease.
            name = f"speech engines/{self._choice.name}"
            self._nursery.start_soon(self._boundary.run, "speech engines", self._hold, name=name)

    @asynccontextmanager
    async def engine(self) -> AsyncIterator[E]:
        """The engine, once it is loaded; each caller has a lease of its own, and so an error of its own."""
        self.prepare()
        try:
            async with self._lease(self._choice) as engine:
                yield engine
        except ConfigError as error:
            raise EngineError(str(error)) from error

    async def _hold(self) -> None:
        try:
            async with self._lease(self._choice):
                await trio.sleep_forever()
        except (EngineError, ConfigError) as error:
            # Callers get the error from their own lease; this is for the log.
            logger.warning("{}", error)
        finally:
            self._held = False
