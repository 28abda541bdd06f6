"""The import of the old backend's conversations, ``chat_history/<conf_uid>/<history_uid>.json``."""

from __future__ import annotations

import codecs
import unicodedata
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Literal

import attrs
import msgspec
import trio

from ..errors import HistoryError, NoSuchHistory, UnfitFile
from .store import History, HistoryUid, Owner, StoredMessage, utc_timestamp

# Years of daily talk have a few MiB; what is larger is something else, and would not fit into memory well.
MAX_FILE_BYTES = 64 * 1024 * 1024


@attrs.frozen
class Refused:
    """A file that was not imported, and why."""

    file: Path
    reason: str


@attrs.frozen
class ImportReport:
    """What came of each file: ``conversations`` with so many ``messages`` imported, and the others."""

    conversations: int = 0
    messages: int = 0
    already_there: int = 0
    empty: int = 0
    refused: tuple[Refused, ...] = ()


@attrs.frozen
class _Item:
    """One entry of a file. ``metadata`` is the file's head, ``system`` its marks of interruptions."""

    role: Literal["human", "ai", "metadata", "system"]
    timestamp: str | None = None
    content: str | None = None
    name: str | None = None
    avatar: str | None = None


async def import_folder(
    history: History, folder: Path, *, progress: Callable[[int, int, Path], None]
) -> ImportReport:
    """Copy every conversation below ``folder`` that ``history`` does not have yet.

    ``progress(done, total, file)`` is called after each file. Nothing in ``folder`` is changed, and a file
    that cannot be read does not stop the others. The old times have no zone and are taken as this
    machine's. A cancel leaves whole conversations only; importing again goes on from there. Raises
    `HistoryError` if there is no such folder, or if the store fails.
    """
    files = await trio.to_thread.run_sync(_list_files, folder)
    report = ImportReport()
    for done, file in enumerate(files, 1):
        try:
            report = await _import_file(history, folder, file, report=report)
        except UnfitFile as why:
            report = attrs.evolve(report, refused=(*report.refused, Refused(file, str(why))))
        progress(done, len(files), file)
    return report


def _list_files(folder: Path) -> list[Path]:
    """The files of all characters, and those outside of a character's folder, which are refused later."""
    if not folder.is_dir():
        raise HistoryError(f"{folder}: there is no such folder; name the old backend's chat_history")
    return sorted([*folder.glob("*.json"), *folder.glob("*/*.json")])


async def _import_file(history: History, folder: Path, file: Path, *, report: ImportReport) -> ImportReport:
    owner, uid = _names(folder, file)
    if await _has(history, owner, uid):
        return attrs.evolve(report, already_there=report.already_there + 1)
    messages = await trio.to_thread.run_sync(_read, file)
    if not messages:
        return attrs.evolve(report, empty=report.empty + 1)
    try:
        await history.adopt(owner, uid, *messages)
    except NoSuchHistory as error:
        raise UnfitFile("another character has a conversation of this name") from error
    return attrs.evolve(
        report, conversations=report.conversations + 1, messages=report.messages + len(messages)
    )


def _names(folder: Path, file: Path) -> tuple[Owner, HistoryUid]:
    if file.parent == folder:
        raise UnfitFile("it is not in a character's folder; name the folder above this one")
    for name in (file.parent.name, file.stem):
        # Cs is what Python makes of bytes that are no UTF-8.
        if any(unicodedata.category(character) in ("Cc", "Cs") for character in name):
            raise UnfitFile(f"the name {name!r} has characters that no name should have")
    return Owner(file.parent.name), HistoryUid(file.stem)


async def _has(history: History, owner: Owner, uid: HistoryUid) -> bool:
    try:
        await history.messages(owner, uid, limit=1)
    except NoSuchHistory:
        return False
    return True


def _read(file: Path) -> list[StoredMessage]:
    """The messages in ``file``; none in one that was opened and never used."""
    if file.is_symlink() or not file.is_file():
        raise UnfitFile("it is no regular file")
    if file.stat().st_size > MAX_FILE_BYTES:
        raise UnfitFile(f"it is larger than {MAX_FILE_BYTES // 1024**2} MiB")
    try:
        items = msgspec.json.decode(file.read_bytes().removeprefix(codecs.BOM_UTF8), type=list[_Item])
    except OSError as error:
        raise UnfitFile(error.strerror or str(error)) from error
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise UnfitFile(f"it is not a list of messages: {error}") from error
    return [message for number, item in enumerate(items, 1) if (message := _message(item, number))]


def _message(item: _Item, number: int) -> StoredMessage | None:
    if item.role == "metadata" or item.role == "system":
        return None
    if item.content is None:
        raise UnfitFile(f"entry {number} has no content")
    return StoredMessage(item.role, _in_utc(item.timestamp, number), item.content, item.name, item.avatar)


def _in_utc(local: str | None, number: int) -> str:
    try:
        return utc_timestamp(datetime.fromisoformat(local or ""))
    # Platforms differ in which of these they raise for a year that their clock does not know.
    except (ValueError, OverflowError, OSError) as error:
        raise UnfitFile(f"entry {number} has no time that can be read: {local!r}") from error
