"""`first_character`: the character that people meet first may have a file of its own, as all others."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from trio_backend.check import CheckReport, look_at
from trio_backend.config.catalog import DiskCatalog
from trio_backend.config.load import load_config

BASE = """\
system_config:
  first_character: ann.yaml
character_config:
  human_name: Friend
  tts_config: {tts_model: none_tts}
"""
ANN = "character_config: {conf_name: Ann, conf_uid: ann_001, persona_prompt: You are Ann.}\n"
BOB = "character_config: {conf_name: Bob, conf_uid: bob_001, persona_prompt: You are Bob.}\n"


def write(folder: Path, base: str = BASE, ann: str = ANN) -> Path:
    (folder / "characters").mkdir()
    (folder / "model_dict.json").write_text("[]")
    (folder / "conf.yaml").write_text(base)
    (folder / "characters" / "ann.yaml").write_text(ann)
    (folder / "characters" / "bob.yaml").write_text(BOB)
    return folder / "conf.yaml"


async def test_it_is_the_base_and_listed_once(tmp_path: Path) -> None:
    """With what `conf.yaml` has for all; under the name by which clients ask for the first one."""
    loaded = await trio.to_thread.run_sync(lambda: load_config(write(tmp_path), environ={}))
    assert loaded.config.character.conf_name == "Ann"
    assert loaded.config.character.human_name == "Friend"
    catalog = DiskCatalog.of(loaded.config, {})
    assert [(each.filename, each.name) for each in await catalog.files()] == [
        ("conf.yaml", "Ann"),
        ("bob.yaml", "Bob"),
    ]
    assert (await catalog.load("conf.yaml")).conf_uid == "ann_001"
    # An edit of its own file is seen as those of others are.
    (tmp_path / "characters" / "ann.yaml").write_text(ANN.replace("ann_001", "ann_002 "))
    assert (await catalog.load("conf.yaml")).conf_uid == "ann_002"


def test_check_counts_what_is_wrong_in_its_file(tmp_path: Path) -> None:
    """At the file and line where it stands."""
    lines = list(CheckReport(look_at(write(tmp_path, ann=ANN + "charactr: {}\n"), {})).lines())
    assert lines[0].startswith("warning: characters/ann.yaml:2: charactr: ")
    assert lines[1].startswith("conf.yaml: Ann with ")
    assert lines[1].endswith(": 1 thing to look at")
    assert lines[2].endswith(": fine")


@pytest.mark.parametrize("name", ["none.yaml", "../conf.yaml", "ann"])
def test_a_file_that_is_not_there_is_an_error_where_it_is_named(tmp_path: Path, name: str) -> None:
    """As is what is no name of a character's file."""
    path = write(tmp_path, BASE.replace("ann.yaml", name))
    first = look_at(path, {}).findings[0]
    assert (first.severity, first.line, first.key) == ("error", 2, "system_config.first_character")
    assert name in first.message
