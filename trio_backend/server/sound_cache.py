"""`SoundCache`: sound files under ``/cache``, for a while and up to a size."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import trio
from loguru import logger

from ..boundary import UNCOUNTED, Boundary
from ..errors import CacheFull
from ..identity import new_id

# How long the end waits for the files to be removed; seconds. A disk that works takes milliseconds.
CLOSE_TIME = 2.0

# Only files of this form are ours to remove.
PATTERN = "speech-*.wav"
# What was said is for this program's user, and for who is told a file's name: that cannot be guessed.
_OURS_ALONE = 0o700


@asynccontextmanager
async def open_sound_cache(
    folder: Path,
    *,
    ttl: float,
    max_size: int,
    max_share: int | None = None,
    boundary: Boundary = UNCOUNTED,
) -> AsyncIterator[SoundCache]:
    """A cache in ``folder``, which is made when it is needed; what an earlier one left is removed.

    Files are removed after ``ttl`` seconds, the oldest earlier where all would be larger than ``max_size``
    bytes, or those of one maker larger than ``max_share``, and all of them when the block is left. Other
    users of this machine can neither list the folder nor read the files. The end waits for the disk for
    `CLOSE_TIME`. A bug in the sweeper stays in ``boundary``.
    """
    await trio.to_thread.run_sync(_take_over, folder)
    try:
        async with trio.open_nursery() as nursery:
            cache = SoundCache(folder, ttl, max_size, min(max_size, max_share or max_size))
            # Without its sweeper a cache is still within its size.
            nursery.start_soon(boundary.run, "sound cache", cache.sweep, name="sound cache")
            yield cache
            nursery.cancel_scope.cancel("the cache closes")
    finally:
        with trio.move_on_after(CLOSE_TIME, shield=True) as closing:
            await trio.to_thread.run_sync(_remove_all, folder, abandon_on_cancel=True)
        if closing.cancelled_caught:
            logger.warning("{}: the disk does not answer; the next start removes the sounds", folder)


@attrs.frozen
class _Entry:
    path: Path
    maker: str
    size: int
    until: float


@attrs.define(eq=False)
class _Share:
    """What one maker has in the cache, the oldest first."""

    size: int = 0
    entries: OrderedDict[Path, _Entry] = attrs.field(factory=OrderedDict)


@attrs.define(eq=False)
class SoundCache:
    """Files by age, the oldest first, in all and of each maker."""

    _folder: Path
    _ttl: float
    _max_size: int
    _max_share: int
    _entries: OrderedDict[Path, _Entry] = attrs.field(factory=OrderedDict, init=False)
    _shares: dict[str, _Share] = attrs.field(factory=dict, init=False)
    _size: int = attrs.field(default=0, init=False)
    _added: trio.Event = attrs.field(factory=trio.Event, init=False)

    async def add(self, data: bytes, *, maker: str = "") -> str:
        """Store ``data`` in the share of ``maker``; the name of its file. Raises `CacheFull`.

        What is over the share is taken from the same maker's oldest files, not from those of others.
        """
        if len(data) > self._max_size:
            raise CacheFull(f"the sound is larger than cache_size ({self._max_size} bytes)")
        if len(data) > self._max_share:
            raise CacheFull(f"the sound is larger than cache_size_per_address ({self._max_share} bytes)")
        path = self._folder / PATTERN.replace("*", new_id().hex)
        entry = _Entry(path, maker, len(data), trio.current_time() + self._ttl)
        # Counted before it is written, so that several at once stay within the size.
        self._enter(entry)
        try:
            await trio.to_thread.run_sync(_write, path, data)
        except OSError as error:
            raise CacheFull(f"the sound cannot be stored: {error.strerror or error}") from error
        self._added.set()
        while (share := self._shares.get(maker)) is not None and share.size > self._max_share:
            await self._drop(next(iter(share.entries.values())))
        while self._size > self._max_size:
            await self._drop(next(iter(self._entries.values())))
        return path.name

    async def sweep(self) -> None:
        """Remove files when their time has come, for ever."""
        while True:
            if not self._entries:
                self._added = trio.Event()
                await self._added.wait()
                continue
            oldest = next(iter(self._entries.values()))
            await trio.sleep_until(oldest.until)
            if oldest.path in self._entries:
                await self._drop(oldest)

    def _enter(self, entry: _Entry) -> None:
        share = self._shares.setdefault(entry.maker, _Share())
        self._entries[entry.path] = share.entries[entry.path] = entry
        self._size += entry.size
        share.size += entry.size

    async def _drop(self, entry: _Entry) -> None:
        share = self._shares[entry.maker]
        del self._entries[entry.path], share.entries[entry.path]
        self._size -= entry.size
        share.size -= entry.size
        if not share.entries:
            del self._shares[entry.maker]
        await trio.to_thread.run_sync(_remove, entry.path, abandon_on_cancel=True)


def _take_over(folder: Path) -> None:
    """Remove what an earlier cache left, and shut the folder to other users of this machine."""
    _remove_all(folder)
    try:
        if folder.is_dir():
            folder.chmod(_OURS_ALONE)
    except OSError as error:
        logger.warning("{} can be read by other users of this machine: {}", folder, error.strerror)


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(mode=_OURS_ALONE, parents=True, exist_ok=True)
    with open(path, "xb", opener=_open_private) as file:
        file.write(data)


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        # On Windows, while somebody reads it; the next start-up removes it.
        logger.debug("{} is not removed yet: {}", path.name, error.strerror)


def _remove_all(folder: Path) -> None:
    for path in folder.glob(PATTERN):
        _remove(path)
