"""What the companion may say: text with holes, emotion keywords, and the question whether it was said."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence

import attrs

_PART = re.compile(r"\[(?P<face>[a-z]+)\]|\{(?P<lead>[^\w{}]*)(?P<hole>\w+)\}")
_SPACES = re.compile(r"\s+")
_SENTENCE_START = re.compile(r"(?:^|[.!?…]\s|\])\s*$")
_FACE = re.compile(r"\[[^\[\]\s]{1,30}\]")


@attrs.frozen
class Hole:
    """A place for a value. With a ``lead`` ("{, name}") both are left out where there is none."""

    name: str
    lead: str = ""


@attrs.frozen
class Face:
    """An emotion keyword of the rules file; which keyword of the character it is, is seen at the end."""

    keyword: str


@attrs.frozen
class Template:
    """One thing that may be said."""

    source: str
    parts: tuple[str | Hole | Face, ...]
    fragments: tuple[str, ...]
    # Fields, since each reply asks for them hundreds of times.
    needs: frozenset[str] = attrs.field(init=False, eq=False, repr=False)
    """The values without which it cannot be said."""
    names: frozenset[str] = attrs.field(init=False, eq=False, repr=False)
    """All values that it can make use of."""

    @needs.default
    def _needed(self) -> frozenset[str]:
        return frozenset(part.name for part in self.parts if isinstance(part, Hole) and not part.lead)

    @names.default
    def _named(self) -> frozenset[str]:
        return frozenset(part.name for part in self.parts if isinstance(part, Hole))

    @property
    def faces(self) -> frozenset[str]:
        return frozenset(part.keyword for part in self.parts if isinstance(part, Face))

    def render(
        self, values: Mapping[str, str], face: Callable[[str], str], *, spent: Collection[str] = ()
    ) -> str:
        """The text. ``face`` gives for each emotion keyword what to write, which may be nothing.

        Values that are ``spent`` are left out where they may be.
        """
        optional = {name: value for name, value in values.items() if name not in spent}
        text = ""
        for part in self.parts:
            written = _written(part, values, optional, face)
            starts = isinstance(part, Hole) and _SENTENCE_START.search(text)
            text += written[:1].upper() + written[1:] if starts else written
        return _SPACES.sub(" ", text).strip()

    def fill(self, values: Mapping[str, str]) -> str:
        """The bare text with its values, as it would stand inside a sentence."""
        return "".join(_written(part, values, values, lambda _keyword: "") for part in self.parts)

    def place_in(self, said: str) -> int:
        """Where in ``said`` (as `plain` leaves it) this stands; -1 if it does not."""
        first = at = -1
        for fragment in self.fragments:
            at = said.find(fragment, at + 1)
            if at < 0:
                return -1
            first = at if first < 0 else first
        return first


def parse_template(source: str) -> Template:
    """``source`` taken apart: ``{x}`` is a value, ``{, x}`` one that may be missing, ``[joy]`` an emotion."""
    parts: list[str | Hole | Face] = []
    end = 0
    for found in _PART.finditer(source):
        parts += [source[end : found.start()]] if found.start() > end else []
        parts.append(Face(found["face"]) if found["face"] else Hole(found["hole"], found["lead"]))
        end = found.end()
    parts += [source[end:]] if end < len(source) else []
    return Template(source, tuple(parts), _fragments(parts))


def literal_template(text: str) -> Template:
    """``text`` as it stands, braces and all."""
    return Template(text, (text,), _fragments([text]))


def plain(said: str) -> str:
    """``said`` as templates are compared with: without emotion keywords, with single spaces."""
    # Each reply asks for it of the last forty; a quarter of the time that `_SPACES` takes for the same.
    return " ".join((_FACE.sub(" ", said) if "[" in said else said).split())


def _written(
    part: str | Hole | Face,
    values: Mapping[str, str],
    optional: Mapping[str, str],
    face: Callable[[str], str],
) -> str:
    match part:
        case Face(keyword):
            return face(keyword)
        case Hole(name, ""):
            return values[name]
        case Hole(name, lead):
            return lead + optional[name] if name in optional else ""
        case _:
            return part


def _fragments(parts: Sequence[str | Hole | Face]) -> tuple[str, ...]:
    """The fixed texts that are long enough to be told from others; the longest, if none is."""
    fixed = [plain(part) for part in parts if isinstance(part, str)]
    long = tuple(text for text in fixed if len(text) >= 4 or (len(text) >= 2 and not text.isascii()))
    return long or tuple(sorted((text for text in fixed if text), key=len)[-1:])
