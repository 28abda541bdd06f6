"""Single values: what is taken for what, and which engine a name chooses."""

from __future__ import annotations

import json
import os
from contextlib import nullcontext
from pathlib import Path

import attrs
import pytest

from trio_backend.config import files, folder
from trio_backend.config.bounds import bounds_of
from trio_backend.config.character import CharacterConfig, EngineChoice
from trio_backend.config.diagnostics import Finding
from trio_backend.config.files import FileCache
from trio_backend.config.load import load_config, survey
from trio_backend.config.system import SystemConfig
from trio_backend.errors import ConfigError, FileTooLarge
from trio_backend.protocol.codec import decode_steps
from trio_backend.protocol.incoming import TextInput

from .conftest import BASE, Write


def finding(write: Write, files: dict[str, str]) -> Finding:
    """The one finding about these files."""
    (found,) = survey(write(files), {}).findings
    return found


@pytest.mark.parametrize(
    ("written", "value"),
    [("True", True), ("false", False), ("yes", True), ("Off", False), ("'true'", True), ("null", True)],
)
def test_booleans_may_be_written_as_in_yaml_1_1(write: Write, written: str, value: bool) -> None:
    """Old files hold both kinds; a key without a value means its default."""
    path = write({"conf.yaml": f"system_config: {{preload: {written}}}\n{BASE}"})

    assert load_config(path, environ={}).config.system.preload is value


@pytest.mark.parametrize(
    ("key", "written", "value"),
    [("port", "'80'", 80), ("drain_timeout", "'1.5'", 1.5), ("drain_timeout", "3", 3.0)],
)
def test_numbers_may_stand_in_quotes(write: Write, key: str, written: str, value: float) -> None:
    """The old backend read them so."""
    path = write({"conf.yaml": f"system_config: {{{key}: {written}}}\n{BASE}"})

    assert getattr(load_config(path, environ={}).config.system, key) == value


@pytest.mark.parametrize(
    ("key", "written", "remedy"),
    [
        ("preload", "2", "must be true or false"),
        ("port", "1.5", "must be a whole number"),
        ("port", "-1", "must be a number from 0 to 65 535"),
        ("drain_timeout", "soon", "must be a number"),
        ("drain_timeout", "true", "must be a number"),
        ("drain_timeout", "[]", "must be a number"),
        ("drain_timeout", ".nan", "must be a number from 0 to 600 s"),
        ("max_message_size", "1", "must be a number from 1 024 to 1 073 741 824 bytes"),
        ("log_level", "loud", "must be one of TRACE, DEBUG, INFO, WARNING, ERROR"),
        ("cache_dir", "''", "must name a folder"),
        ("tool_prompts", "5", "must be a section with keys of its own"),
        ("tool_prompts", "{a: 5}", "must be text, in quotes if it looks like something else"),
    ],
)
def test_a_wrong_value_says_what_is_allowed(write: Write, key: str, written: str, remedy: str) -> None:
    """Each kind of field has a rule that can be read."""
    found = finding(write, {"conf.yaml": f"system_config: {{{key}: {written}}}\n{BASE}"})

    assert (found.severity, found.line, found.remedy) == ("error", 1, remedy)
    assert found.key.startswith(f"system_config.{key}")


def test_an_engine_s_settings_are_found_in_lower_case_too(write: Write) -> None:
    """``tts_model: Edge_TTS`` chose ``edge_tts`` in the old backend; nulls in settings are kept."""
    tts = "  tts_config: {tts_model: Edge_TTS, edge_tts: {voice: v, rate: null, at: [1, {b: 2}]}}\n"

    choice = load_config(write({"conf.yaml": BASE + tts}), environ={}).config.character.tts

    assert choice.name == "Edge_TTS"
    assert choice.settings == {"voice": "v", "rate": None, "at": [1, {"b": 2}]}
    assert choice.locate("at").endswith("conf.yaml:5: character_config.tts_config.edge_tts.at")


@pytest.mark.parametrize(
    ("sections", "settings"),
    [
        ("gpt_sovits: {text_lang: en}", {"text_lang": "en"}),
        ("gpt_sovits_tts: {text_lang: zh}, gpt_sovits: {text_lang: en}", {"text_lang": "zh"}),
    ],
)
def test_the_section_of_an_engine_may_have_its_other_name(
    write: Write, sections: str, settings: dict[str, object]
) -> None:
    """``gpt_sovits`` is what Open-LLM-VTuber reads as well; the engine's own name comes first."""
    tts = f"  tts_config: {{tts_model: gpt_sovits_tts, {sections}}}\n"

    choice = load_config(write({"conf.yaml": BASE + tts}), environ={}).config.character.tts

    assert (choice.name, choice.settings) == ("gpt_sovits_tts", settings)
    assert choice.locate("text_lang").endswith(f"{sections.partition(':')[0]}.text_lang")


def test_an_engine_without_settings_is_located_where_it_is_chosen(write: Write) -> None:
    """An empty block counts as none."""
    tts = "  tts_config:\n    tts_model: tone_tts\n    tone_tts:\n"

    choice = load_config(write({"conf.yaml": BASE + tts}), environ={}).config.character.tts

    assert choice.settings == {}
    assert choice.locate() == "conf.yaml:6: character_config.tts_config.tts_model"


def test_an_engine_s_settings_must_be_a_section(write: Write) -> None:
    """A single value under an engine's name has no meaning."""
    path = write({"conf.yaml": BASE + "  tts_config: {tts_model: tone_tts, tone_tts: 5}\n"})

    with pytest.raises(ConfigError, match=r"^conf\.yaml:5: character_config\.tts_config\.tone_tts: must be"):
        load_config(path, environ={})


def test_a_file_that_is_no_configuration_is_not_read_whole(write: Write) -> None:
    """Size is looked at first."""
    path = write({"conf.yaml": BASE})
    path.write_bytes(b"#" * (folder.MAX_FILE_SIZE + 1))

    (found,) = survey(path, {}).findings

    assert found.message == "the file is over 1 MiB"


def test_only_so_many_files_are_kept(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest makes room, and is read anew when it is asked for again."""
    monkeypatch.setattr(files, "MAX_KEPT", 2)
    beside = write({f"{name}.yaml": "a: 1\n" for name in "abc"}).parent
    made: list[str] = []
    cache = FileCache(lambda _data, shown: made.append(shown), 100)

    for name in "abc" + "cba":
        cache.read(beside / f"{name}.yaml", name)

    assert "".join(made) == "abca"


def test_what_was_made_of_a_file_is_kept_until_the_file_changes(tmp_path: Path) -> None:
    """Its time is enough to notice that, and so is its size; what cannot be made is tried again."""
    path, cache = tmp_path / "a.txt", FileCache(lambda data, _shown: data.decode(), 100)
    path.write_text("one")
    os.utime(path, ns=(0, 1))

    first = cache.read(path, "a")
    assert cache.read(path, "a") is first
    path.write_text("two")
    os.utime(path, ns=(0, 2))
    assert cache.read(path, "a") == "two"
    path.write_text("three")
    os.utime(path, ns=(0, 2))
    assert cache.read(path, "a") == "three"
    path.write_bytes(b"\xff")
    with pytest.raises(UnicodeDecodeError):
        cache.read(path, "a")
    path.unlink()
    with pytest.raises(FileNotFoundError):
        cache.read(path, "a")


@pytest.mark.parametrize("size", [100, 101])
def test_a_file_may_have_as_many_bytes_as_its_reader_allows(tmp_path: Path, size: int) -> None:
    """One more is too large."""
    (tmp_path / "a").write_bytes(b"x" * size)
    with pytest.raises(FileTooLarge) if size > 100 else nullcontext():
        assert len(files.read_file(tmp_path / "a", 100)) == size


@pytest.mark.parametrize("name", ["a\0b", "\0"])
def test_a_nul_in_a_name_is_an_error_like_any_other(tmp_path: Path, name: str) -> None:
    """No file has one, and the system's functions fail in a way of their own."""
    with pytest.raises(OSError, match="no file can have this name"):
        files.read_file(tmp_path / name, 100)
    with pytest.raises(OSError, match="no file can have this name"):
        FileCache(lambda data, _shown: data, 100).read(tmp_path / name, "a")


def test_a_character_made_by_a_program_has_what_it_needs_to_speak() -> None:
    """A name beside its sentences, and its persona as the system prompt; a file's prompts come instead."""
    llm, tts = EngineChoice("llm", "echo_llm"), EngineChoice("tts", "none_tts")

    polly = CharacterConfig("p.yaml", "Polly", "polly_001", llm, tts, persona_prompt=" You are a parrot. ")

    assert polly.character_name == "Polly"
    assert polly.system_prompt == "You are a parrot."
    assert attrs.evolve(polly, system_prompt="Be brief.").system_prompt == "Be brief."


def test_the_longest_text_fits_into_a_message() -> None:
    """Whatever is allowed as ``max_text`` can be sent, in a script of which each character is an escape."""
    (longest,) = (bound.high for bound in bounds_of(SystemConfig) if bound.key == "max_text")
    (message,) = filter(None, decode_steps(json.dumps({"type": "text-input", "text": "я" * int(longest)})))
    assert isinstance(message, TextInput)
    assert len(message.text) == longest
