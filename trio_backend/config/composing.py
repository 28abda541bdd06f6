"""YAML text → nodes that know their lines, by libyaml where there is one. Nothing is understood yet."""

from __future__ import annotations

import re
from typing import NoReturn

import yaml
from yaml.error import MarkedYAMLError
from yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent, Event, NodeEvent
from yaml.reader import ReaderError

PLAIN = "plain"
"""The tag of a scalar that is neither quoted nor tagged: what it means is for its reader to say."""

# A person's file nests ten deep; libyaml takes a level of the C stack for each.
MAX_NESTING = 100


class _Loader(yaml.CBaseLoader if yaml.__with_libyaml__ else yaml.BaseLoader):  # type: ignore[misc]
    """Resolves no types: YAML 1.1, which the library knows, takes ``no`` for a boolean."""


_Loader.add_implicit_resolver(PLAIN, re.compile("", re.DOTALL), None)


def compose(text: str) -> yaml.Node | None:
    """The only document in ``text``; None where there is none.

    Raises `yaml.YAMLError`, mostly a `MarkedYAMLError` that knows the line. An alias inside its own anchor
    gives a node that holds itself.
    """
    depth, anchors = 0, set[str]()
    for event in yaml.parse(text, Loader=_Loader):
        depth += isinstance(event, CollectionStartEvent) - isinstance(event, CollectionEndEvent)
        if depth > MAX_NESTING:
            _fail(event, f"nested more than {MAX_NESTING} levels deep")
        if isinstance(event, AliasEvent):
            if event.anchor not in anchors:
                _fail(event, f"found undefined alias {event.anchor!r}")
        elif isinstance(event, NodeEvent) and event.anchor:
            anchors.add(event.anchor)
    return yaml.compose(text, Loader=_Loader)


def line_of(error: ReaderError, text: str) -> int:
    """The line of the character in ``text`` that is not allowed."""
    if yaml.__with_libyaml__:
        return text.encode()[: error.position].count(b"\n") + 1
    return text.count("\n", 0, error.position) + 1


def _fail(event: Event, problem: str) -> NoReturn:
    raise MarkedYAMLError(problem=problem, problem_mark=event.start_mark)  # type: ignore[arg-type]
