"""The last warnings and errors of the log, for whoever looks at a running server."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import attrs
from loguru import logger

if TYPE_CHECKING:
    from loguru import Message

KEPT = 50


@attrs.frozen
class Trouble:
    """One log line of level WARNING or above; ``time`` is ISO 8601."""

    time: str
    level: str
    session: str
    message: str


@attrs.define(eq=False)
class Troubles:
    """The last `KEPT` of them."""

    _kept: deque[Trouble] = attrs.field(factory=lambda: deque(maxlen=KEPT), init=False)

    def take(self, message: Message) -> None:
        """A sink for loguru."""
        record = message.record
        session = str(record["extra"].get("session", ""))
        self._kept.append(
            Trouble(record["time"].isoformat(), record["level"].name, session, record["message"])
        )

    def last(self) -> Sequence[Trouble]:
        """The newest last."""
        return tuple(self._kept)


@contextmanager
def keep_troubles() -> Iterator[Troubles]:
    """Keep them while the block runs."""
    troubles = Troubles()
    sink = logger.add(troubles.take, level="WARNING", format="{message}", catch=False)
    try:
        yield troubles
    finally:
        logger.remove(sink)
