"""The queue as it was, and three attempts to mend it: on asyncio, with a consumer that polls."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeAlias

import attrs

from .workload import (
    FORWARDERS,
    MESSAGES,
    PAGES,
    PATIENCE,
    PAUSE,
    PLAYBACK,
    SENTENCE,
    SENTENCES,
    SOUND,
    STAYS,
    Forward,
    Visits,
)

POLL = 0.1


@attrs.define(eq=False)
class Page:
    """A page, until it is reloaded."""

    here: bool = True


@attrs.define(eq=False)
class Asked:
    """A message in the queue."""

    page: Page
    forward: Forward


# Which answers wait to be played: what a page says is looked up here.
pending: dict[int, asyncio.Event] = {}

Start: TypeAlias = Callable[[deque[Asked]], Awaitable[None]]


async def answer(asked: Asked, patience: float | None) -> None:
    """The forward of one message, up to the end of playback. Nobody tells it that the page is gone."""
    forward = asked.forward
    forward.began = time.perf_counter()
    for _ in range(SENTENCES):
        await asyncio.sleep(SENTENCE)
        json.dumps({"type": "audio", "audio": base64.b64encode(SOUND).decode()})
    played = pending[id(forward)] = asyncio.Event()
    if asked.page.here:
        asyncio.get_running_loop().call_later(PLAYBACK, played.set)
    else:
        forward.for_nobody = True
    # After that the page is gone.
    with suppress(TimeoutError):
        await asyncio.wait_for(played.wait(), patience)
    del pending[id(forward)]
    forward.ended = time.perf_counter()


def fire_and_forget() -> Start:
    """D: a task for each message, which has no owner, and which waits for its page without an end."""

    async def start(queue: deque[Asked]) -> None:
        while queue:
            # That it has no owner is what is measured.
            asyncio.create_task(answer(queue.popleft(), None))  # noqa: RUF006

    return start


def tracked_tasks() -> Start:
    """A: tasks that are kept, and no more than so many."""
    running: set[asyncio.Task[None]] = set()

    async def start(queue: deque[Asked]) -> None:
        while queue and len(running) < FORWARDERS:
            task = asyncio.create_task(answer(queue.popleft(), PATIENCE))
            running.add(task)
            task.add_done_callback(running.discard)

    return start


def semaphore() -> Start:
    """B: a task for each message, and a semaphore that lets so many of them work."""
    places = asyncio.Semaphore(FORWARDERS)
    kept: set[asyncio.Task[None]] = set()

    async def work(asked: Asked) -> None:
        async with places:
            await answer(asked, PATIENCE)

    async def start(queue: deque[Asked]) -> None:
        while queue:
            task = asyncio.create_task(work(queue.popleft()))
            kept.add(task)
            task.add_done_callback(kept.discard)

    return start


def awaited() -> Start:
    """C: the consumer itself waits for each answer."""

    async def start(queue: deque[Asked]) -> None:
        while queue:
            await answer(queue.popleft(), PATIENCE)

    return start


STRATEGIES: dict[str, Callable[[], Start]] = {
    "D fire-and-forget": fire_and_forget,
    "A tracked tasks": tracked_tasks,
    "B semaphore": semaphore,
    "C await in the consumer": awaited,
}


async def consume(queue: deque[Asked], start: Start) -> None:
    """Look into the queue every 100 ms, as it was."""
    while True:
        await asyncio.sleep(POLL)
        await start(queue)


async def reload_pages(queue: deque[Asked], visits: Visits, sessions: int) -> None:
    """One place at the table: a page after the other."""
    before = 1 + PAGES  # the one that started everything, and the places
    for _ in range(sessions):
        page, session = Page(), visits.open()
        for _ in range(MESSAGES):
            forward = Forward(session.number, time.perf_counter())
            session.forwards.append(forward)
            queue.append(Asked(page, forward))
            await asyncio.sleep(PAUSE)
        await asyncio.sleep(STAYS)
        page.here = False
        session.tasks_alive = len(asyncio.all_tasks()) - before


async def run(name: str, sessions: int) -> tuple[Visits, int]:
    """All visits with the strategy ``name``; and how many tasks were left a second after the last."""
    queue: deque[Asked] = deque()
    visits = Visits()
    before = len(asyncio.all_tasks())
    consumer = asyncio.create_task(consume(queue, STRATEGIES[name]()))
    await asyncio.gather(*(reload_pages(queue, visits, sessions // PAGES) for _ in range(PAGES)))
    visits.end = time.perf_counter()
    await asyncio.sleep(1)
    left = len(asyncio.all_tasks()) - before - 1
    consumer.cancel()
    return visits, left
