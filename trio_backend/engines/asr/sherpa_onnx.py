"""`sherpa_onnx_asr`: the models of sherpa-onnx, streaming ones and others, which the user has downloaded.

Those that `trio-backend download` gets (sherpa_onnx_models.py) need a name, and the first of them none; all
others the paths of their files.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import trio

from ...audio.pcm import Pcm
from ...audio.utterance import RATE
from ...errors import EngineError, SettingsError
from ..base import Asr
from ..facts import EngineFacts
from ..settings import Environment, between, one_of, read_settings
from ..whole import WholeAsr
from ..worker import Worker, WorkerJob, open_worker
from .sherpa_onnx_models import BEST, DOWNLOAD_BEST, MODELS, DownloadableModel
from .sherpa_onnx_stream import open_sherpa_onnx_stream

NAMES = ("sherpa_onnx_asr",)

WITHOUT_EFFECT = {"debug": "sherpa-onnx writes to a terminal that nobody sees"}

WHERE = "https://github.com/k2-fsa/sherpa-onnx/releases/tag/asr-models"

FACTS = EngineFacts(
    streams="with `online_…` models",
    cancel="ends its process",
    tried="the library, with a tiny model",
    needs=f"a model: `{DOWNLOAD_BEST}`",
    extra="sherpa",
    modules=("sherpa_onnx",),
)


@attrs.frozen
class ModelType:
    """What a constructor of sherpa-onnx is given: its word for a file or an option → our setting."""

    files: Mapping[str, str]
    options: Mapping[str, str] = attrs.field(factory=dict)
    streams: bool = False


_SOUND = {name: name for name in ("sample_rate", "feature_dim", "decoding_method")}

_TRANSDUCER = _SOUND | {name: name for name in ("hotwords_score", "modeling_unit", "blank_penalty")}

MODEL_TYPES: Mapping[str, ModelType] = {
    "transducer": ModelType(
        {"encoder": "encoder", "decoder": "decoder", "joiner": "joiner"},
        _TRANSDUCER,
    ),
    "paraformer": ModelType({"paraformer": "paraformer"}, _SOUND),
    "nemo_ctc": ModelType({"model": "nemo_ctc"}, _SOUND),
    "wenet_ctc": ModelType({"model": "wenet_ctc"}, _SOUND),
    "tdnn_ctc": ModelType({"model": "tdnn_model"}, _SOUND),
    "whisper": ModelType(
        {"encoder": "whisper_encoder", "decoder": "whisper_decoder"},
        {"language": "whisper_language", "task": "whisper_task", "tail_paddings": "whisper_tail_paddings"},
    ),
    "sense_voice": ModelType({"model": "sense_voice"}, {"use_itn": "use_itn", "language": "language"}),
    "fire_red_asr": ModelType({"encoder": "fire_red_asr_encoder", "decoder": "fire_red_asr_decoder"}),
    # Recognise while one speaks: “streaming” stands in their names where they can be downloaded.
    "online_transducer": ModelType(
        {"encoder": "encoder", "decoder": "decoder", "joiner": "joiner"}, _TRANSDUCER, streams=True
    ),
    "online_paraformer": ModelType({"encoder": "encoder", "decoder": "decoder"}, _SOUND, streams=True),
    "online_zipformer2_ctc": ModelType({"model": "zipformer2_ctc"}, _SOUND, streams=True),
    "online_nemo_ctc": ModelType({"model": "nemo_ctc"}, _SOUND, streams=True),
    "online_wenet_ctc": ModelType({"model": "wenet_ctc"}, _SOUND, streams=True),
}

_FILES = sorted({setting for kind in MODEL_TYPES.values() for setting in kind.files.values()} | {"tokens"})

# Those of a transducer that may be left out.
_EXTRA_FILES = ("hotwords_file", "bpe_vocab")


@attrs.frozen
class SherpaConfig:
    """``files`` and ``options`` are by sherpa-onnx's own words for them.

    ``model`` is the name of a model that we download; empty where the configuration names the files.
    """

    model_type: str
    files: tuple[tuple[str, Path], ...]
    options: tuple[tuple[str, str | float | bool], ...]
    num_threads: int
    device: str
    patience: float
    model: str = ""


@attrs.frozen
class _SherpaSettings:
    model: str = attrs.field(default="", validator=one_of("", *MODELS))
    model_type: str = attrs.field(default="sense_voice", validator=one_of(*MODEL_TYPES))
    tokens: str = ""
    encoder: str = ""
    decoder: str = ""
    joiner: str = ""
    paraformer: str = ""
    nemo_ctc: str = ""
    wenet_ctc: str = ""
    zipformer2_ctc: str = ""
    tdnn_model: str = ""
    whisper_encoder: str = ""
    whisper_decoder: str = ""
    sense_voice: str = ""
    fire_red_asr_encoder: str = ""
    fire_red_asr_decoder: str = ""
    hotwords_file: str = ""
    hotwords_score: float = 1.5
    modeling_unit: str = ""
    bpe_vocab: str = ""
    whisper_language: str = ""
    whisper_task: str = attrs.field(default="transcribe", validator=one_of("transcribe", "translate"))
    whisper_tail_paddings: int = -1
    language: str = ""
    blank_penalty: float = 0.0
    decoding_method: str = "greedy_search"
    sample_rate: int = RATE
    feature_dim: int = 80
    use_itn: bool = True
    num_threads: int = attrs.field(default=1, validator=between(1, 256))
    provider: str = attrs.field(default="cpu", validator=one_of("cpu", "cuda", "coreml"))
    patience: float = attrs.field(default=120.0, validator=between(1, 3600))


def configure(name: str, settings: Mapping[str, object], environment: Environment) -> SherpaConfig:
    """The settings are those of existing files; only those of the ``model_type`` count.

    Paths start at the folder of the configuration.
    """
    del name
    given = read_settings(_SherpaSettings, settings, ignored=WITHOUT_EFFECT)
    model = _model_of(given)
    if model is not None:
        named: dict[str, Any] = {
            setting: str(model.folder(Path()) / file) for setting, file in model.files.items()
        }
        given = attrs.evolve(given, model_type=model.model_type, **named)
    kind = MODEL_TYPES[given.model_type]
    needed = {**kind.files, "tokens": "tokens"}
    files = {word: getattr(given, setting) for word, setting in needed.items()}
    for word, setting in needed.items():
        if not files[word].strip():
            raise SettingsError(
                setting, f"is missing: {given.model_type} needs that file; get one at {WHERE}"
            )
    if given.model_type.endswith("transducer"):
        files |= {word: getattr(given, word) for word in _EXTRA_FILES if getattr(given, word)}
    return SherpaConfig(
        model_type=given.model_type,
        files=tuple((word, environment.folder / Path(path).expanduser()) for word, path in files.items()),
        options=tuple((word, getattr(given, setting)) for word, setting in kind.options.items()),
        num_threads=given.num_threads,
        device=given.provider,
        patience=given.patience,
        model=model.name if model is not None else "",
    )


def _model_of(given: _SherpaSettings) -> DownloadableModel | None:
    """The model that is named, or `BEST` where no file is; None where files are. Raises `SettingsError`."""
    named = sorted(setting for setting in _FILES if getattr(given, setting).strip())
    if given.model:
        if named:
            raise SettingsError("model", f"has its own files: leave out {', '.join(named)}, or the model")
        return MODELS[given.model]
    return MODELS[BEST] if not named and given.model_type == MODELS[BEST].model_type else None


def missing(config: SherpaConfig) -> list[str]:
    """The files of the model that are not there, in one line."""
    files = [str(path) for _, path in config.files if not path.is_file()]
    if files and config.model:
        where = config.files[0][1].parent
        return [
            f"the model {config.model} is not in {where}; get it by `trio-backend download {config.model}`"
        ]
    remedy = (
        f"get a {config.model_type} model at {WHERE}, or correct the path; "
        f"or name no file, and `{DOWNLOAD_BEST}`"
    )
    return [f"there is no file {', '.join(files)}; {remedy}"] if files else []


@asynccontextmanager
async def open(config: SherpaConfig) -> AsyncIterator[Asr]:
    """Load the model in its own process. Raises `EngineError` that names a file which is not there."""
    for problem in await trio.to_thread.run_sync(missing, config):
        raise EngineError(f"sherpa_onnx_asr: {problem}")
    streams = MODEL_TYPES[config.model_type].streams
    job = WorkerJob(
        f"{__package__}.sherpa_onnx_{'stream_' if streams else ''}process",
        "sherpa_onnx_asr",
        {
            "constructor": f"from_{config.model_type.removeprefix('online_')}",
            "files": {word: str(path) for word, path in config.files},
            "options": dict(config.options),
            "num_threads": config.num_threads,
            "provider": config.device,
        },
        config.patience,
    )
    if streams:
        async with open_sherpa_onnx_stream(job) as asr:
            yield asr
        return
    async with open_worker(job) as worker:
        yield SherpaOnnx(worker)


@attrs.frozen
class SherpaOnnx(WholeAsr):
    """An `Asr` in one child process, for which its sessions queue."""

    _worker: Worker = attrs.field(repr=False)

    async def transcribe(self, pcm: Pcm) -> str:
        """What is said in ``pcm``; a cancel ends the process, and another is started."""
        return await self._worker.ask(pcm.resampled(RATE).samples)
