"""The package is a house of floors: what the tree promises, held against the code."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "trio_backend"
MODULES = sorted(PACKAGE.rglob("*.py"))
IDS = [str(path.relative_to(PACKAGE)) for path in MODULES]

# Rooms from the ground up. A floor may use any floor below it; the rooms of one floor do not know each other.
FLOORS = [
    {"errors", "identity", "boundary", "concurrency", "quota", "user", "wire", "protocol", "text", "audio"},
    {"config", "assets", "history", "client"},
    {"engines", "client"},
    {"conversation"},
    {"session", "rooms"},
    {"backend", "server", "chat", "memory_tuning"},
    {"observe"},
    {"serving", "check", "commands", "prove"},
    {"ending"},
    {"cli", "__init__"},
    {"__main__"},
]
FLOOR_OF = {room: number for number, floor in enumerate(FLOORS) for room in floor}

# Neighbours on the ground floor that build on each other, lower first.
GROUND = [
    "errors",
    "identity",
    "boundary",
    "concurrency",
    "quota",
    "user",
    "text",
    "audio",
    "protocol",
    "wire",
]

# What touches the world, and so has no place in these rooms. They are fed, and they answer.
PURE = {"protocol", "text", "audio"}
IO = {"trio", "socket", "pathlib", "os", "subprocess", "threading", "time", "random"}


def room_of(path: Path) -> str:
    """The room that a module is in, or is."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> Iterator[ast.Import | ast.ImportFrom]:
    """All imports of a module, those inside functions included."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node


def rooms_imported(path: Path) -> Iterator[str]:
    """The rooms of the package that a module imports from."""
    inside = path.relative_to(PACKAGE).parts
    for node in imports(path):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = inside[: len(inside) - node.level]
            names = [node.module] if node.module else [alias.name for alias in node.names]
            for name in names:
                yield (*base, *name.split("."))[0]


def packages_imported(path: Path) -> set[str]:
    """The top-level packages, other than this one, that a module imports."""
    names = set()
    for node in imports(path):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif not node.level and node.module:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("path", MODULES, ids=IDS)
def test_imports_point_down(path: Path) -> None:
    """Nobody knows who is above, or next door."""
    room = room_of(path)
    for other in rooms_imported(path):
        if room in GROUND and other in GROUND:
            assert GROUND.index(other) <= GROUND.index(room), f"{room} must not know {other}"
        else:
            assert other == room or FLOOR_OF[other] < FLOOR_OF[room], f"{room} must not know {other}"


@pytest.mark.parametrize("path", MODULES, ids=IDS)
def test_nothing_imports_asyncio(path: Path) -> None:
    """Neither asyncio nor the layer that hides which of the two runs."""
    assert not packages_imported(path) & {"asyncio", "anyio"}


@pytest.mark.parametrize("path", MODULES, ids=IDS)
def test_ids_and_time_have_one_source(path: Path) -> None:
    """What names or dates something asks `identity`, so that a simulation can run again as it ran."""
    if room_of(path) in ("identity", "prove"):
        return
    calls = [
        ast.unparse(node.func)
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call)
    ]
    assert not {call.rpartition(".")[2] for call in calls} & {"uuid1", "uuid4", "utcnow", "token_hex"}
    assert not [call for call in calls if call.endswith("datetime.now")]


@pytest.mark.parametrize(
    "path", [path for path in MODULES if room_of(path) in PURE], ids=lambda path: path.name
)
def test_the_ground_floor_does_no_io(path: Path) -> None:
    """What turns bytes into messages, tokens into sentences and samples into volumes waits for nothing."""
    assert not packages_imported(path) & IO
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        assert not isinstance(node, ast.AsyncFunctionDef | ast.Await)
        assert not (isinstance(node, ast.Call) and ast.unparse(node.func) == "open")


@pytest.mark.parametrize("path", MODULES, ids=IDS)
def test_files_stay_short(path: Path) -> None:
    """One noun each, read in one sitting."""
    assert len(path.read_text("utf-8").splitlines()) <= 300


def broad(handler: ast.ExceptHandler) -> bool:
    """Whether it catches everything, and does not raise it again."""
    last = handler.body[-1]
    if isinstance(last, ast.Raise) and last.exc is None:
        return False
    names = [handler.type] if not isinstance(handler.type, ast.Tuple) else handler.type.elts
    return any(
        name is None or (isinstance(name, ast.Name) and name.id in ("Exception", "BaseException"))
        for name in names
    )


def test_only_the_boundary_catches_broadly() -> None:
    """A bug ends one connection or one side job; nothing else hides it."""
    found = [
        f"{path.relative_to(PACKAGE)}"
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.ExceptHandler) and broad(node)
    ]
    assert found == ["boundary.py"]


def test_no_channel_is_unbounded() -> None:
    """A queue without a bound is a leak that waits for a busy day."""
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and "open_memory_channel" in ast.unparse(node.func):
                assert "inf" not in ast.unparse(node.args[0]), path


@pytest.mark.parametrize("path", MODULES, ids=IDS)
def test_only_the_store_knows_sqlite(path: Path) -> None:
    """What else opens a store asks for it by its place, and uses what every store promises."""
    if room_of(path) == "history":
        return
    for node in imports(path):
        names = [alias.name for alias in node.names]
        module = node.module or "" if isinstance(node, ast.ImportFrom) else ""
        assert not [name for name in (module, *names) if "sqlite" in name.lower()]


# Shields that have their deadline from somewhere else, and where that is.
DEADLINE_ELSEWHERE = {
    # `_close` sets it when the block is left: until then the store is waited for as long as the server runs.
    "history/backlog.py": 1,
    # `_finish` sets it when the block is left: until then there is nothing to end.
    "history/sqlite.py": 1,
    # Closing a wire in memory waits for nobody.
    "rooms/memory_wire.py": 1,
}


def test_every_shield_has_a_deadline() -> None:
    """What a cancel cannot reach ends by itself, or a peer, a disk or a thread holds up the end for ever."""
    found: dict[str, int] = {}
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Attribute) and node.attr == "shield":
                assert not isinstance(node.ctx, ast.Store), f"{path}: a shield is raised later"
            if not isinstance(node, ast.Call):
                continue
            names = {keyword.arg for keyword in node.keywords}
            if "shield" not in names:
                continue
            timed = ast.unparse(node.func) in ("trio.move_on_after", "trio.fail_after")
            if not timed and not names & {"deadline", "relative_deadline"}:
                name = path.relative_to(PACKAGE).as_posix()
                found[name] = found.get(name, 0) + 1
    assert found.items() <= DEADLINE_ELSEWHERE.items()


def test_every_room_has_its_floor() -> None:
    """A new folder is put into the picture before anything is built in it."""
    assert {room_of(path) for path in MODULES} <= FLOOR_OF.keys()
