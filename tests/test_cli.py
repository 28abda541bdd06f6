"""The command line, as a child process sees it: what it prints, and how it exits."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest


def run(*arguments: str, folder: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """``trio-backend`` with ``arguments``, in ``folder``."""
    return subprocess.run(
        [sys.executable, "-m", "trio_backend", *arguments],
        cwd=folder,
        env={**os.environ, "COLUMNS": "120", **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


SIX_MISTAKES = """\
system_config:
  port: many
  playback_grace: -1
  prot: 12393
character_config:
  conf_name: Ann
  conf_uid: ann_001
  persona_prompt: You are Ann. ${NOWHERE_TO_BE_FOUND}
  agent_config:
    agent_settings: {basic_memory_agent: {llm_provider: ollama_llm}}
    llm_configs:
      ollama_llm: {model: some, temperature: hot}
  tts_config:
    tts_model: espeak_tts
    espeak_tts: {pitch: 1000}
"""


def test_check_names_all_mistakes(tmp_path: Path) -> None:
    """Six different ones in one go, each with its line and key; exit code 1."""
    (tmp_path / "conf.yaml").write_text(SIX_MISTAKES)
    checked = run("check", folder=tmp_path)
    assert checked.returncode == 1
    for place in (
        "error: conf.yaml:2: system_config.port:",
        "error: conf.yaml:3: system_config.playback_grace:",
        "warning: conf.yaml:4: system_config.prot:",
        "error: conf.yaml:8: character_config.persona_prompt:",
        "error: conf.yaml:12: character_config.agent_config.llm_configs.ollama_llm.temperature:",
        "error: conf.yaml:15: character_config.tts_config.espeak_tts.pitch:",
    ):
        assert place in checked.stdout, checked.stdout
    assert "did you mean 'port'" in checked.stdout
    assert "NOWHERE_TO_BE_FOUND" in checked.stdout


def test_check_finds_nothing_wrong_with_what_we_ship(tmp_path: Path) -> None:
    """Without an argument and without files around, it is the packaged configuration that is checked."""
    checked = run("check", "--strict", folder=tmp_path)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "0 errors, 0 warnings" in checked.stdout


def test_characters_that_the_output_cannot_show_are_escaped(tmp_path: Path) -> None:
    """As into a file on Windows: 米娅 is one of the characters that come with the package."""
    checked = run("check", folder=tmp_path, PYTHONIOENCODING="ascii")
    assert checked.returncode == 0, checked.stderr
    assert "mia.yaml: \\u7c73\\u5a05 with " in checked.stdout


def test_keys_without_effect_are_for_check_alone(tmp_path: Path) -> None:
    """They are neither errors nor warnings, even with --strict, and no start tells them again."""
    (tmp_path / "conf.yaml").write_text(SPEECH + "live_config: {bilibili_live: {room_ids: [1]}}\n")
    (tmp_path / "model_dict.json").write_text("[]")
    checked = run("check", "--strict", folder=tmp_path)
    assert checked.returncode == 0, checked.stdout
    assert "note: conf.yaml:11: live_config: has no effect: " in checked.stdout
    assert "0 errors, 0 warnings, 1 keys without effect" in checked.stdout
    (tmp_path / "old").mkdir()
    assert "live_config" not in run("import-history", "old", folder=tmp_path).stderr


def test_serve_refuses_a_wrong_configuration(tmp_path: Path) -> None:
    """With all that is wrong, and without a traceback."""
    (tmp_path / "conf.yaml").write_text(SIX_MISTAKES)
    served = run("serve", folder=tmp_path)
    assert served.returncode == 1
    assert "conf.yaml:2: system_config.port" in served.stderr
    assert "Traceback" not in served.stderr


def test_an_engine_that_is_missing_is_replaced_or_refused(tmp_path: Path) -> None:
    """A warning that names what is used instead; with --strict an error."""
    conf = SIX_MISTAKES.splitlines()[4:8]
    text = "\n".join([*conf, "  tts_config: {tts_model: nova_tts}"]).replace(" ${NOWHERE_TO_BE_FOUND}", "")
    (tmp_path / "conf.yaml").write_text(text)
    lenient = run("check", folder=tmp_path)
    assert lenient.returncode == 0, lenient.stdout
    assert "espeak_tts is used instead" in lenient.stdout
    assert run("check", "--strict", folder=tmp_path).returncode == 1


def test_old_conversations_are_imported_once(tmp_path: Path) -> None:
    """A second import changes nothing; a broken file is named, and the others are imported."""
    old = tmp_path / "old" / "iris_001"
    old.mkdir(parents=True)
    (old / "2025-01-31_12-00-00_abc.json").write_text(
        json.dumps(
            [
                {"role": "metadata", "timestamp": "2025-01-31T12:00:00"},
                {"role": "human", "timestamp": "2025-01-31T12:00:01", "content": "Hello?"},
                {"role": "ai", "timestamp": "2025-01-31T12:00:02", "content": "Hello!", "name": "Iris"},
            ]
        )
    )
    (old / "broken.json").write_text("{")
    first, second = (run("import-history", "old", folder=tmp_path) for _ in range(2))
    assert first.returncode == second.returncode == 0, first.stderr
    assert "1 conversations with 2 messages imported" in first.stderr
    assert "broken.json" in first.stderr
    assert "0 conversations with 0 messages imported" in second.stderr


def test_what_is_wrong_with_the_configuration_is_told_once(tmp_path: Path) -> None:
    """By whatever reads it; not again as a line of the log."""
    text = SPEECH.replace("espeak_tts", "nova_tts") + "nonsense: 1\n"
    (tmp_path / "conf.yaml").write_text(text)
    (tmp_path / "model_dict.json").write_text("[]")
    (tmp_path / "old").mkdir()
    imported = run("import-history", "old", folder=tmp_path)
    assert imported.returncode == 0, imported.stderr
    for words in ("nonsense", "'nova_tts'"):
        assert imported.stderr.count(words) == 1, imported.stderr
    spoken = run("speak", "Hello.", folder=tmp_path)
    assert spoken.returncode == 1
    assert spoken.stderr.count("'nova_tts'") == 1, spoken.stderr


@pytest.mark.parametrize(
    "command", ["serve", "init", "check", "chat", "import-history", "engines", "speak", "transcribe"]
)
def test_help_teaches(tmp_path: Path, command: str) -> None:
    """Every command says what it does, and what each argument means."""
    told = run(command, "--help", folder=tmp_path)
    assert told.returncode == 0
    assert "Usage: trio-backend" in told.stdout
    assert len(told.stdout.splitlines()) > 6


def test_a_port_in_use_is_said_in_words(tmp_path: Path) -> None:
    """Which one, and what to do."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        served = run("serve", "--port", port, folder=tmp_path)
    assert served.returncode == 1
    assert port in served.stderr
    assert "Traceback" not in served.stderr


needs_espeak = pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")

SPEECH = """\
character_config:
  conf_name: Ann
  conf_uid: ann_001
  persona_prompt: You are Ann.
  asr_config:
    asr_model: pocketsphinx_asr
    pocketsphinx_asr: {phrases: [tell me a story, turn on the light]}
  tts_config:
    tts_model: espeak_tts
    espeak_tts: {voice: en-us, speed: 140}
"""


@needs_espeak
def test_what_is_spoken_to_a_file_is_understood_from_it(tmp_path: Path) -> None:
    """`speak` and `transcribe`: TTS and ASR, tried from the shell."""
    (tmp_path / "conf.yaml").write_text(SPEECH)
    spoken = run("speak", "Tell me a story.", "-o", "story.wav", folder=tmp_path)
    assert (spoken.returncode, spoken.stdout) == (0, "story.wav: 1.6 s\n"), spoken.stderr
    understood = run("transcribe", "story.wav", folder=tmp_path)
    assert (understood.returncode, understood.stdout) == (0, "tell me a story\n"), understood.stderr


def test_a_file_that_is_no_sound_is_named(tmp_path: Path) -> None:
    """And one that is not there; exit code 1, in one line."""
    (tmp_path / "conf.yaml").write_text(SPEECH)
    (tmp_path / "notes.txt").write_text("hello")
    for name, told in (("notes.txt", "this is no WAV file"), ("nosuch.wav", "No such file")):
        tried = run("transcribe", name, folder=tmp_path)
        assert tried.returncode == 1
        assert f"{name}: {told}" in tried.stderr
        assert "Traceback" not in tried.stderr
    silent = run("speak", "...", folder=tmp_path)
    assert silent.stderr.endswith("trio-backend: there is nothing in this text that can be spoken\n")


def test_a_port_that_cannot_be_is_refused_in_words(tmp_path: Path) -> None:
    """No traceback: the option, the value, and what is allowed."""
    served = run("serve", "--port", "99999", folder=tmp_path)
    assert served.returncode == 2
    assert "--port" in served.stderr
    assert "65535" in served.stderr
    assert "Traceback" not in served.stderr


def test_prove_explains_its_options(tmp_path: Path) -> None:
    """They are fields of several classes, which no user sees: each is an option of its own, with its help."""
    said = " ".join(run("prove", "--help", folder=tmp_path).stdout.replace("│", " ").split())
    for option in ("--url STR", "--token STR", "--pid INT", "--full", "--minutes FLOAT", "--json PATH"):
        assert option in said
    assert "--engines" in said
    assert "--program STR" in said
    assert "--report PATH File to write an HTML page with charts to." in said
    assert "--scale FLOAT Factor for the delays of the simulated engines" in said
    assert "--server" not in said
