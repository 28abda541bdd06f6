"""docs/protocol.md has every message, field, error and route that the code has, and no other."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import get_args

import attrs

from trio_backend.protocol import ADDITIONS, Incoming, Outgoing
from trio_backend.server.debug_routes import DebugRoutes
from trio_backend.server.http import Folders, HttpContent, http_app

from .pages import ROOT

PAGE = (ROOT / "docs" / "protocol.md").read_text("utf-8")
ROOMS = (ROOT / "docs" / "rooms.md").read_text("utf-8")
# Sent in place of one of another name.
_ALIASES = {"Audio", "AudioPiece", "AudioStream"}


def rows(page: str, heading: str) -> dict[str, list[str]]:
    """The cells of the tables under a heading, by each name in backticks in the first cell."""
    _, _, part = page.partition(f"\n## {heading}\n")
    part = re.split(r"\n## ", part)[0]
    found = {}
    for line in part.splitlines():
        # A bar within code is escaped in no other way.
        cells = [cell.strip() for cell in re.sub(r"`[^`]*`", _without_bars, line).split("|")[1:-1]]
        for name in re.findall(r"`([^`]+)`", cells[0]) if cells else ():
            found[name] = cells[1:]
    return found


def _without_bars(code: re.Match[str]) -> str:
    return code[0].replace("|", "/")


def fields_in(cell: str) -> set[str]:
    """The fields that a cell lists: what stands in backticks, but not what explains one in brackets."""
    return {name.rstrip("?") for name in re.findall(r"`([\w-]+\??)`", re.sub(r"\([^()]*\)", "", cell))}


def fields_of(classes: object) -> Mapping[str, set[str]]:
    """The fields of each message; those of one name together."""
    found: dict[str, set[str]] = {}
    for cls in get_args(classes):
        names = {field.name for field in attrs.fields(cls)}
        found[cls.type] = found.get(cls.type, set()) | names
    return found


def test_messages_of_clients() -> None:
    """Each has a row, with all of its fields."""
    table = rows(PAGE, "From the client")
    assert {name: fields_in(cells[0]) for name, cells in table.items()} == fields_of(Incoming)


def test_messages_of_the_server() -> None:
    """The same of those that the server sends."""
    table = rows(PAGE, "From the server")
    assert {name: fields_in(cells[0]) for name, cells in table.items()} == fields_of(Outgoing)


def test_optional_fields_are_marked() -> None:
    """A client may leave out exactly those that have a question mark."""
    for cls in get_args(Incoming):
        cell = rows(PAGE, "From the client")[cls.type][0]
        optional = {field.name for field in attrs.fields(cls) if field.default is not attrs.NOTHING}
        assert set(re.findall(r"`(\w+)\?`", cell)) == optional, cls.type


def test_additions() -> None:
    """Each that a client may accept is explained."""
    assert set(rows(PAGE, "Additions")) == set(ADDITIONS)


def codes() -> Iterator[str]:
    """Every code of an error that a client can be sent."""
    for path in sorted((ROOT / "trio_backend").rglob("*.py")):
        # Wyoming has errors of its own, and these two are clients.
        if {"wyoming", "prove", "client", "chat"} & set(path.relative_to(ROOT).parts):
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            place = {"Error": 1, "ProtocolError": 0, "Problem": 0, "QueueRefusal": 1}.get(
                getattr(node.func, "id", getattr(node.func, "attr", "")), -1
            )
            if 0 <= place < len(node.args) and isinstance(code := node.args[place], ast.Constant):
                yield str(code.value)


def test_errors() -> None:
    """Each code is explained, and each that is explained is sent."""
    sent = {*codes(), "queue-full"}  # the default of `QueueRefusal`
    explained = {name for name in rows(PAGE, "Errors") if not name.startswith("max_")}
    assert explained == sent
    of_rooms = rows(ROOMS, "What a sender is told")
    assert of_rooms.keys() <= sent
    together = next(line for line in PAGE.splitlines() if line.startswith("| `queue-full`"))
    listed = set(re.findall(r"`([\w-]+)`", together.partition(" | ")[0]))
    assert listed <= of_rooms.keys()


def test_close_codes() -> None:
    """Each with which the server closes is explained."""
    explained = set(re.findall(r"\b1\d{3}\b", PAGE.partition("| close code |")[2].partition("\n\n")[0]))
    sent: set[str] = set()
    for folder in ("server", "rooms", "session", "."):
        for path in sorted((ROOT / "trio_backend" / folder).glob("*.py")):
            found = re.findall(
                r"(?:fail|close|disconnect|_refuse|start_soon)\([^\n]*?\b(10[01]\d)\b",
                path.read_text("utf-8"),
            )
            sent.update(found)
    assert sent
    assert sent <= explained


def test_routes() -> None:
    """Each path that the server answers is explained."""

    async def nothing(*_: object) -> bytes:
        return b""

    folder = Path()
    folders = Folders(folder, folder, folder, folder, web_tool=folder)
    debug = DebugRoutes(
        nothing, nothing, "", for_all=False, tasks_shown=1, max_tasks_shown=1, addresses=nothing
    )
    app = http_app(HttpContent(folders, nothing, str, debug))  # type: ignore[arg-type]
    served = {getattr(route, "path", "").rstrip("/") or "/" for route in app.routes}
    serving = (ROOT / "trio_backend" / "serving.py").read_text("utf-8")
    sockets = set(re.findall(r"\"(/[\w-]+-ws)\":", serving))
    assert len(sockets) == 3
    assert set(rows(PAGE, "HTTP")) == served | sockets | {"/asr"}
