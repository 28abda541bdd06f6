"""What sessions report of themselves to whoever counts."""

from __future__ import annotations

from typing import Protocol

from .timeline import Timeline


class Observer(Protocol):
    """Somebody who watches all sessions. Its methods take microseconds and never raise."""

    def session_began(self) -> None:
        """A client has connected."""
        ...

    def turn_over(self, timeline: Timeline) -> None:
        """A turn has ended, in whatever way."""
        ...

    def error_told(self, code: str) -> None:
        """A client was sent an `error` of this code."""
        ...

    def bug_found(self, part: str) -> None:
        """Something died of a bug of ours; ``part`` is one of a few fixed names."""
        ...


class Nobody:
    """An `Observer` who looks away."""

    def session_began(self) -> None: ...
    def turn_over(self, timeline: Timeline) -> None: ...
    def error_told(self, code: str) -> None: ...
    def bug_found(self, part: str) -> None: ...
