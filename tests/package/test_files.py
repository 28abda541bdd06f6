"""The image, the compose file and the systemd unit fit the program, as far as any machine can try."""

from __future__ import annotations

import configparser
import json
import re
import shutil
import subprocess
import sys
import tomllib
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
import yaml

from tests.serving.servers import configured, open_server
from trio_backend.config.character import EngineChoice
from trio_backend.config.system import SystemConfig
from trio_backend.server.plain_http import https_instead

from .contents import ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
UNIT = ROOT / "packaging" / "trio-backend.service"
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def instruction(name: str) -> str:
    """The last line of that instruction, of which lines that go on are one."""
    return str(re.findall(rf"^{name} (.*)$", DOCKERFILE.replace("\\\n", ""), re.MULTILINE)[-1])


@pytest.fixture
def unit() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read(UNIT, "utf-8")
    return parser


async def test_the_health_check_knows_a_server_that_answers(tmp_path: Path) -> None:
    """The image's own command, but for the port; a server that has ended is not healthy."""
    command = json.loads(instruction("HEALTHCHECK").partition("CMD ")[2])
    assert command[0] == "python"
    llm, tts = EngineChoice("llm", "echo_llm", {}), EngineChoice("tts", "none_tts", {})

    async def ask(address: str) -> int:
        own = [sys.executable, "-I", "-c", command[2].replace("12393", address.rpartition(":")[2])]
        done = await trio.run_process(own, check=False, capture_stderr=True)
        return done.returncode

    # With a certificate the port answers plain HTTP so, and is as healthy.
    with_tls = https_instead(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:12393\r\n\r\n").status
    assert f"not in (200, {with_tls})" in command[2]
    with trio.fail_after(60):
        # Whoever may talk: the route is public.
        async with open_server(configured(tmp_path, llm=llm, tts=tts, access_token="secret word")) as address:
            assert await ask(address) == 0
        assert await ask(address) == 1


def test_the_image_is_of_what_exists() -> None:
    """Its extras, its Python, its port, its folder; it does not run as root."""
    (extras,) = set(re.findall(r"^ARG EXTRAS=(.*)$", DOCKERFILE, re.MULTILINE))
    assert set(extras.split(",")) <= PROJECT["optional-dependencies"].keys()
    assert instruction("EXPOSE") == str(SystemConfig().port)
    assert json.loads(instruction("CMD"))[-1] == str(SystemConfig().port)
    assert json.loads(instruction("ENTRYPOINT")) == list(PROJECT["scripts"])
    assert instruction("USER").split(":")[0] not in ("0", "root")
    assert instruction("WORKDIR") == instruction("VOLUME")
    python = re.findall(r"^ARG PYTHON=3\.(\d+)$", DOCKERFILE, re.MULTILINE)
    assert int(python[0]) >= int(PROJECT["requires-python"].removeprefix(">=3."))


def test_the_image_gets_what_the_wheel_is_made_of_and_no_more() -> None:
    """No keys and no conversations that lie in the clone."""
    lines = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    let_through = {rule[1:] for rule in rules if rule.startswith("!")}
    assert let_through == {
        "pyproject.toml",
        *PROJECT["license-files"],
        PROJECT["readme"],
        "conf",
        "trio_backend",
    }


def test_the_compose_file_publishes_to_this_machine_alone() -> None:
    """Others reach it after a change that asks for a token; what is kept is in a volume."""
    document = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))
    (service,) = document["services"].values()
    assert service["ports"] == [f"127.0.0.1:{SystemConfig().port}:{SystemConfig().port}"]
    (volume,) = service["volumes"]
    assert volume.split(":") == [*document["volumes"], instruction("VOLUME")]
    longest = SystemConfig().drain_timeout + 15
    assert int(service["stop_grace_period"].removesuffix("s")) > longest


def test_the_unit_writes_only_where_it_may(unit: configparser.ConfigParser) -> None:
    """Its working directory and its home are the folder that systemd makes for it."""
    service = unit["Service"]
    folder = f"%S/{service['StateDirectory']}"
    assert (service["WorkingDirectory"], service["Environment"]) == (folder, f"HOME={folder}")
    assert service["ProtectSystem"] == "strict"
    assert service["ExecStart"].split()[0].endswith(f"/bin/{PROJECT['name']}")
    assert service["KillMode"] == "mixed"
    # Whoever follows the page puts keys where the unit looks for them.
    assert f"`{service['EnvironmentFile'].removeprefix('-')}`" in (ROOT / "docs" / "operating.md").read_text(
        "utf-8"
    )


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze")
async def test_systemd_understands_the_unit(tmp_path: Path) -> None:
    """Every section and key; with a program that exists."""
    text = re.sub(
        r"^ExecStart=\S+", f"ExecStart={sys.executable}", UNIT.read_text("utf-8"), flags=re.MULTILINE
    )
    path = tmp_path / UNIT.name
    path.write_text(text, "utf-8")
    verify = partial(
        subprocess.run, ["systemd-analyze", "verify", "--man=no", str(path)], capture_output=True
    )
    done = await trio.to_thread.run_sync(partial(verify, text=True, check=False, timeout=60))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
