"""A bad file in the characters' folder harms only the client that chooses it. Finding 13."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trio

from tests.config.conftest import BASE
from tests.serving.servers import open_client, open_server_process
from trio_backend.config import catalog
from trio_backend.config import yaml as config_yaml
from trio_backend.config.catalog import CharacterFile, DiskCatalog
from trio_backend.config.diagnostics import MAX_FINDINGS, Findings
from trio_backend.config.files import read_file
from trio_backend.config.folder import ConfigFolder
from trio_backend.config.load import load_config
from trio_backend.config.yaml import parse
from trio_backend.errors import ConfigError

GOOD = "character_config: {conf_name: Bob, conf_uid: bob_001}\n"
HEAD = "character_config:\n  conf_name: x\n  conf_uid: x_001\n"


def billion(levels: int, fan: int) -> str:
    """Lists of aliases of lists of aliases: ``fan`` to the power of ``levels``."""
    above = (f"  a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * fan)}]\n" for n in range(1, levels + 1))
    return "  a0: &a0 x\n" + "".join(above)


BOMBS = {
    "itself.yaml": "character_config: &a\n  conf_name: x\n  <<: *a\n  b: *a\n",
    "billion.yaml": HEAD + billion(9, 10),
    "merges.yaml": HEAD
    + "  m0: &m0 {k: 1}\n"
    + "".join(f"  m{n}: &m{n} {{<<: [{', '.join([f'*m{n - 1}'] * 10)}], k{n}: 1}}\n" for n in range(1, 10)),
    "deep.yaml": "character_config: " + "[" * 50_000,
    "wide.yaml": HEAD + "  list: [" + "1," * 400_000 + "]\n",
    "text.yaml": HEAD + "  text: &t " + "x" * 600_000 + "\n  list: [" + "*t, " * 50_000 + "]\n",
    "unknown.yaml": HEAD + "".join(f"  conf_nam{n}: 1\n" for n in range(40_000)),
    "twice.yaml": HEAD + "".join(f"  k{n}: 1\n" * 2 for n in range(20_000)),
    "keys.yaml": HEAD
    + "  ? "
    + "k" * 400_000
    + "\n  : {"
    + ", ".join(f"a{n}: 1" for n in range(40_000))
    + "}\n",
    "variable.yaml": HEAD.replace("_name: x", "_name: '" + "${a:-" * 100_000 + "'"),
    "number.yaml": HEAD.replace("_name: x", "_name: " + "9" * 10_000),
    "python.yaml": HEAD + "  human_name: !!python/object/apply:os.system ['touch harmed']\n",
    "big.yaml": HEAD + "#" * 3_000_000,
}


# A disk is slow, too, where a processor has other things to do: what is listed would be names.
PATIENT = """
from trio_backend.cli import main
from trio_backend.config import catalog

catalog.FILE_TIMEOUT = catalog.LIST_TIMEOUT = 60
main()
"""


async def test_bombs_in_the_folder_disturb_no_session(tmp_path: Path) -> None:
    """All are listed soon, whatever is in them; choosing one says what is wrong; the good one works."""
    (tmp_path / "conf.yaml").write_text(BASE)
    folder = tmp_path / "characters"
    folder.mkdir()
    for name, text in BOMBS.items():
        (folder / name).write_text(text)
    (folder / "zoe.yaml").write_text(GOOD)
    names = {*BOMBS, "zoe.yaml"}
    if sys.platform != "win32":
        os.mkfifo(folder / "pipe.yaml")
        names.add("pipe.yaml")
    async with (
        open_server_process(
            tmp_path / "conf.yaml", tmp_path, program=(sys.executable, "-c", PATIENT)
        ) as server,
        open_client(server.address) as client,
    ):
        with trio.fail_after(50):
            await client.say("fetch-configs")
            listed = (await client.until("config-files"))[-1]["configs"]
        assert {each["filename"] for each in listed} == {"conf.yaml", *names}
        assert {"filename": "zoe.yaml", "name": "Bob"} in listed
        with trio.fail_after(60):
            for name in sorted(names - {"zoe.yaml", "pipe.yaml", "unknown.yaml", "variable.yaml"}):
                await client.say("switch-config", file=name)
                error = (await client.until("error"))[-1]
                assert name in error["message"]
                assert len(error["message"]) < 200 * MAX_FINDINGS
            await client.say("switch-config", file="zoe.yaml")
            await client.until("config-switched")
    assert "Traceback" not in "".join(server.log)
    assert not (tmp_path / "harmed").exists()


def parsed(text: str) -> list[str]:
    """All that is wrong with it, as lines."""
    findings = Findings()
    parse(text.encode(), "a.yaml", findings)
    return [str(finding) for finding in findings.all]


@pytest.mark.parametrize(
    ("bomb", "said"),
    [
        ("itself.yaml", "a.yaml:3: not valid YAML: the alias 'a' stands inside what it is an alias of"),
        (
            "billion.yaml",
            "a.yaml:9: not valid YAML: more than 100000 values, with all that",
        ),
        ("merges.yaml", "a.yaml:9: not valid YAML: more than 100000 values, with all that"),
        ("wide.yaml", "a.yaml:4: not valid YAML: more than 100000 values"),
        ("text.yaml", "a.yaml:5: not valid YAML: more than 100000 values"),
        ("deep.yaml", "a.yaml:1: not valid YAML: nested more than 100 levels deep"),
        (
            "python.yaml",
            "a.yaml:4: not valid YAML: the tag 'python/object/apply:os.system' means nothing here",
        ),
        ("keys.yaml", "a.yaml:4: character_config: a key of over 400 characters"),
    ],
)
def test_a_bomb_is_named_by_its_line(bomb: str, said: str) -> None:
    """Before anything is built of it."""
    assert parsed(BOMBS[bomb])[0].startswith(said)


def test_what_aliases_stand_for_is_counted_exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each alias counts as what it names: one value more than is allowed is one too many."""
    # 1 mapping, 3 keys, a list of 1 + 3, an alias of 4, a text that counts as 3, an alias of it.
    text = f"a: &a [1, 2, 3]\nb: *a\nc: [&t {'x' * 128}, *t]\n"
    monkeypatch.setattr(config_yaml, "MAX_NODES", 1 + 3 + 4 + 4 + 1 + 3 + 3)
    assert parsed(text) == []
    monkeypatch.setattr(config_yaml, "MAX_NODES", 1 + 3 + 4 + 4 + 1 + 3 + 3 - 1)
    assert parsed(text)[0].startswith("a.yaml:3: not valid YAML: more than")


def test_a_file_has_so_many_findings_and_no_more() -> None:
    """No more is read."""
    assert len(parsed(BOMBS["twice.yaml"])) == MAX_FINDINGS


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such pipes")
def test_a_pipe_is_no_file(tmp_path: Path) -> None:
    """Reading it would wait until another program writes."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="not a regular file"):
        read_file(tmp_path / "pipe", 100)


@pytest.fixture
def dead(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Makes the disk not answer for files of a name."""
    answers, names = threading.Event(), set[str]()
    read = ConfigFolder._read_character

    def stuck(self: ConfigFolder, folders: object, filename: str, findings: Findings) -> object:
        if filename in names:
            answers.wait(30)
        return read(self, folders, filename, findings)  # type: ignore[arg-type]

    monkeypatch.setattr(ConfigFolder, "_read_character", stuck)
    monkeypatch.setattr(catalog, "FILE_TIMEOUT", 0.2)
    yield names.add
    answers.set()


async def test_a_dead_disk_delays_no_other_client(tmp_path: Path, dead: Callable[[str], None]) -> None:
    """One file does not answer: it is listed by its name, and the others are read, now and later."""
    (tmp_path / "conf.yaml").write_text(BASE)
    (tmp_path / "characters").mkdir()
    for name in ("b.yaml", "dead.yaml", "z.yaml"):
        (tmp_path / "characters" / name).write_text(GOOD.replace("Bob", name[0].upper()))
    characters = DiskCatalog.of(load_config(tmp_path / "conf.yaml", environ={}).config, {})
    dead("dead.yaml")
    threads = threading.enumerate()
    expected = [
        CharacterFile("conf.yaml", "Ann"),
        CharacterFile("b.yaml", "B"),
        CharacterFile("dead.yaml", "dead.yaml"),
        CharacterFile("z.yaml", "Z"),
    ]
    with trio.fail_after(10):
        for _ in range(20):
            assert await characters.files() == expected
        assert (await characters.load("z.yaml")).conf_name == "Z"
        with pytest.raises(ConfigError, match=r"^dead\.yaml: the disk does not answer"):
            await characters.load("dead.yaml")
    begun = [thread for thread in threading.enumerate() if thread not in threads]
    assert sum(thread.name.startswith("Trio") for thread in begun) < 10


async def test_a_dead_disk_takes_so_many_threads(tmp_path: Path, dead: Callable[[str], None]) -> None:
    """The whole folder does not answer: the list still comes, and threads do not add up."""
    (tmp_path / "conf.yaml").write_text(BASE)
    (tmp_path / "characters").mkdir()
    for number in range(30):
        (tmp_path / "characters" / f"{number:02}.yaml").write_text(GOOD)
        dead(f"{number:02}.yaml")
    characters = DiskCatalog.of(load_config(tmp_path / "conf.yaml", environ={}).config, {})
    with trio.fail_after(15):
        assert len(await characters.files()) == 31
    assert len(characters._stuck) == catalog.MAX_STUCK
