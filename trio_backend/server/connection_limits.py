"""`ConnectionLimits`: how many connections there may be, in all and of one client. No I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import attrs

# A client that has more pending connections than this can lose the oldest of them. Browsers open one or two
# in advance, and a few tabs may load at once.
SPARE = 8


@attrs.define(eq=False)
class Admission:
    """The right to one connection, which counts against the ``share`` of ``client``.

    ``evict`` ends the connection in favour of another; it is called only before `request_received`.
    """

    limits: ConnectionLimits
    client: str
    share: int
    evict: Callable[[], None]
    _released: bool = attrs.field(default=False, init=False)

    def request_received(self) -> None:
        """The client has sent its request: from now on the connection is not evicted for another."""
        self.limits._forget_pending(self)

    def pass_to(self, client: str, share: int) -> bool:
        """Count the connection as one of ``client`` from now on; False if ``client`` has its share."""
        limits = self.limits
        if limits.held_by(client) >= share:
            return False
        limits._uncount(self.client)
        self.client, self.share = client, share
        limits._held[client] += 1
        return True

    def release(self) -> None:
        """The connection is closed. Releasing twice is harmless."""
        if not self._released:
            self._released = True
            self.request_received()
            self.limits._remove(self)


@attrs.define(eq=False)
class ConnectionLimits:
    """Counts connections from accept to close: at most ``max_connections``, and of each client its share.

    A connection is pending until its client has sent its request. At most half of all connections may be
    pending: beyond that, the client with the most pending ones loses its oldest to the new one. Where all
    connections are taken, or a client has its share, a pending connection is evicted only from a client that
    has more than `SPARE` of them. So clients that open connections and send nothing, or half a request, keep
    no others out.
    """

    max_connections: int
    open: int = attrs.field(default=0, init=False)
    _held: Counter[str] = attrs.field(factory=Counter, init=False)
    # Of each client, the oldest first.
    _pending: dict[str, dict[Admission, None]] = attrs.field(factory=dict, init=False)
    _pending_count: int = attrs.field(default=0, init=False)

    def held_by(self, client: str) -> int:
        """How many connections ``client`` has."""
        return self._held[client]

    def enter(self, client: str, share: int, evict: Callable[[], None]) -> Admission | None:
        """Admit a connection of ``client``, which may have ``share`` of them; None if it is refused.

        ``evict`` is called, at most once, to end the connection in favour of another while it is pending.
        """
        if self._held[client] >= share and not self._evict_one_of(client, spare=SPARE):
            return None
        # With a limit of a few connections half of it would be less than one browser opens.
        if self._pending_count >= max(SPARE + 1, self.max_connections // 2):
            self._evict_one_of(self._client_with_most_pending(), spare=0)
        if self.open >= self.max_connections and not self._evict_one_of(
            self._client_with_most_pending(), spare=SPARE
        ):
            return None
        admission = Admission(self, client, share, evict)
        self.open += 1
        self._held[client] += 1
        self._pending.setdefault(client, {})[admission] = None
        self._pending_count += 1
        return admission

    def _client_with_most_pending(self) -> str:
        # A linear search, but only where the server is full, and over at most `max_connections` / 2 clients.
        return max(self._pending, key=lambda client: len(self._pending[client]), default="")

    def _evict_one_of(self, client: str, *, spare: int) -> bool:
        pending = self._pending.get(client, {})
        if len(pending) <= spare:
            return False
        oldest = next(iter(pending))
        oldest.evict()
        oldest.release()
        return True

    def _forget_pending(self, admission: Admission) -> None:
        pending = self._pending.get(admission.client, {})
        if admission in pending:
            del pending[admission]
            self._pending_count -= 1
            if not pending:
                del self._pending[admission.client]

    def _remove(self, admission: Admission) -> None:
        self.open -= 1
        self._uncount(admission.client)

    def _uncount(self, client: str) -> None:
        self._held[client] -= 1
        if not self._held[client]:
            del self._held[client]
