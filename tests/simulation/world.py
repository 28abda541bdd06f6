"""`World`: what surrounds the backend, all of it drawn from one seed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from enum import Enum
from random import Random
from uuid import UUID

import attrs
import trio

from trio_backend.errors import HistoryError
from trio_backend.history.memory import MemoryHistory
from trio_backend.history.store import (
    LISTED,
    READ,
    READ_BYTES,
    HistoryUid,
    Owner,
    StoredConversation,
    StoredMessage,
)

EPOCH = datetime(2030, 1, 1, tzinfo=UTC)


@attrs.frozen
class Chances:
    """How likely each fault is, from 0 to 1, each time that there is a chance for it."""

    model_fails: float = 0.05
    model_hangs: float = 0.03
    model_breaks: float = 0.0
    """A bug in an adapter: it raises what no adapter may raise."""
    model_asks: float = 0.05
    """Its reply ends in a request for a tool, and it is asked again."""
    engine_dies: float = 0.03
    synthesis_fails: float = 0.05
    synthesis_hangs: float = 0.02
    recognition_fails: float = 0.1
    load_fails: float = 0.05
    store_slow: float = 0.1
    store_fails: float = 0.0

    @classmethod
    def none(cls) -> Chances:
        """Nothing goes wrong."""
        return cls(*([0.0] * len(attrs.fields(cls))))


@attrs.frozen
class Asked:
    """A request to the language model: when, the last message that it was to answer, and its number.

    ``read`` are all messages of the prompt, without a nudge and without what tools were asked.
    """

    at: float
    number: int
    request: str
    nudge: bool
    read: tuple[str, ...] = ()


class Said(Enum):
    """What somebody says, by how loud it is: so recognition knows it. Of several, the loudest counts."""

    NOTHING = 0.07
    BACKCHANNEL = 0.08
    ECHO = 0.09
    WORDS = 0.1

    @classmethod
    def of(cls, loudest: int) -> Said:
        """What was said where ``loudest`` is the loudest sample."""
        return min(cls, key=lambda said: abs(said.value * 32767 - loudest))

    def sound(self, windows: int) -> list[float]:
        """So many windows of it."""
        return [self.value] * 512 * windows


@attrs.define(eq=False)
class World:
    """Everything outside the backend. The same seed makes the same world."""

    seed: int
    chances: Chances = attrs.field(factory=Chances)
    parts: tuple[int, ...] = (0, 1, 2, 3, 4)
    """How many sentences a reply may have."""
    random: Random = attrs.field(init=False)
    store: Store = attrs.field(init=False)
    asked: list[Asked] = attrs.field(factory=list, init=False)
    busy: int = attrs.field(default=0, init=False)
    """Engines that are open, and calls of theirs that run, at this moment."""
    heard: int = attrs.field(default=0, init=False)
    spoken: str = attrs.field(default="", init=False)
    """What speech synthesis was asked for last."""
    problems: list[str] = attrs.field(factory=list, init=False)
    _ids: Random = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.random = Random(self.seed)
        self._ids = Random(self.seed + 1)
        self.store = Store(self)

    @property
    def has_lists(self) -> bool:
        """Whether the base character has two engines of each kind; SEED of the scenarios does not."""
        return self.seed % 3 == 2

    def chance(self, probability: float) -> bool:
        """Whether something of that probability happens now."""
        return self.random.random() < probability

    async def wait(self, *seconds: float) -> None:
        """One of ``seconds``, by chance; 0 is a checkpoint."""
        await trio.sleep(self.random.choice(seconds))

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Something of the world's is in use until the block is left."""
        self.busy += 1
        try:
            yield
        finally:
            self.busy -= 1

    # As a `Source` of ids and of the time.

    def id(self) -> UUID:
        """The next one."""
        return UUID(int=self._ids.getrandbits(128), version=4)

    def now(self) -> datetime:
        """The virtual clock's time as a date."""
        return EPOCH + timedelta(seconds=trio.current_time())


@attrs.define(eq=False)
class Store(MemoryHistory):
    """A `History` that is slow or fails as its world decides, and keeps what it acknowledged."""

    world: World
    delay: float = attrs.field(default=0.0, kw_only=True)
    """Seconds that each call takes at least."""

    async def _trouble(self) -> None:
        await trio.sleep(self.delay)
        chances = self.world.chances
        if chances.store_slow and self.world.chance(chances.store_slow):
            await self.world.wait(0.001, 0.1, 3.0)
        if chances.store_fails and self.world.chance(chances.store_fails):
            raise HistoryError("the simulated disk refuses")

    async def append(
        self, conf_uid: Owner, uid: HistoryUid, *messages: StoredMessage, continues: bool = False
    ) -> None:
        """See `History.append`."""
        await self._trouble()
        await super().append(conf_uid, uid, *messages, continues=continues)

    async def conversations(
        self, conf_uid: Owner, *, limit: int = LISTED, before: HistoryUid | None = None
    ) -> Sequence[StoredConversation]:
        """See `History.conversations`."""
        await self._trouble()
        return await super().conversations(conf_uid, limit=limit, before=before)

    async def messages(
        self, conf_uid: Owner, uid: HistoryUid, *, limit: int = READ, size: int = READ_BYTES
    ) -> Sequence[StoredMessage]:
        """See `History.messages`."""
        await self._trouble()
        return await super().messages(conf_uid, uid, limit=limit, size=size)

    async def delete(self, conf_uid: Owner, uid: HistoryUid) -> None:
        """See `History.delete`."""
        await self._trouble()
        await super().delete(conf_uid, uid)


_world: ContextVar[World] = ContextVar("the world of this simulation")


def here() -> World:
    """The world in which the caller's task lives."""
    return _world.get()


@contextmanager
def inhabited(world: World) -> Iterator[None]:
    """Inside the block, and in all tasks begun there, `here` is ``world``."""
    token = _world.set(world)
    try:
        yield
    finally:
        _world.reset(token)
