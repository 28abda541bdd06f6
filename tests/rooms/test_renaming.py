"""A conversation is renamed in a room, whose session is here or on another server."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from tests.rooms.test_sound_forms import Page, join, rooms_of
from trio_backend.backend import BackendOptions, open_backend
from trio_backend.config.system import SystemConfig


@pytest.fixture
def system() -> SystemConfig:
    """Rooms are on."""
    return SystemConfig(preload=False, enable_proxy=True)


def renamed(page: Page) -> list[str]:
    """The titles that a page was told."""
    return [one["title"] for one in page.heard if isinstance(one, dict) and one["type"] == "history-renamed"]


@pytest.mark.parametrize("where", ["here", "elsewhere"])
async def test_those_in_the_room_who_know_it_are_told(
    autojump_clock: MockClock, options: BackendOptions, where: str
) -> None:
    """Whoever of them renames it; the others get nothing that they do not know."""
    async with (
        open_backend(options) as backend,
        rooms_of(backend, where) as rooms,
        trio.open_nursery() as nursery,
    ):
        ann = await join(rooms, nursery, "history-renamed")
        bob = await join(rooms, nursery, "history-renamed")
        plain = await join(rooms, nursery, hello=False)
        await trio.sleep(1)
        await ann.say("create-new-history")
        await ann.say("text-input", text="What are tides?")
        await trio.sleep(30)
        [uid] = [
            one["history_uid"]
            for one in bob.heard
            if isinstance(one, dict) and one["type"] == "new-history-created"
        ]
        await bob.say("rename-history", history_uid=uid, title="The sea")
        await trio.sleep(1)
        await plain.say("rename-history", history_uid=uid, title="")
        await trio.sleep(1)
        nursery.cancel_scope.cancel()

    assert renamed(ann) == renamed(bob) == ["The sea", "What are tides?"]
    assert renamed(plain) == []
