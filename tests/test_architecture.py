"""The layers of the package and other rules of docs/architecture.md, checked in the code."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "trio_backend"
MODULES = sorted(PACKAGE.rglob("*.py"))
IDS = [str(path.relative_to(PACKAGE)) for path in MODULES]

# Packages and modules by layer, the lowest first. A module imports from lower layers and its own package.
LAYERS = [
    {"errors", "identity", "boundary", "concurrency", "quota", "user", "wire", "protocol", "text", "audio"}
    | {"installation", "running"},
    {"config", "assets", "history", "certificates", "qr_code"},
    {"engines", "client", "local_certificate"},
    {"conversation"},
    {"session", "rooms"},
    {"backend", "server", "chat", "memory_tuning", "addresses", "service_manager"},
    {"observe", "check"},
    {"start_report"},
    {"serving", "commands", "engine_commands", "prove"},
    {"ending", "setup"},
    {"cli", "__init__"},
    {"__main__"},
]
LAYER_OF = {package: number for number, layer in enumerate(LAYERS) for package in layer}

# Modules of the lowest layer that build on each other, lower first.
LOWEST = [
    "errors",
    "installation",
    "running",
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

# These packages do no I/O: they get values and return values. IO are modules that they must not import.
PURE = {"protocol", "text", "audio"}
IO = {"trio", "socket", "pathlib", "os", "subprocess", "threading", "time", "random"}


def package_of(path: Path) -> str:
    """The top-level package that a module is in, or the module itself."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> Iterator[ast.Import | ast.ImportFrom]:
    """All imports of a module, those inside functions included."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node


def imported(path: Path) -> Iterator[str]:
    """The top-level packages and modules of ours that a module imports from."""
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
    """A module imports nothing from a higher layer, nor from another package of its own layer."""
    package = package_of(path)
    for other in imported(path):
        if package in LOWEST and other in LOWEST:
            assert LOWEST.index(other) <= LOWEST.index(package), f"{package} must not import {other}"
        else:
            assert other == package or LAYER_OF[other] < LAYER_OF[package], (
                f"{package} must not import {other}"
            )


@pytest.mark.parametrize("path", MODULES, ids=IDS)
def test_nothing_imports_asyncio(path: Path) -> None:
    """Neither asyncio nor the layer that hides which of the two runs; but for the one bridge to it."""
    bridge = {"asyncio"} if path == PACKAGE / "engines" / "asyncio_thread.py" else set[str]()
    assert packages_imported(path) & {"asyncio", "anyio"} == bridge


@pytest.mark.parametrize("path", MODULES, ids=IDS)
def test_ids_and_time_have_one_source(path: Path) -> None:
    """New ids and dates come from `identity`, so that a simulation with the same seed runs the same way."""
    if package_of(path) in ("identity", "prove"):
        return
    calls = [
        ast.unparse(node.func)
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call)
    ]
    assert not {call.rpartition(".")[2] for call in calls} & {"uuid1", "uuid4", "utcnow", "token_hex"}
    assert not [call for call in calls if call.endswith("datetime.now")]


@pytest.mark.parametrize(
    "path", [path for path in MODULES if package_of(path) in PURE], ids=lambda path: path.name
)
def test_the_pure_packages_do_no_io(path: Path) -> None:
    """What turns bytes into messages, tokens into sentences and samples into volumes waits for nothing."""
    assert not packages_imported(path) & IO
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        assert not isinstance(node, ast.AsyncFunctionDef | ast.Await)
        assert not (isinstance(node, ast.Call) and ast.unparse(node.func) == "open")


@pytest.mark.parametrize("path", MODULES, ids=IDS)
def test_files_stay_short(path: Path) -> None:
    """A module holds one noun, and is short enough to be read at once."""
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
    """A bug ends one connection or one background task; nothing else catches it."""
    found = [
        f"{path.relative_to(PACKAGE)}"
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.ExceptHandler) and broad(node)
    ]
    assert found == ["boundary.py"]


def test_no_channel_is_unbounded() -> None:
    """Under load a queue without a bound takes all memory."""
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and "open_memory_channel" in ast.unparse(node.func):
                assert "inf" not in ast.unparse(node.args[0]), path


@pytest.mark.parametrize("path", MODULES, ids=IDS)
def test_only_the_store_knows_sqlite(path: Path) -> None:
    """All other code opens a store by its path, and uses what every store promises."""
    if package_of(path) == "history":
        return
    for node in imports(path):
        names = [alias.name for alias in node.names]
        module = node.module or "" if isinstance(node, ast.ImportFrom) else ""
        assert not [name for name in (module, *names) if "sqlite" in name.lower()]


# Shields that have their deadline from somewhere else, and where that is.
DEADLINE_ELSEWHERE = {
    # Set when the block is left: until then the server is told of calls as they are given up.
    "engines/gradio.py": 1,
    # `_close` sets it when the block is left: until then the store is waited for as long as the server runs.
    "history/backlog.py": 1,
    # `_finish` sets it when the block is left: until then there is nothing to end.
    "history/sqlite.py": 1,
    # Closing a wire in memory waits for nobody.
    "rooms/memory_wire.py": 1,
}


def test_every_shield_has_a_deadline() -> None:
    """Without a deadline, a peer, a disk or a thread could hold a shielded block for ever."""
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


def test_every_package_has_its_layer() -> None:
    """A new package is put into `LAYERS` before it is used."""
    assert {package_of(path) for path in MODULES} <= LAYER_OF.keys()


def modules_imported(path: Path) -> set[Path]:
    """The modules of the package that a module imports from, for its types alone or inside functions, too."""
    folder = path.parent
    found = set()
    for node in imports(path):
        if not isinstance(node, ast.ImportFrom) or not node.level:
            continue
        base = folder.joinpath(*[".."] * (node.level - 1), *(node.module or "").split(".")).resolve()
        for alias in node.names:
            candidates = (base / f"{alias.name}.py", base / alias.name / "__init__.py")
            inside = next((one for one in candidates if one.is_file()), None)
            found.add(inside or (base / "__init__.py" if base.is_dir() else base.with_suffix(".py")))
    return found - {path}


def test_no_module_needs_itself() -> None:
    """Neither when it runs nor for its types: of two modules, one can be read without the other."""
    left = {path: modules_imported(path) & set(MODULES) for path in MODULES}
    ends = set(MODULES)
    while ends:
        # What needs nothing that is left, or is needed by nothing that is left, is in no circle.
        needed = set().union(*left.values())
        ends = {path for path, needs in left.items() if not needs & left.keys() or path not in needed}
        left = {path: needs for path, needs in left.items() if path not in ends}
    assert not left, sorted(str(path.relative_to(PACKAGE)) for path in left)


def test_class_names_stand_once() -> None:
    """Who searches for a class finds one, and a name in a traceback or in the log means one thing."""
    places: dict[str, list[str]] = {}
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ClassDef):
                places.setdefault(node.name, []).append(path.relative_to(PACKAGE).as_posix())
    assert not {name: where for name, where in places.items() if len(where) > 1}


@pytest.mark.parametrize("path", [path for path in MODULES if not path.stem.startswith("__")], ids=str)
def test_no_module_is_tiny(path: Path) -> None:
    """What has fewer lines than a screen's quarter is read with something else, and belongs there."""
    assert len(path.read_text("utf-8").splitlines()) >= 20


# Words of the first version for which speech, chat and network programming have words of their own.
PRIVATE_WORDS = set(
    """
    audition births cast chair ear ears errand farewell fence floor gossip guest guests house hush innocent
    insight mouth neighbour neighbours premises preside props remains stagecraft stock theatre visitor wish
    """.split()  # noqa: SIM905
)


@pytest.mark.parametrize("path", MODULES, ids=IDS)
def test_names_use_the_fields_words(path: Path) -> None:
    """Modules, classes, functions and parameters are called by what a colleague would search for."""
    names = {path.stem}
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.arg):
            names.add(node.arg)
    words = {word.lower() for name in names for word in re.findall(r"[A-Z]?[a-z]+", name)}
    assert not words & PRIVATE_WORDS
