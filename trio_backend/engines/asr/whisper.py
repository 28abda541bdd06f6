"""`whisper`: OpenAI's own Whisper, if the user has installed it; models that it has, or downloads by name.

It brings torch, so it is none of ours: it runs in a child process, which imports what is installed. The
interface is that of openai-whisper 20250625: ``load_model`` and ``transcribe``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import attrs

from ...audio.pcm import Pcm
from ...audio.utterance import RATE
from ..facts import EngineFacts
from ..settings import Environment, between, read_settings
from ..whole import WholeAsr
from ..worker import INTERRUPTION, Worker, WorkerJob, open_worker

NAMES = ("whisper",)

FACTS = EngineFacts(
    streams="no",
    cancel="interrupts its process, or ends it",
    tried="a stand-in for the library",
    needs="torch; a size to download",
    modules=("whisper", "torch"),
    packages=("openai-whisper",),
)


@attrs.frozen
class OpenAiWhisperConfig:
    """``model`` is a size such as ``medium``, or a file; sizes are downloaded to ``download_root``.

    No ``language`` means that each utterance tells its own. ``prompt`` is text in the style that transcripts
    should have. ``patience`` is how many seconds loading, and then one utterance, may take.
    """

    model: str
    download_root: str
    device: str
    language: str
    prompt: str = attrs.field(repr=False)
    patience: float


@attrs.frozen
class _OpenAiWhisperSettings:
    name: str = "medium"
    download_root: str = "models/whisper"
    device: str = "cpu"
    language: str = ""
    prompt: str = ""
    patience: float = attrs.field(default=600.0, validator=between(1, 36_000))


def configure(name: str, settings: Mapping[str, object], environment: Environment) -> OpenAiWhisperConfig:
    """The settings are those of existing files; paths start at the folder of the configuration."""
    del name
    given = read_settings(_OpenAiWhisperSettings, settings)
    model = given.name.strip()
    is_file = model.endswith(".pt") or "/" in model or "\\" in model
    return OpenAiWhisperConfig(
        model=str(environment.folder / Path(model).expanduser()) if is_file else model,
        download_root=str(environment.folder / Path(given.download_root).expanduser()),
        device="" if given.device == "auto" else given.device,
        language="" if given.language == "auto" else given.language,
        prompt=given.prompt,
        patience=given.patience,
    )


@asynccontextmanager
async def open(config: OpenAiWhisperConfig) -> AsyncIterator[OpenAiWhisper]:
    """Load the model in its own process, and download it if it is not there yet. Raises `EngineError`."""
    settings = attrs.asdict(config, filter=lambda field, _: field.name != "patience")
    module = f"{__package__}.whisper_process"
    job = WorkerJob(module, "whisper", settings, config.patience, interruption=INTERRUPTION)
    async with open_worker(job) as worker:
        yield OpenAiWhisper(worker)


@attrs.frozen
class OpenAiWhisper(WholeAsr):
    """An `Asr` in one child process, for which its sessions queue."""

    _worker: Worker = attrs.field(repr=False)

    async def transcribe(self, pcm: Pcm) -> str:
        """What is said in ``pcm``; a cancel stops it, or ends the process if it does not stop."""
        return await self._worker.ask(pcm.resampled(RATE).samples)
