"""Room on the disk that is kept for deleting: who has filled a disk must be able to free something."""

from __future__ import annotations

import os
import sqlite3
from contextlib import suppress
from pathlib import Path

import attrs

from . import queries
from .database import is_full
from .store import ConfUid, HistoryUid

# A deletion writes each page that it wipes to the log first. This is enough for the longest message that a
# client may type, and little beside the disks of today.
SIZE = 640 * 1024  # bytes

# Messages deleted in one transaction; fewer, where they are long.
BATCH = 64


@attrs.frozen
class Reserve:
    """A file of `SIZE` zeros beside the history."""

    path: Path

    @classmethod
    def beside(cls, history: Path) -> Reserve:
        """The reserve of the history at that path."""
        return cls(history.with_name(history.name + "-reserve"))

    def make(self) -> None:
        """Take the room, if it is there to be taken."""
        if self.path.exists():
            return
        try:
            # For the owner only, as all files of the history.
            with open(os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(bytes(SIZE))
        except OSError:
            # Too little room for a reserve: there is none until there is more.
            self.give_back()

    def give_back(self) -> None:
        """Let the file system have the room again."""
        with suppress(OSError):
            self.path.unlink(missing_ok=True)

    def delete(self, database: sqlite3.Connection, conf_uid: ConfUid, uid: HistoryUid) -> None:
        """See `History.delete`, on a full disk; in the history's thread, outside a transaction.

        The messages go in pieces that fit into the room there is, oldest first: what is cut short goes on
        with the next try. What it freed inside the file serves what is stored next.
        """
        self.give_back()
        _shorten_log(database)
        try:
            batch = BATCH
            while batch:
                try:
                    if not queries.delete_oldest(database, conf_uid, uid, batch):
                        break
                except sqlite3.Error as error:
                    if batch == 1 or not is_full(error):
                        raise
                    batch //= 2
                _shorten_log(database)
            queries.delete(database, conf_uid, uid)
        finally:
            _shorten_log(database)
            self.make()


def _shorten_log(database: sqlite3.Connection) -> None:
    """Fold the write-ahead log into the file and give its room back, as far as that is possible now."""
    with suppress(sqlite3.Error):
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
