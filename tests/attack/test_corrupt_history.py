"""A damaged file is opened, or refused in words: whatever bytes are wrong, nothing else happens."""

from __future__ import annotations

import os
import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.history.samples import ANN, FIRST, MAO, SECOND, ai, human
from trio_backend.errors import HistoryError, NoSuchHistory
from trio_backend.history import queries
from trio_backend.history.database import FAILURES, history_error, open_database
from trio_backend.history.sqlite import open_sqlite_history
from trio_backend.history.store import HistoryUid

# A few hundred take seconds; more by hand.
VARIANTS = int(os.environ.get("TRIO_BACKEND_CORRUPTIONS", "400"))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A file with conversations of two characters, small and large messages, and pages that were freed."""
    path = tmp_path_factory.mktemp("whole") / "history.db"
    with closing(open_database(path, 1)) as database:
        for number in range(20):
            owner = MAO if number % 2 else ANN
            uid = {1: FIRST, 3: SECOND}.get(number, _uid(number))
            said = human(f"message {number} " * (1 + 300 * (number % 3)))
            queries.append(database, owner, uid, [said, ai("Grüße, 世界 🎈")])
        queries.delete(database, MAO, _uid(5))
    return path.read_bytes()


def _uid(number: int) -> HistoryUid:
    return HistoryUid(f"conversation {number}")


def bad_name_in_the_schema(data: bytearray, chance: random.Random) -> None:
    """Bytes that are no UTF-8 in the table definitions."""
    at = data.index(b"CREATE TABLE")
    for _ in range(chance.randint(1, 20)):
        data[at + chance.randrange(400)] = chance.randrange(0x80, 0x100)


def bits(data: bytearray, chance: random.Random) -> None:
    """Single bits, anywhere."""
    for _ in range(chance.randint(1, 50)):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def head(data: bytearray, chance: random.Random) -> None:
    """Bytes of the first page: header, schema and its b-tree."""
    for _ in range(chance.randint(1, 8)):
        data[chance.randrange(4096)] = chance.randrange(256)


def page_heads(data: bytearray, chance: random.Random) -> None:
    """The beginnings of pages, where their kind, sizes and pointers are."""
    for _ in range(chance.randint(1, 30)):
        data[chance.randrange(len(data) // 4096) * 4096 + chance.randrange(24)] = chance.randrange(256)


def page(data: bytearray, chance: random.Random) -> None:
    """A whole page of noise, of zeros, or of another page."""
    at, other = (chance.randrange(len(data) // 4096) * 4096 for _ in range(2))
    data[at : at + 4096] = chance.choice([chance.randbytes(4096), bytes(4096), data[other : other + 4096]])


def cut(data: bytearray, chance: random.Random) -> None:
    """The end is missing."""
    del data[chance.randrange(len(data)) :]


def use(path: Path) -> str:
    """Open and do everything that can be done; "words" where it was refused with an error of ours."""
    outcome = "whole"
    try:
        database = open_database(path, 1)
    except HistoryError as error:
        return "refused" if str(path) in str(error) else "refused, and nobody knows what"
    with closing(database):
        for work in (
            lambda: queries.conversations(database, MAO),
            lambda: queries.conversations(database, ANN, limit=2, before=_uid(4)),
            lambda: queries.messages(database, MAO, FIRST),
            lambda: [queries.messages(database, ANN, _uid(number)) for number in range(0, 20, 2)],
            lambda: queries.append(database, MAO, FIRST, [human()]),
            lambda: queries.append(database, ANN, _uid(99), [human()]),
            lambda: queries.delete(database, MAO, SECOND),
        ):
            try:
                work()
            except NoSuchHistory:
                outcome = "words"
            except FAILURES as error:
                # No word of what people said, whatever SQLite quotes.
                said = str(history_error(error, path))
                assert "Grüße" not in said
                assert "message 1" not in said
                outcome = "words"
    return outcome


@pytest.mark.parametrize("damage", [bad_name_in_the_schema, bits, head, page_heads, page, cut])
def test_whatever_is_damaged_it_opens_or_says_why(
    whole: bytes, tmp_path: Path, damage: Callable[[bytearray, random.Random], None]
) -> None:
    """No exception but ours comes out, of opening or of any question."""
    outcomes = set()
    for seed in range(VARIANTS // 6):
        data = bytearray(whole)
        damage(data, random.Random(f"{damage.__name__} {seed}"))
        path = tmp_path / f"{seed}.db"
        path.write_bytes(data)
        outcomes.add(use(path))
        for left in tmp_path.iterdir():
            left.unlink()
    # It was worth the while: some of it was noticed.
    assert outcomes <= {"whole", "refused", "words"}
    assert outcomes & {"refused", "words"}


async def test_a_schema_that_is_no_text_is_refused_in_words(whole: bytes, tmp_path: Path) -> None:
    """What ended the start with a traceback: SQLite's own words quote bytes that are no UTF-8."""
    path = tmp_path / "history.db"
    path.write_bytes(whole.replace(b"CREATE TABLE message", b"CREATE \xff\xfe\xff\xff\xff message", 1))

    with pytest.raises(HistoryError, match=r"history.db: it is damaged; move it away"):
        async with open_sqlite_history(path) as history:
            await history.messages(MAO, FIRST)


async def test_a_message_that_is_no_text_is_shown_as_far_as_it_is(whole: bytes, tmp_path: Path) -> None:
    """A damaged letter costs that letter."""
    path = tmp_path / "history.db"
    path.write_bytes(whole.replace("Grüße".encode(), b"Gr\xff\xff\xff\xffe"))

    async with open_sqlite_history(path) as history:
        [_, broken] = await history.messages(MAO, FIRST)

    assert broken.content.startswith("Gr\ufffd")
    assert broken.content.endswith("e, 世界 🎈")


async def test_a_value_of_another_kind_is_refused_in_words(tmp_path: Path) -> None:
    """A number where a text should be, and a role that nobody has."""
    path = tmp_path / "history.db"
    async with open_sqlite_history(path) as history:
        await history.append(MAO, FIRST, human())
    for change in ("timestamp = x'00'", "content = x'ff'", "role = 'nobody'"):
        with closing(sqlite3.connect(path)) as database, database:
            database.execute("PRAGMA ignore_check_constraints = ON")
            database.execute(f"UPDATE message SET {change}")
        async with open_sqlite_history(path) as history:
            with pytest.raises(HistoryError, match=r"history.db: it is damaged"):
                await history.messages(MAO, FIRST)
