"""A full disk: conversations can be deleted, and clients can talk on."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.history.samples import MAO, human
from trio_backend.errors import HistoryError
from trio_backend.history.reserve import SIZE
from trio_backend.history.sqlite import SqliteHistory, open_sqlite_history
from trio_backend.history.store import PREVIEW, HistoryUid


@pytest.fixture(params=["1m", "3m", "8m"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A disk of that size, where the machine lets us have one."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root on Linux can mount a disk")
    command = ["mount", "-t", "tmpfs", "-o", f"size={request.param}", "tmpfs", str(tmp_path)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("nothing may be mounted here")
    yield tmp_path
    subprocess.run(["umount", str(tmp_path)], check=True)


async def fill(history: SqliteHistory, length: int) -> list[HistoryUid]:
    """Talk until the disk is full; the names of the conversations that are stored."""
    names: list[HistoryUid] = []
    for number in range(100_000):
        names.append(HistoryUid(f"{number}"))
        try:
            await history.append(MAO, names[-1], *[human("x" * length)] * 3)
        except HistoryError as error:
            if "the disk is full; make room" not in str(error):
                raise
            break
    return names[:-1]


@pytest.mark.parametrize("length", [1_000, 30_000, 100_000])
async def test_on_a_full_disk_a_conversation_can_be_deleted(disk: Path, length: int) -> None:
    """Whatever else fills the disk to its last byte: one is deleted, and there is room for another."""
    async with open_sqlite_history(disk / "history.db") as history:
        names = await fill(history, length)
        with (disk / "other").open("wb", buffering=0) as other, suppress(OSError):
            while True:
                other.write(bytes(512))

        for _ in range(2):
            await history.delete(MAO, names.pop())
            listed = await history.conversations(MAO, limit=1_000)
            assert [one.uid for one in listed] == names[::-1][:1_000]
            names.append(HistoryUid(f"new {len(names)}"))
            await history.append(MAO, names[-1], human("Hello again."))


async def test_on_a_full_disk_a_title_is_the_old_or_the_new_one(disk: Path) -> None:
    """Whoever is told that there is no room finds the old one; with room again it can be changed."""
    async with open_sqlite_history(disk / "history.db") as history:
        names = await fill(history, 1_000)
        with (disk / "other").open("wb", buffering=0) as other, suppress(OSError):
            while True:
                other.write(bytes(512))
        expected, refused = dict.fromkeys(names, "x" * PREVIEW), 0
        for name in names * 3:
            title = expected[name][:-1] + "y" if refused else "z" * PREVIEW
            try:
                expected[name] = await history.rename(MAO, name, title)
            except HistoryError as error:
                if "the disk is full; make room" not in str(error):
                    raise
                refused += 1

        assert refused
        listed = await history.conversations(MAO, limit=100_000)
        assert {one.uid: one.title for one in listed} == expected
        await history.delete(MAO, names.pop())
        assert await history.rename(MAO, names[0], "The sea") == "The sea"


async def test_what_was_deleted_is_gone_from_the_file(disk: Path) -> None:
    """On a full disk, too, its place is written over."""
    async with open_sqlite_history(disk / "history.db") as history:
        await history.append(MAO, HistoryUid("secret"), human("a secret " * 100))
        await fill(history, 1_000)
        await history.delete(MAO, HistoryUid("secret"))

    assert b"a secret" not in (disk / "history.db").read_bytes()


async def test_the_reserve_is_not_left_behind(tmp_path: Path) -> None:
    """While it runs it is beside the file, for the owner only; a closed history is one file."""
    async with open_sqlite_history(tmp_path / "history.db") as history:
        await history.append(MAO, HistoryUid("one"), human())
        assert (tmp_path / "history.db-reserve").stat().st_size == SIZE

    assert os.listdir(tmp_path) == ["history.db"]
