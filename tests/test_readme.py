"""What the README says is so: its table, its commands, its Python."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from socket import socket

import pytest
import trio
from trio.testing import MockClock

import trio_backend.engines.tts
from tests.serving.servers import configured, open_client, open_server
from trio_backend.config.bounds import Bound, bounds_of
from trio_backend.config.character import EngineChoice, EngineKind
from trio_backend.config.load import load_config
from trio_backend.config.system import SystemConfig
from trio_backend.config.wyoming import WyomingSettings
from trio_backend.engines import registry
from trio_backend.engines.settings import Environment
from trio_backend.engines.whole import spoken
from trio_backend.engines.wyoming import WyomingEvent, encoded

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    """The code blocks of that language, in order."""
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def row(bound: Bound) -> str:
    """A row of the table of bounds."""
    mebibytes = bound.unit == "bytes" and bound.default >= 2**20
    default = f"{bound.default / 2**20:g} MiB" if mebibytes else f"{bound.default:g} {bound.unit}"
    cells = (f"`{bound.key}`", default, bound.help, bound.when_full)
    return f"| {' | '.join(cells)} |"


def table() -> str:
    """The table of bounds, as the code has them."""
    head = "| key | default | what it bounds | when it is full |\n| --- | --- | --- | --- |"
    return "\n".join([head, *map(row, bounds_of(SystemConfig))])


def test_the_table_of_bounds_is_the_codes() -> None:
    """Every bound is in the table, with its default."""
    found = re.search(r"<!-- bounds -->\n(.*?)\n?<!-- /bounds -->", README, re.DOTALL)
    assert found
    assert found[1] == table(), f"the table should be:\n{table()}"


def test_the_commands_name_extras_and_programs_that_exist() -> None:
    """The first command starts the server, the second runs nox."""
    first, second = (block.strip() for block in blocks("sh"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert first.endswith("&& trio-backend serve")
    assert second.endswith("&& nox")
    # As .ci/run looks for it.
    assert [line for line in README.splitlines() if re.fullmatch(r"[^#]*&& nox", line)] == [second]
    for extra in re.findall(r"\.\[([\w,]+)\]", first + second):
        assert set(extra.split(",")) <= project["optional-dependencies"].keys()
    assert "trio-backend" in project["scripts"]


def test_the_licence_of_everything_that_is_installed_is_told() -> None:
    """Each dependency is in the table; the README says what the first command installs."""
    licences = (ROOT / "docs" / "licences.md").read_text("utf-8")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    for name in ("voice", "sherpa", "whisper", "turn"):
        for requirement in extras[name]:
            assert f"| extra `{name}` |" in licences
            assert f"`{re.split('[<>=]', requirement)[0]}`" in licences
    for requirement in project["dependencies"]:
        assert f"`{re.split('[<>=]', requirement)[0]}`" in licences
    assert "espeak-ng, which is **GPL-3.0-or-later**" in README
    assert "(docs/licences.md)" in README


@pytest.mark.parametrize("pieces", ["auto", "always"])
async def test_the_ten_lines_of_python_talk(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], pieces: str
) -> None:
    """The example, as it stands but for the port, against a running server.

    It says when all was played: the server would wait for that longer than the test does. Where a sentence
    comes in several pieces, it is printed once.
    """
    example = blocks("python")[0]
    llm, tts = EngineChoice("llm", "echo_llm", {}), EngineChoice("tts", "tone_tts", {"chunk": 0.2})
    config = configured(tmp_path, llm=llm, tts=tts, playback_grace=60.0, audio_pieces=pieces)
    async with open_server(config) as address:
        names: dict[str, object] = {}
        source = example.replace("127.0.0.1:12393", address.removeprefix("http://")).replace(
            "trio.run(main)", ""
        )
        exec(compile(source, "README.md", "exec"), names)
        main = names["main"]
        assert callable(main)
        with trio.fail_after(30):
            await main()
    assert capsys.readouterr().out.splitlines() == ["Iris says: Hello, who are you?"]


async def test_one_file_is_an_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    """The example of an engine, put beside the others, is found by its name and speaks."""
    (tmp_path / "whistle.py").write_text(blocks("python")[1], "utf-8")
    monkeypatch.setattr(
        trio_backend.engines.tts, "__path__", [*trio_backend.engines.tts.__path__, str(tmp_path)]
    )
    registry._built_in.cache_clear()
    try:
        config = registry.configure(
            "tts", "whistle_tts", {"note": 440}, environment=Environment(tmp_path, {})
        )
        async with registry.open_engine(config) as tts:
            assert (await spoken(tts, "whistle")).seconds == pytest.approx(0.7)
    finally:
        registry._built_in.cache_clear()


def test_fifteen_lines_embed_a_backend(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The example, exactly as it stands, has a turn and prints a sentence."""
    monkeypatch.setitem(registry._registered, "llm", [])
    example = blocks("python")[2]
    exec(compile(example, "README.md", "exec"), {})
    assert capsys.readouterr().out == "Polly says: Squawk!\n"
    lines = [line for line in example.splitlines() if line and "import" not in line.split()]
    assert len(lines) <= 16, "fifteen lines, and the one that runs them"


def test_the_yaml_of_an_own_model_loads(tmp_path: Path) -> None:
    """The example of engines, in a configuration with a name and a persona, is understood."""
    name = "character_config:\n  conf_name: a\n  conf_uid: b\n  persona_prompt: You are a.\n"
    (tmp_path / "conf.yaml").write_text(blocks("yaml")[0].replace("character_config:\n", name), "utf-8")
    character = load_config(tmp_path / "conf.yaml", environ={}).config.character
    assert (character.llm.name, character.tts.name) == ("ollama_llm", "openai_tts")
    assert character.asr
    for choice in (character.llm, character.tts, character.asr):
        registry.configure(choice.kind, choice.name, choice.settings, environment=Environment(tmp_path, {}))


@pytest.mark.parametrize("kind", ["llm", "tts", "asr", "vad", "translator"])
def test_every_engine_is_named(kind: EngineKind) -> None:
    """The list of names is complete."""
    for name in registry.known(kind):
        assert f"`{name}`" in README


def tree_paths() -> dict[str, list[list[str]]]:
    """For each name in the README's tree of tasks, the ways from the root to it."""
    (tree,) = (block for block in blocks("text") if block.startswith("trio.run"))
    found: dict[str, list[list[str]]] = {}
    path: list[str] = []
    for line in tree.splitlines():
        branch, name = re.fullmatch(r"([│├└─ ]*)(.+?)(?: ×\w|  .*|$).*", line).groups()  # type: ignore[union-attr]
        path = [*path[: len(branch) // 3], name]
        found.setdefault(name, []).append(path)
    return found


def name_in_tree(task: trio.lowlevel.Task) -> str:
    """What the README calls a task: its name without the session, the room, the character and the number."""
    if task.name in ("history/writes", "history/reads"):
        return "history"
    for begin, name in {
        "history/conv": "backlog",
        "engine": "engine",
        "speech engines": "speech engines",
    }.items():
        if task.name.startswith(begin):
            return name
    last = task.name.rpartition("/")[2]
    several = {"forwarder", "room", "scene", "session"}
    return last.split()[0] if last.split()[0] in several else last


def tasks_below(task: trio.lowlevel.Task, path: list[str]) -> Iterator[tuple[str, list[str]]]:
    """The names of all tasks that ``task`` has in its nurseries, each with those of the tasks above it."""
    for nursery in task.child_nurseries:
        for child in nursery.child_tasks:
            name = name_in_tree(child)
            # A room's session is below its link, and has the same tasks as a connection's; so has the scene
            # of a conversation by Wyoming.
            below = [name] if name == "session" else [*path, name]
            yield name, below
            yield from tasks_below(child, [name] if path[-1:] == ["wyoming conversation"] else below)


# Tasks of the server that the README leaves out: two that end soon, and one that waits for a cancel.
LEFT_OUT = {"start report", "local servers", "http cutter"}


async def test_the_tree_of_tasks_is_the_servers(tmp_path: Path) -> None:
    """While a client and a room have a turn each, every task is where the README says."""
    llm = EngineChoice("llm", "echo_llm", {})
    tts = EngineChoice("tts", "tone_tts", {"delay": 3600})
    known, text = tree_paths(), b'{"type": "text-input", "text": "Hello."}'
    with socket() as free:
        free.bind(("127.0.0.1", 0))
        wyoming = WyomingSettings(port=free.getsockname()[1])
    config = configured(tmp_path, llm=llm, tts=tts, enable_proxy=True, drain_timeout=0, wyoming=wyoming)
    async with open_server(config) as address:
        here = trio.lowlevel.current_task()
        (serving,) = (
            task for nursery in here.child_nurseries for task in nursery.child_tasks if "serve" in task.name
        )
        async with (
            open_client(address) as client,
            open_client(address, "/proxy-ws?room=den") as viewer,
            trio.open_nursery() as nursery,
        ):
            await client.wire.send(text)
            await viewer.wire.send(text)
            for kind in ("transcript", "synthesize", "audio-stop"):
                satellite = await nursery.start(keep_open, wyoming.port)
                await satellite.send_all(encoded(WyomingEvent(kind, {"text": "Hello."})))
            with trio.fail_after(30):
                while sum(name == "sentence" for name, _ in tasks_below(serving, [])) < 3:
                    await trio.sleep(0.01)
            running = [(name, path) for name, path in tasks_below(serving, []) if name not in LEFT_OUT]
            nursery.cancel_scope.cancel()
    for name, path in running:
        assert any(in_order(path, each) for each in known[name]), f"{' > '.join(path)} is not in the tree"
    expected = {"engine", "forwarder", "link", "acceptor", "requests", "sentence", "speech", "news"}
    assert expected <= {name for name, _ in running}


async def keep_open(port: int, task_status: trio.TaskStatus[trio.SocketStream]) -> None:
    """A connection, until cancelled."""
    async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
        task_status.started(stream)
        await trio.sleep_forever()


def in_order(part: Sequence[str], whole: Sequence[str]) -> bool:
    """Whether all of ``part`` are in ``whole``, in the same order."""
    rest = iter(whole)
    return all(one in rest for one in part)
