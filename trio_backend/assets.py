"""Live2D models and background images in the folders beside ``conf.yaml``.

All functions here read directories and block: call them in a thread.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

# For a name that is too long, or holds a NUL, this returns False, where the method of `Path` raises.
from os.path import isfile
from pathlib import Path
from typing import Literal

import attrs

BACKGROUND_TYPES = (".jpg", ".jpeg", ".png", ".gif", ".svg", ".webp")
MODEL_FILE = ".model3.json"
# In the order in which they are looked for.
PORTRAIT_TYPES = (".png", ".jpg", ".jpeg")


@attrs.frozen
class Live2dModel:
    """A folder with a Live2D model. Paths are URLs relative to the server's root, without a leading slash."""

    name: str
    avatar: str | None
    model_path: str


@attrs.frozen
class Live2dInfo:
    """The answer to ``GET /live2d-models/info``, field by field."""

    characters: tuple[Live2dModel, ...]
    count: int
    type: Literal["live2d-models/info"] = "live2d-models/info"


def live2d_info(folder: Path) -> Live2dInfo:
    """The models in ``folder``, one for each folder in it that holds a model's file, sorted by name.

    The model's file is ``NAME/NAME.model3.json``, or else the first other one up to two folders deeper. The
    avatar is ``NAME/NAME`` with an image's suffix. A missing folder is an empty one.
    """
    found = ((own, _model_file(own)) for own in _children(folder) if own.is_dir())
    models = tuple(
        Live2dModel(own.name, _url(_portrait(own), folder), model_path)
        for own, model in found
        if (model_path := _url(model, folder))
    )
    return Live2dInfo(models, len(models))


def find_backgrounds(folder: Path) -> list[str]:
    """The images in ``folder`` and below, as URLs relative to ``/bg/``, sorted.

    Hidden ones are left out, and so are links to folders, which may form a circle.
    """
    return list(_images(folder, ""))


def _images(folder: Path | str, prefix: str) -> Iterator[str]:
    """What `find_backgrounds` finds; ``prefix`` stands before each name."""
    # Every page asks when it is opened. Without a `Path` for each entry, and with what the directory itself
    # says of its entries, two images cost 10 µs instead of 25.
    try:
        with os.scandir(folder) as entries:
            found = sorted(entries, key=lambda entry: os.path.normcase(entry.name))
    except (FileNotFoundError, NotADirectoryError):
        return
    for entry in found:
        if entry.name.startswith("."):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _images(entry.path, f"{prefix}{entry.name}/")
        elif entry.name.lower().endswith(BACKGROUND_TYPES) and entry.is_file():
            yield prefix + entry.name


def _model_file(folder: Path) -> Path | None:
    named = folder / f"{folder.name}{MODEL_FILE}"
    if isfile(named):
        return named
    for depth in ("", "*/", "*/*/"):
        for path in sorted(folder.glob(f"{depth}*{MODEL_FILE}")):
            return path
    return None


def _portrait(folder: Path) -> Path | None:
    candidates = (folder / f"{folder.name}{suffix}" for suffix in PORTRAIT_TYPES)
    return next((path for path in candidates if path.is_file()), None)


def _url(path: Path | None, folder: Path) -> str | None:
    return f"live2d-models/{path.relative_to(folder).as_posix()}" if path else None


def _children(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except (FileNotFoundError, NotADirectoryError):
        return []
