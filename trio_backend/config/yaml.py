"""YAML text → a tree that knows its lines, with an error for each mistake that its syntax can have."""

from __future__ import annotations

import re
from typing import NoReturn

import attrs
import yaml
from yaml.error import Mark, MarkedYAMLError, YAMLError
from yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent, Event, ScalarEvent
from yaml.nodes import MappingNode, ScalarNode, SequenceNode
from yaml.reader import ReaderError

from .diagnostics import Findings, Location
from .tree import Listing, Node, Scalar, Table

PLAIN = "plain"
"""The tag of a scalar that is neither quoted nor tagged: what it means is for its reader to say."""

# Levels. Files nest ten deep; libyaml recurses in C for each level, and a stack overflow ends the process.
MAX_NESTING = 100

# Configurations have some hundreds, the companion's rules 14 000; aliases of aliases make 2^50 of 65 bytes.
MAX_NODES = 100_000
TEXT_OF_A_NODE = 64
"""Characters of text that count as one node more."""

# Levels. Configurations nest six deep, and Python recurses for each.
MAX_DEPTH = 50
# Characters of a dotted key. Each value holds its own, so long keys with much below them would add up.
MAX_KEY = 400

# Libraries of other projects build objects, and run programs, where a tag asks for that.
_CORE = "tag:yaml.org,2002:"
_TAGS = {"!", *(_CORE + name for name in ("str", "int", "float", "bool", "null", "map", "seq", "merge"))}
_STR = _CORE + "str"
_QUOTES = ("'", '"')


class _Loader(yaml.CBaseLoader if yaml.__with_libyaml__ else yaml.BaseLoader):  # type: ignore[misc]
    """Resolves no types: YAML 1.1, which the library knows, takes ``no`` for a boolean."""


_Loader.add_implicit_resolver(PLAIN, re.compile("", re.DOTALL), None)


def compose(text: str) -> yaml.Node | None:
    """The only document in ``text``; None where there is none.

    Takes time in proportion to ``text``, which with all aliases written out has no more than `MAX_NODES`
    nodes. Raises `yaml.YAMLError`, mostly a `MarkedYAMLError` that knows the line.
    """
    meter = _NodeCounter()
    for event in yaml.parse(text, Loader=_Loader):
        meter.take(event)
    return yaml.compose(text, Loader=_Loader)


@attrs.define(eq=False)
class _NodeCounter:
    """Counts a document's nodes from its events, before PyYAML builds any; raises where there are too many.

    An alias counts as all that it stands for, since readers go through that again at each of them.
    """

    _total: int = attrs.field(default=0, init=False)
    # Of each anchor, how many nodes it names; 0 while it is open.
    _anchors: dict[str, int] = attrs.field(factory=dict, init=False)
    # The collections that are open: their anchors, and the total when they began.
    _open: list[tuple[str | None, int]] = attrs.field(factory=list, init=False)

    def take(self, event: Event) -> None:
        """Count the next event of the document."""
        before, tag = self._total, getattr(event, "tag", None)
        if tag and tag not in _TAGS:
            _fail(event, f"the tag {tag.removeprefix(_CORE)[:80]!r} means nothing here")
        if isinstance(event, AliasEvent):
            self._total += self._size_of(event)
        elif isinstance(event, ScalarEvent):
            self._total += 1 + len(event.value) // TEXT_OF_A_NODE
            if event.anchor:
                self._anchors[event.anchor] = self._total - before
        elif isinstance(event, CollectionStartEvent):
            self._total += 1
            self._open.append((event.anchor, before))
            if len(self._open) > MAX_NESTING:
                _fail(event, f"nested more than {MAX_NESTING} levels deep")
            if event.anchor:
                self._anchors[event.anchor] = 0
        elif isinstance(event, CollectionEndEvent):
            anchor, start = self._open.pop()
            if anchor:
                self._anchors[anchor] = self._total - start
        if self._total > MAX_NODES:
            _fail(event, f"more than {MAX_NODES} values, with all that aliases stand for")

    def _size_of(self, alias: AliasEvent) -> int:
        if alias.anchor not in self._anchors:
            _fail(alias, f"found undefined alias {alias.anchor!r}")
        size = self._anchors[alias.anchor]
        if not size:
            _fail(alias, f"the alias {alias.anchor!r} stands inside what it is an alias of")
        return size


def line_of(error: ReaderError, text: str) -> int:
    """The line of the character in ``text`` that is not allowed."""
    if yaml.__with_libyaml__:
        return text.encode()[: error.position].count(b"\n") + 1
    return text.count("\n", 0, error.position) + 1


def _fail(event: Event, problem: str) -> NoReturn:
    raise MarkedYAMLError(problem=problem, problem_mark=event.start_mark)  # type: ignore[arg-type]


def parse(data: bytes, file: str, findings: Findings) -> Table | None:
    """The file's tree; None where there is none, and ``findings`` say why. ``file`` is how to name it."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        location = Location(file, data.count(b"\n", 0, error.start) + 1)
        findings.error(location, "this line is not UTF-8", "save the file as UTF-8")
        return None
    wrong = Findings()
    root = read_nodes(text, file, wrong)
    if root is None:
        if not wrong.errors:
            wrong.error(Location(file), "the file is empty", "write a character_config: into it")
        findings.extend(wrong.all)
        return None
    if not isinstance(root, MappingNode):
        location = Location(file, root.start_mark.line + 1)
        findings.error(location, "the file holds no keys", "start with system_config: or character_config:")
        return None
    node = _Reader(file, findings).read(root, Location(file, 1), 0)
    return node if isinstance(node, Table) else None


def read_nodes(text: str, file: str, findings: Findings) -> yaml.Node | None:
    """The only document in ``text``; None where it is empty, or wrong and ``findings`` say why.

    Bounded as `compose` is. ``file`` is how people know the file.
    """
    try:
        return compose(text)
    except MarkedYAMLError as error:
        findings.error(*_syntax(error, text, file))
    except ReaderError as error:
        location = Location(file, line_of(error, text))
        findings.error(
            location, f"a character that YAML does not allow (number {error.character!r})", "remove it"
        )
    except (YAMLError, RecursionError):
        findings.error(
            Location(file), "this is not YAML that can be read", "check its brackets and indentation"
        )
    return None


# What libyaml and PyYAML were amid, where the mistake is at its beginning: of a quote that is never closed
# they tell the end of the file, of a key without a colon the line behind it.
_WRONG_AT_ITS_BEGINNING = re.compile(r"while (scanning a (quoted scalar|simple key)|parsing a flow)")


def _syntax(error: MarkedYAMLError, text: str, file: str) -> tuple[Location, str, str]:
    mark = error.problem_mark or error.context_mark
    if error.context_mark and _WRONG_AT_ITS_BEGINNING.match(error.context or ""):
        mark = error.context_mark
    line = mark.line if mark else 0
    location = Location(file, line + 1)
    lines = text.splitlines()
    opened = line if "quoted" in (error.context or "") else _quote_before(mark, text)
    if opened is not None:
        return Location(file, opened + 1), "the quote that begins here is never closed", "close it"
    if (line < len(lines) and lines[line].startswith(("\t", " \t"))) or r"'\t'" in str(error.problem):
        return location, "the line is indented with a tab", "use spaces"
    problem = ", ".join(part for part in (error.context, error.problem) if part)
    return location, f"not valid YAML: {problem}", "check quotes, brackets, colons and indentation"


def _quote_before(mark: Mark | None, text: str) -> int | None:
    """Where the quoted text begins, a line from 0 on, that goes on to the line of ``mark``, if there is one.

    Of a quote that was never closed the next quote in the file is the end, and what follows is a mistake.
    """
    found = None
    if mark is None:
        return None
    try:
        for token in yaml.scan(text, Loader=_Loader):
            # Not to the end of the line: of deep nesting, which was refused there, it takes quadratic time.
            if token.start_mark.index > mark.index:
                break
            start, line = token.start_mark.line, mark.line
            if isinstance(token, yaml.ScalarToken) and not token.plain and token.style in _QUOTES:
                found = start if start < line == token.end_mark.line else found
    except YAMLError:
        pass  # It is the mistake that the caller tells.
    return found


@attrs.frozen
class _Reader:
    """PyYAML's nodes → `Table`, `Listing`, `Scalar`. ``depth`` counts the levels above."""

    file: str
    findings: Findings

    def read(self, node: object, location: Location, depth: int) -> Node:
        if depth > MAX_DEPTH:
            self.findings.error(location, f"nested more than {MAX_DEPTH} levels deep")
        elif isinstance(node, MappingNode):
            return self._table(node, location, depth)
        elif isinstance(node, SequenceNode):
            items = enumerate(node.value)
            return Listing(location, tuple(self._item(item, location, i, depth) for i, item in items))
        elif isinstance(node, ScalarNode):
            return Scalar(location, node.value, typed=not node.style and node.tag != _STR)
        return Scalar(location, "", typed=True)

    def _item(self, node: object, location: Location, index: int, depth: int) -> Node:
        line = getattr(node, "start_mark").line + 1  # noqa: B009
        return self.read(node, Location(self.file, line, f"{location.key}[{index}]"), depth + 1)

    def _table(self, node: MappingNode, location: Location, depth: int) -> Table:
        entries: dict[str, Node] = {}
        merged: dict[str, Node] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if key_node.tag == PLAIN and key_node.value == "<<":
                self._merge(value_node, location, depth, merged)
            elif not isinstance(key_node, ScalarNode):
                self.findings.error(Location(self.file, line, location.key), "a key must be plain text")
            elif len(location.key) + len(key_node.value) > MAX_KEY:
                self.findings.error(
                    Location(self.file, line, location.key[:80]), f"a key of over {MAX_KEY} characters"
                )
            else:
                self._entry(entries, key_node.value, value_node, location.inside(key_node.value, line), depth)
        return Table(location, merged | entries)

    def _entry(
        self, entries: dict[str, Node], key: str, value: object, location: Location, depth: int
    ) -> None:
        if key in entries:
            first = entries[key].location.line
            self.findings.error(
                location, f"stands here for the second time, first in line {first}", "remove one"
            )
        else:
            entries[key] = self.read(value, location, depth + 1)

    def _merge(self, node: object, location: Location, depth: int, merged: dict[str, Node]) -> None:
        sources = node.value if isinstance(node, SequenceNode) else [node]
        for source in sources:
            table = self.read(source, location, depth + 1)
            if isinstance(table, Table):
                for key, value in table.entries.items():
                    merged.setdefault(key, value)
