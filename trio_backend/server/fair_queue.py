"""`FairQueue`: a scarce piece of work is shared by the addresses that ask for it, not by the requests."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from ipaddress import IPv6Address, ip_address

import attrs
import trio


class QueueFull(Exception):
    """There is no place left; ``yours`` tells whether it is the address's own share that is used up."""

    def __init__(self, *, yours: bool) -> None:
        super().__init__("the share of this address is used up" if yours else "the queue is full")
        self.yours = yours


def share_of(host: str) -> str:
    """Which addresses have one share together: an IPv4 address alone, of IPv6 the first 64 bits.

    One subscriber has a whole /64, and may send from each address of it (RFC 6177, section 2).
    """
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if not isinstance(address, IPv6Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    # All of this machine is one address.
    return str(address) if address.is_loopback else str(IPv6Address(int(address) >> 64 << 64))


@attrs.define(eq=False)
class FairQueue:
    """Lets up to ``at_once`` tasks work at a time, of each address one; the addresses take turns.

    A task first takes a `place`, of which there are ``places`` in all and ``places_each`` for an address:
    that bounds what those who prepare or wait can hold. It takes its `turn` when it is ready to work, so
    that nobody holds that while the other end is silent.
    """

    at_once: int
    places: int
    places_each: int
    _held: Counter[str] = attrs.field(factory=Counter, init=False)
    _working: set[str] = attrs.field(factory=set, init=False)
    # By address, in the order of their turns.
    _waiting: dict[str, deque[trio.Event]] = attrs.field(factory=dict, init=False)

    @contextmanager
    def place(self, address: str) -> Iterator[None]:
        """Hold a place for the time of the block. Raises `QueueFull` at once where there is none."""
        if self._held[address] >= self.places_each:
            raise QueueFull(yours=True)
        if self._held.total() >= self.places:
            raise QueueFull(yours=False)
        self._held[address] += 1
        try:
            yield
        finally:
            self._held[address] -= 1
            # Counters keep zeros, and strangers choose the addresses.
            self._held += Counter()

    @asynccontextmanager
    async def turn(self, address: str) -> AsyncIterator[None]:
        """Wait for a turn of ``address``, and have it during the block. A cancelled wait holds nothing."""
        mine = trio.Event()
        self._waiting.setdefault(address, deque()).append(mine)
        self._admit()
        try:
            await mine.wait()
            yield
        finally:
            if mine.is_set():
                self._working.discard(address)
                self._queue_up(address, self._waiting.pop(address, deque()))
            else:
                self._waiting[address].remove(mine)
                if not self._waiting[address]:
                    del self._waiting[address]
            self._admit()

    def _admit(self) -> None:
        for address in list(self._waiting):
            if len(self._working) >= self.at_once:
                return
            if address in self._working:
                continue
            tasks = self._waiting.pop(address)
            self._working.add(address)
            tasks.popleft().set()
            self._queue_up(address, tasks)

    def _queue_up(self, address: str, tasks: deque[trio.Event]) -> None:
        """Let ``tasks`` of ``address`` wait behind all other addresses."""
        if tasks:
            self._waiting[address] = tasks
