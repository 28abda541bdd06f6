"""`Observer`: counts what happens in sessions, for the metrics."""

from __future__ import annotations

from typing import Protocol

from .timeline import Timeline


class Observer(Protocol):
    """Counts what happens in all sessions.

    Its methods are called in the middle of sessions' work: they take microseconds, and never raise.
    """

    def session_began(self) -> None:
        """A client has connected."""
        ...

    def turn_over(self, timeline: Timeline) -> None:
        """A turn has ended; ``timeline`` says how."""
        ...

    def turn_discarded(self, timeline: Timeline) -> None:
        """A turn that was begun provisionally was not wanted; no client knows of it."""
        ...

    def recognition_discarded(self) -> None:
        """What was recognised in a pause was in vain: more was said."""
        ...

    def turn_resumed(self) -> None:
        """A turn was silenced by something that was no interruption, and goes on."""
        ...

    def error_told(self, code: str) -> None:
        """A client was sent an `error` of this code."""
        ...

    def bug_found(self, part: str) -> None:
        """A bug ended a connection or a background task; ``part`` is one of a few fixed names."""
        ...


class NullObserver:
    """An `Observer` that counts nothing."""

    def session_began(self) -> None: ...
    def turn_over(self, timeline: Timeline) -> None: ...
    def turn_discarded(self, timeline: Timeline) -> None: ...
    def recognition_discarded(self) -> None: ...
    def turn_resumed(self) -> None: ...
    def error_told(self, code: str) -> None: ...
    def bug_found(self, part: str) -> None: ...
