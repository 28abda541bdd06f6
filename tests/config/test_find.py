"""Which ``conf.yaml`` is used, and that the one we ship is right."""

from __future__ import annotations

from pathlib import Path

import pytest

from trio_backend.config.bounds import bounds_of
from trio_backend.config.load import find_config, packaged_conf, survey
from trio_backend.config.system import SystemConfig
from trio_backend.errors import ConfigError


def test_the_given_file_is_used_or_named_as_missing(tmp_path: Path) -> None:
    """A path on the command line is never passed over for another one."""
    (tmp_path / "conf.yaml").touch()
    (tmp_path / "mine.yaml").touch()

    assert find_config(Path("mine.yaml"), tmp_path) == tmp_path / "mine.yaml"
    assert find_config(tmp_path, Path.cwd()) == tmp_path / "conf.yaml"
    with pytest.raises(ConfigError, match=r"^other\.yaml: there is no such file"):
        find_config(Path("other.yaml"), tmp_path)


def test_without_one_the_nearest_is_used(tmp_path: Path) -> None:
    """First the working directory, then its ``conf`` folder, then the one that came with the package."""
    assert find_config(None, tmp_path) == packaged_conf() / "conf.yaml"
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "conf.yaml").touch()
    assert find_config(None, tmp_path) == tmp_path / "conf" / "conf.yaml"
    (tmp_path / "conf.yaml").touch()
    assert find_config(None, tmp_path) == tmp_path / "conf.yaml"


def test_the_configuration_we_ship_has_nothing_wrong_with_it() -> None:
    """No finding at all, and no variable needed."""
    assert survey(packaged_conf() / "conf.yaml", {}).findings == ()


def test_the_characters_we_ship_differ_in_manner_voice_and_face() -> None:
    """Choosing another one is seen and heard."""
    characters = survey(packaged_conf() / "conf.yaml", {}).characters

    assert [c.conf_name for c in characters] == ["Iris", "Barnaby", "Lumi", "Kito", "米娅"]
    assert [c.llm.settings["manner"] for c in characters] == ["cheerful", "dry", "brief", "brief", "warm"]
    assert len({c.tts.settings["voice"] for c in characters}) == 5
    assert len({c.conf_uid for c in characters}) == 5
    for character in characters:
        assert character.model_info["name"] == character.live2d_model_name
        assert "[joy], " in character.system_prompt
        assert "insert_emomap_keys" not in character.system_prompt
        assert list(character.emotions) == [
            "neutral", "anger", "disgust", "fear", "joy", "smirk", "sadness", "surprise",
        ]  # fmt: skip


def test_every_bound_has_a_row_for_the_table() -> None:
    """A limit without a range, a unit or a rule for when it is full could not be documented."""
    rows = {bound.key: bound for bound in bounds_of(SystemConfig)}

    assert {"max_connections", "room_queue", "turn_deadline"} <= rows.keys()
    assert rows["max_message_size"].default == 8 * 2**20
    for bound in rows.values():
        assert bound.low <= bound.default <= bound.high
        assert bound.unit
        assert bound.help
        assert bound.when_full
