"""`Reserve`: space on the disk that is kept for deleting, so that something can be freed on a full disk."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import suppress
from pathlib import Path

import attrs

from . import queries
from .database import is_full
from .store import HistoryUid, Owner

# A deletion writes each page that it wipes to the log first, and then the log is folded into the file, for
# which the file may have to grow by as much: this is enough for both, and little beside the disks of today.
SIZE = 1280 * 1024  # bytes

# Messages deleted in one transaction; fewer, where they are long.
BATCH = 64


@attrs.frozen
class Reserve:
    """A file of `SIZE` zeros beside the history, or smaller where the disk is nearly full."""

    history: Path

    @property
    def path(self) -> Path:
        """Where it is."""
        return self.history.with_name(self.history.name + "-reserve")

    def make(self) -> None:
        """Take the space, if as much again is left for what is stored next."""
        if self.path.exists():
            return
        try:
            size = min(SIZE, shutil.disk_usage(self.history.parent).free // 2)
            # For the owner only, as all files of the history.
            with open(os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(bytes(size))
        except OSError:
            # Another program filled the disk first: no reserve until there is more space.
            self.give_back()

    def give_back(self) -> None:
        """Give the space back to the file system."""
        with suppress(OSError):
            self.path.unlink(missing_ok=True)

    def make_room(self, database: sqlite3.Connection) -> None:
        """Where a deletion has taken the last space of the disk for the log, give that space back.

        What is stored next needs some of it: a deletion that just fitted was of no use otherwise. In the
        history's thread, outside a transaction. Raises nothing.
        """
        with suppress(OSError):
            if shutil.disk_usage(self.history.parent).free < SIZE:
                self.give_back()
                self._shorten_log(database)
                self.make()

    def delete(self, database: sqlite3.Connection, owner: Owner, uid: HistoryUid) -> None:
        """See `History.delete`, on a full disk; in the history's thread, outside a transaction.

        Messages are deleted in pieces that fit into the space there is, oldest first. A deletion that is cut
        short goes on with the next try. What it freed inside the file serves what is stored next.
        """
        self.give_back()
        self._shorten_log(database)
        try:
            batch = BATCH
            while batch:
                try:
                    if not queries.delete_oldest(database, owner, uid, batch):
                        break
                except sqlite3.Error as error:
                    if batch == 1 or not is_full(error):
                        raise
                    batch //= 2
                self._shorten_log(database)
            queries.delete(database, owner, uid)
        finally:
            self._shorten_log(database)
            self.make()

    def _shorten_log(self, database: sqlite3.Connection) -> None:
        """Fold the write-ahead log into the file, and free its space, if there is space to do that in.

        One that failed half way would have used the space, and freed nothing.
        """
        log = self.history.with_name(self.history.name + "-wal")
        with suppress(sqlite3.Error, OSError):
            if log.stat().st_size <= shutil.disk_usage(self.history.parent).free:
                database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
