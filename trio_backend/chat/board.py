"""The errands that are under way. No I/O."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from ..client.messages import (
    ReceivedConfigSwitched,
    ReceivedError,
    ReceivedHistoryData,
    ReceivedHistoryList,
    ReceivedNewHistory,
    ServerMessage,
)
from ..protocol.incoming import Incoming
from .errands import Errand, Refused

# Which answer an error takes the place of, for the errors whose code says so.
_INSTEAD_OF: dict[str, tuple[type[ServerMessage], ...]] = {
    "bad-config": (ReceivedConfigSwitched,),
    "no-such-history": (ReceivedHistoryData,),
    "history-error": (ReceivedHistoryData, ReceivedHistoryList, ReceivedNewHistory),
}


@attrs.define(eq=False)
class Board:
    """At most one errand of each kind; ``send`` takes what they ask to the server."""

    _send: Callable[[Incoming], None]
    _open: dict[str, tuple[Errand, type[ServerMessage]]] = attrs.field(factory=dict, init=False)

    def start(self, kind: str, errand: Errand) -> None:
        """Begin ``errand``, in place of one of the same kind that waits: the user wants the newer one."""
        self._close(kind)
        self._advance(kind, errand, None)

    def busy(self, *kinds: str) -> bool:
        """Whether an errand is under way, of these ``kinds`` where some are named."""
        return any(kind in self._open for kind in kinds) if kinds else bool(self._open)

    def answer(self, message: ServerMessage) -> bool:
        """Give ``message`` to the errand that waits for it the longest; False if none does."""
        for kind, (errand, answer) in self._open.items():
            if isinstance(message, answer):
                del self._open[kind]
                self._advance(kind, errand, message)
                return True
        return False

    def refuse(self, error: ReceivedError, *, in_turn: bool) -> bool:
        """Give ``error`` to the errand that it answers, if any; True if that needs no telling.

        Errors whose code does not say so belong to the turn, if we are ``in_turn``.
        """
        replaced = _INSTEAD_OF.get(error.code)
        for kind, (errand, answer) in self._open.items():
            if answer in replaced if replaced is not None else not in_turn:
                del self._open[kind]
                return self._advance(kind, errand, Refused(error.message))
        return False

    def abandon(self) -> None:
        """End all errands: no answer will come."""
        for kind in tuple(self._open):
            self._close(kind)

    def _advance(self, kind: str, errand: Errand, news: ServerMessage | Refused | None) -> bool:
        """Let ``errand`` go on to its next question; False if it could not bear what was refused."""
        try:
            if isinstance(news, Refused):
                question = errand.throw(news)
            elif news is None:
                question = next(errand)
            else:
                question = errand.send(news)
        except StopIteration:
            return True
        except Refused:
            return False
        self._open[kind] = errand, question.answer
        self._send(question.message)
        return True

    def _close(self, kind: str) -> None:
        if kind in self._open:
            self._open.pop(kind)[0].close()
