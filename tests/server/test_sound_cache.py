"""Sound files under ``/cache``: gone when their time has come, when there are too many, and at the end."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from trio_backend.boundary import Boundary
from trio_backend.errors import CacheFull
from trio_backend.server import sound_cache
from trio_backend.server.sound_cache import SoundCache, open_sound_cache

KB = bytes(1000)


def files(folder: Path) -> set[str]:
    """The names of what is there."""
    return {path.name for path in folder.iterdir()}


async def test_files_are_removed_when_they_expire(tmp_path: Path, mock_clock: MockClock) -> None:
    """Each for itself; and the cache goes on."""
    mock_clock.rate = 0
    async with open_sound_cache(tmp_path / "cache", ttl=10, max_size=10_000) as cache:
        first = await cache.add(KB)
        mock_clock.jump(6)
        second = await cache.add(KB)
        assert files(tmp_path / "cache") == {first, second}
        for jump, left in ((5, {second}), (6, set())):
            mock_clock.jump(jump)
            await until(tmp_path / "cache", left)
        third = await cache.add(KB)
        assert files(tmp_path / "cache") == {third}
        mock_clock.jump(11)
        await until(tmp_path / "cache", set())


async def until(folder: Path, names: set[str]) -> None:
    """Wait until these are left: threads remove them, in real time."""
    for _ in range(500):
        if files(folder) == names:
            return
        await trio.to_thread.run_sync(time.sleep, 0.01)
    raise AssertionError(f"there are {files(folder)}, and not {names}")


async def test_the_oldest_files_are_removed_first(tmp_path: Path) -> None:
    """The total never stays over the size; a sound that is larger alone is refused."""
    async with open_sound_cache(tmp_path, ttl=100, max_size=3000) as cache:
        names = [await cache.add(KB) for _ in range(5)]
        assert files(tmp_path) == set(names[2:])
        with pytest.raises(CacheFull, match="larger than cache_size"):
            await cache.add(KB * 4)
        assert files(tmp_path) == set(names[2:])


async def test_nothing_of_ours_is_left_and_nothing_else_is_touched(tmp_path: Path) -> None:
    """At start-up what a killed server left, in the end what this one made."""
    for name in ("speech-0123.wav", "mine.wav", "notes.txt"):
        (tmp_path / name).write_bytes(KB)
    async with open_sound_cache(tmp_path, ttl=100, max_size=3000) as cache:
        assert files(tmp_path) == {"mine.wav", "notes.txt"}
        await cache.add(KB)
    assert files(tmp_path) == {"mine.wav", "notes.txt"}


async def test_a_bug_in_removing_old_sounds_ends_only_that(
    tmp_path: Path, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not the server: sounds are stored on, within the size."""
    parts: list[str] = []

    async def die(_cache: SoundCache) -> None:
        await trio.lowlevel.checkpoint()
        raise RuntimeError

    monkeypatch.setattr(SoundCache, "remove_expired", die)
    async with open_sound_cache(tmp_path, ttl=1, max_size=2000, boundary=Boundary(parts.append)) as cache:
        await trio.sleep(1)
        names = [await cache.add(KB) for _ in range(3)]
        assert files(tmp_path) == set(names[1:])
    assert parts == ["sound cache"]


async def test_the_end_does_not_wait_for_ever_for_a_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cancelled or not; the next start removes what is left."""
    answers = threading.Event()
    try:
        with trio.fail_after(5):
            async with open_sound_cache(tmp_path, ttl=100, max_size=3000):
                monkeypatch.setattr(sound_cache, "CLOSE_TIMEOUT", 0.05)
                monkeypatch.setattr(sound_cache, "_remove_all", lambda _folder: answers.wait(10))
    finally:
        answers.set()


async def test_a_folder_that_cannot_be_created_is_reported(tmp_path: Path) -> None:
    """The client gets the reason why there is no sound; other clients are not disturbed."""
    (tmp_path / "file").touch()
    async with open_sound_cache(tmp_path / "file" / "cache", ttl=100, max_size=3000) as cache:
        with pytest.raises(CacheFull, match="cannot be stored: Not a directory"):
            await cache.add(KB)
