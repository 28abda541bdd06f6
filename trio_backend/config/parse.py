"""Text of a YAML file → `Table`, with an error for each mistake that the file's syntax can have."""

from __future__ import annotations

import attrs
import yaml
from yaml.error import MarkedYAMLError, YAMLError
from yaml.nodes import MappingNode, ScalarNode, SequenceNode
from yaml.reader import ReaderError

from .composing import PLAIN, compose, line_of
from .document import Listing, Node, Scalar, Table
from .finding import Findings, Place

_STR = "tag:yaml.org,2002:str"

# A person's file nests six deep.
MAX_DEPTH = 50
# Of the dotted key of a value, which all that is in it has in its own: long keys, deep down, would add up.
MAX_KEY = 400


def parse(data: bytes, file: str, findings: Findings) -> Table | None:
    """The file's tree; None where there is none, and ``findings`` say why. ``file`` is how to name it."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        place = Place(file, data.count(b"\n", 0, error.start) + 1)
        findings.error(place, "this line is not UTF-8", "save the file as UTF-8")
        return None
    root = _compose(text, file, findings)
    if root is None:
        return None
    if not isinstance(root, MappingNode):
        place = Place(file, root.start_mark.line + 1)
        findings.error(place, "the file holds no keys", "start with system_config: or character_config:")
        return None
    node = _Reader(file, findings).read(root, Place(file, 1), 0)
    return node if isinstance(node, Table) else None


def _compose(text: str, file: str, findings: Findings) -> yaml.Node | None:
    try:
        root = compose(text)
    except MarkedYAMLError as error:
        findings.error(*_syntax(error, text, file))
    except ReaderError as error:
        place = Place(file, line_of(error, text))
        findings.error(
            place, f"a character that YAML does not allow (number {error.character!r})", "remove it"
        )
    except (YAMLError, RecursionError):
        findings.error(Place(file), "this is not YAML that can be read", "check its brackets and indentation")
    else:
        if root is None:
            findings.error(Place(file), "the file is empty", "write a character_config: into it")
        return root
    return None


def _syntax(error: MarkedYAMLError, text: str, file: str) -> tuple[Place, str, str]:
    mark = error.problem_mark or error.context_mark
    line = mark.line if mark else 0
    place = Place(file, line + 1)
    lines = text.splitlines()
    if (line < len(lines) and lines[line].startswith(("\t", " \t"))) or r"'\t'" in str(error.problem):
        return place, "the line is indented with a tab", "use spaces"
    problem = ", ".join(part for part in (error.context, error.problem) if part)
    return place, f"not valid YAML: {problem}", "check quotes, brackets, colons and indentation"


@attrs.frozen
class _Reader:
    """The library's nodes → ours. ``depth`` counts the levels above."""

    file: str
    findings: Findings

    def read(self, node: object, place: Place, depth: int) -> Node:
        if depth > MAX_DEPTH:
            self.findings.error(place, f"nested more than {MAX_DEPTH} levels deep")
        elif isinstance(node, MappingNode):
            return self._table(node, place, depth)
        elif isinstance(node, SequenceNode):
            items = enumerate(node.value)
            return Listing(place, tuple(self._item(item, place, i, depth) for i, item in items))
        elif isinstance(node, ScalarNode):
            return Scalar(place, node.value, typed=not node.style and node.tag != _STR)
        return Scalar(place, "", typed=True)

    def _item(self, node: object, place: Place, index: int, depth: int) -> Node:
        line = getattr(node, "start_mark").line + 1  # noqa: B009
        return self.read(node, Place(self.file, line, f"{place.key}[{index}]"), depth + 1)

    def _table(self, node: MappingNode, place: Place, depth: int) -> Table:
        entries: dict[str, Node] = {}
        merged: dict[str, Node] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if key_node.tag == PLAIN and key_node.value == "<<":
                self._merge(value_node, place, depth, merged)
            elif not isinstance(key_node, ScalarNode):
                self.findings.error(Place(self.file, line, place.key), "a key must be plain text")
            elif len(place.key) + len(key_node.value) > MAX_KEY:
                self.findings.error(
                    Place(self.file, line, place.key[:80]), f"a key of over {MAX_KEY} characters"
                )
            else:
                self._entry(entries, key_node.value, value_node, place.inside(key_node.value, line), depth)
        return Table(place, merged | entries)

    def _entry(self, entries: dict[str, Node], key: str, value: object, place: Place, depth: int) -> None:
        if key in entries:
            first = entries[key].place.line
            self.findings.error(
                place, f"stands here for the second time, first in line {first}", "remove one"
            )
        else:
            entries[key] = self.read(value, place, depth + 1)

    def _merge(self, node: object, place: Place, depth: int, merged: dict[str, Node]) -> None:
        sources = node.value if isinstance(node, SequenceNode) else [node]
        for source in sources:
            table = self.read(source, place, depth + 1)
            if isinstance(table, Table):
                for key, value in table.entries.items():
                    merged.setdefault(key, value)
