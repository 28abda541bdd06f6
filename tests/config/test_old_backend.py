"""Files written for the backend that this one follows load as they are, without a warning."""

from __future__ import annotations

from pathlib import Path

from trio_backend.config.load import load_config, survey
from trio_backend.text.lines import SpeechFilters

OLD = Path(__file__).parent / "old_backend" / "conf.yaml"


def test_every_section_is_understood_or_named_as_having_no_effect() -> None:
    """No warning: not for the engines that are not chosen, nor for the sections that have no use here."""
    findings = survey(OLD, {}).findings
    assert all(one.severity == "note" and "has no effect: " in one.message for one in findings)
    assert {one.key.rpartition(".")[2] for one in findings} >= {"live_config", "group_conversation_prompt"}
    assert load_config(OLD, environ={}).findings == ()


def test_its_values_arrive() -> None:
    """Names, engines and filters are what the file says."""
    nova, _ = survey(OLD, {}).characters

    assert (nova.conf_name, nova.conf_uid, nova.avatar) == ("nova", "nova_001", "nova.png")
    assert (nova.llm.name, nova.llm.settings["keep_alive"]) == ("ollama_llm", -1)
    assert (nova.tts.name, nova.tts.settings) == ("edge_tts", {"voice": "en-US-SomeoneNeural"})
    assert nova.asr is not None
    assert (nova.asr.name, nova.asr.settings["num_threads"]) == ("sherpa_onnx_asr", 4)
    assert nova.vad is None
    assert nova.faster_first_response
    assert nova.speech_filters == SpeechFilters(ignore_parentheses=False)


def test_its_model_dictionary_and_prompts_are_read() -> None:
    """Keywords are in lower case, the entry goes to clients as it is, prompts follow the persona."""
    nova, star = survey(OLD, {}).characters

    assert nova.emotions == {"neutral": 0, "anger": 2, "joy": 3, "shy": "blush"}
    assert nova.model_info["kXOffset"] == 1150
    assert nova.model_info["emotionMap"] == {"neutral": 0, "Anger": 2, "joy": 3, "shy": "blush"}
    assert nova.system_prompt == (
        "You are Nova, captain of a very small ship.\nYou speak in short orders.\n\n"
        "Show feelings with these: [neutral], [anger], [joy], [shy].\n\n"
        "Write only what can be spoken."
    )
    assert nova.nudge_prompt == "Speak up."
    assert star.system_prompt == "你是小星，一颗爱聊天的星星。\n\nWrite only what can be spoken."


def test_its_characters_are_laid_over_it() -> None:
    """What a character file leaves out stays that of the base, as it was there."""
    _, star = survey(OLD, {}).characters

    assert (star.file, star.conf_name) == ("zh_小星.yaml", "小星")
    assert star.character_name == "Nova"
    assert (star.tts.name, star.tts.settings) == ("pyttsx3_tts", {})
    assert star.vad is not None
    assert star.vad.settings["required_misses"] == 24
