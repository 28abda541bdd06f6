"""`Ears`: the engines by which a character hears, leased when they are first needed, and then kept."""

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
class Ears:
    """Who only writes never waits for an ear: it loads when the first sound comes, while the user speaks."""

    _asr: _Standby[Asr]
    _vad: _Standby[Vad]

    def prepare(self) -> None:
        """Begin to load what understands speech, unless it is there. Returns at once."""
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
async def open_ears(
    config: CharacterConfig, lease: LeaseEngine, boundary: Boundary = UNCOUNTED
) -> AsyncIterator[Ears]:
    """The ears of a character; the embedded ones, where it has chosen none.

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
            yield Ears(*standbys)
        finally:
            # The session's loop is another task, and may be just about to hand us sound.
            for standby in standbys:
                standby.close()
            nursery.cancel_scope.cancel("nobody listens any more")


@attrs.define(eq=False)
class _Standby(Generic[E]):
    """An engine that is leased by the first who needs it, and held in ``nursery`` for the next ones."""

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
            # Who needs the engine has a lease of its own: if this one dies of a bug, no more is lost.
            name = f"ears/{self._choice.name}"
            self._nursery.start_soon(self._boundary.run, "ears", self._hold, name=name)

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
            # Whoever asks is told; here it is for who reads the log.
            logger.warning("{}", error)
        finally:
            self._held = False
