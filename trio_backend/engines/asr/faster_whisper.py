"""`faster_whisper`: Whisper on CTranslate2; models that the user has, or that it downloads by name."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import trio

from ...audio.pcm import Pcm
from ...audio.utterance import RATE
from ...errors import EngineError
from ..facts import EngineFacts
from ..settings import Environment, between, read_settings
from ..whole import WholeAsr
from ..worker import Worker, WorkerJob, open_worker

NAMES = ("faster_whisper",)

FACTS = EngineFacts(
    streams="no",
    cancel="ends its process",
    tried="a stand-in for the library",
    needs="a model, or a size to download",
    extra="whisper",
    modules=("faster_whisper",),
)


@attrs.frozen
class WhisperConfig:
    """``model_path`` is a folder, a size such as ``small``, or an id of the model hub.

    Models are downloaded to ``download_root``. No ``language`` means that each utterance tells its own.
    ``prompt`` is text in the style that transcripts should have.
    """

    model_path: str
    download_root: str
    language: str
    device: str
    compute_type: str
    prompt: str = attrs.field(repr=False)
    beam_size: int
    patience: float


@attrs.frozen
class _WhisperSettings:
    model_path: str = "small"
    download_root: str = "models/whisper"
    language: str = ""
    device: str = "auto"
    compute_type: str = "int8"
    prompt: str = ""
    beam_size: int = attrs.field(default=5, validator=between(1, 20))
    patience: float = attrs.field(default=600.0, validator=between(1, 36_000))


def configure(name: str, settings: Mapping[str, object], environment: Environment) -> WhisperConfig:
    """The settings are the fields of `WhisperConfig`; folders start at that of the configuration."""
    del name
    given = read_settings(_WhisperSettings, settings)
    model = given.model_path
    return WhisperConfig(
        model_path=str(environment.folder / Path(model).expanduser()) if _is_path(model) else model,
        download_root=str(environment.folder / Path(given.download_root).expanduser()),
        language="" if given.language == "auto" else given.language,
        device=given.device,
        compute_type=given.compute_type,
        prompt=given.prompt,
        beam_size=given.beam_size,
        patience=given.patience,
    )


def _is_path(model: str) -> bool:
    """Whether it is meant as a folder; an id of the hub has one slash, and no dot in front."""
    return model.startswith((".", "/", "~")) or model.count("/") > 1 or "\\" in model


def missing(config: WhisperConfig) -> list[str]:
    """The file of a model that is meant as a folder; the others are downloaded."""
    file, remedy = (
        Path(config.model_path, "model.bin"),
        "or name a size such as 'small' to have it downloaded",
    )
    if not _is_path(config.model_path) or file.is_file():
        return []
    remedy = "correct model_path, or name a size such as 'small' to have it downloaded"
    return [f"there is no file {file}; {remedy}"]


@asynccontextmanager
async def open(config: WhisperConfig) -> AsyncIterator[FasterWhisper]:
    """Load the model in its own process, and download it if it is not there yet.

    Raises `EngineError` that names a folder without a model in it.
    """
    for problem in await trio.to_thread.run_sync(missing, config):
        raise EngineError(f"faster_whisper: {problem}")
    settings = attrs.asdict(config, filter=lambda field, _: field.name != "patience")
    job = WorkerJob(f"{__package__}.faster_whisper_process", "faster_whisper", settings, config.patience)
    async with open_worker(job) as worker:
        yield FasterWhisper(worker)


@attrs.frozen
class FasterWhisper(WholeAsr):
    """An `Asr` in one child process, for which its sessions queue."""

    _worker: Worker = attrs.field(repr=False)

    async def transcribe(self, pcm: Pcm) -> str:
        """What is said in ``pcm``; a cancel ends the process, and another is started."""
        return await self._worker.ask(pcm.resampled(RATE).samples)
