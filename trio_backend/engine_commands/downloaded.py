"""What `download` says of models: which there are, and how one that is there is used."""

from __future__ import annotations

from pathlib import Path

from ..config.diagnostics import did_you_mean
from ..engines.asr.sherpa_onnx import FACTS
from ..engines.asr.sherpa_onnx_models import BEST, MODELS, DownloadableModel
from ..errors import ConfigError


def chosen_model(name: str) -> DownloadableModel:
    """The model of that name. Raises `ConfigError` with those that there are."""
    model = MODELS.get(name)
    if model is None:
        meant = did_you_mean(name, MODELS)
        raise ConfigError(
            f"no model is called {name!r}{f' ({meant})' if meant else ''}; there are {', '.join(MODELS)}"
        )
    return model


def list_of_models(home: Path) -> str:
    """All of them, with what each is good for; blocking, since it looks which are there already."""
    lines = ["Models for `sherpa_onnx_asr`:"]
    for model in MODELS.values():
        there = "  (is there)" if model.is_in(home) else ""
        streams = "; while one speaks" if model.streams else ""
        size = f"{model.archive.size / 10**6:.0f} MB"
        lines.append(f"  {model.name:<14} {size:>7}  {model.about}{streams} ({model.licence}){there}")
    return "\n".join([*lines, f"Get one: `trio-backend download {BEST}`"])


def what_to_do(model: DownloadableModel, folder: Path) -> str:
    """How ``model``, which is in ``folder``, is used: the library where it is missing, and the lines."""
    lines = [f"{model.name} is in {folder} ({model.licence})."]
    if FACTS.missing_modules():
        lines.append(f"Now {FACTS.remedy}")
    lines += ["In conf.yaml:", "  character_config:", "    asr_config:", "      asr_model: sherpa_onnx_asr"]
    # The first needs no name; one that a file names already must not lose to it.
    lines += ["      sherpa_onnx_asr:", f"        model: {model.name}"]
    return "\n".join([*lines, "Try it: `trio-backend transcribe --asr sherpa_onnx_asr FILE.wav`"])
