"""`Catalogue`: what may be chosen as a model, a voice or a recogniser; `Surroundings`: what was found of it.

An option is called in flags by its source, ``ollama``, or by source and name, ``ollama:qwen2.5:latest``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import attrs

from ..config.character import EngineKind
from ..engines.registry import facts_of
from ..errors import SetupRefused
from .flags import LanguageCode
from .nearby import FoundNames, LookedAt


@attrs.frozen
class EngineOption:
    """One engine with its settings; ``engine`` is empty where the configuration names none.

    ``key_setting`` is the setting that has its key, where it needs one, and ``variables`` are those of the
    environment that may hold it.
    """

    kind: EngineKind
    source: str
    name: str
    engine: str
    settings: Mapping[str, object] = attrs.field(factory=dict, hash=False)
    key_setting: str = ""
    title: str = ""
    """What runs it, for people: ``Ollama``; empty of what is built in."""

    @property
    def flag(self) -> str:
        """How it is called on the command line."""
        return f"{self.source}:{self.name}" if self.name else self.source

    @property
    def variables(self) -> tuple[str, ...]:
        """The variables of the environment that may hold its key; none where it needs none."""
        facts = facts_of(self.kind, self.engine) if self.key_setting else None
        return facts.keys if facts else ()


Maker: TypeAlias = Callable[[str], EngineOption]
"""Makes the option of a source, of any name."""


@attrs.frozen
class Catalogue:
    """``offered`` can be had here and now, and ``offered[default]`` is suggested.

    ``makers`` make the option of a source for any name, ``missing`` says of sources why they are not offered.
    """

    offered: Sequence[EngineOption]
    makers: Mapping[str, Maker]
    missing: Mapping[str, str]
    default: int = 0

    def find(self, given: str) -> EngineOption:
        """The option that is called ``given``: its source, its source and name, or its name alone.

        Raises `SetupRefused`, which says what may be given.
        """
        source, colon, name = given.partition(":")
        if not given.isprintable():
            # Bytes that are no text cannot be written to a file of UTF-8 either.
            raise SetupRefused(f"{given!r} has characters that no name has")
        for option in self.offered:
            if given in (option.flag, option.source):
                return option
        if colon and name.strip() and source in self.makers:
            return self.makers[source](name.strip())
        named = [option for option in self.offered if option.name == given]
        if len(named) == 1:
            return named[0]
        if source in self.missing:
            raise SetupRefused(f"{given}: {self.missing[source]}")
        known = dict.fromkeys(
            [*(option.source for option in self.offered), *(f"{s}:NAME" for s in self.makers)]
        )
        raise SetupRefused(f"{given!r} is not known here; known are: {', '.join(known)}")


@attrs.frozen
class Surroundings:
    """What was found on ``host``, and the language to choose voices for."""

    host: str
    looked: Sequence[LookedAt]
    language: LanguageCode

    def found(self, source: str) -> FoundNames | None:
        """What the server of that source has; None where it is not there."""
        one = next((each for each in self.looked if each.source == source), None)
        return one.found if one and one.outcome == "found" else None

    def url(self, port: int, *, scheme: str = "http", path: str = "") -> str:
        """An address on the host."""
        return f"{scheme}://{f'[{self.host}]' if ':' in self.host else self.host}:{port}{path}"

    def pick(self, voices: Sequence[str], *begins: str) -> list[str]:
        """``voices`` with those first that begin with one of ``begins``, as voices of one language do."""
        return sorted(voices, key=lambda voice: not voice.startswith(begins))

    def not_there(self, title: str, port: int) -> str:
        """That a server must be started first, or its model be named."""
        return (
            f"{title} does not answer at {self.host}:{port} with a name; start it, or name one as SOURCE:NAME"
        )
