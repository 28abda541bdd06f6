"""YAML text → nodes that know their lines, by libyaml where there is one. Nothing is understood yet."""

from __future__ import annotations

import re
from typing import NoReturn

import attrs
import yaml
from yaml.error import MarkedYAMLError
from yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent, Event, ScalarEvent
from yaml.reader import ReaderError

PLAIN = "plain"
"""The tag of a scalar that is neither quoted nor tagged: what it means is for its reader to say."""

# A person's file nests ten deep; libyaml takes a level of the C stack for each.
MAX_NESTING = 100

# A person's file has some hundreds, the companion's rules 14 000. Aliases of aliases make 2^50 of 65 bytes.
MAX_NODES = 100_000
TEXT_OF_A_NODE = 64
"""Characters of text that count as one node more."""


# Others make programs of what is read, with readers that obey them.
_CORE = "tag:yaml.org,2002:"
_TAGS = {"!", *(_CORE + name for name in ("str", "int", "float", "bool", "null", "map", "seq", "merge"))}


class _Loader(yaml.CBaseLoader if yaml.__with_libyaml__ else yaml.BaseLoader):  # type: ignore[misc]
    """Resolves no types: YAML 1.1, which the library knows, takes ``no`` for a boolean."""


_Loader.add_implicit_resolver(PLAIN, re.compile("", re.DOTALL), None)


def compose(text: str) -> yaml.Node | None:
    """The only document in ``text``; None where there is none.

    Takes time in proportion to ``text``, which with all aliases written out has no more than `MAX_NODES`
    nodes. Raises `yaml.YAMLError`, mostly a `MarkedYAMLError` that knows the line.
    """
    meter = _Meter()
    for event in yaml.parse(text, Loader=_Loader):
        meter.take(event)
    return yaml.compose(text, Loader=_Loader)


@attrs.define(eq=False)
class _Meter:
    """Counts a document's nodes, event by event, before the library builds any; raises where it is too much.

    An alias counts as all that it stands for, since readers go through that again at each of them.
    """

    _total: int = attrs.field(default=0, init=False)
    # Of each anchor, how many nodes it names; 0 while it is open.
    _anchors: dict[str, int] = attrs.field(factory=dict, init=False)
    # The collections that are open: their anchors, and the total when they began.
    _open: list[tuple[str | None, int]] = attrs.field(factory=list, init=False)

    def take(self, event: Event) -> None:
        """The next event of the document."""
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
