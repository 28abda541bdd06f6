"""Ids and the time come from one source, which a block can replace."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import attrs
import trio
import trio.testing

from trio_backend import identity


@attrs.define
class Counting:
    """Ids in a row, at one moment."""

    given: int = 0

    def id(self) -> UUID:
        self.given += 1
        return UUID(int=self.given)

    def now(self) -> datetime:
        return datetime(2030, 1, 1, tzinfo=UTC)


async def test_a_block_has_its_own_source(nursery: trio.Nursery) -> None:
    """Its tasks and threads have it too, for as long as they live; outside it is the system's."""
    found: list[UUID] = []

    async def find() -> None:
        await trio.lowlevel.checkpoint()
        found.append(identity.new_id())
        found.append(await trio.to_thread.run_sync(identity.new_id))

    with identity.source(Counting()):
        assert identity.new_id() == UUID(int=1)
        assert identity.now().year == 2030
        nursery.start_soon(find)
    assert identity.new_id() != identity.new_id()
    assert identity.new_id().version == 4
    assert abs((identity.now() - datetime.now(UTC)).total_seconds()) < 60
    while len(found) < 2:
        await trio.testing.wait_all_tasks_blocked()
        await trio.sleep(0.001)
    assert found == [UUID(int=2), UUID(int=3)]
