"""`hostile_asr`: recognition in a child process that writes what a case says. For the fuzzer only."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import attrs

from trio_backend.audio.pcm import Pcm
from trio_backend.engines.settings import Environment
from trio_backend.engines.whole import WholeAsr
from trio_backend.engines.worker import Worker, WorkerJob, open_worker

NAMES = ("hostile_asr",)


@attrs.frozen
class HostileConfig:
    """There is nothing to set."""


def configure(name: str, settings: Mapping[str, object], environment: Environment) -> HostileConfig:
    """Settings are ignored."""
    return HostileConfig()


@asynccontextmanager
async def open(config: HostileConfig) -> AsyncIterator[Hostile]:
    """Start the child process."""
    async with open_worker(WorkerJob("tests.fuzz.hostile_child", "hostile_asr", {}, timeout=3)) as worker:
        yield Hostile(worker)


@attrs.frozen
class Hostile(WholeAsr):
    """An `Asr`."""

    _worker: Worker

    async def transcribe(self, pcm: Pcm) -> str:
        """What the child writes."""
        return await self._worker.ask(bytes(pcm.samples))
