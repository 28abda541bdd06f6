"""`SoundCache`: sound files under ``/cache``, limited in age and in size."""

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

# Seconds that closing the cache waits for the files to be removed. A disk that works takes milliseconds.
CLOSE_TIMEOUT = 2.0

# Only files with such names are ever removed, since the operator may have named a folder with other files.
PATTERN = "speech-*.wav"
# Modes of the folder and of the files: other users of this machine must not read what was said. Clients get a
# file by its name, which cannot be guessed.
_FOLDER_MODE, _FILE_MODE = 0o700, 0o600


@asynccontextmanager
async def open_sound_cache(
    folder: Path,
    *,
    ttl: float,
    max_size: int,
    max_share: int | None = None,
    boundary: Boundary = UNCOUNTED,
) -> AsyncIterator[SoundCache]:
    """A cache in ``folder``, created with its first file. Files that an earlier cache left are removed.

    A file is removed after ``ttl`` seconds, or earlier if it is the oldest where all files would take more
    than ``max_size`` bytes, or those of one address more than ``max_share``. All are removed when the block
    is left. Other users of this machine can neither list the folder nor read the files. Leaving the block
    waits for the disk for `CLOSE_TIMEOUT` seconds. A bug in removing old files is logged by ``boundary``.
    """
    await trio.to_thread.run_sync(_prepare, folder)
    try:
        async with trio.open_nursery() as nursery:
            cache = SoundCache(folder, ttl, max_size, min(max_size, max_share or max_size))
            # Should this end by a bug, the size of the cache is limited all the same.
            nursery.start_soon(boundary.run, "sound cache", cache.remove_expired, name="sound cache")
            yield cache
            nursery.cancel_scope.cancel("the cache closes")
    finally:
        with trio.move_on_after(CLOSE_TIMEOUT, shield=True) as closing:
            await trio.to_thread.run_sync(_remove_all, folder, abandon_on_cancel=True)
        if closing.cancelled_caught:
            logger.warning("{}: the disk does not answer; the next start removes the sounds", folder)


@attrs.frozen
class _CachedSound:
    path: Path
    owner: str
    size: int  # bytes
    expires_at: float


@attrs.define(eq=False)
class _Share:
    """The files of one owner, the oldest first, and their bytes."""

    size: int = 0
    entries: OrderedDict[Path, _CachedSound] = attrs.field(factory=OrderedDict)


@attrs.define(eq=False)
class SoundCache:
    """The files that `add` wrote, until they expire or newer ones need the space."""

    _folder: Path
    _ttl: float
    _max_size: int
    _max_share: int
    _entries: OrderedDict[Path, _CachedSound] = attrs.field(factory=OrderedDict, init=False)
    _shares: dict[str, _Share] = attrs.field(factory=dict, init=False)
    _size: int = attrs.field(default=0, init=False)
    _added: trio.Event = attrs.field(factory=trio.Event, init=False)

    async def add(self, data: bytes, *, owner: str = "") -> str:
        """Store ``data`` in the share of ``owner``, and return the name of its file. Raises `CacheFull`.

        Where the share is used up, the same owner's oldest files are removed, and not those of others. A
        cancel leaves the file, if it was written, until it expires.
        """
        if len(data) > self._max_size:
            raise CacheFull(f"the sound is larger than cache_size ({self._max_size} bytes)")
        if len(data) > self._max_share:
            raise CacheFull(f"the sound is larger than cache_size_per_address ({self._max_share} bytes)")
        path = self._folder / PATTERN.replace("*", new_id().hex)
        entry = _CachedSound(path, owner, len(data), trio.current_time() + self._ttl)
        # Counted before it is written, so that several at once stay within the size.
        self._enter(entry)
        try:
            await trio.to_thread.run_sync(_write, path, data)
        except OSError as error:
            raise CacheFull(f"the sound cannot be stored: {error.strerror or error}") from error
        self._added.set()
        while (share := self._shares.get(owner)) is not None and share.size > self._max_share:
            await self._drop(next(iter(share.entries.values())))
        while self._size > self._max_size:
            await self._drop(next(iter(self._entries.values())))
        return path.name

    async def remove_expired(self) -> None:
        """Remove files when they expire; until cancelled."""
        while True:
            if not self._entries:
                self._added = trio.Event()
                await self._added.wait()
                continue
            oldest = next(iter(self._entries.values()))
            await trio.sleep_until(oldest.expires_at)
            if oldest.path in self._entries:
                await self._drop(oldest)

    def _enter(self, entry: _CachedSound) -> None:
        share = self._shares.setdefault(entry.owner, _Share())
        self._entries[entry.path] = share.entries[entry.path] = entry
        self._size += entry.size
        share.size += entry.size

    async def _drop(self, entry: _CachedSound) -> None:
        share = self._shares[entry.owner]
        del self._entries[entry.path], share.entries[entry.path]
        self._size -= entry.size
        share.size -= entry.size
        if not share.entries:
            del self._shares[entry.owner]
        await trio.to_thread.run_sync(_remove, entry.path, abandon_on_cancel=True)


def _prepare(folder: Path) -> None:
    """Remove what an earlier cache left, and close the folder to other users of this machine."""
    _remove_all(folder)
    try:
        if folder.is_dir():
            folder.chmod(_FOLDER_MODE)
    except OSError as error:
        logger.warning("{} can be read by other users of this machine: {}", folder, error.strerror)


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
    with open(path, "xb", opener=_open_private) as file:
        file.write(data)


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, _FILE_MODE)


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        # On Windows this fails while the file is being read; the next start removes it.
        logger.debug("{} is not removed yet: {}", path.name, error.strerror)


def _remove_all(folder: Path) -> None:
    for path in folder.glob(PATTERN):
        _remove(path)
