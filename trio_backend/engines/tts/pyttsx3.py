"""`pyttsx3_tts`: the speech that the system has, by the library pyttsx3, in a child process.

By ``pyttsx3`` 2.99, November 2026, which uses SAPI, NSSpeechSynthesizer or espeak-ng. It writes a file, in
the format of the system: WAV, or AIFF on macOS. Its drivers load native code and must not be used by two
threads, and some are known never to end at times; so it has a process of its own, with a deadline.
"""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from importlib.util import find_spec

import attrs
import trio

from ...audio.pcm import Pcm
from ...errors import EngineError, UnknownEngine
from ...installation import extra_remedy
from ..facts import EngineFacts
from ..openai.answers import whole_characters
from ..settings import Environment, between, read_settings
from ..sound_file import BYTES_PER_SECOND, HEADER, decode
from ..whole import NO_SOUND, WholeTts, can_be_said
from ..worker import Worker, WorkerJob, open_worker

NAMES = ("pyttsx3_tts",)

FACTS = EngineFacts(
    streams="no",
    cancel="ends its process",
    tried="the library",
    needs="what the system speaks with: SAPI, NSSpeechSynthesizer or espeak-ng",
    extra="pyttsx3",
    modules=("pyttsx3",),
    fallback="espeak_tts",
)


@attrs.frozen
class Pyttsx3Config:
    """``voice`` is an id that the system has, and empty for its own; ``rate`` is in words per minute.

    ``patience`` is how many seconds it may take to load, and a sentence, which may be ``max_sound`` long.
    """

    max_sound: float
    voice: str = ""
    rate: int = attrs.field(default=200, validator=between(20, 1_000))
    volume: float = attrs.field(default=1.0, validator=between(0, 1))
    patience: float = attrs.field(default=30.0, validator=between(1, 3600))


def configure(name: str, settings: Mapping[str, object], environment: Environment) -> Pyttsx3Config:
    """The settings are the fields of `Pyttsx3Config`; files of the older backend have none of them.

    Raises `UnknownEngine` where the library is missing: the older backend brings it along, and characters
    that choose it are to speak. On Linux the embedded voice is the same.
    """
    config = read_settings(Pyttsx3Config, settings, preset={"max_sound": environment.max_sentence_sound})
    if find_spec("pyttsx3") is None:
        raise UnknownEngine(
            f"pyttsx3_tts is not installed: {extra_remedy('pyttsx3')}; espeak_tts is used instead",
            kind="tts",
            name=name,
            instead="espeak_tts",
        )
    return config


@asynccontextmanager
async def open(config: Pyttsx3Config) -> AsyncIterator[Pyttsx3Tts]:
    """Load the system's speech in a process. Raises `EngineError` if there is none, or no such voice."""
    # Ours, not the child's: a process that is ended cleans nothing up.
    with tempfile.TemporaryDirectory(prefix="trio-backend-", ignore_cleanup_errors=True) as folder:
        most = int(config.max_sound * BYTES_PER_SECOND) + HEADER
        settings = {**attrs.asdict(config), "folder": folder, "most": most}
        job = WorkerJob(f"{__package__}.pyttsx3_process", "pyttsx3_tts", settings, config.patience, most)
        async with open_worker(job) as worker:
            yield Pyttsx3Tts(config, worker)


@attrs.frozen
class Pyttsx3Tts(WholeTts):
    """A `Tts` in one child process, for which sentences queue."""

    config: Pyttsx3Config
    _worker: Worker = attrs.field(repr=False)

    async def synthesize(self, text: str) -> Pcm:
        """``text`` as sound; a cancel ends the process, and another is started."""
        if not can_be_said(text):
            await trio.lowlevel.checkpoint()
            return NO_SOUND
        file = await self._worker.fetch(whole_characters(text).replace("\0", " ").encode())
        try:
            return await trio.to_thread.run_sync(partial(decode, file, longest=self.config.max_sound))
        except ValueError as error:
            raise EngineError(f"pyttsx3_tts: the system's sound cannot be used: {error}") from error
