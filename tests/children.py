"""The child processes that a test has started: its own, whatever others do beside it."""

from __future__ import annotations

from typing import Any

import psutil


class Children:
    """The child processes of this one that began after this was made, and what they have started.

    Those of others stay out of it: the browser that the page's tests share lives through all tests, and
    starts and ends processes when it likes; a child that an earlier test has left may end at any moment.
    """

    def __init__(self) -> None:
        self._others = frozenset(psutil.Process().children())

    def direct(self) -> list[Any]:
        """Those that this process has started itself, dead ones that were not waited for among them."""
        return [child for child in psutil.Process().children() if child not in self._others]

    def all(self) -> list[Any]:
        """`direct`, and all below them."""
        found = []
        for child in self.direct():
            found.append(child)
            try:
                found += child.children(recursive=True)
            except psutil.NoSuchProcess:
                # It ended just now, and is still in `direct` like any that ends right after it.
                continue
        return found
