"""`sherpa_onnx_tts`: VITS models of sherpa-onnx, which the user has downloaded, in a child process.

By the library ``sherpa-onnx`` 2.0, November 2026; settings and files are those of its class
``OfflineTtsVitsModelConfig``. The sound of a text comes at once: the library hands out a part of it only when
``max_num_sentences`` are done, and a conversation gives it one sentence at a time. For the same reason a
cancel ends the process: to the library one can only say no between two parts.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import trio

from ...errors import EngineError, SettingsError
from ..facts import EngineFacts
from ..settings import Environment, between, one_of, read_settings
from ..speech_worker import WorkerTts, open_worker_tts
from ..worker import WorkerJob

NAMES = ("sherpa_onnx_tts",)

FACTS = EngineFacts(
    streams="no",
    cancel="ends its process",
    tried="the library, with a tiny model",
    needs="a VITS model that you download",
    extra="sherpa",
    modules=("sherpa_onnx",),
)

WITHOUT_EFFECT = {"debug": "sherpa-onnx writes to a terminal that nobody sees"}

WHERE = "https://github.com/k2-fsa/sherpa-onnx/releases/tag/tts-models"


@attrs.frozen
class SherpaTtsConfig:
    """``vits_…`` are files of one model, or folders, and ``tts_rule_fsts`` files with commas in between.

    ``sid`` is the speaker; a model that has not so many uses its first. ``max_num_sentences`` are computed at
    once, or all with -1. ``patience`` is how many seconds loading may take, and a sentence, which may be
    ``max_sound`` long.
    """

    max_sound: float
    vits_model: str = ""
    vits_tokens: str = ""
    vits_lexicon: str = ""
    vits_data_dir: str = ""
    vits_dict_dir: str = ""
    tts_rule_fsts: str = ""
    max_num_sentences: int = attrs.field(default=2, validator=between(-1, 1_000))
    sid: int = attrs.field(default=1, validator=between(0, 100_000))
    provider: str = attrs.field(default="cpu", validator=one_of("cpu", "cuda", "coreml"))
    num_threads: int = attrs.field(default=1, validator=between(1, 256))
    speed: float = attrs.field(default=1.0, validator=between(0.1, 10))
    patience: float = attrs.field(default=120.0, validator=between(1, 3600))

    def paths(self) -> list[str]:
        """All files and folders that there must be.

        Since sherpa-onnx 1.12.15 no model needs a ``vits_dict_dir``, and newer ones come without it.
        """
        files = [self.vits_model, self.vits_tokens, self.vits_lexicon, *self.tts_rule_fsts.split(",")]
        return [path for path in (*files, self.vits_data_dir) if path]


def configure(name: str, settings: Mapping[str, object], environment: Environment) -> SherpaTtsConfig:
    """The settings are the fields of `SherpaTtsConfig`; paths start at the configuration's folder."""
    del name
    preset = {"max_sound": environment.max_sentence_sound}
    given = read_settings(SherpaTtsConfig, settings, preset=preset, ignored=WITHOUT_EFFECT)

    def place(paths: str) -> str:
        parts = (part.strip() for part in paths.split(","))
        return ",".join(str(environment.folder / Path(part).expanduser()) for part in parts if part)

    for key in ("vits_model", "vits_tokens"):
        if not getattr(given, key).strip():
            raise SettingsError(key, f"is missing: every model needs that file; get one at {WHERE}")
    return attrs.evolve(
        given,
        vits_model=place(given.vits_model),
        vits_tokens=place(given.vits_tokens),
        vits_lexicon=place(given.vits_lexicon),
        vits_data_dir=place(given.vits_data_dir),
        vits_dict_dir=place(given.vits_dict_dir),
        tts_rule_fsts=place(given.tts_rule_fsts),
    )


def missing(config: SherpaTtsConfig) -> list[str]:
    """The files and folders of the model that are not there, in one line."""
    paths = [path for path in config.paths() if not Path(path).exists()]
    remedy = f"get a model at {WHERE}, or correct the path"
    return [f"there is no file {', '.join(paths)}; {remedy}"] if paths else []


@asynccontextmanager
async def open(config: SherpaTtsConfig) -> AsyncIterator[WorkerTts]:
    """Load the model in its own process. Raises `EngineError` that names a file which is not there."""
    for problem in await trio.to_thread.run_sync(missing, config):
        raise EngineError(f"sherpa_onnx_tts: {problem}")
    job = WorkerJob(
        f"{__package__}.sherpa_onnx_process",
        "sherpa_onnx_tts",
        attrs.asdict(config),
        config.patience,
    )
    async with open_worker_tts(job, longest=config.max_sound) as tts:
        yield tts
