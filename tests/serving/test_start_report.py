"""What `serve` says at its start: each finding of `check` once, and an address whatever is wrong."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import pytest
import trio
from loguru import logger

from tests.server_process import TIMEOUT
from tests.serving.servers import configured, open_client, open_server, open_server_process
from tests.test_cli import run
from trio_backend.check import examine
from trio_backend.config.character import EngineChoice
from trio_backend.config.diagnostics import Finding, Location
from trio_backend.config.load import packaged_conf
from trio_backend.engines import registry
from trio_backend.engines.settings import Environment

BASE = """\
system_config: {config_alts_dir: characters}
character_config:
  conf_name: Ann
  conf_uid: ann_001
  persona_prompt: You are Ann.
  agent_config:
    agent_settings: {basic_memory_agent: {llm_provider: scripted_llm}}
    llm_configs: {scripted_llm: {manner: cheerful}}
  tts_config: {tts_model: none_tts}
"""
# An error that only opening shows, and a warning about an engine that we do not have.
BOB = """\
character_config:
  conf_name: Bob
  conf_uid: bob_001
  avatar: none.svg
  agent_config: {llm_configs: {scripted_llm: {manner: rude}}}
"""
EVE = """\
character_config: {conf_name: Eve, conf_uid: eve_001, tts_config: {tts_model: nova_tts}}
"""
_LINE = re.compile(r"\S+ (ERROR|WARNING) +(?:\[\w+\] )?(.*)")


def write(folder: Path, base: str = BASE, **characters: str) -> Path:
    (folder / "conf.yaml").write_text(base)
    (folder / "model_dict.json").write_text("[]")
    (folder / "characters").mkdir()
    for name, text in characters.items():
        (folder / "characters" / f"{name}.yaml").write_text(text)
    return folder / "conf.yaml"


def complaints(log: str) -> list[str]:
    """All warnings and errors of ``log`` as ``severity: text``, but for what single clients were told."""
    found = (_LINE.fullmatch(line) for line in log.splitlines())
    told = [f"{match[1].lower()}: {match[2]}" for match in found if match]
    return [each for each in told if "a client is told" not in each]


async def test_serve_says_what_check_says_once(tmp_path: Path) -> None:
    """The same words, with file, line and key; also after clients have chosen what is wrong."""
    path = write(tmp_path, BASE.replace("{config", "{no_such_key: 1, config"), bob=BOB, eve=EVE)
    # By a process of its own: what an unknown engine could be depends on what tests have registered here.
    checked = run("check", "conf.yaml", folder=tmp_path).stdout.splitlines()
    expected = [line for line in checked if line.startswith(("error: ", "warning: "))]
    assert [sum(each.startswith(kind) for each in expected) for kind in ("error", "warning")] == [1, 3]
    async with open_server_process(path, tmp_path) as server:
        for line in expected:
            await server.wait_logged(line.partition(": ")[2])
        for _ in range(2):
            async with open_client(server.address) as client:
                await client.say("switch-config", file="bob.yaml")
                await client.until("error")
                await client.say("switch-config", file="eve.yaml")
                await client.until("config-switched")
        assert sorted(complaints("".join(server.log))) == sorted(expected)
    # What takes a while is said after the address.
    log = "".join(server.log)
    assert log.index(" is at http") < log.index("bob.yaml:")


@pytest.mark.parametrize(
    ("mistake", "key", "told"),
    [
        ("manner: grumpy", "manner", "there is no manner 'grumpy'; known are: "),
        ("rules: broken.yaml", "rules", "broken.yaml"),
    ],
)
async def test_a_character_that_cannot_come_leaves_the_address_and_the_others(
    tmp_path: Path, mistake: str, key: str, told: str
) -> None:
    """The mistake is told with its place; whoever opens the page can choose another character."""
    path = write(tmp_path, BASE.replace("manner: cheerful", mistake), eve=EVE.replace("nova", "none"))
    (tmp_path / "characters" / "eve.yaml").write_text(
        "character_config: {conf_name: Eve, conf_uid: eve_001, "
        "agent_config: {agent_settings: {basic_memory_agent: {llm_provider: echo_llm}}}}"
    )
    (tmp_path / "broken.yaml").write_text("- rule: [unclosed")
    async with open_server_process(path, tmp_path) as server:
        place = f"conf.yaml:8: character_config.agent_config.llm_configs.scripted_llm.{key}: "
        await server.wait_logged(place)
        async with open_client(server.address, greeted=False) as client:
            (*_, error) = await client.until("error")
            assert "Ann could not be loaded" in str(error["message"])
            await client.say("switch-config", file="eve.yaml")
            await client.until("config-switched")
            turn = await client.turn("Hello there.")
            assert any("Hello there." in str(message.get("display_text")) for message in turn)
        log = "".join(server.log)
        assert "Ann cannot come, but the page is at http" in log
        (finding,) = [line for line in complaints(log) if place in line]
        assert told in finding
        # Its words stand there only, but for what that one client was told.
        said = finding.partition(place)[2]
        assert [said in line and "a client is told" not in line for line in log.splitlines()].count(True) == 1


def test_with_strict_all_is_looked_at_before_the_start(tmp_path: Path) -> None:
    """The mistakes of other characters, too, and those that only opening shows."""
    write(tmp_path, bob=BOB)
    served = run("serve", "--strict", "--port", "0", folder=tmp_path)
    assert served.returncode == 1
    assert "there is no manner 'rude'" in served.stderr
    assert "characters/bob.yaml:4: character_config.avatar" in served.stderr
    assert "is at http" not in served.stderr


def test_an_import_tells_each_warning_once(tmp_path: Path) -> None:
    """In a line that says what it is."""
    write(tmp_path, BASE.replace("{config", "{no_such_key: 1, config"))
    (tmp_path / "old").mkdir()
    told = run("import-history", "old", folder=tmp_path).stderr
    assert told.count("no_such_key") == 1
    assert "warning: conf.yaml:1: system_config.no_such_key: " in told


@pytest.fixture
def warnings() -> Iterator[list[str]]:
    """What is logged from WARNING up."""
    lines: list[str] = []
    sink = logger.add(lambda line: lines.append(line.record["message"]), level="WARNING")
    yield lines
    logger.remove(sink)


async def test_a_program_that_embeds_a_server_gets_its_warnings_once(
    tmp_path: Path, warnings: list[str]
) -> None:
    """Those of the configuration, and of an engine that is replaced, whoever comes; no check is made."""
    nova = EngineChoice("tts", "nova_tts")
    config = configured(tmp_path, llm=EngineChoice("llm", "echo_llm"), tts=nova)
    config = attrs.evolve(config, warnings=(Finding("warning", "conf.yaml", 7, "some.key", "is odd"),))
    async with open_server(config) as address:
        for _ in range(2):
            async with open_client(address):
                pass
    assert warnings[0] == "conf.yaml:7: some.key: is odd"
    assert [("nova_tts" in line) for line in warnings[1:]] == [True]


async def test_what_opening_an_engine_shows_is_told_with_its_place(
    tmp_path: Path, warnings: list[str]
) -> None:
    """Once, also where nothing was checked: of files that are edited later, in programs that embed it."""
    place = {"": Location("bob.yaml", 3, "llm"), "manner": Location("bob.yaml", 5)}
    settings = {"manner": "rude"}
    rude = EngineChoice("llm", "scripted_llm", settings, packaged_conf(), key="scripted_llm", locations=place)
    config = configured(tmp_path, llm=rude, tts=EngineChoice("tts", "none_tts"))
    async with open_server(config) as address:
        for _ in range(2):
            async with open_client(address, greeted=False) as client:
                await client.until("error")
    told = [line for line in warnings if "there is no manner" in line and "a client is told" not in line]
    assert [line.partition(": ")[0] for line in told] == ["bob.yaml:5"]
    assert ": scripted_llm.manner: " in told[0]


@attrs.define(eq=False)
class _SlowAdapter:
    """An engine that `check` opens, and that never comes."""

    NAMES: tuple[str, ...] = ("slow_to_open_tts",)
    OPENED_BY_CHECK: bool = True
    opened: trio.Event = attrs.field(factory=trio.Event)
    closed: trio.Event = attrs.field(factory=trio.Event)

    def configure(self, name: str, settings: object, environment: Environment) -> str:
        del settings, environment
        return name

    @asynccontextmanager
    async def open(self, _settings: str) -> AsyncIterator[None]:
        self.opened.set()
        try:
            await trio.Event().wait()
            yield
        finally:
            self.closed.set()


async def test_a_check_that_is_cancelled_closes_what_it_opens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nursery: trio.Nursery
) -> None:
    """A server that is told to end need not wait for an engine."""
    adapter = _SlowAdapter()
    monkeypatch.setitem(registry._registered, "tts", [])
    registry.register_engine("tts", adapter)
    path = write(tmp_path, BASE.replace("none_tts", adapter.NAMES[0]))
    nursery.start_soon(examine, path, {})
    with trio.fail_after(TIMEOUT):
        await adapter.opened.wait()
    nursery.cancel_scope.cancel()
    with trio.CancelScope(shield=True), trio.fail_after(TIMEOUT):
        await adapter.closed.wait()


async def test_an_engine_that_is_open_is_not_opened_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A running server has those of its first character."""
    adapter = _SlowAdapter(NAMES=("open_already_tts",))
    monkeypatch.setitem(registry._registered, "tts", [])
    registry.register_engine("tts", adapter)
    path = write(tmp_path, BASE.replace("none_tts", adapter.NAMES[0]))
    with trio.fail_after(TIMEOUT):
        checked = await examine(path, {}, is_open=lambda config: config.name == adapter.NAMES[0])
    assert checked.findings == ()
    assert not adapter.opened.is_set()
