"""Configurations made from one good one, each with one mistake: `check` names each, at its place."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

import attrs
import pytest

from trio_backend.check import check
from trio_backend.config.diagnostics import Finding
from trio_backend.config.load import packaged_conf

from .conftest import MODELS

CONF = """\
system_config:
  host: 127.0.0.1
  port: 12393
  config_alts_dir: characters
  history_file: history.sqlite3
  tool_prompts:
    live2d_expression_prompt: expressions
character_config:
  conf_name: Ann
  conf_uid: ann_001
  live2d_model_name: ann
  avatar: ann.svg
  persona_prompt: You are Ann.
  agent_config:
    conversation_agent_choice: basic_memory_agent
    agent_settings:
      basic_memory_agent:
        llm_provider: scripted_llm
    llm_configs:
      scripted_llm:
        manner: cheerful
        token_delay: 0.01
  tts_config:
    tts_model: espeak_tts
    espeak_tts:
      voice: en-us+f3
      speed: 165
  asr_config:
    asr_model: scripted_asr
  vad_config:
    vad_model: silero_vad
    silero_vad:
      prob_threshold: 0.4
  wake_word_config:
    enabled: true
    wake_words: {en: [hey Ann]}
    greeting: 'Yes?'
    farewell: "Bye."
"""

BOB = """\
character_config:
  conf_name: Bob
  conf_uid: bob_001
  live2d_model_name: ann
  avatar: ann.svg
  tts_config:
    espeak_tts:
      voice: en-gb+m3
"""

GOOD = {
    "conf.yaml": CONF,
    "characters/bob.yaml": BOB,
    "model_dict.json": MODELS,
    "avatars/ann.svg": "<svg/>",
    "prompts/utils/expressions.txt": "Show feelings.",
}

LLM = "character_config.agent_config.llm_configs"
TTS = "character_config.tts_config"
ASR = "character_config.asr_config"
VAD = "character_config.vad_config"
WAKE = "character_config.wake_word_config"


@attrs.frozen
class Bad:
    """``old`` in ``file`` becomes ``new``; the finding stands at the first line with ``at`` or ``new``.

    ``key`` is the finding's, and ``words`` a pattern that its text has.
    """

    name: str
    old: str
    new: str
    key: str
    words: str
    severity: str = "error"
    file: str = "conf.yaml"
    at: str | None = None
    place: str = ""
    """The file that the finding names, if it is another."""
    more: Mapping[str, str] = attrs.field(factory=dict)
    others: bool = False
    """Whether further findings follow from the same mistake."""


RULES = (packaged_conf() / "companion.yaml").read_text("utf-8")
SYSTEM, CHARACTER = "system_config", "character_config"

BAD = (
    # The file itself.
    Bad("tab", "  port: 12393", "\tport: 12393", "", "tab"),
    Bad(
        "quote never closed",
        "conf_name: Ann",
        'conf_name: "Ann',
        "",
        r"quote .*never closed",
        at='"Ann',
    ),
    Bad(
        "single quote never closed",
        "avatar: ann.svg",
        "avatar: 'ann.svg",
        "",
        r"quote .*never closed",
        at="'ann.svg",
    ),
    Bad("bracket never closed", "{en: [hey Ann]}", "{en: [hey Ann}", "", r"bracket|\["),
    Bad("colon forgotten", "  vad_config:", "  vad_config", "", r"colon"),
    Bad(
        "key twice",
        "  port: 12393",
        "  port: 12393\n  port: 12394",
        f"{SYSTEM}.port",
        "second time",
        at="  port: 12394",
    ),
    Bad(
        "section misspelt",
        "system_config:",
        "sytem_config:",
        "sytem_config",
        "did you mean 'system_config'",
        "warning",
    ),
    Bad("key misspelt", "  port: 12393", "  prot: 12393", f"{SYSTEM}.prot", "did you mean 'port'", "warning"),
    Bad(
        "key in the wrong section",
        "  wake_word_config:",
        "  port: 12393\n  wake_word_config:",
        f"{CHARACTER}.port",
        r"not known.*belongs in system_config",
        "warning",
        at="  port: 12393\n  wake",
    ),
    Bad(
        "section is text",
        "  tts_config:\n    tts_model: espeak_tts\n    espeak_tts:\n      voice: en-us+f3\n      speed: 165",
        "  tts_config: espeak",
        f"{TTS}",
        "section",
        others=True,
    ),
    # The server.
    Bad("port too high", "port: 12393", "port: 99999", f"{SYSTEM}.port", "99999.*0 to 65 535"),
    Bad("port is a word", "port: 12393", "port: http", f"{SYSTEM}.port", "'http'.*whole number"),
    Bad(
        "host is no host",
        "host: 127.0.0.1",
        "host: http://localhost",
        f"{SYSTEM}.host",
        "no address to listen on",
    ),
    Bad(
        "host of somebody else",
        "host: 127.0.0.1",
        "host: 203.0.113.7",
        f"{SYSTEM}.host",
        "not an address of this machine",
    ),
    Bad(
        "open to all without token",
        "host: 127.0.0.1",
        "host: 0.0.0.0",
        f"{SYSTEM}.host",
        "access_token",
        "warning",
    ),
    Bad(
        "open to the network by IPv6",
        "host: 127.0.0.1",
        "host: '::'",
        f"{SYSTEM}.host",
        "access_token",
        "warning",
    ),
    Bad(
        "certificate alone",
        "  port: 12393",
        "  tls_certificate: cert.pem",
        f"{SYSTEM}.tls_certificate",
        "tls_key",
    ),
    Bad(
        "certificate missing",
        "  port: 12393",
        "  tls_certificate: conf.yaml\n  tls_key: key.pem",
        f"{SYSTEM}.tls_key",
        "no file",
        at="tls_key",
    ),
    Bad(
        "certificate is none",
        "  port: 12393",
        "  tls_certificate: conf.yaml\n  tls_key: conf.yaml",
        f"{SYSTEM}.tls_certificate",
        "PEM|certificate",
    ),
    Bad(
        "front end missing",
        "  port: 12393",
        "  frontend_dir: nowhere",
        f"{SYSTEM}.frontend_dir",
        "no folder 'nowhere'",
    ),
    Bad(
        "history in a missing folder under a file",
        "history.sqlite3",
        "conf.yaml/h.sqlite3",
        f"{SYSTEM}.history_file",
        "cannot be made",
    ),
    Bad(
        "history is a folder",
        "history.sqlite3",
        "characters",
        f"{SYSTEM}.history_file",
        "folder",
        at="history_file:",
    ),
    Bad(
        "history is no database",
        "history.sqlite3",
        "conf.yaml",
        f"{SYSTEM}.history_file",
        "is no database of conversations",
    ),
    Bad(
        "history elsewhere",
        "history.sqlite3",
        "postgres://u:secret@db/x",
        f"{SYSTEM}.history_file",
        "no store at postgres://",
    ),
    Bad(
        "history where nobody may write",
        "history.sqlite3",
        "/proc/h.sqlite3",
        f"{SYSTEM}.history_file",
        "cannot be made",
    ),
    Bad(
        "folder of characters missing",
        "config_alts_dir: characters",
        "config_alts_dir: charcters",
        f"{SYSTEM}.config_alts_dir",
        "no folder.*'charcters'",
        "warning",
    ),
    Bad(
        "prompt missing",
        "expressions",
        "expresions",
        f"{SYSTEM}.tool_prompts.live2d_expression_prompt",
        "no prompt",
        "warning",
    ),
    Bad(
        "origin without scheme",
        "  port: 12393",
        "  allowed_origins: [example.org]",
        f"{SYSTEM}.allowed_origins[0]|{SYSTEM}.allowed_origins",
        "origin",
    ),
    # The character.
    Bad("no name", "  conf_name: Ann\n", "", f"{CHARACTER}.conf_name", "is missing", at="character_config:"),
    Bad("name is empty", "conf_name: Ann", "conf_name: ''", f"{CHARACTER}.conf_name", "is empty"),
    Bad("quoted number", "conf_uid: ann_001", "conf_uid: 7", f"{CHARACTER}.conf_uid", "in quotes"),
    Bad(
        "model unknown",
        "live2d_model_name: ann",
        "live2d_model_name: anna",
        f"{CHARACTER}.live2d_model_name",
        "did you mean 'ann'",
        "warning",
    ),
    Bad(
        "avatar missing",
        "avatar: ann.svg",
        "avatar: an.svg",
        f"{CHARACTER}.avatar",
        "no file 'an.svg'",
        "warning",
    ),
    Bad(
        "agent unknown",
        "_choice: basic_memory_agent",
        "_choice: hume_ai_agent",
        f"{CHARACTER}.agent_config.conversation_agent_choice",
        "no agent",
        "warning",
    ),
    Bad(
        "wake words enabled and empty",
        "{en: [hey Ann]}",
        "{}",
        f"{WAKE}.wake_words",
        "its own name.*Ann",
        "warning",
    ),
    Bad(
        "wake words of a language empty",
        "{en: [hey Ann]}",
        "{en: []}",
        f"{WAKE}.wake_words",
        "its own name.*Ann",
        "warning",
    ),
    Bad("wake word of signs", "[hey Ann]", "['!!']", f"{WAKE}.wake_words", "must have letters"),
    Bad(
        "two of one identifier",
        "conf_uid: bob_001",
        "conf_uid: ann_001",
        f"{CHARACTER}.conf_uid",
        "also that of conf.yaml",
        "warning",
        file="characters/bob.yaml",
    ),
    Bad(
        "two of one name",
        "conf_name: Bob",
        "conf_name: Ann",
        f"{CHARACTER}.conf_name",
        "also that of conf.yaml",
        "warning",
        file="characters/bob.yaml",
    ),
    Bad(
        "a character file that is broken",
        "conf_name: Bob",
        "conf_name: 'Bob",
        "",
        "quote .*never closed",
        file="characters/bob.yaml",
    ),
    Bad(
        "system_config in a character",
        "character_config:",
        "system_config: {port: 1}\ncharacter_config:",
        "system_config",
        "only character_config",
        "warning",
        file="characters/bob.yaml",
    ),
    # The language model.
    Bad(
        "manner unknown",
        "manner: cheerful",
        "manner: grumpy",
        f"{LLM}.scripted_llm.manner",
        "grumpy.*cheerful",
    ),
    Bad("rules missing", "manner: cheerful", "rules: nowhere.yaml", f"{LLM}.scripted_llm.rules", "no file"),
    Bad(
        "rules broken",
        "manner: cheerful",
        "rules: mine.yaml",
        f"{LLM}.scripted_llm.rules",
        "mine.yaml, line 3: .*not valid YAML",
        more={"mine.yaml": "manners: [warm]\ntopics: [\n"},
    ),
    Bad(
        "rules with an unknown field",
        "manner: cheerful",
        "rules: mine.yaml",
        f"{LLM}.scripted_llm.rules",
        "mine.yaml.*did you mean 'manners'",
        more={"mine.yaml": RULES.replace("manners:", "mannners:", 1)},
        others=True,
    ),
    Bad(
        "delay too long", "token_delay: 0.01", "token_delay: 90", f"{LLM}.scripted_llm.token_delay", "0 to 10"
    ),
    Bad(
        "setting misspelt",
        "manner: cheerful",
        "maner: cheerful",
        f"{LLM}.scripted_llm.maner",
        "did you mean 'manner'",
    ),
    Bad(
        "model misspelt",
        "llm_provider: scripted_llm",
        "llm_provider: scripted_lm",
        f"{CHARACTER}.agent_config.agent_settings.basic_memory_agent.llm_provider",
        "did you mean 'scripted_llm'",
        "warning",
    ),
    Bad(
        "model unknown to us",
        "llm_provider: scripted_llm",
        "llm_provider: chatgpt",
        f"{CHARACTER}.agent_config.agent_settings.basic_memory_agent.llm_provider",
        "no language model is called 'chatgpt'",
        "warning",
    ),
    Bad(
        "variable not set",
        "manner: cheerful",
        "manner: ${MANNER_OF_ANN}",
        f"{LLM}.scripted_llm.manner",
        "MANNER_OF_ANN is not set",
    ),
    Bad(
        "faq pattern broken",
        "manner: cheerful",
        "manner: cheerful\n        faq: [{ask: ['(wifi'], answer: Yes.}]",
        r".*scripted_llm\.faq\[0\]\.ask",
        r"never closed",
        at="faq",
        others=True,
    ),
    # The voice.
    Bad(
        "voice unknown",
        "voice: en-us+f3",
        "voice: xx-nowhere",
        f"{TTS}.espeak_tts.voice",
        "no voice 'xx-nowhere'",
    ),
    Bad(
        "variant unknown", "voice: en-us+f3", "voice: en-us+zz", f"{TTS}.espeak_tts.voice", "no variant 'zz'"
    ),
    Bad("voice of MBROLA", "voice: en-us+f3", "voice: mb-de5", f"{TTS}.espeak_tts.voice", "MBROLA|no voice"),
    Bad(
        "voice unknown in a character",
        "voice: en-gb+m3",
        "voice: xq+m3",
        f"{TTS}.espeak_tts.voice",
        "no voice 'xq",
        file="characters/bob.yaml",
    ),
    Bad("speed out of range", "speed: 165", "speed: 1650", f"{TTS}.espeak_tts.speed", "80 to 450"),
    Bad("speed is quoted text", "speed: 165", "speed: 'fast'", f"{TTS}.espeak_tts.speed", "whole number"),
    Bad(
        "speech synthesis misspelt",
        "tts_model: espeak_tts",
        "tts_model: espeek_tts",
        f"{TTS}.tts_model",
        "did you mean 'espeak_tts'",
        "warning",
    ),
    Bad(
        "one of a list misspelt",
        "tts_model: espeak_tts",
        "tts_model: [espeek_tts, espeak_tts]",
        rf"{TTS}.tts_model\[0\]",
        "did you mean 'espeak_tts'",
        "warning",
    ),
    Bad(
        "edge voice misspelt",
        "tts_model: espeak_tts",
        "tts_model: edge_tts\n    edge_tts: {voic: x}",
        f"{TTS}.edge_tts.voic",
        "did you mean 'voice'|not installed",
        others=True,
        at="edge_tts: {",
    ),
    Bad(
        "piper without a model",
        "tts_model: espeak_tts",
        "tts_model: piper_tts\n    piper_tts: {model_path: nowhere.onnx}",
        f"{TTS}.piper_tts.*",
        "not installed|no file",
        "warning",
        others=True,
        at="piper_tts: {",
    ),
    # Speech recognition, voice activity.
    Bad(
        "whisper not installed",
        "asr_model: scripted_asr",
        "asr_model: faster_whisper\n    faster_whisper: {model_path: nowhere}",
        f"{ASR}.faster_whisper.*",
        "not installed|no folder|nowhere",
        "warning",
        others=True,
        at="faster_whisper: {",
    ),
    Bad(
        "sherpa without its model",
        "asr_model: scripted_asr",
        "asr_model: sherpa_onnx_asr\n"
        "    sherpa_onnx_asr: {model_type: sense_voice, sense_voice: no/m.onnx, tokens: no/t.txt}",
        f"{ASR}.sherpa_onnx_asr.*",
        "not installed|no file",
        "warning",
        others=True,
        at="sherpa_onnx_asr: {",
    ),
    Bad(
        "sherpa without a file's name",
        "asr_model: scripted_asr",
        "asr_model: sherpa_onnx_asr\n    sherpa_onnx_asr: {model_type: whisper}",
        f"{ASR}.sherpa_onnx_asr.*",
        "is missing",
        others=True,
        at="sherpa_onnx_asr: {",
    ),
    Bad(
        "recogniser misspelt",
        "asr_model: scripted_asr",
        "asr_model: sherpa_onx_asr",
        f"{ASR}.asr_model",
        "did you mean 'sherpa_onnx_asr'",
        "warning",
    ),
    Bad(
        "threshold too high",
        "prob_threshold: 0.4",
        "prob_threshold: 40",
        f"{VAD}.silero_vad.prob_threshold",
        "0.01 to 1",
    ),
    Bad(
        "turn model missing",
        "vad_model: silero_vad",
        "vad_model: silero_vad\n    turn_model: no.onnx",
        f"{VAD}.turn_model.*",
        "no file|not installed",
        "warning|error",
        at="turn_model",
        others=True,
    ),
    # Beside it.
    Bad("model dictionary broken", MODELS, "[{", "", "not valid JSON", file="model_dict.json", others=True),
)


def lay(folder: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder / "conf.yaml"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def findings(path: Path) -> list[Finding]:
    return [finding for finding in check(path, os.environ) if finding.severity != "note"]


def test_the_good_one_is_good(folder: Path) -> None:
    assert findings(lay(folder, GOOD)) == []


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.name)
def test_each_mistake_is_named_at_its_place(folder: Path, bad: Bad) -> None:
    """With the right severity, file, line, key and words; and nothing else is said."""
    assert bad.old in GOOD[bad.file], "the table is wrong"
    files = {**GOOD, bad.file: GOOD[bad.file].replace(bad.old, bad.new, 1), **bad.more}
    found = findings(lay(folder, files))
    place = bad.place or bad.file
    before = files[place].find(bad.at or bad.new.lstrip())
    line = files[place][:before].count("\n") + 1
    right = [
        one
        for one in found
        if re.fullmatch(bad.severity, one.severity)
        and (Path(one.file).name, one.line) == (Path(place).name, line)
        and re.fullmatch(bad.key, one.key)
        and re.search(bad.words, f"{one.message}; {one.remedy}")
    ]
    assert right, f"{place}:{line}: {bad.key}: not in:\n" + "\n".join(f"{o.severity}: {o}" for o in found)
    assert bad.others or len(found) == 1, "\n".join(map(str, found))


@pytest.mark.parametrize(
    ("voice", "words"),
    [
        ("en-gb+m3", ""),
        ("en-us", ""),
        ("xx-nowhere", "no voice 'xx-nowhere'"),
        ("en-us+zz", "no variant 'zz'"),
    ],
)
def test_the_library_is_asked_for_a_voice_where_there_is_no_program(
    folder: Path, monkeypatch: pytest.MonkeyPatch, voice: str, words: str
) -> None:
    """By its own list: it speaks languages that have no voice of their name, such as British English."""
    pytest.importorskip("espeakng_loader")
    monkeypatch.setenv("PATH", "")
    found = findings(lay(folder, {**GOOD, "conf.yaml": CONF.replace("en-us+f3", voice)}))
    assert [one.key for one in found] == ([f"{TTS}.espeak_tts.voice"] if words else [])
    assert all(words in one.message for one in found)
