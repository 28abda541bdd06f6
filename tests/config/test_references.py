"""What a character's file refers to: models, prompts and pictures, and what is said where they are wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from trio_backend.config.diagnostics import Findings
from trio_backend.config.load import load_config, survey
from trio_backend.config.references import ReferencedFiles

from .conftest import BASE, Write


def said(path: Path) -> list[str]:
    """All findings about ``path``."""
    return [str(finding) for finding in survey(path, {}).findings]


def test_a_model_that_is_not_in_the_dictionary_is_a_warning(write: Write) -> None:
    """The character talks all the same, without a face."""
    path = write({"conf.yaml": BASE + "  live2d_model_name: anne\n"})

    assert said(path) == [
        "conf.yaml:5: character_config.live2d_model_name: model_dict.json has no model 'anne'; did you mean "
        "'ann'?"
    ]
    character = load_config(path, environ={}).config.character
    assert (character.model_info, character.emotions) == ({}, {})


def test_without_a_dictionary_there_is_one_warning(write: Write) -> None:
    """The missing file is the cause; the models that nobody finds are not worth a word."""
    path = write({"conf.yaml": BASE + "  live2d_model_name: ann\n"})
    (path.parent / "model_dict.json").unlink()

    assert said(path) == ["model_dict.json: the file is missing; without it no character has a face"]


GOOD = {"name": "a", "url": "/a", "emotionMap": {"joy": 1}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "[{]",
            "model_dict.json:1: not valid JSON: Expecting property name enclosed in double quotes, column 3",
        ),
        ("[\n{},\n", "model_dict.json:3: not valid JSON: Expecting value, column 1"),
        ("{}", "model_dict.json: must be a list of entries, each with name, url and emotionMap"),
        ("[5]", 'model_dict.json: [0]: the entry has no name; write "name": "…" into it'),
        (
            json.dumps([GOOD, GOOD]),
            "model_dict.json: [1].name: 'a' stands here for the second time; remove one",
        ),
        (
            '[{"name": "a"}]',
            'model_dict.json: [0].url: is missing or no text; write "url": "/live2d-models/…"',
        ),
        (
            json.dumps([GOOD | {"emotionMap": ["joy"]}]),
            'model_dict.json: [0].emotionMap: must map keywords to expressions, as in {"joy": 3}',
        ),
        (
            json.dumps([GOOD | {"emotionMap": {"joy": True}}]),
            "model_dict.json: [0].emotionMap.joy: must be a whole number or a name",
        ),
    ],
)
def test_mistakes_in_the_dictionary_are_errors(tmp_path: Path, text: str, message: str) -> None:
    """Each is named with its entry, or with its line where it is no JSON."""
    path, findings = tmp_path / "model_dict.json", Findings()
    path.write_text(text, encoding="utf-8")

    ReferencedFiles().models(path, findings)

    assert [str(error) for error in findings.errors] == [message]


def test_what_is_no_utf_8_is_no_json(tmp_path: Path) -> None:
    """Bytes of another encoding are an error, and no exception."""
    path, findings = tmp_path / "model_dict.json", Findings()
    path.write_bytes(b'[{"name": "\xff"}]')

    assert ReferencedFiles().models(path, findings) == {}
    assert [str(error) for error in findings.errors] == [
        "model_dict.json: not valid JSON; save the file as UTF-8"
    ]


def test_a_missing_prompt_or_picture_is_a_warning_at_its_key(write: Write) -> None:
    """The character does without them; the prompts of occasions that cannot arise are not missed."""
    prompts = "system_config:\n  tool_prompts:\n    think_tag_prompt: thoughts\n    mcp_prompt: tools\n"
    path = write({"conf.yaml": prompts + BASE + "  avatar: ann.png\n"})

    assert said(path) == [
        "conf.yaml:3: system_config.tool_prompts.think_tag_prompt: there is no prompt 'thoughts'; write it "
        "as prompts/utils/thoughts.txt, or remove the key",
        "conf.yaml:4: system_config.tool_prompts.mcp_prompt: has no effect: characters have no tools yet",
        "conf.yaml:9: character_config.avatar: there is no file 'ann.png' in avatars/; the first letter is "
        "shown",
    ]
    assert load_config(path, environ={}).config.character.system_prompt == "You are Ann."


def test_a_prompt_may_lie_in_either_folder(write: Write) -> None:
    """``prompts/utils`` comes first, ``prompts`` is looked into as well."""
    system = "system_config: {tool_prompts: {one: a, two: b}}\n"
    files = {"prompts/utils/a.txt": "A", "prompts/a.txt": "no", "prompts/b.txt": "B"}

    config = load_config(write({"conf.yaml": system + BASE, **files}), environ={}).config

    assert config.character.system_prompt == "You are Ann.\n\nA\n\nB"


def test_a_prompt_that_cannot_be_read_is_an_error(write: Write) -> None:
    """A text in another encoding would reach the model as rubbish."""
    path = write({"conf.yaml": "system_config: {tool_prompts: {one: a}}\n" + BASE, "prompts/a.txt": ""})
    (path.parent / "prompts" / "a.txt").write_bytes(b"\xff\xfe")

    assert said(path) == [
        "conf.yaml:1: system_config.tool_prompts.one: the prompt 'a' cannot be read; save it as a UTF-8 file"
    ]


def test_a_picture_on_the_web_is_not_looked_for(write: Write) -> None:
    """An avatar may be a URL."""
    assert said(write({"conf.yaml": BASE + "  avatar: https://example.org/a.png\n"})) == []
