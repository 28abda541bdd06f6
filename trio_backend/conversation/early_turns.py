"""`ProvisionalTurns`: who begins turns before it is certain that the user has finished."""

from __future__ import annotations

from typing import Protocol

from .recognition import Recognition


class ProvisionalTurns(Protocol):
    """Where turns are begun before an utterance is certainly over. Nothing here waits."""

    def begin(self, words: str, recognition: Recognition) -> bool:
        """The user may have finished, with ``words``. True if a turn is begun with them, soon or at once."""
        ...

    def discard(self) -> None:
        """The user goes on: nothing that was begun is wanted. There may be none."""
        ...

    def recognition_discarded(self) -> None:
        """A recognition that was begun in a pause was in vain: more was said."""
        ...


class NoProvisionalTurns:
    """`ProvisionalTurns` where none is ever begun."""

    def begin(self, words: str, recognition: Recognition) -> bool:
        """See `ProvisionalTurns.begin`."""
        del words, recognition
        return False

    def discard(self) -> None: ...
    def recognition_discarded(self) -> None: ...
