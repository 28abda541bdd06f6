"""The live task tree: who owns whom, for how long, and what each waits for; from Trio's own introspection."""

from __future__ import annotations

import re
import time
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType

import attrs
import trio

# A walk over thousands of tasks lets the others run after so many: a task takes 10 to 20 µs.
WALKED_AT_ONCE = 200
DEFAULT_LIMIT = 1_000
MAX_LIMIT = 20_000

_TRIO = str(Path(trio.__file__).parent)
_ABOVE_US = str(Path(__file__).parents[2])
# "session 7f3a/reader" and "session b01c/reader" are tasks of one kind.
_SESSION = re.compile(r"\bsession [0-9a-f]{4}\b")


@attrs.frozen
class TaskNode:
    """One task. ``age`` is in seconds, None where it began before `TaskAges`; ``nurseries``: its children."""

    name: str
    age: float | None
    waits: str
    """Where: ``file:function:line``, and behind an arrow the wait itself, such as ``→ Event.wait``."""
    nurseries: Sequence[Sequence[TaskNode]] = ()


@attrs.frozen
class TaskTree:
    """The tree at about one moment. ``left_out`` tasks were over the limit, and are only counted."""

    tasks: int
    kinds: Mapping[str, int]
    """How many there are of each name, whichever session they belong to."""
    left_out: int
    root: TaskNode | None


@attrs.define(eq=False)
class TaskAges(trio.abc.Instrument):
    """When each living task began: an instrument of 1 µs a task. Forgets a task when it exits."""

    _began: dict[trio.lowlevel.Task, float] = attrs.field(factory=dict, init=False, repr=False)

    def task_spawned(self, task: trio.lowlevel.Task) -> None:
        self._began[task] = time.monotonic()

    def task_exited(self, task: trio.lowlevel.Task) -> None:
        self._began.pop(task, None)

    def age(self, task: trio.lowlevel.Task) -> float | None:
        """Seconds since the task began; None if that was before the instrument was installed."""
        began = self._began.get(task)
        return None if began is None else time.monotonic() - began


@attrs.frozen
class _VisitedTask:
    """A task as the walk met it, before its children were."""

    name: str
    age: float | None
    waits: str
    nurseries: Sequence[Sequence[trio.lowlevel.Task]]


async def read_task_tree(ages: TaskAges, *, limit: int = DEFAULT_LIMIT) -> TaskTree:
    """The tree of the run that we are in. At most ``limit`` tasks are described, the outermost first.

    It takes several steps if there are many tasks, so it may show one that has just ended.
    """
    root = trio.lowlevel.current_root_task()
    assert root is not None
    kinds: Counter[str] = Counter()
    seen: dict[trio.lowlevel.Task, _VisitedTask] = {}
    to_visit, visited = deque([root]), 0
    # Breadth first, so that what a limit leaves out are leaves.
    while to_visit:
        task = to_visit.popleft()
        nurseries = [list(nursery.child_tasks) for nursery in task.child_nurseries]
        if visited < limit:
            seen[task] = _VisitedTask(task.name, ages.age(task), what_it_waits_for(task), nurseries)
        kinds[_SESSION.sub("session", task.name)] += 1
        to_visit.extend(child for nursery in nurseries for child in nursery)
        visited += 1
        if visited % WALKED_AT_ONCE == 0:
            await trio.lowlevel.checkpoint()
    await trio.lowlevel.checkpoint()
    described = _node(root, seen) if seen else None
    return TaskTree(visited, dict(kinds.most_common()), visited - len(seen), described)


def _node(task: trio.lowlevel.Task, seen: Mapping[trio.lowlevel.Task, _VisitedTask]) -> TaskNode:
    found = seen[task]
    nurseries = [[_node(child, seen) for child in nursery if child in seen] for nursery in found.nurseries]
    return TaskNode(found.name, found.age, found.waits, [nursery for nursery in nurseries if nursery])


def what_it_waits_for(task: trio.lowlevel.Task) -> str:
    """The innermost place outside Trio where ``task`` is, and what it called there; "" once it has ended."""
    place, wait = "", ""
    for frame, line in task.iter_await_frames():
        if not frame.f_code.co_filename.startswith(_TRIO):
            place, wait = _place(frame, line), ""
        elif not wait:
            wait = _name(frame)
    return f"{place} → {wait}" if wait else place


def _place(frame: FrameType, line: int) -> str:
    path = Path(frame.f_code.co_filename)
    shown = path.relative_to(_ABOVE_US) if path.is_relative_to(_ABOVE_US) else Path(path.name)
    return f"{shown.as_posix()}:{_name(frame)}:{line}"


def _name(frame: FrameType) -> str:
    return frame.f_code.co_qualname.replace(".<locals>", "")
