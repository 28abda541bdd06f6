"""`piper_tts`: the voices of Piper, on this machine, in a child process.

By the library ``piper-tts`` 1.8, September 2026. It holds the interpreter while it computes, and loads native
code; so it has a process of its own.
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
from ..worker import WorkerJob

NAMES = ("piper_tts",)

WHERE = "https://huggingface.co/rhasspy/piper-voices"

FACTS = EngineFacts(
    streams="no",
    cancel="ends its process",
    tried="the library, with a tiny model",
    needs="a voice that you download",
    extra="piper",
    modules=("piper",),
)


@attrs.frozen
class PiperConfig:
    """``model_path`` is a file that ends in .onnx; its own description is beside it, as .onnx.json.

    ``patience`` is how many seconds it may take to load, and a sentence, which may be ``max_sound`` long.
    """

    max_sound: float
    model_path: str = "models/piper/zh_CN-huayan-medium.onnx"
    speaker_id: int = attrs.field(default=0, validator=between(0, 100_000))
    length_scale: float = attrs.field(default=1.0, validator=between(0.1, 10))
    noise_scale: float = attrs.field(default=0.667, validator=between(0, 2))
    noise_w: float = attrs.field(default=0.8, validator=between(0, 2))
    volume: float = attrs.field(default=1.0, validator=between(0, 10))
    normalize_audio: bool = True
    use_cuda: bool = False
    patience: float = attrs.field(default=120.0, validator=between(1, 3600))


def configure(name: str, settings: Mapping[str, object], environment: Environment) -> PiperConfig:
    """The settings are the fields of `PiperConfig`; a file starts at the configuration's folder."""
    del name
    given = read_settings(PiperConfig, settings, preset={"max_sound": environment.max_sentence_sound})
    path = environment.folder / Path(given.model_path.strip()).expanduser()
    return attrs.evolve(given, model_path=str(path))


def missing(config: PiperConfig) -> list[str]:
    """The files of the voice that are not there."""
    files = (Path(config.model_path), Path(f"{config.model_path}.json"))
    return [
        f"there is no file {path}; get a voice, both its files, at {WHERE}"
        for path in files
        if not path.is_file()
    ]


@asynccontextmanager
async def open(config: PiperConfig) -> AsyncIterator[WorkerTts]:
    """Load the voice in its own process. Raises `EngineError` that names a file which is not there."""
    for problem in await trio.to_thread.run_sync(missing, config):
        raise EngineError(f"piper_tts: {problem}")
    job = WorkerJob(f"{__package__}.piper_process", "piper_tts", attrs.asdict(config), config.patience)
    async with open_worker_tts(job, longest=config.max_sound) as tts:
        yield tts
