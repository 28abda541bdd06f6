"""`FairQueue`: shares scarce work fairly among addresses, not among requests."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import attrs
import trio

from ..errors import QueueFull


@attrs.define(eq=False)
class Place:
    """A task's place in a queue. ``lost`` tells why it was given to another task, if it was.

    The task that has it prepares inside of ``preparing``, sets ``ready`` after that, and can lose the place
    only before: then the scope is cancelled.
    """

    address: str
    preparing: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)
    ready: bool = attrs.field(default=False, init=False)
    lost: QueueFull | None = attrs.field(default=None, init=False)


@attrs.define(eq=False)
class FairQueue:
    """Lets up to ``at_once`` tasks work at a time, of each address one; the addresses take turns.

    A task first takes a `place`, of which there are ``places`` in all and ``places_each`` for an address:
    that bounds the memory of tasks that prepare or wait. It takes its `turn` when it is ready to work, so
    that a silent client holds no turn. Nor can silence hold a place: where none is left, a new task gets that
    of the task that has prepared longest.
    """

    at_once: int
    places: int
    places_each: int
    # The oldest first.
    _places: dict[Place, None] = attrs.field(factory=dict, init=False)
    _working: set[str] = attrs.field(factory=set, init=False)
    # By address, in the order of their turns.
    _waiting: dict[str, deque[trio.Event]] = attrs.field(factory=dict, init=False)

    @contextmanager
    def place(self, address: str) -> Iterator[Place]:
        """Hold a place during the block. Raises `QueueFull` at once where all tasks are ready."""
        of_address = [place for place in self._places if place.address == address]
        if len(of_address) >= self.places_each:
            self._evict(of_address, QueueFull(own_share=True))
        elif len(self._places) >= self.places:
            self._evict(list(self._places), QueueFull(own_share=False))
        mine = Place(address)
        self._places[mine] = None
        try:
            yield mine
        finally:
            self._places.pop(mine, None)

    def _evict(self, places: list[Place], reason: QueueFull) -> None:
        """Take away the oldest of ``places`` that is not ready. Raises ``reason`` if all of them are."""
        for place in places:
            if not place.ready:
                del self._places[place]
                place.lost = reason
                place.preparing.cancel("another task needs the place")
                return
        raise reason

    @asynccontextmanager
    async def turn(self, address: str) -> AsyncIterator[None]:
        """Wait for a turn of ``address``, and hold it during the block; a cancel gives it back."""
        mine = trio.Event()
        self._waiting.setdefault(address, deque()).append(mine)
        self._admit()
        try:
            await mine.wait()
            yield
        finally:
            if mine.is_set():
                # Also if the cancel came between the turn and the wait's return.
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
                # It keeps its position, and has its next turn after this one.
                continue
            tasks = self._waiting.pop(address)
            self._working.add(address)
            tasks.popleft().set()
            self._queue_up(address, tasks)

    def _queue_up(self, address: str, tasks: deque[trio.Event]) -> None:
        """Let ``tasks`` of ``address`` wait behind all other addresses."""
        if tasks:
            self._waiting[address] = tasks
