"""`whisper_cpp`: Whisper by pywhispercpp; models that the user has, or that it downloads by name."""

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
from ..whole import WholeAsr, joined_text
from ..worker import Worker, WorkerJob, open_worker

NAMES = ("whisper_cpp",)

WITHOUT_EFFECT = {
    "print_realtime": "the transcript goes to the conversation, not to the terminal",
    "print_progress": "the transcript goes to the conversation, not to the terminal",
}

WHERE = "https://huggingface.co/ggerganov/whisper.cpp"

FACTS = EngineFacts(
    streams="no",
    cancel="ends its process",
    tried="the library, with a tiny model",
    needs="a model, or a size to download",
    extra="whisper-cpp",
    modules=("pywhispercpp",),
)


@attrs.frozen
class WhisperCppConfig:
    """``model`` is a file, or a size such as ``small``, which is downloaded to ``model_dir``.

    No ``language`` means that each utterance tells its own. ``prompt`` is text in the style that transcripts
    should have. ``patience`` is how many seconds loading, and then one utterance, may take.
    """

    model: str
    model_dir: str
    language: str
    prompt: str = attrs.field(repr=False)
    num_threads: int
    patience: float


@attrs.frozen
class _WhisperCppSettings:
    model_name: str = "small"
    model_dir: str = "models/whisper"
    language: str = "auto"
    prompt: str = ""
    num_threads: int = attrs.field(default=4, validator=between(1, 256))
    patience: float = attrs.field(default=600.0, validator=between(1, 36_000))


def configure(name: str, settings: Mapping[str, object], environment: Environment) -> WhisperCppConfig:
    """The settings are those of existing files; folders and files start at that of the configuration."""
    del name
    given = read_settings(_WhisperCppSettings, settings, ignored=WITHOUT_EFFECT)
    model = given.model_name.strip()
    return WhisperCppConfig(
        model=str(environment.folder / Path(model).expanduser()) if _is_file(model) else model,
        model_dir=str(environment.folder / Path(given.model_dir).expanduser()),
        language=given.language.strip() or "auto",
        prompt=given.prompt,
        num_threads=given.num_threads,
        patience=given.patience,
    )


def _is_file(model: str) -> bool:
    """Whether it is meant as a file; sizes have a dot, too (``small.en``), but no such end and no slash."""
    return model.endswith(".bin") or "/" in model or "\\" in model


def missing(config: WhisperCppConfig) -> list[str]:
    """The file of a model that is meant as a file; the others are downloaded."""
    if not _is_file(config.model) or Path(config.model).is_file():
        return []
    remedy = "or name a size such as 'small' to have it downloaded"
    return [f"there is no file {config.model}; get a model at {WHERE}, {remedy}"]


@asynccontextmanager
async def open(config: WhisperCppConfig) -> AsyncIterator[WhisperCpp]:
    """Load the model in its own process, and download it if it is not there yet.

    Raises `EngineError` that names a file which is not there.
    """
    for problem in await trio.to_thread.run_sync(missing, config):
        raise EngineError(f"whisper_cpp: {problem}")
    settings = attrs.asdict(config, filter=lambda field, _: field.name != "patience")
    job = WorkerJob(f"{__package__}.whisper_cpp_process", "whisper_cpp", settings, config.patience)
    async with open_worker(job) as worker:
        yield WhisperCpp(worker)


@attrs.frozen
class WhisperCpp(WholeAsr):
    """An `Asr` in one child process, for which its sessions queue."""

    _worker: Worker = attrs.field(repr=False)

    async def transcribe(self, pcm: Pcm) -> str:
        """What is said in ``pcm``; a cancel ends the process, and another is started."""
        return joined_text((await self._worker.ask(pcm.resampled(RATE).samples)).split("\n"))
