"""One YAML file as a tree whose values know their file, line and key; one tree laid over another."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TypeAlias

import attrs

from .finding import Place

_NULLS = {"", "~", "null", "Null", "NULL"}
_BOOLS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT = re.compile(r"[-+]?[0-9][0-9_]*")
_BASED_INT = re.compile(r"0x[0-9a-fA-F]+|0o[0-7]+")
# Python refuses to read more digits than 4 300, since that takes time; nobody means so many.
_LONGEST_INT = 100
_FLOAT = re.compile(
    r"[-+]?(\.[0-9]+|[0-9][0-9_]*(\.[0-9_]*)?)([eE][-+]?[0-9]+)?|[-+]?\.inf|\.nan", re.IGNORECASE
)


@attrs.frozen
class Scalar:
    """A single value, as text. ``typed``: it may be a number, a boolean or null (it is not in quotes)."""

    place: Place
    text: str
    typed: bool

    @property
    def is_null(self) -> bool:
        return self.typed and self.text in _NULLS


@attrs.frozen
class Listing:
    """A list of values."""

    place: Place
    items: tuple[Node, ...]


@attrs.frozen
class Table:
    """A mapping of keys to values."""

    place: Place
    entries: Mapping[str, Node]

    def find(self, key: str) -> Node | None:
        """The value at the dotted ``key``, if there is one that is not null."""
        found: Node | None = self
        for part in key.split("."):
            found = found.entries.get(part) if isinstance(found, Table) else None
        return None if isinstance(found, Scalar) and found.is_null else found

    def table(self, key: str) -> Table | None:
        """The table at the dotted ``key``, if that is one."""
        found = self.find(key)
        return found if isinstance(found, Table) else None


Node: TypeAlias = Scalar | Listing | Table


def core_value(text: str) -> object:
    """What an unquoted YAML scalar means by YAML 1.2's core schema."""
    if text in _NULLS:
        return None
    if text in _BOOLS:
        return _BOOLS[text]
    if _INT.fullmatch(text) and len(text) <= _LONGEST_INT:
        return int(text.replace("_", ""))
    if _BASED_INT.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text):
        return float(text.lower().replace("_", "").replace(".inf", "inf").replace(".nan", "nan"))
    return text


def laid_over(base: Node, over: Node) -> Node:
    """``over`` on top of ``base``: tables are merged key by key, everything else is replaced."""
    if not (isinstance(base, Table) and isinstance(over, Table)):
        return over
    merged = dict(base.entries)
    for key, value in over.entries.items():
        merged[key] = laid_over(merged[key], value) if key in merged else value
    return Table(over.place, merged)


def walk(node: Node) -> Iterator[Node]:
    """``node`` and all that is in it, from the top down."""
    yield node
    inner = node.entries.values() if isinstance(node, Table) else getattr(node, "items", ())
    for child in inner:
        yield from walk(child)
