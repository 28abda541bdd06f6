"""`EngineFacts`: what people want to know of an engine before they choose it.

They stand beside each adapter, as its ``FACTS``. docs/engines.md, ``trio-backend engines`` and
``trio-backend check`` are made of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Literal, TypeAlias

import attrs

from ..installation import extra_remedy, install

Cancel: TypeAlias = Literal[
    "closes the connection",
    "closes the request, and tells the server to stop",
    "ends its process",
    "interrupts its process, or ends it",
    "kills the program",
    "stops at once",
    "stops after the token",
    "is not waited for",
]
"""What a cancel does with the work that an engine is at, before the next may begin."""

Tried: TypeAlias = Literal[
    "the library",
    "the library, with a tiny model",
    "the library, with a stand-in of its service",
    "a stand-in for the library",
    "a stand-in by its reference",
    "a stand-in by its code",
    "a stand-in by recordings of it",
    "programs",
    "a server of its package",
    "ours: nothing foreign in it",
]
"""What is at the other end in our tests."""


@attrs.frozen(kw_only=True)
class EngineFacts:
    """What people want to know of an engine. Words are those of a table's cell: short, without a full stop.

    ``streams`` says whether it hands out pieces while it makes them (or, of recognition, recognises while one
    speaks): ``yes``, ``no``, or on what that depends. ``needs`` is what a user must have besides: a model, a
    server, an account.

    ``modules`` are the Python modules (not submodules) without which it cannot be opened. They come with the
    extra ``extra`` of ours, or else with ``packages``, the names that pip knows. ``keys`` are variables of
    the environment that may hold its key, any of them. ``fallback`` is the engine that is used where
    ``modules`` are missing; without one, the character says what is missing. One ``for_tests`` is
    offered on the page only where it is configured.

    ``limits`` is what it cannot do that users would expect of it, and ``better`` what to do for more: empty
    where there is nothing to say. ``languages`` are the codes of all that it understands; none: any, or those
    of its model.
    """

    streams: str
    cancel: Cancel
    tried: Tried
    needs: str = ""
    extra: str = ""
    modules: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    fallback: str = ""
    for_tests: bool = False
    limits: str = ""
    better: str = ""
    languages: tuple[str, ...] = ()

    @property
    def honestly(self) -> str:
        """``limits`` and ``better``, as a sentence goes on."""
        return f"{self.limits}; {self.better}" if self.better else self.limits

    def missing_modules(self) -> tuple[str, ...]:
        """Those of ``modules`` that are not installed. None of them is imported."""
        return tuple(name for name in self.modules if find_spec(name) is None)

    @property
    def needs_nothing(self) -> bool:
        """Whether it runs wherever its modules are: without a key, a download, a server or the internet."""
        return self.needs.startswith("nothing")

    @property
    def remedy(self) -> str:
        """How to install ``modules``, as a sentence goes on; empty where there are none."""
        if self.extra:
            return extra_remedy(self.extra)
        return f"install it: `{install(*self.packages)}`" if self.packages else ""


Facts: TypeAlias = EngineFacts | Mapping[str, EngineFacts]
"""The ``FACTS`` of an adapter: of all its engines, or of each by name."""
