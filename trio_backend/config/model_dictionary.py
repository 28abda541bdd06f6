"""``model_dict.json``: what a client needs to show a character, and the emotions that its face knows."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import attrs

from .finding import Findings, Place
from .reading import FileTooLarge, read_file

MAX_SIZE = 4 * 2**20


@attrs.frozen
class Model:
    """One entry: ``info`` is the entry as it stands, ``emotions`` its ``emotionMap`` in lower case."""

    info: Mapping[str, object]
    emotions: Mapping[str, int | str]


def read_models(path: Path, findings: Findings) -> dict[str, Model]:
    """All good entries by name. Whatever else there is goes to ``findings``; a missing file is a warning."""
    place = Place(path.name)
    try:
        entries = json.loads(read_file(path, MAX_SIZE))
    except FileNotFoundError:
        findings.warning(place, "the file is missing", "without it no character has a face")
    except FileTooLarge:
        findings.error(place, "the file is over 4 MiB")
    except OSError as error:
        findings.error(place, f"cannot be read: {error.strerror}")
    except json.JSONDecodeError as error:
        findings.error(Place(path.name, error.lineno), f"not valid JSON: {error.msg}, column {error.colno}")
    except (UnicodeDecodeError, RecursionError):
        findings.error(place, "not valid JSON", "save the file as UTF-8")
    else:
        return dict(_models(entries, place, findings))
    return {}


def _models(entries: object, place: Place, findings: Findings) -> Iterator[tuple[str, Model]]:
    if not isinstance(entries, list):
        findings.error(place, "must be a list of entries, each with name, url and emotionMap")
        return
    seen: set[str] = set()
    for index, entry in enumerate(entries):
        at = place.inside(f"[{index}]", 0)
        if not isinstance(entry, dict) or not isinstance(name := entry.get("name"), str) or not name:
            findings.error(at, "the entry has no name", 'write "name": "…" into it')
        elif name in seen:
            findings.error(at.inside("name", 0), f"{name!r} stands here for the second time", "remove one")
        else:
            seen.add(name)
            yield name, Model(entry, dict(_emotions(entry, at, findings)))


def _emotions(entry: Mapping[str, object], at: Place, findings: Findings) -> Iterator[tuple[str, int | str]]:
    if not isinstance(entry.get("url"), str):
        findings.error(at.inside("url", 0), "is missing or no text", 'write "url": "/live2d-models/…"')
    emotions = entry.get("emotionMap", {})
    if not isinstance(emotions, dict):
        findings.error(at.inside("emotionMap", 0), 'must map keywords to expressions, as in {"joy": 3}')
        return
    for keyword, value in emotions.items():
        if isinstance(value, int | str) and not isinstance(value, bool):
            yield keyword.lower(), value
        else:
            findings.error(at.inside(f"emotionMap.{keyword}", 0), "must be a whole number or a name")
