"""`trio-backend check`: what it prints besides the findings, and what it says of a wrong path."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from trio_backend.check import CheckReport, look_at
from trio_backend.cli import _load
from trio_backend.config.load import find_config, packaged_conf
from trio_backend.engines.registry import facts_of
from trio_backend.errors import ConfigError

BASE = """\
system_config: {}
character_config:
  conf_name: Ann
  conf_uid: ann_001
  persona_prompt: You are Ann.
  avatar: none.svg
"""


def write(folder: Path) -> Path:
    (folder / "characters").mkdir()
    (folder / "model_dict.json").write_text("[]")
    (folder / "conf.yaml").write_text(BASE)
    (folder / "characters" / "bob.yaml").write_text(
        "character_config: {conf_name: Bob, conf_uid: b, avatar: '', "
        "tts_config: {tts_model: [tone_tts, none_tts]}}"
    )
    return folder / "conf.yaml"


def test_it_says_what_it_looked_at_and_what_is_fine(tmp_path: Path) -> None:
    """Each character with its engines, also where nothing is wrong."""
    lines = list(CheckReport(look_at(write(tmp_path), {})).lines())
    assert lines[0].startswith("warning: conf.yaml:6: character_config.avatar: ")
    facts = facts_of("asr", "pocketsphinx_asr")
    assert facts is not None
    assert lines[1:] == [
        "conf.yaml: Ann with scripted_llm, espeak_tts, pocketsphinx_asr, silero_vad: 1 thing to look at",
        "bob.yaml: Bob with scripted_llm, tone_tts, then none_tts, pocketsphinx_asr, silero_vad: fine",
        f"pocketsphinx_asr: {facts.honestly}",
        f"{tmp_path / 'conf.yaml'}: 0 errors, 1 warnings",
    ]


def test_strict_calls_a_warning_an_error_wherever_it_is_counted(tmp_path: Path) -> None:
    """The word before the finding, and the sum."""
    lines = list(CheckReport(look_at(write(tmp_path), {}), strict=True).lines())
    assert lines[0].startswith("error: conf.yaml:6: ")
    assert lines[-1].endswith("1 errors, 0 warnings")


def test_programs_get_one_object(tmp_path: Path) -> None:
    """With place, key and words of each finding, and the engines of each character."""
    answer = json.loads(CheckReport(look_at(write(tmp_path), {})).json())
    assert answer["errors"] == 0
    assert [(one["severity"], one["line"], one["key"]) for one in answer["findings"]] == [
        ("warning", 6, "character_config.avatar")
    ]
    assert answer["characters"][1] == {
        "file": "bob.yaml",
        "name": "Bob",
        "engines": {
            "llm": ["scripted_llm"],
            "tts": ["tone_tts", "none_tts"],
            "asr": ["pocketsphinx_asr"],
            "vad": ["silero_vad"],
        },
        "findings": 0,
    }


def test_a_wrong_path_is_told_from_a_missing_one(tmp_path: Path) -> None:
    """A folder without a conf.yaml; a character's file, with the file that it belongs to."""
    write(tmp_path)
    with pytest.raises(ConfigError, match=r"^characters: there is no conf\.yaml in this folder; "):
        find_config(Path("characters"), tmp_path)
    with pytest.raises(ConfigError, match=r"character's file, .*; give conf\.yaml, which it belongs to"):
        find_config(Path("characters", "bob.yaml"), tmp_path)


def test_looking_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No file is made or changed, not even those that the server makes at its start."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    look_at(tmp_path / "conf.yaml", {})
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_what_we_ship_is_fine_in_every_character() -> None:
    """No false alarm."""
    checked = look_at(packaged_conf() / "conf.yaml", {})
    assert checked.findings == ()
    assert [each.character.conf_name for each in checked.characters if each.findings] == []


def test_serve_warns_of_the_address_that_it_will_use(tmp_path: Path) -> None:
    """That of the command line, and not that of the file, if there are both."""

    def warned(host: str | None = None) -> str:
        return "\n".join(map(str, _load(path, host=host).warnings))

    path = write(tmp_path)
    assert warned("0.0.0.0").startswith("--host 0.0.0.0: whoever reaches")
    path.write_text(BASE.replace("{}", "{host: 0.0.0.0}"))
    assert "system_config.host: whoever reaches" in warned()
    assert "whoever reaches" not in warned("127.0.0.1")
