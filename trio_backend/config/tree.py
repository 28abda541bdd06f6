"""A YAML file as a tree: its values know their file, line and key; one tree over another; plain values."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TypeAlias

import attrs

from .diagnostics import Findings, Location

# YAML 1.2's core schema, where `no` is text; with the underscores of YAML 1.1, which old files may hold.
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

    location: Location
    text: str
    typed: bool

    @property
    def is_null(self) -> bool:
        return self.typed and self.text in _NULLS


@attrs.frozen
class Listing:
    """A list of values. The keys of its items end in ``[0]``, ``[1]``, …"""

    location: Location
    items: tuple[Node, ...]


@attrs.frozen
class Table:
    """A mapping of keys to values, in the order of the file. Its location is that of its own key."""

    location: Location
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


def overlay(base: Node, over: Node) -> Node:
    """``over`` on top of ``base``: tables are merged key by key, everything else is replaced.

    Lists are replaced as a whole. A null in ``over`` replaces a value too: the key has its default again.
    """
    if not (isinstance(base, Table) and isinstance(over, Table)):
        return over
    merged = dict(base.entries)
    for key, value in over.entries.items():
        merged[key] = overlay(merged[key], value) if key in merged else value
    return Table(over.location, merged)


def walk(node: Node) -> Iterator[Node]:
    """``node`` and all that is in it, from the top down."""
    yield node
    inner = node.entries.values() if isinstance(node, Table) else getattr(node, "items", ())
    for child in inner:
        yield from walk(child)


_VARIABLE = re.compile(r"(\$?)\$\{(\w+)(?::-([^}]*))?\}")


@attrs.frozen
class Values:
    """Makes plain values of trees.

    ``${NAME}`` stands for the variable, ``${NAME:-text}`` for ``text`` where there is none, and
    ``$${NAME}`` for itself. A missing variable is an error at the line that asks for it, and only
    where the value is used. What a variable held never appears in a finding.
    """

    environ: Mapping[str, str] = attrs.field(repr=False)
    findings: Findings

    def of(self, node: Node) -> object:
        """``node`` as numbers, text, lists and dicts; nulls are kept."""
        if isinstance(node, Table):
            return {key: self.of(value) for key, value in node.entries.items()}
        if isinstance(node, Listing):
            return [self.of(item) for item in node.items]
        text = self._filled_in(node)
        return core_value(text) if node.typed else text

    def given(self, node: Node) -> object:
        """Like `of`, but nulls in tables are left out: a key without a value means its default."""
        if isinstance(node, Table):
            present = (
                (key, value)
                for key, value in node.entries.items()
                if not (isinstance(value, Scalar) and value.is_null)
            )
            return {key: self.given(value) for key, value in present}
        return self.of(node)

    def _filled_in(self, node: Scalar) -> str:
        def fill(match: re.Match[str]) -> str:
            escaped, name, default = match.groups()
            if escaped:
                return match[0][1:]
            if name not in self.environ and default is None:
                remedy = f"set it, or write ${{{name}:-a default}}"
                self.findings.error(node.location, f"the environment variable {name} is not set", remedy)
                return match[0]
            return self.environ.get(name, default or "")

        # Behind the last brace no variable ends. Without this, 100 000 times "${a:-" takes quadratic time.
        within, brace, rest = node.text.rpartition("}")
        return _VARIABLE.sub(fill, within + brace) + rest
