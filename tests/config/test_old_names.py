"""Files of Open-LLM-VTuber's users: every section and key that its templates have means something here.

It is read, or `check` names it with the reason why it has no effect; and no engine is replaced by another.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from trio_backend.check import check
from trio_backend.config.diagnostics import Finding
from trio_backend.engines import facts

TEXT = (Path(__file__).parent / "old_names.yaml").read_text("utf-8")


def section_of(character: Any, kind: str) -> Any:
    """Where the sections of a kind's engines are."""
    return character["agent_config"]["llm_configs"] if kind == "llm" else character[f"{kind}_config"]


def engines() -> Iterator[tuple[str, str]]:
    """Each kind and name that has a section; and the one that has none, since it has no settings."""
    for kind in ("llm", "tts", "asr", "vad"):
        for name, value in section_of(yaml.safe_load(TEXT)["character_config"], kind).items():
            if isinstance(value, dict):
                yield kind, name
    yield "tts", "pyttsx3_tts"


ENGINES = list(engines())


def found(folder: Path, document: object) -> list[Finding]:
    """What `check` says of a file."""
    (folder / "conf.yaml").write_text(yaml.safe_dump(document, allow_unicode=True), "utf-8")
    return check(folder / "conf.yaml", {})


@pytest.mark.parametrize(("kind", "name"), ENGINES)
def test_an_engine_and_its_keys_are_understood(kind: str, name: str, tmp_path: Path) -> None:
    """When it is chosen, nothing is an error, nothing is replaced, and no key is unknown."""
    document = yaml.safe_load(TEXT)
    character = document["character_config"]
    if kind == "llm":
        character["agent_config"]["agent_settings"]["basic_memory_agent"]["llm_provider"] = name
    else:
        section_of(character, kind)[f"{kind}_model"] = name
    findings = found(tmp_path, document)
    assert not [one for one in findings if one.severity == "error" or "not known" in one.message]
    replaced = [one for one in findings if "is used instead" in str(one)]
    assert not [one for one in replaced if "the extra `" not in one.message], replaced
    assert all(one.message.removeprefix("has no effect: ") for one in findings if one.severity == "note")


def test_keys_without_effect_are_named(tmp_path: Path) -> None:
    """With their place and a reason; those of sections that nobody reads, too."""
    document = yaml.safe_load(TEXT)
    notes = {one.key.rpartition(".")[2]: one for one in found(tmp_path, document) if one.severity == "note"}
    assert notes.keys() >= {
        "live_config",
        "segment_method",
        "use_mcpp",
        "mcp_enabled_servers",
        "mcp_prompt",
        "group_conversation_prompt",
    }
    assert all(one.line and "has no effect: " in one.message for one in notes.values())


def test_a_missing_library_is_named_with_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the two engines that the templates choose, and need one: what to install, and how."""
    monkeypatch.setattr(facts, "find_spec", lambda _: None)
    monkeypatch.setattr("trio_backend.engines.tts.edge.find_spec", lambda _: None)
    said = [
        one.message for one in found(tmp_path, yaml.safe_load(TEXT)) if "install the extra" in one.message
    ]
    assert len(said) == 2
    for extra in ("edge", "sherpa"):
        (text,) = [text for text in said if f"the extra `{extra}`" in text]
        assert re.search(rf"`\S.* install .*\[{extra}\]'`", text)
