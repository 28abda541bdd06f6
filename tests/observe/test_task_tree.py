"""The task tree shows who owns whom, for how long, and what each waits for; and no more than asked for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from trio_backend.observe.task_tree import TaskAges, TaskNode, read_task_tree


@pytest.fixture
async def ages() -> AsyncIterator[TaskAges]:
    """The instrument that knows how old each task is."""
    ages = TaskAges()
    trio.lowlevel.add_instrument(ages)
    yield ages
    trio.lowlevel.remove_instrument(ages)


def all_nodes(node: TaskNode) -> Iterator[TaskNode]:
    """``node`` and everything below it."""
    yield node
    for nursery in node.nurseries:
        for child in nursery:
            yield from all_nodes(child)


async def wait_for_ever(event: trio.Event) -> None:
    """What the tasks of these tests do."""
    await event.wait()


async def test_a_child_is_shown_below_its_owner_with_what_it_waits_for(ages: TaskAges) -> None:
    """By name, under the task whose nursery it is in, with file, function, line and the wait itself."""
    never = trio.Event()

    async def owner() -> None:
        async with trio.open_nursery() as inner:
            inner.start_soon(wait_for_ever, never, name="session 7f3a/reader")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(owner, name="owner")
        await wait_all_tasks_blocked()
        tree = await read_task_tree(ages)
        nursery.cancel_scope.cancel()

    assert tree.root is not None
    found = next(node for node in all_nodes(tree.root) if node.name == "owner")
    ((child,),) = found.nurseries
    assert child.name == "session 7f3a/reader"
    assert child.waits.startswith("tests/observe/test_task_tree.py:wait_for_ever:")
    assert child.waits.endswith("→ Event.wait")
    assert child.age is not None
    assert 0 <= child.age < 60


async def test_sessions_are_counted_by_kind(ages: TaskAges) -> None:
    """The readers of all sessions are one kind of task."""
    never = trio.Event()
    async with trio.open_nursery() as nursery:
        for uid in ("7f3a", "b01c", "0000"):
            nursery.start_soon(wait_for_ever, never, name=f"session {uid}/reader")
        tree = await read_task_tree(ages)
        nursery.cancel_scope.cancel()
    assert tree.kinds["session/reader"] == 3


async def test_what_is_over_the_limit_is_counted_and_not_shown(ages: TaskAges) -> None:
    """However many tasks there are, the answer stays small, and says how much it leaves out."""
    never = trio.Event()
    async with trio.open_nursery() as nursery:
        for _ in range(1000):
            nursery.start_soon(wait_for_ever, never, name="one of many")
        tree = await read_task_tree(ages, limit=50)
        none = await read_task_tree(ages, limit=0)
        nursery.cancel_scope.cancel()
    assert tree.root is not None
    assert len(list(all_nodes(tree.root))) == 50
    assert tree.left_out == tree.tasks - 50
    assert tree.kinds["one of many"] == 1000
    assert none.root is None
    assert none.left_out == none.tasks


async def test_who_has_exited_is_forgotten(ages: TaskAges) -> None:
    """After a thousand tasks that have ended it knows as many as still run."""
    for _ in range(10):
        async with trio.open_nursery() as nursery:
            for _ in range(100):
                nursery.start_soon(trio.lowlevel.checkpoint)
    assert len(ages._began) == 0
