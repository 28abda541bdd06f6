"""What Home Assistant is told of us: the answer to ``describe``, as the package ``wyoming`` 1.10 reads it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version

from ...engines.wyoming import WyomingEvent

_CODES = (
    "af ar az be bg bn bs ca cs cy da de el en es et eu fa fi fr gl gu he hi hr hu hy id is it ja ka "
    "kk km kn ko lb lo lt lv mk ml mn mr ms my nb ne nl no pa pl pt ro ru si sk sl sq sr sv sw ta te "
    "th tl tr uk ur vi yue zh "
)
COMMON = tuple(_CODES.split())
"""What engines may understand or speak. None says which it does, and Home Assistant offers nobody who has
not named the language of its user."""


def info_event(character: str, engines: Mapping[str, str], languages: Sequence[str]) -> WyomingEvent:
    """What is served: ``engines`` are ``asr``, ``tts`` and ``handle``, those that are, each with a name."""
    told = list(languages or COMMON)
    data: dict[str, list[dict[str, object]]] = {
        kind: [] for kind in ("asr", "tts", "handle", "intent", "wake", "mic", "snd")
    }
    streaming = {
        "asr": "supports_transcript_streaming",
        "tts": "supports_synthesize_streaming",
        "handle": "supports_handled_streaming",
    }
    for kind, name in engines.items():
        model = {**_artifact(name, f"{character} ({name})"), "languages": told}
        program = _artifact(character if kind == "handle" else name, f"{character}, by trio-backend")
        models = "voices" if kind == "tts" else "models"
        data[kind] = [{**program, models: [model], streaming[kind]: True}]
    return WyomingEvent("info", data)


def _artifact(name: str, description: str) -> dict[str, object]:
    return {
        "name": name,
        "description": description,
        "installed": True,
        "version": _version(),
        "attribution": {"name": "trio-backend", "url": ""},
    }


def _version() -> str | None:
    try:
        return version("trio-backend")
    except PackageNotFoundError:
        return None  # it runs from a folder that is not installed
