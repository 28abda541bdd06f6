"""`WorkerTts`: speech synthesis by a library in a child process, as `speech_process` has it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import attrs
import trio

from ..audio.pcm import Pcm
from .openai.answers import whole_characters
from .sound_file import MOST_RATE
from .speech_process import RATE
from .whole import NO_SOUND, WholeTts, can_be_said
from .worker import Worker, WorkerJob, open_worker


@asynccontextmanager
async def open_worker_tts(
    name: str, module: str, settings: Mapping[str, Any], *, longest: float, patience: float
) -> AsyncIterator[WorkerTts]:
    """Load the library in its own process, which is ``module``. Raises `EngineError`.

    The process has ``settings``, and in them ``max_sound``, which is ``longest``: seconds that the sound of a
    sentence may last. ``patience`` is how many seconds loading may take, and then a sentence.
    """
    most = RATE.size + 2 * int(longest * MOST_RATE)
    job = WorkerJob(module, name, {**settings, "max_sound": longest}, patience, most)
    async with open_worker(job) as worker:
        yield WorkerTts(worker)


@attrs.frozen
class WorkerTts(WholeTts):
    """A `Tts` in one child process, for which sentences queue."""

    _worker: Worker = attrs.field(repr=False)

    async def synthesize(self, text: str) -> Pcm:
        """``text`` as sound; a cancel ends the process, and another is started."""
        if not can_be_said(text):
            await trio.lowlevel.checkpoint()
            return NO_SOUND
        # Libraries in C take a NUL for the text's end.
        answer = await self._worker.fetch(whole_characters(text).replace("\0", " ").encode())
        return Pcm(answer[RATE.size :], *RATE.unpack_from(answer))
