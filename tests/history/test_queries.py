"""How the questions are answered: by indexes, so that they stay quick however much there is."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from trio_backend.history import queries
from trio_backend.history.database import open_database


@pytest.mark.parametrize(
    ("question", "names"),
    [
        (queries._PAGE, ["mao", "ann", 9, 9, 200]),
        (queries._MESSAGES, ["one", "mao", "ann", 1000]),
        (queries._TO_THE_TOP, ["mao", "ann", 1]),
        (queries._LATEST, [1]),
    ],
)
def test_no_question_reads_a_whole_table(tmp_path: Path, question: str, names: list[object]) -> None:
    """SQLite's plan for each is made of searches: a scan would grow with everybody's conversations."""
    with closing(open_database(tmp_path / "history.db", 1)) as database:
        plan = [step for *_, step in database.execute(f"EXPLAIN QUERY PLAN {question}", names)]

    assert any("SEARCH" in step for step in plan)
    assert not [step for step in plan if "SCAN" in step]
    # What is sorted is read to its end first.
    assert not [step for step in plan if "B-TREE" in step]
