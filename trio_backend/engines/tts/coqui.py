"""`coqui_tts`: the models of Coqui TTS, if the user has installed it; it downloads them by name.

It brings torch, so it is none of ours: it runs in a child process, which imports what is installed. The
interface is that of ``TTS/api.py`` of coqui-tts 0.27, November 2026, and of TTS 0.22 before it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import trio

from ...errors import EngineError
from ..facts import EngineFacts
from ..settings import Environment, between, read_settings
from ..speech_worker import WorkerTts, open_worker_tts
from ..worker import INTERRUPTION, WorkerJob

NAMES = ("coqui_tts",)

FACTS = EngineFacts(
    streams="no",
    cancel="interrupts its process, or ends it",
    tried="a stand-in for the library",
    needs="torch; a model to download",
    modules=("TTS", "torch"),
    packages=("coqui-tts",),
)


# That of the library's own program; the library has none.
DEFAULT_MODEL = "tts_models/en/ljspeech/tacotron2-DDC"


@attrs.frozen
class CoquiConfig:
    """``model_name`` is one that ``tts --list_models`` lists, or empty for `DEFAULT_MODEL`.

    ``speaker_wav`` is a recording of the voice to clone, ``speaker`` one of the model's own; with neither,
    its first one speaks. A model that knows one language, or one speaker, is not asked for another. An empty
    ``device`` is the graphics card, if there is one. ``patience`` is how many seconds loading may take, with
    the download, and then a sentence, which may be ``max_sound`` long.
    """

    max_sound: float
    model_name: str = DEFAULT_MODEL
    speaker_wav: str = ""
    speaker: str = ""
    language: str = "en"
    device: str = ""
    patience: float = attrs.field(default=600.0, validator=between(1, 36_000))


def configure(name: str, settings: Mapping[str, object], environment: Environment) -> CoquiConfig:
    """The settings are the fields of `CoquiConfig`; a file starts at the configuration's folder."""
    del name
    given = read_settings(CoquiConfig, settings, preset={"max_sound": environment.max_sentence_sound})
    path = given.speaker_wav.strip()
    return attrs.evolve(
        given,
        model_name=given.model_name.strip() or DEFAULT_MODEL,
        speaker_wav=str(environment.folder / Path(path).expanduser()) if path else "",
        device="" if given.device == "auto" else given.device,
    )


def missing(config: CoquiConfig) -> list[str]:
    """The recording, if there is none."""
    absent = config.speaker_wav and not Path(config.speaker_wav).is_file()
    return [f"there is no file {config.speaker_wav}; correct speaker_wav"] if absent else []


@asynccontextmanager
async def open(config: CoquiConfig) -> AsyncIterator[WorkerTts]:
    """Load the model in its own process, and download it if it is not there yet. Raises `EngineError`."""
    for problem in await trio.to_thread.run_sync(missing, config):
        raise EngineError(f"coqui_tts: {problem}")
    job = WorkerJob(
        f"{__package__}.coqui_process",
        "coqui_tts",
        attrs.asdict(config),
        config.patience,
        interruption=INTERRUPTION,
    )
    async with open_worker_tts(job, longest=config.max_sound) as tts:
        yield tts
