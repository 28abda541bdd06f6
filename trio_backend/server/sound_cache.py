"""`SoundCache`: sound files under ``/cache``, for a while and up to a size."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import attrs
import trio
from loguru import logger

# Only files of this form are ours to remove.
PATTERN = "speech-*.wav"


class CacheFull(Exception):
    """A sound is larger than the whole cache; or the disk does not take it."""


@asynccontextmanager
async def open_sound_cache(folder: Path, *, ttl: float, max_size: int) -> AsyncIterator[SoundCache]:
    """A cache in ``folder``, which is made when it is needed; what an earlier one left is removed.

    Files are removed after ``ttl`` seconds, the oldest earlier where all would be larger than ``max_size``
    bytes, and all of them when the block is left.
    """
    await trio.to_thread.run_sync(_remove_all, folder)
    try:
        async with trio.open_nursery() as nursery:
            cache = SoundCache(folder, ttl, max_size)
            nursery.start_soon(cache.sweep, name="sound cache")
            yield cache
            nursery.cancel_scope.cancel("the cache closes")
    finally:
        # Milliseconds, on a disk that works.
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(_remove_all, folder)


@attrs.frozen
class _Entry:
    path: Path
    size: int
    until: float


@attrs.define(eq=False)
class SoundCache:
    """Files by age, the oldest first."""

    _folder: Path
    _ttl: float
    _max_size: int
    _entries: list[_Entry] = attrs.field(factory=list, init=False)
    _size: int = attrs.field(default=0, init=False)
    _added: trio.Event = attrs.field(factory=trio.Event, init=False)

    async def add(self, data: bytes) -> str:
        """Store ``data``; the name of its file. Raises `CacheFull`."""
        if len(data) > self._max_size:
            raise CacheFull(f"the sound is larger than cache_size ({self._max_size} bytes)")
        path = self._folder / PATTERN.replace("*", uuid4().hex)
        # Counted before it is written, so that several at once stay within the size.
        self._entries.append(_Entry(path, len(data), trio.current_time() + self._ttl))
        self._size += len(data)
        try:
            await trio.to_thread.run_sync(_write, path, data)
        except OSError as error:
            raise CacheFull(f"the sound cannot be stored: {error.strerror or error}") from error
        self._added.set()
        await self._drop(lambda _: self._size > self._max_size)
        return path.name

    async def sweep(self) -> None:
        """Remove files when their time has come, for ever."""
        while True:
            if not self._entries:
                self._added = trio.Event()
                await self._added.wait()
                continue
            await trio.sleep_until(self._entries[0].until)
            await self._drop(lambda entry: entry.until <= trio.current_time())

    async def _drop(self, is_due: Callable[[_Entry], bool]) -> None:
        while self._entries and is_due(self._entries[0]):
            entry = self._entries.pop(0)
            self._size -= entry.size
            await trio.to_thread.run_sync(_remove, entry.path)


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        # On Windows, while somebody reads it; the next start-up removes it.
        logger.debug("{} is not removed yet: {}", path.name, error.strerror)


def _remove_all(folder: Path) -> None:
    for path in folder.glob(PATTERN):
        _remove(path)
