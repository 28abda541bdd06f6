"""``translator_config``: who translates what is spoken, and what `check` finds wrong with it."""

from __future__ import annotations

import pytest

from trio_backend.check import check
from trio_backend.config.character import EngineChoice
from trio_backend.config.load import load_config
from trio_backend.text.lines import SpeechFilters

from .conftest import BASE, Write

# As Open-LLM-VTuber's own file has it, but turned on.
SECTION = """\
  tts_preprocessor_config:
    remove_special_char: True
    ignore_brackets: False
    translator_config:
      translate_audio: True
      translate_provider: 'deeplx'
      deeplx:
        deeplx_target_lang: 'JA'
        deeplx_api_endpoint: 'http://localhost:1188/v2/translate'
      tencent:
        secret_id: ''
        secret_key: ''
        region: 'ap-guangzhou'
        source_lang: 'zh'
        target_lang: 'ja'
"""


def test_the_section_of_existing_files_is_read(write: Write) -> None:
    """The provider with its settings; what is left out is left out as before."""
    path = write({"conf.yaml": BASE + SECTION})
    character = load_config(path, environ={}).config.character
    settings = {"deeplx_target_lang": "JA", "deeplx_api_endpoint": "http://localhost:1188/v2/translate"}
    assert character.translator == EngineChoice("translator", "deeplx", settings, path.parent)
    assert character.speech_filters == SpeechFilters(ignore_brackets=False)
    assert check(path, {}) == []


def test_nothing_is_translated_that_is_not_to_be(write: Write) -> None:
    """As in that file itself, and in one that says nothing."""
    for text in ("", SECTION.replace("audio: True", "audio: False")):
        character = load_config(write({"conf.yaml": BASE + text}), environ={}).config.character
        assert character.translator is None


@pytest.mark.parametrize(
    ("was", "becomes", "severity", "line", "key", "message"),
    [
        ("lang: 'JA'", "lang: ''", "error", 12, "deeplx.deeplx_target_lang", "must be a language such as JA"),
        ("'deeplx'", "tencent", "error", 15, "tencent.secret_id", "TENCENTCLOUD_SECRET_ID"),
        (
            "'deeplx'",
            "google",
            "warning",
            10,
            "translate_provider",
            "no translator is called 'google'; it is spoken as it is shown",
        ),
        ("'deeplx'", "llm", "error", 10, "llm.target_lang", "is missing"),
        ("      deeplx:", "      deepl:", "error", 10, "deeplx.deeplx_target_lang", "is missing"),
    ],
)
def test_what_is_wrong_is_found_where_it_stands(
    write: Write, was: str, becomes: str, severity: str, line: int, key: str, message: str
) -> None:
    """File, line, key."""
    path = write({"conf.yaml": BASE + SECTION.replace(was, becomes, 1)})
    found = {(str(one.severity), one.line, one.key): str(one) for one in check(path, {})}
    section = "character_config.tts_preprocessor_config.translator_config"
    assert message in found[severity, line, f"{section}.{key}"]


def test_a_model_that_answers_by_rules_does_not_translate(write: Write) -> None:
    """The embedded one."""
    text = SECTION.replace("'deeplx'", "llm").replace(
        "      deeplx:", "      llm: {target_lang: ja}\n      deeplx:"
    )
    path = write({"conf.yaml": BASE + text})
    (found,) = check(path, {})
    assert (found.severity, found.line) == ("warning", 10)
    assert "scripted_llm answers by rules" in found.message
    model = "  agent_config: {agent_settings: {basic_memory_agent: {llm_provider: echo_llm}}}\n"
    assert check(write({"conf.yaml": BASE + model + text}), {}) == []
