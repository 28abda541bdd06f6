"""`ConnectionLimits`: how many connections there may be, in all and of one client. No I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import attrs

# A client that has more connections on which it has said nothing yet can spare the oldest of them. Browsers
# open one or two in advance.
SPARE = 8


@attrs.define(eq=False)
class Admission:
    """The right to one connection. ``client`` is whose share it is part of; its ``share`` is so large."""

    limits: ConnectionLimits
    client: str
    share: int
    give_up: Callable[[], None]
    _left: bool = attrs.field(default=False, init=False)

    def heard(self) -> None:
        """The client has said what it wants, so the connection is not given up for another any more."""
        self.limits._forget_unheard(self)

    def pass_to(self, client: str, share: int) -> bool:
        """Count the connection as one of ``client`` from now on; False if that has its share already."""
        limits = self.limits
        if limits.held_by(client) >= share:
            return False
        limits._release(self.client)
        self.client, self.share = client, share
        limits._held[client] += 1
        return True

    def leave(self) -> None:
        """The connection is over. Leaving twice is harmless."""
        if not self._left:
            self._left = True
            self.heard()
            self.limits._remove(self)


@attrs.define(eq=False)
class ConnectionLimits:
    """Counts connections from accept to close: at most ``most``, and of each client its share.

    A connection is unheard until its client has said what it wants. At most half of all may be: then whoever
    has most of them gives up its oldest for the newcomer. Where there is no room at all, or a client has its
    share, only who has more than `SPARE` of them does. So those who open connections and say nothing, or half
    of it, keep nobody out.
    """

    most: int
    open: int = attrs.field(default=0, init=False)
    _held: Counter[str] = attrs.field(factory=Counter, init=False)
    # Of each client, in the order in which they came.
    _unheard: dict[str, dict[Admission, None]] = attrs.field(factory=dict, init=False)
    _unheard_count: int = attrs.field(default=0, init=False)

    def held_by(self, client: str) -> int:
        """How many connections ``client`` has."""
        return self._held[client]

    def enter(self, client: str, share: int, give_up: Callable[[], None]) -> Admission | None:
        """An admission for a connection of ``client``, who may have ``share`` of them; None if there is none.

        ``give_up`` is called, at most once, to end it in favour of another while it is unheard.
        """
        if self._held[client] >= share and not self._give_up_one_of(client, but=SPARE):
            return None
        if self._unheard_count >= max(SPARE + 1, self.most // 2):
            self._give_up_one_of(self._most_unheard(), but=0)
        if self.open >= self.most and not self._give_up_one_of(self._most_unheard(), but=SPARE):
            return None
        admission = Admission(self, client, share, give_up)
        self.open += 1
        self._held[client] += 1
        self._unheard.setdefault(client, {})[admission] = None
        self._unheard_count += 1
        return admission

    def _most_unheard(self) -> str:
        # Only looked for when it is full; there are at most as many clients as half the connections.
        return max(self._unheard, key=lambda client: len(self._unheard[client]), default="")

    def _give_up_one_of(self, client: str, *, but: int) -> bool:
        unheard = self._unheard.get(client, {})
        if len(unheard) <= but:
            return False
        oldest = next(iter(unheard))
        oldest.give_up()
        oldest.leave()
        return True

    def _forget_unheard(self, admission: Admission) -> None:
        unheard = self._unheard.get(admission.client, {})
        if admission in unheard:
            del unheard[admission]
            self._unheard_count -= 1
            if not unheard:
                del self._unheard[admission.client]

    def _remove(self, admission: Admission) -> None:
        self.open -= 1
        self._release(admission.client)

    def _release(self, client: str) -> None:
        self._held[client] -= 1
        if not self._held[client]:
            del self._held[client]
