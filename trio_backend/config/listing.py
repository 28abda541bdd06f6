"""`CharacterListing`: which character files a folder has, and what each character calls itself; blocking."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import attrs

from .diagnostics import Location
from .tree import Scalar, Table

# Characters of a character's name in a list.
MAX_TITLE = 200


@attrs.frozen
class CharacterListing:
    """The characters' files in ``folder``, sorted by name: each one's title, None if it is not known yet."""

    folder: Path
    titles: Mapping[str, str | None]


def list_characters(folder: Path, base: str, known: Callable[[str], str | None]) -> CharacterListing:
    """The files in ``folder`` without ``base``; none where there is no folder. None of them is opened.

    ``known`` gives the title of a file, by name, or None where it has to be read. Of a link it is not asked:
    where that leads has to be looked at each time.
    """
    titles = dict[str, str | None]()
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                name = entry.name
                if Path(name).suffix == ".yaml" and name != base:
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
