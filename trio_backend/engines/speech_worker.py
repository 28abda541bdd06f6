"""`WorkerTts`: speech synthesis by a library in a child process, as `speech_process` has it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import attrs
import trio

from ..audio.pcm import Pcm
from .openai.answers import whole_characters
from .sound_file import MOST_RATE
from .speech_process import RATE
from .whole import NO_SOUND, WholeTts, can_be_said
from .worker import Worker, WorkerJob, open_worker


@asynccontextmanager
async def open_worker_tts(job: WorkerJob, *, longest: float) -> AsyncIterator[WorkerTts]:
    """Load the library in its own process. Raises `EngineError`.

    ``longest`` is how many seconds the sound of a sentence may last; the process has it as ``max_sound``.
    """
    settings = {**job.settings, "max_sound": longest}
    job = attrs.evolve(job, settings=settings, longest_answer=RATE.size + 2 * int(longest * MOST_RATE))
    async with open_worker(job) as worker:
        yield WorkerTts(worker)


@attrs.frozen
class WorkerTts(WholeTts):
    """A `Tts` in one child process, for which sentences queue."""

    _worker: Worker = attrs.field(repr=False)

    async def synthesize(self, text: str) -> Pcm:
        """``text`` as sound; a cancel ends the process, unless its job says that it can be interrupted."""
        if not can_be_said(text):
            await trio.lowlevel.checkpoint()
            return NO_SOUND
        # Libraries in C take a NUL for the text's end.
        answer = await self._worker.fetch(whole_characters(text).replace("\0", " ").encode())
        return Pcm(answer[RATE.size :], *RATE.unpack_from(answer))
