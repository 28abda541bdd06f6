"""`RoomQueue`: the messages that wait for their turn in one room. No tasks, no clock."""

from __future__ import annotations

import sys
from collections import Counter, deque
from collections.abc import Hashable
from typing import Generic, TypeVar

import attrs

from ..errors import QuotaExceeded
from ..protocol import Decoded, TextInput
from ..quota import Claim, MemoryQuota, counted
from .session import ToSession

S = TypeVar("S", bound=Hashable)


@attrs.frozen
class QueuedMessage(Generic[S]):
    """A message in the queue. `max_per_sender` counts by ``sender``; ``since`` is of any steady clock."""

    sender: S
    text: str = attrs.field(repr=False)
    whole: ToSession = attrs.field(repr=False)
    """The message as the session takes it."""
    since: float

    @property
    def size(self) -> int:
        """Bytes of the frame that it came in."""
        return self.whole.size if isinstance(self.whole, Decoded) else len(self.whole)


@attrs.frozen
class QueuePlace:
    """Where a message stands: the ``position``-th (from 1) of ``length``."""

    position: int
    length: int


@attrs.frozen
class QueueRefusal:
    """Why a message was not taken, said so that its sender knows what to do."""

    why: str
    code: str = "queue-full"


@attrs.define(eq=False)
class RoomQueue(Generic[S]):
    """First in, first out; bounded in messages, bytes, and per sender. ``max_age`` in seconds; 0: unlimited.

    The messages are claimed of ``quota``.
    """

    max_length: int
    max_size: int
    max_per_sender: int
    max_age: float = 0.0
    quota: MemoryQuota = attrs.field(factory=MemoryQuota)
    _claim: Claim = attrs.field(init=False)
    _closed: bool = attrs.field(default=False, init=False)
    _waiting: deque[QueuedMessage[S]] = attrs.field(factory=deque, init=False)
    _of_sender: Counter[S] = attrs.field(factory=Counter, init=False)
    _size: int = attrs.field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        self._claim = self.quota.claim()

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, message: QueuedMessage[S]) -> QueuePlace | QueueRefusal:
        """Take ``message`` in, if there is room for it."""
        if self._closed:
            return QueueRefusal("this room is being closed: join it again")
        if len(self._waiting) >= self.max_length:
            return QueueRefusal(
                f"{self.max_length} messages wait in this room already: try again in a moment"
            )
        if self._of_sender[message.sender] >= self.max_per_sender:
            return QueueRefusal(
                f"{self.max_per_sender} of your messages wait in this room: wait until one is answered"
            )
        if self._size + message.size > self.max_size:
            return QueueRefusal(
                "this message is too large: those that wait in this room leave no space for it"
            )
        try:
            self._claim.resize(self._claim.size + _memory_of(message))
        except QuotaExceeded as error:
            return QueueRefusal(f"{error}: try again in a moment", "too-much-data")
        self._waiting.append(message)
        self._of_sender[message.sender] += 1
        self._size += message.size
        return QueuePlace(len(self._waiting), len(self._waiting))

    def take(self) -> QueuedMessage[S] | None:
        """The message whose turn it is; None if nothing waits."""
        return self._pop() if self._waiting else None

    def drop_expired(self, now: float) -> list[QueuedMessage[S]]:
        """Take out what has waited longer than ``max_age``, oldest first."""
        expired = []
        while self.max_age and self._waiting and now - self._waiting[0].since > self.max_age:
            expired.append(self._pop())
        return expired

    def drop_all(self) -> int:
        """Empty the queue; how many were in it."""
        count = len(self._waiting)
        self._waiting.clear()
        self._of_sender.clear()
        self._size = 0
        self._claim.release()
        return count

    def close(self) -> None:
        """Empty it, and take nothing any more."""
        self._closed = True
        self.drop_all()

    def _pop(self) -> QueuedMessage[S]:
        message = self._waiting.popleft()
        self._size -= message.size
        self._claim.resize(self._claim.size - _memory_of(message))
        self._of_sender[message.sender] -= 1
        if not self._of_sender[message.sender]:
            del self._of_sender[message.sender]
        return message


def _memory_of(message: QueuedMessage[S]) -> int:
    """Bytes: where one letter is not Latin, all take two or four times as many."""
    whole = message.whole
    if not isinstance(whole, Decoded):
        return counted(sys.getsizeof(whole) + sys.getsizeof(message.text))
    images = whole.message.images or () if isinstance(whole.message, TextInput) else ()
    return counted(sys.getsizeof(message.text) + sum(sys.getsizeof(image.data) for image in images))
