"""How the questions are answered: by indexes, so that they stay quick however much there is."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from tests.history.samples import FIRST, MAO, SECOND, ai, human
from trio_backend.errors import HistoryError, NoSuchHistory
from trio_backend.history import queries
from trio_backend.history.database import open_database
from trio_backend.history.sqlite import open_sqlite_history


@pytest.mark.parametrize(
    ("question", "names"),
    [
        (queries._PAGE, ["mao", "ann", 9, 9, 200]),
        (queries._MESSAGES, ["one", "mao", "ann", 1000]),
        (queries._TO_THE_TOP, ["mao", "ann", 1]),
        (queries._LATEST, [1]),
        (queries._TITLE, ["one", "mao", "ann"]),
        (queries._RENAME, ["Title", "one", "mao", "ann"]),
    ],
)
def test_no_question_reads_a_whole_table(tmp_path: Path, question: str, names: list[object]) -> None:
    """SQLite's plan for each is made of searches: a scan would grow with everybody's conversations."""
    with closing(open_database(tmp_path / "history.db", 1)) as database:
        plan = [step for *_, step in database.execute(f"EXPLAIN QUERY PLAN {question}", names)]

    assert any("SEARCH" in step for step in plan)
    # Of a subquery only what its own search has found is scanned.
    assert not [step for step in plan if "SCAN" in step and "SCAN (subquery" not in step]
    # What is sorted is read to its end first.
    assert not [step for step in plan if "B-TREE" in step]


def test_a_list_is_one_row(tmp_path: Path) -> None:
    """SQLite's module lets go of the interpreter's lock for each, and a busy loop gives it back late."""
    with closing(open_database(tmp_path / "history.db", 1)) as database:
        queries.append(database, MAO, FIRST, [human()])
        queries.append(database, MAO, SECOND, [human()])

        rows = database.execute(queries._PAGE, (MAO.conf_uid, "", 9, 9, 200)).fetchall()

    assert len(rows) == 1


@pytest.mark.parametrize(
    "damage",
    [
        "latest_role = 'robot'",
        "latest_preview = x'c3'",
        "latest_preview = NULL",
        "latest_name = x''",
        "title = x'c3'",
    ],
)
async def test_a_damaged_list_is_an_error(tmp_path: Path, damage: str) -> None:
    """As a damaged message is: it says so, and nothing else is said of it."""
    path = tmp_path / "history.db"
    async with open_sqlite_history(path) as history:
        await history.append(MAO, FIRST, human())
        await history.append(MAO, SECOND, human())
    with closing(open_database(path, 1)) as database:
        database.execute(f"UPDATE conversation SET {damage} WHERE uid = ?", (FIRST,))

    async with open_sqlite_history(path) as history:
        with pytest.raises(HistoryError, match=r"history.db: it is damaged; move it away"):
            await history.conversations(MAO)


def test_a_conversation_that_lost_its_messages_is_not_listed(tmp_path: Path) -> None:
    """As after a deletion that a full disk has cut short; with some of them left it is."""
    with closing(open_database(tmp_path / "history.db", 1)) as database:
        queries.append(database, MAO, FIRST, [human(), ai(second=1)])
        queries.append(database, MAO, SECOND, [human(), ai(second=1)])
        queries.rename(database, MAO, FIRST, "Mine")

        assert queries.delete_oldest(database, MAO, FIRST, 1) == 1
        assert [one.uid for one in queries.conversations(database, MAO)] == [SECOND, FIRST]
        assert queries.delete_oldest(database, MAO, FIRST, 9) == 1
        assert [one.uid for one in queries.conversations(database, MAO)] == [SECOND]
        with pytest.raises(NoSuchHistory):
            queries.rename(database, MAO, FIRST, "Mine")

        queries.append(database, MAO, FIRST, [human("Anew.")])
        assert [one.latest.content for one in queries.conversations(database, MAO)] == ["Anew.", "Hi!"]
        assert [one.title for one in queries.conversations(database, MAO)] == ["Anew.", "Hello."]
