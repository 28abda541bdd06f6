"""The files of a companion: found, read once, and read again when they change."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from trio_backend.engines.llm.companion.files import load_companion, rules_file
from trio_backend.errors import EngineError

from .dialogue import RULES, Dialogue

HEAD = "manners: {warm: {sentences: 3, asks: 0}}\nlanguages:\n  en: mine/en.yaml\n"
LANGUAGE = "script: latin\nrules: [{rule: nothing, event: nothing, say: [Go on.]}]\n"


def written(folder: Path, language: str = LANGUAGE) -> Path:
    """A rules file with one language in a file of its own."""
    (folder / "mine").mkdir(exist_ok=True)
    (folder / "mine" / "en.yaml").write_text(language, "utf-8")
    (folder / "mine.yaml").write_text(HEAD, "utf-8")
    return folder / "mine.yaml"


def test_rules_are_read_once_as_long_as_no_file_changes(tmp_path: Path) -> None:
    """Of the language's file, too; then they are read anew."""
    rules = written(tmp_path)
    first = load_companion(rules)
    assert load_companion(rules) is first

    language = tmp_path / "mine" / "en.yaml"
    language.write_text(LANGUAGE.replace("Go on.", "Tell me."), "utf-8")
    os.utime(language, (1, 1))  # a clock as coarse as a file system's may show no difference

    assert Dialogue(companion=load_companion(rules)).say("x") == "Tell me."


def test_a_mistake_in_a_language_s_file_names_it(tmp_path: Path) -> None:
    """With its own line."""
    with pytest.raises(EngineError, match=r"mine/en.yaml, line 2: .*'sai'"):
        load_companion(written(tmp_path, LANGUAGE.replace("say", "sai")))


def test_a_language_s_file_that_is_not_there_is_told_at_its_name(tmp_path: Path) -> None:
    """In the rules file, with its line."""
    rules = written(tmp_path)
    (tmp_path / "mine" / "en.yaml").unlink()
    with pytest.raises(EngineError, match=r"mine.yaml, line 3: there is no file 'mine/en.yaml'"):
        load_companion(rules)


def test_a_copy_of_the_rules_finds_the_languages_of_the_package(tmp_path: Path) -> None:
    """Whoever changes only the manners needs no copy of the rest."""
    (tmp_path / "mine.yaml").write_text(RULES.read_text("utf-8"), "utf-8")
    assert [language.name for language in load_companion(tmp_path / "mine.yaml").languages] == [
        "en",
        "zh",
        "ja",
    ]
    assert rules_file(tmp_path, "companion/en.yaml") == RULES.parent / "companion" / "en.yaml"
    assert rules_file(tmp_path, "other.yaml") is None
