"""The rules file, value by value: what a value is asked for and is not, is an error that names its line.

Text, syntax, size and nesting are read and bounded by `config.yaml`. Its tree is not made: a rules file has
14 000 values, and a dotted key for each would add 15 ms to the 290 that reading takes, for errors that need
only a line.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import TypeVar

import attrs
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from ....config.diagnostics import Findings, did_you_mean
from ....config.yaml import read_nodes
from ....errors import EngineError

T = TypeVar("T")


@attrs.frozen
class RulesNode:
    """A value in the file ``file``. What it is asked for and is not, is an `EngineError` with its line."""

    file: str
    node: Node

    @property
    def line(self) -> int:
        return int(self.node.start_mark.line) + 1

    @property
    def is_mapping(self) -> bool:
        return isinstance(self.node, MappingNode)

    def wrong(self, message: str) -> EngineError:
        """The error to raise where this value is wrong."""
        return EngineError(f"{self.file}, line {self.line}: {message}")

    def text(self) -> str:
        """One piece of text."""
        if not isinstance(self.node, ScalarNode) or not str(self.node.value).strip():
            raise self.wrong("a text is expected here")
        return str(self.node.value)

    def number(self, low: int, high: int) -> int:
        """A whole number in [low, high]."""
        text = self.text()
        # Nine digits at most: Python refuses to read thousands of them.
        if not text.removeprefix("-").isdecimal() or len(text) > 9 or not low <= int(text) <= high:
            raise self.wrong(f"a whole number between {low} and {high} is expected here, not {text!r}")
        return int(text)

    def switch(self) -> bool:
        """True or false."""
        if self.text() not in ("true", "false"):
            raise self.wrong(f"true or false is expected here, not {self.text()!r}")
        return self.text() == "true"

    def items(self) -> tuple[RulesNode, ...]:
        """The entries of a list; a single value counts as a list of one."""
        if isinstance(self.node, ScalarNode):
            return (self,)
        if not isinstance(self.node, SequenceNode):
            raise self.wrong("a list is expected here")
        return tuple(RulesNode(self.file, node) for node in self.node.value)

    def texts(self) -> tuple[str, ...]:
        return tuple(item.text() for item in self.items())

    def entries(self) -> Iterator[tuple[RulesNode, RulesNode]]:
        """The keys and values of a mapping, each key once."""
        if not isinstance(self.node, MappingNode):
            raise self.wrong("names with values are expected here, like `name: value`")
        seen = set()
        for key, value in self.node.value:
            place = RulesNode(self.file, key)
            if place.text() in seen:
                raise place.wrong(f"{place.text()!r} is here twice")
            seen.add(place.text())
            yield place, RulesNode(self.file, value)

    def mapping(self, read: Callable[[RulesNode], T]) -> dict[str, T]:
        """The entries by name, each value read."""
        return {key.text(): read(value) for key, value in self.entries()}

    def fields(self, allowed: Collection[str], *, required: Collection[str] = ()) -> Fields:
        """The entries, of which no others than ``allowed`` may be here, and none of ``required`` may miss."""
        found = {}
        for key, value in self.entries():
            if key.text() not in allowed:
                raise key.wrong(unknown("field", key.text(), allowed))
            found[key.text()] = value
        for name in required:
            if name not in found:
                raise self.wrong(f"{name!r} is missing")
        return Fields(found)


@attrs.frozen
class Fields:
    """The fields of one entry, each read where it is there."""

    places: Mapping[str, RulesNode]

    def __contains__(self, name: str) -> bool:
        return name in self.places

    def __getitem__(self, name: str) -> RulesNode:
        return self.places[name]

    def read(self, name: str, read: Callable[[RulesNode], T], otherwise: T) -> T:
        return read(self.places[name]) if name in self.places else otherwise

    def entries(self, name: str) -> tuple[tuple[RulesNode, RulesNode], ...]:
        """The entries of a field that is a mapping; none if it is not there."""
        return tuple(self.places[name].entries()) if name in self.places else ()

    def mapping(self, name: str, read: Callable[[RulesNode], T]) -> dict[str, T]:
        return self.places[name].mapping(read) if name in self.places else {}


def open_page(text: str, file: str) -> RulesNode:
    """The whole of a YAML text. Raises `EngineError` where it is no YAML."""
    findings = Findings()
    node = read_nodes(text, file, findings)
    for wrong in findings.errors:
        line = f", line {wrong.line}" if wrong.line else ""
        raise EngineError(f"{file}{line}: {wrong.message}; {wrong.remedy}")
    if node is None:
        raise EngineError(f"{file}: the file is empty")
    return RulesNode(file, node)


def unknown(what: str, name: str, known: Collection[str]) -> str:
    """That there is no such thing, and what was probably meant."""
    # Names are short here: "sai" is 0.67 like "say".
    meant = did_you_mean(name, known, likeness=0.6)
    return (
        f"there is no {what} {name!r}{f' ({meant})' if meant else ''}; known are: {', '.join(sorted(known))}"
    )
