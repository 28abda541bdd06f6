"""The import of the old backend's files."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

from tests.history.locks import locked
from tests.history.samples import ANN, MAO, human
from trio_backend.errors import HistoryError
from trio_backend.history import legacy
from trio_backend.history.legacy import ImportReport, import_folder
from trio_backend.history.memory import MemoryHistory
from trio_backend.history.sqlite import open_sqlite_history
from trio_backend.history.store import History, HistoryUid, StoredMessage

OLD = HistoryUid("9a3bd75f0c7d4d3c8f0a1f3c26c6b1d2_2025-01-31_12-34-50")
HEAD = {"role": "metadata", "timestamp": "2025-01-31T12:34:50", "resume_id": "x"}
HELLO = {"role": "human", "timestamp": "2025-01-31T12:34:56", "content": "Hello, 小猫!"}
HI = {"role": "ai", "timestamp": "2025-07-31T12:34:57", "content": "Hi.", "name": "Mao", "avatar": "mao.png"}
CUT = {"role": "system", "timestamp": "2025-07-31T12:34:58", "content": "[Interrupted by user]"}


@attrs.define(eq=False)
class Folder:
    """The old backend's folder, being filled, and what an import of it said."""

    path: Path
    steps: list[tuple[int, int, str]] = attrs.field(factory=list)

    def put(self, name: str, content: object) -> None:
        """Write a file below it: JSON, or bytes as they are."""
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())

    def snapshot(self) -> dict[str, bytes]:
        """All that is in it."""
        return {str(file): file.read_bytes() for file in self.path.rglob("*") if file.is_file()}

    async def import_into(self, history: History) -> ImportReport:
        """Import it, and note the progress."""
        return await import_folder(
            history, self.path, progress=lambda done, total, file: self.steps.append((done, total, file.name))
        )


def reasons(report: ImportReport) -> dict[str, str]:
    """Why each file was refused, by its name."""
    return {refused.file.name: refused.reason for refused in report.refused}


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """An empty one."""
    (tmp_path / "chat_history").mkdir()
    return Folder(tmp_path / "chat_history")


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine whose clock is an hour ahead of UTC in winter, and two in summer."""
    if not hasattr(time, "tzset"):
        pytest.skip("Windows takes its time zone from the system's settings only")
    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("berlin")
async def test_a_conversation_keeps_its_texts_names_order_and_moments(
    folder: Folder, history: History
) -> None:
    """Heads and marks of interruption are left out; local times, in summer and winter, become UTC."""
    folder.put(f"{MAO.conf_uid}/{OLD}.json", [HEAD, HELLO, HI, CUT])

    report = await folder.import_into(history)

    assert report == ImportReport(conversations=1, messages=2)
    assert await history.messages(MAO, OLD) == [
        StoredMessage("human", "2025-01-31T11:34:56.000000+00:00", "Hello, 小猫!"),
        StoredMessage("ai", "2025-07-31T10:34:57.000000+00:00", "Hi.", "Mao", "mao.png"),
    ]


async def test_importing_twice_changes_nothing(folder: Folder, history: History) -> None:
    """What is there is skipped, even if it has gone on since; what is new in the folder comes in."""
    folder.put(f"{MAO.conf_uid}/{OLD}.json", [HEAD, HELLO])
    await folder.import_into(history)
    await history.append(MAO, OLD, human("And then?"))
    folder.put(f"{ANN.conf_uid}/another.json", [HELLO, HI])

    report = await folder.import_into(history)

    assert report == ImportReport(conversations=1, messages=2, already_there=1)
    assert [message.content for message in await history.messages(MAO, OLD)] == ["Hello, 小猫!", "And then?"]
    assert len(await history.messages(ANN, HistoryUid("another"))) == 2


async def test_the_folder_is_left_as_it_was(folder: Folder) -> None:
    """An import is a copy: not a byte of the source changes, not even in files that are refused."""
    folder.put(f"{MAO.conf_uid}/{OLD}.json", [HEAD, HELLO])
    folder.put(f"{MAO.conf_uid}/empty.json", [HEAD])
    folder.put(f"{MAO.conf_uid}/broken.json", b"[{")
    before = folder.snapshot()

    await folder.import_into(MemoryHistory())

    assert folder.snapshot() == before


async def test_conversations_without_a_message_are_skipped(folder: Folder) -> None:
    """The old backend left a file for every page that was opened."""
    folder.put(f"{MAO.conf_uid}/{OLD}.json", [HEAD])
    folder.put(f"{MAO.conf_uid}/nothing.json", [])
    history = MemoryHistory()

    assert await folder.import_into(history) == ImportReport(empty=2)
    assert await history.conversations(MAO) == []


async def test_progress_comes_after_each_file_whatever_became_of_it(folder: Folder) -> None:
    """So that somebody with thousands of files sees it move, and how far it is."""
    folder.put(f"{MAO.conf_uid}/a.json", [HELLO])
    folder.put(f"{MAO.conf_uid}/b.json", b"")
    folder.put(f"{MAO.conf_uid}/c.json", [HEAD])

    await folder.import_into(MemoryHistory())

    assert folder.steps == [(1, 3, "a.json"), (2, 3, "b.json"), (3, 3, "c.json")]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not a list of messages"),
        (b'[{"role": "human", "content": "hal', "not a list of messages"),
        (b"\xff\xfe[]", "not a list of messages"),
        (b"[" * 100_000, "not a list of messages"),
        ({"role": "human"}, "not a list of messages: Expected `array`, got `object`"),
        ([{**HELLO, "content": ["Hello"]}], r"Expected `str \| null`, got `array` - at `\$\[0\].content`"),
        ([{**HELLO, "role": "tool"}], "Invalid enum value 'tool'"),
        ([{"role": "ai", "timestamp": "2025-01-31T12:34:56"}], "entry 1 has no content"),
        ([HELLO, {"role": "ai", "content": "Hi."}], "entry 2 has no time that can be read"),
        ([{**HELLO, "timestamp": "yesterday"}], "entry 1 has no time that can be read: 'yesterday'"),
        ([{**HELLO, "timestamp": "0001-01-01T00:00:00+14:00"}], "entry 1 has no time that can be read"),
    ],
)
async def test_a_broken_file_is_refused_and_stops_nobody(
    folder: Folder, content: object, reason: str
) -> None:
    """The report names the file and what is wrong with it; the files before and behind it come in."""
    folder.put(f"{MAO.conf_uid}/a.json", [HELLO])
    folder.put(f"{MAO.conf_uid}/b.json", content)
    folder.put(f"{MAO.conf_uid}/c.json", [HELLO])
    history = MemoryHistory()

    report = await folder.import_into(history)

    (refused,) = report.refused
    assert refused.file == folder.path / MAO.conf_uid / "b.json"
    assert re.search(reason, refused.reason)
    assert [found.uid for found in await history.conversations(MAO)] == ["c", "a"]


async def test_a_file_may_begin_with_a_byte_order_mark(folder: Folder) -> None:
    """As editors on Windows leave it."""
    folder.put(f"{MAO.conf_uid}/{OLD}.json", b"\xef\xbb\xbf" + json.dumps([HELLO]).encode())

    assert await folder.import_into(MemoryHistory()) == ImportReport(conversations=1, messages=1)


async def test_a_name_that_another_character_has_is_refused(folder: Folder) -> None:
    """The same file in two characters' folders is imported for the first only."""
    folder.put(f"{ANN.conf_uid}/{OLD}.json", [HELLO])
    folder.put(f"{MAO.conf_uid}/{OLD}.json", [HELLO])

    report = await folder.import_into(MemoryHistory())

    assert report.conversations == 1
    assert reasons(report) == {f"{OLD}.json": "another character has a conversation of this name"}


async def test_a_file_beside_the_characters_folders_is_refused(folder: Folder) -> None:
    """It is what somebody sees who names one character's folder; the report says which to name instead."""
    folder.put(f"{OLD}.json", [HELLO])

    report = await folder.import_into(MemoryHistory())

    assert reasons(report) == {
        f"{OLD}.json": "it is not in a character's folder; name the folder above this one"
    }


@pytest.mark.skipif(sys.platform == "win32", reason="Windows allows no such names, and links to the few")
async def test_what_is_no_plain_file_with_a_plain_name_is_refused(folder: Folder) -> None:
    """A link may lead anywhere, a pipe may never end, and a name with a newline is up to something."""
    folder.put("elsewhere/secret.txt", [HELLO])
    folder.put(f"{MAO.conf_uid}/new\nline.json", [HELLO])
    os.symlink(folder.path / "elsewhere" / "secret.txt", folder.path / MAO.conf_uid / "link.json")
    os.mkfifo(folder.path / MAO.conf_uid / "pipe.json")
    os.mkdir(folder.path / MAO.conf_uid / "folder.json")
    os.link(folder.path / "elsewhere" / "secret.txt", os.fsencode(folder.path / MAO.conf_uid) + b"/\xff.json")

    report = await folder.import_into(MemoryHistory())

    assert report.conversations == 0
    assert reasons(report) == {
        "new\nline.json": r"the name 'new\nline' has characters that no name should have",
        "\udcff.json": r"the name '\udcff' has characters that no name should have",
        "link.json": "it is no regular file",
        "pipe.json": "it is no regular file",
        "folder.json": "it is no regular file",
    }


async def test_a_file_too_large_for_memory_is_refused(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not even read."""
    monkeypatch.setattr(legacy, "MAX_FILE_BYTES", 1024**2)
    folder.put(f"{MAO.conf_uid}/{OLD}.json", b" " * (1024**2 + 1))

    assert reasons(await folder.import_into(MemoryHistory())) == {f"{OLD}.json": "it is larger than 1 MiB"}


async def test_a_missing_folder_is_an_error_that_says_which_to_name(tmp_path: Path) -> None:
    """Nothing imported is not the same as nothing there."""
    with pytest.raises(HistoryError, match=r"nowhere: there is no such folder; name the old backend's chat_"):
        await Folder(tmp_path / "nowhere").import_into(MemoryHistory())


async def test_a_store_that_fails_ends_the_import(folder: Folder, tmp_path: Path) -> None:
    """No file is called broken because the disk is; importing again goes on from there."""
    folder.put(f"{MAO.conf_uid}/a.json", [HELLO])
    async with open_sqlite_history(tmp_path / "history.db", busy_timeout=0.05) as history:
        with locked(tmp_path / "history.db"), pytest.raises(HistoryError, match="holds it locked"):
            await folder.import_into(history)

        assert await folder.import_into(history) == ImportReport(conversations=1, messages=1)
