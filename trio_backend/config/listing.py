"""`CharacterListing`: which character files a folder has, and what each character calls itself; blocking."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping

# Of a name that is too long, or holds a NUL, these say no, where the methods of `Path` raise.
from os.path import isfile
from pathlib import Path, PureWindowsPath

import attrs

from .diagnostics import Location
from .tree import Scalar, Table

# Characters of a character's name in a list.
MAX_TITLE = 200
# Bytes of a file's name: the longest that common file systems take.
MAX_NAME = 255


@attrs.frozen
class CharacterListing:
    """The characters' files in ``folder``, sorted by name: each one's title, None if it is not known yet."""

    folder: Path
    titles: Mapping[str, str | None]


def list_characters(
    folder: Path, without: Collection[str], known: Callable[[str], str | None]
) -> CharacterListing:
    """The files in ``folder`` that are not called as in ``without``; none where there is no folder.

    None of them is opened.

    ``known`` gives the title of a file, by name, or None where it has to be read. Of a link it is not asked:
    where that leads has to be looked at each time.
    """
    titles = dict[str, str | None]()
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                name = entry.name
                if Path(name).suffix == ".yaml" and name not in without:
                    titles[name] = None if entry.is_symlink() else known(name)
    except OSError:
        return CharacterListing(folder, {})
    return CharacterListing(folder, dict(sorted(titles.items())))


def title_of(character: Table | None, filename: str) -> str:
    """The ``conf_name`` in a file's tree, cut at `MAX_TITLE`, or else the file's own name."""
    title = character.find("character_config.conf_name") if character else None
    return title.text[:MAX_TITLE] if isinstance(title, Scalar) and title.text.strip() else filename


def location_of(folder: Path, filename: str) -> Location:
    """How people are told of a character's file: by its folder and its name, which comes from clients."""
    return Location(f"{folder.name}/{filename[:80]}")


def refusal(folder: Path, filename: str) -> str:
    """Why ``filename`` is not opened in ``folder``; empty if it may be."""
    if len(filename.encode(errors="replace")) > MAX_NAME:
        return "the name is too long"
    # By the rules of both systems, so that what works on Linux works on Windows: C:ann.yaml is a path there.
    plain = filename == Path(filename).name == PureWindowsPath(filename).name
    if not plain or not filename.isprintable() or not filename.endswith(".yaml"):
        return "this is not the name of a character file, such as ann.yaml"
    path = folder / filename
    # A link may lead out of the folder, which is then not what the owner of the folder shows to clients.
    if not isfile(path):
        return "there is no such character file"
    return "" if path.resolve().parent == folder.resolve() else "lies outside the characters' folder"
