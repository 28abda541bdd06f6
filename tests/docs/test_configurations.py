"""Configurations of the pages are read by the loader, as those of somebody who copies them."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from trio_backend.check import engine_findings
from trio_backend.config.character import EngineKind
from trio_backend.config.load import load_config
from trio_backend.engines import registry

from .pages import ROOT, Block, all_blocks

YAML = [block for block in all_blocks() if block.language == "yaml"]
OURS = [block for block in YAML if "not run" not in block.notes]
NAMED: Mapping[str, EngineKind] = {
    name: kind for kind in get_args(EngineKind) for name in registry.known(kind)
}
# What people fill in, as keys of services: any value will do.
SECRETS = re.compile(r"[A-Z][A-Z0-9_]*_(?:KEY|ID|TOKEN)")

_FILE = re.compile(r"[\w/.-]+\.(?:onnx|txt|gguf|crt|key|fst)")


class _AnyKey(dict[str, str]):
    """An environment in which every key of a service is set, and nothing else."""

    def __missing__(self, name: str) -> str:
        if name in self:
            return "something"
        raise KeyError(name)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and SECRETS.fullmatch(name) is not None

    def get(self, name: str, default: Any = None) -> Any:
        try:
            return self[name]
        except KeyError:
            return default


@pytest.mark.parametrize("block", OURS, ids=str)
def test_yaml_of_ours(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It loads as a part of a configuration, and nothing is said about it: no error, no warning, no note."""
    shutil.copytree(ROOT / "conf", tmp_path / "conf")
    content = yaml.safe_load(block.text)
    bring(content, tmp_path / "conf")
    monkeypatch.setenv("PATH", str(tmp_path / "conf"), prepend=os.pathsep)
    parts = [content]
    if not content.keys() <= {"system_config", "character_config"}:
        parts = [section(name, settings) for name, settings in content.items()]
    for part in parts:
        path = tmp_path / "conf" / "conf.yaml"
        path.write_text(yaml.safe_dump(merged(minimal(), part), allow_unicode=True), "utf-8")
        loaded = load_config(path, environ=_AnyKey())
        findings = [*loaded.findings, *engine_findings(loaded.config.character, _AnyKey())]
        # What this machine lacks is no mistake of the page.
        lacking = re.compile(r"is not installed|trio-backend download")
        assert [str(one) for one in findings if not lacking.search(str(one))] == []


def bring(content: object, folder: Path) -> None:
    """What a configuration names and its reader has: files, and programs that are found in ``folder``."""
    if isinstance(content, dict):
        for key, value in content.items():
            if key == "command":
                program = folder / (value if isinstance(value, list) else shlex.split(value))[0]
                program.write_text("#!/bin/sh\n", "utf-8")
                program.chmod(0o755)
            bring(value, folder)
    elif isinstance(content, str) and _FILE.fullmatch(content):
        (folder / content).parent.mkdir(parents=True, exist_ok=True)
        (folder / content).touch()


def minimal() -> dict[str, object]:
    """A configuration of which everything else is the default."""
    return {
        "system_config": {},
        "character_config": {
            "conf_name": "Ann", "conf_uid": "ann_001", "persona_prompt": "You are Ann.",
            "live2d_model_name": "iris",
        },
    }  # fmt: skip


def section(name: str, settings: object) -> dict[str, object]:
    """The configuration of a character with the engine ``name``, by its ``settings``."""
    kind = NAMED.get(name)
    assert kind is not None, f"{name} is neither an engine nor a section of a configuration"
    if kind == "llm":
        agent = {
            "agent_settings": {"basic_memory_agent": {"llm_provider": name}},
            "llm_configs": {name: settings},
        }
        return {"character_config": {"agent_config": agent}}
    return {"character_config": {f"{kind}_config": {f"{kind}_model": name, name: settings}}}


def merged(one: object, other: object) -> object:
    """``one`` with what ``other`` says."""
    if not isinstance(one, dict) or not isinstance(other, dict):
        return other
    return {**one, **{key: merged(one.get(key), value) for key, value in other.items()}}


@pytest.mark.parametrize("block", [block for block in YAML if block not in OURS], ids=str)
def test_yaml_of_other_programs(block: Block) -> None:
    """It is YAML, and the page says whose it is."""
    assert block.notes["not run"].startswith("of ")
    assert isinstance(yaml.safe_load(block.text), dict)


@pytest.mark.parametrize(
    "block", [block for block in all_blocks() if block.language in ("nginx", "caddyfile")], ids=str
)
def test_configurations_of_proxies(block: Block, tmp_path: Path) -> None:
    """Its braces match, and it names our port; the program itself reads it, where it is installed."""
    depths = [0]
    for letter in re.sub(r"#.*|'[^']*'", "", block.text):
        depths.append(depths[-1] + {"{": 1, "}": -1}.get(letter, 0))
    assert min(depths) == depths[-1] == 0 < max(depths)
    assert "127.0.0.1:12393" in block.text
    if block.language == "caddyfile" and shutil.which("caddy"):
        (tmp_path / "Caddyfile").write_text(block.text)
        subprocess.run(["caddy", "validate", "--config", tmp_path / "Caddyfile"], check=True)
    if block.language == "nginx" and shutil.which("nginx"):
        text = re.sub(r"ssl_certificate\w* .*|listen 443 ssl;", "", block.text)
        # Folders that a distribution has made for it, and an unpacked one lacks.
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        folders = "".join(f"{kind}_temp_path {tmp_path}/{kind}; " for kind in kinds)
        (tmp_path / "nginx.conf").write_text(
            f"pid {tmp_path}/pid; error_log stderr; events {{}} http {{ access_log off; {folders}{text} }}"
        )
        subprocess.run(["nginx", "-t", "-p", tmp_path, "-c", tmp_path / "nginx.conf"], check=True)
