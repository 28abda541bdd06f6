"""`melo_tts`: MeloTTS, if the user has installed it; it downloads its models.

It brings torch, so it is none of ours: it runs in a child process, which imports what is installed. The
interface is that of ``melo/api.py`` of MeloTTS 0.1.2, as it was in November 2026.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import attrs

from ..facts import EngineFacts
from ..settings import Environment, between, read_settings
from ..speech_worker import WorkerTts, open_worker_tts
from ..worker import INTERRUPTION, WorkerJob

NAMES = ("melo_tts",)

FACTS = EngineFacts(
    streams="no",
    cancel="interrupts its process, or ends it",
    tried="a stand-in for the library",
    needs="torch; a language to download",
    modules=("melo", "torch"),
    packages=("git+https://github.com/myshell-ai/MeloTTS.git",),
)


@attrs.frozen
class MeloConfig:
    """``language``, such as EN, is that of a model, and ``speaker`` one whom that model has.

    ``device`` is auto, cpu, cuda, cuda:0 or mps. ``patience`` is how many seconds loading may take, with the
    download, and then a sentence, which may be ``max_sound`` long. Before the first sentence of a language
    there is one more download.
    """

    max_sound: float
    speaker: str = "EN-Default"
    language: str = "EN"
    device: str = "auto"
    speed: float = attrs.field(default=1.0, validator=between(0.1, 10))
    patience: float = attrs.field(default=600.0, validator=between(1, 36_000))


def configure(name: str, settings: Mapping[str, object], environment: Environment) -> MeloConfig:
    """The settings are the fields of `MeloConfig`."""
    del name
    return read_settings(MeloConfig, settings, preset={"max_sound": environment.max_sentence_sound})


@asynccontextmanager
async def open(config: MeloConfig) -> AsyncIterator[WorkerTts]:
    """Load the model in its own process, and download it if it is not there yet. Raises `EngineError`."""
    job = WorkerJob(
        f"{__package__}.melo_process",
        "melo_tts",
        attrs.asdict(config),
        config.patience,
        interruption=INTERRUPTION,
    )
    async with open_worker_tts(job, longest=config.max_sound) as tts:
        yield tts
