"""Which character somebody means: by number, file name or name. No I/O."""

from __future__ import annotations

from collections.abc import Sequence

from ..client.messages import CharacterFile


def choose(characters: Sequence[CharacterFile], wanted: str) -> CharacterFile | str:
    """The character that ``wanted`` means, or why it is not clear, for a person.

    A number counts from 1. Names are compared without case; a file name may lack its ending; the
    beginning of a name will do if only one has it.
    """
    if wanted.isdecimal() and len(wanted) < 9:
        if 1 <= int(wanted) <= len(characters):
            return characters[int(wanted) - 1]
        return f"there is no number {wanted}: /characters lists {len(characters)}"
    for found in _readings(characters, wanted.casefold()):
        if len(found) == 1:
            return found[0]
        if found:
            names = ", ".join(f"{one.name} ({one.filename})" for one in found)
            return f"{wanted!r} may be {names}: use the file name or the number"
    return f"there is no character {wanted!r}: /characters lists them"


def _readings(characters: Sequence[CharacterFile], wanted: str) -> list[list[CharacterFile]]:
    """Who is meant, from the strictest reading to the loosest."""
    return [
        [one for one in characters if one.filename.casefold() == wanted],
        [one for one in characters if wanted in (one.name.casefold(), _stem(one).casefold())],
        [one for one in characters if one.name.casefold().startswith(wanted)],
    ]


def _stem(character: CharacterFile) -> str:
    return character.filename.rpartition(".")[0] or character.filename
