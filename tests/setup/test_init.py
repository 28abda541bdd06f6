"""`trio-backend init` by its flags, as a script or a Dockerfile starts it: no terminal, no questions."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import trio

from tests.ports import unused_port
from tests.server_process import PROGRAM, open_process
from tests.serving.servers import open_client
from tests.setup.servers import ALL, OLLAMA, json_at, open_servers, unused_host
from trio_backend.config.load import load_config
from trio_backend.errors import SetupRefused
from trio_backend.setup.flags import GivenAnswers, SetupRun
from trio_backend.setup.questions import Questions

ANSWERED = ["--language", "en", "--name", "Ann", "--model", "companion", "--voice", "espeak"]
ANSWERED += ["--microphone", "embedded", "--connect", "this-machine"]


async def init(folder: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[bytes]:
    """``trio-backend init`` with ``arguments``, started in ``folder`` without a terminal."""
    folder.mkdir(exist_ok=True)
    with trio.fail_after(60):
        return await trio.run_process(
            [*PROGRAM, "init", *arguments],
            cwd=folder,
            env={**os.environ, "LANG": "C.UTF-8", **environ},
            stdin=b"",
            capture_stdout=True,
            capture_stderr=True,
            check=False,
        )


def nowhere() -> list[str]:
    """Look where nothing runs, whatever the tester's own machine has."""
    return ["--look-on", unused_host()]


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def test_without_a_terminal_it_says_which_flags_are_missing(tmp_path: Path) -> None:
    """All of them, and --yes; nothing is written."""
    told = await init(tmp_path, "--name", "Ann", "--voice", "espeak")
    assert told.returncode == 1
    missing = b"give --language, --model, --microphone, --connect, or --yes"
    assert missing in told.stderr
    assert not told.stdout
    assert left(tmp_path) == []


async def test_yes_takes_every_suggestion(tmp_path: Path) -> None:
    """What it suggests works where nothing runs; what it found, and what not, is told."""
    told = await init(tmp_path, "--yes", "--no-start", *nowhere())
    assert told.returncode == 0, told.stderr
    assert b"Ollama (11434), LM Studio (1234), llama.cpp (8080)" in told.stdout
    assert b"nothing answers" in told.stdout
    assert b"0 errors, 0 warnings" in told.stdout
    assert left(tmp_path) == [
        "avatars",
        "backgrounds",
        "characters",
        "conf.yaml",
        "model_dict.json",
        "prompts",
    ]
    character = load_config(tmp_path / "conf.yaml", environ={}).config.character
    assert (character.conf_name, character.llm.name, character.tts.name) == (
        "Iris",
        "scripted_llm",
        "espeak_tts",
    )


async def test_all_answered_by_flags_nothing_is_looked_for(tmp_path: Path) -> None:
    """No server is asked, and --yes is not needed."""
    asked = trio.Event()

    async def ollama(stream: trio.SocketStream) -> None:
        asked.set()

    async with open_servers({11434: ollama}) as host:
        told = await init(tmp_path, "new/folder", *ANSWERED, "--no-start", "--look-on", host)
    assert told.returncode == 0, told.stderr
    assert b"11434" not in told.stdout
    assert not asked.is_set()
    assert (tmp_path / "new" / "folder" / "characters" / "ann.yaml").is_file()


@pytest.mark.parametrize(
    ("locale", "name"),
    [("en_US.UTF-8", "Iris"), ("zh_CN.UTF-8", "米娅"), ("ja_JP.UTF-8", "ひな"), ("", "Iris")],
)
async def test_the_terminals_language_is_suggested(tmp_path: Path, locale: str, name: str) -> None:
    """Its character, its comments, its words."""
    told = await init(tmp_path, "--yes", "--no-start", *nowhere(), LC_ALL=locale, LANG="", PYTHONUTF8="1")
    assert told.returncode == 0, told.stderr
    assert load_config(tmp_path / "conf.yaml", environ={}).config.character.conf_name == name


async def test_a_terminal_of_another_encoding_is_no_reason_to_fail(tmp_path: Path) -> None:
    """What it cannot show is a question mark; the files are UTF-8 as ever."""
    told = await init(
        tmp_path, "--yes", "--no-start", "--language", "ja", *nowhere(), PYTHONIOENCODING="ascii"
    )
    assert told.returncode == 0, told.stderr
    assert "ひな" in (tmp_path / "characters" / "ひな.yaml").read_text("utf-8")


async def test_what_is_there_stays_unless_it_is_told(tmp_path: Path) -> None:
    """Exit code 1, and the remedy; with --force the old file is kept."""
    (tmp_path / "conf.yaml").write_text("mine")
    told = await init(tmp_path, *ANSWERED, "--no-start")
    assert told.returncode == 1
    assert b"conf.yaml is there already" in told.stderr
    assert b"--force" in told.stderr
    assert left(tmp_path) == ["conf.yaml"]
    assert (tmp_path / "conf.yaml").read_text() == "mine"
    told = await init(tmp_path, *ANSWERED, "--no-start", "--force")
    assert told.returncode == 0, told.stderr
    assert (tmp_path / "conf.yaml.old").read_text() == "mine"
    assert b"conf.yaml.old" in told.stdout


async def test_a_character_of_that_file_stays_too(tmp_path: Path) -> None:
    """And then there is no conf.yaml either."""
    (tmp_path / "characters").mkdir()
    (tmp_path / "characters" / "ann.yaml").write_text("mine")
    told = await init(tmp_path, *ANSWERED, "--no-start")
    assert told.returncode == 1
    assert left(tmp_path) == ["characters"]
    assert (tmp_path / "characters" / "ann.yaml").read_text() == "mine"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"model": "gpt"}, ["--model 'gpt' is not known here", "companion", "ollama:NAME", "claude:NAME"]),
        ({"model": "ollama"}, ["--model ollama: ", "does not answer", ":11434"]),
        ({"model": "openai"}, ["--model openai:MODEL"]),
        ({"model": "openai:gpt"}, ["OPENAI_API_KEY", "environment"]),
        ({"model": "ollama:\udcff"}, ["--model 'ollama:\\udcff'", "no name"]),
        ({"voice": "kokoro"}, ["--voice kokoro: ", ":8880"]),
        ({"voice": "gpt-sovits"}, ["needs a recording"]),
        ({"microphone": "faster-whisper"}, ["[whisper]", "install"]),
        ({"name": ""}, ["--name: ", "1 to 80"]),
        ({"name": "a\nb"}, ["--name: "]),
        ({"name": "🤖", "listen": "name"}, ["--listen name", "nothing in it that can be said"]),
        ({"language": "zh", "listen": "name"}, ["--listen name", "English only"]),
    ],
)
def test_an_answer_that_cannot_be_obeyed_says_what_can(given: dict[str, Any], words: Sequence[str]) -> None:
    """It is refused, though --yes was given, too."""
    run = SetupRun(yes=True, look_on=unused_host())
    with pytest.raises(SetupRefused) as refused:
        Questions(GivenAnswers(**given), run, asks=False, environ={"LANG": "en_US.UTF-8"}).answers()
    assert all(word in str(refused.value) for word in words), refused.value


def test_a_url_is_no_machine() -> None:
    """And is not asked as one."""
    run = SetupRun(yes=True, look_on="http://x:1")
    with pytest.raises(SetupRefused, match=r"--look-on http://x:1: .* without a port"):
        Questions(GivenAnswers(), run, asks=False, environ={}).answers()


@pytest.mark.parametrize(
    ("flags", "code", "words"),
    [
        (["--model", "gpt"], 1, ["trio-backend: --model 'gpt' is not known here"]),
        (["--language", "fr"], 2, ["en", "zh", "ja"]),
        (["--connect", "everyone"], 2, ["this-machine", "network"]),
        (["--port", "70000"], 2, ["65535"]),
    ],
)
async def test_a_wrong_flag_is_told_in_words(
    tmp_path: Path, flags: Sequence[str], code: int, words: Sequence[str]
) -> None:
    """Without a traceback; 2 where it is the command line itself, as for all commands; nothing is written."""
    told = await init(tmp_path, "--yes", "--no-start", *nowhere(), *flags, COLUMNS="200")
    said = (told.stdout + told.stderr).decode()
    assert told.returncode == code
    assert "Traceback" not in said
    assert all(word in said for word in words), said
    assert left(tmp_path) == []


async def test_a_key_of_the_environment_is_used_and_never_shown(tmp_path: Path) -> None:
    """Not in the output, and not in the files."""
    key = "sk-secret-123"
    told = await init(
        tmp_path,
        "--yes",
        "--no-start",
        *nowhere(),
        "--model",
        "openai:gpt-x",
        "--voice",
        "openai:nova",
        OPENAI_API_KEY=key,
    )
    assert told.returncode == 0, told.stderr
    assert b"0 errors, 0 warnings" in told.stdout
    assert key.encode() not in told.stdout + told.stderr
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and key.encode() in path.read_bytes()]


async def test_for_the_network_there_is_a_token(tmp_path: Path) -> None:
    """Which the terminal does not show, and only the owner can read."""
    told = await init(tmp_path, "--yes", "--no-start", *nowhere(), "--connect", "network")
    assert told.returncode == 0, told.stderr
    system = load_config(tmp_path / "conf.yaml", environ={}).config.system
    assert system.host == "0.0.0.0"
    assert re.fullmatch(r"[a-z2-7]{26}", system.access_token)
    assert system.access_token.encode() not in told.stdout + told.stderr
    assert (tmp_path / "conf.yaml").stat().st_mode & 0o777 == 0o600


async def test_the_first_model_that_is_found_is_suggested(tmp_path: Path) -> None:
    """And the voice and the recogniser of servers nearby, since they are better than what is built in."""
    async with open_servers(ALL) as host:
        told = await init(tmp_path, "--yes", "--no-start", "--look-on", host)
    assert told.returncode == 0, told.stderr
    assert "- Ollama (11434), LM Studio (1234), llama.cpp (8080): models: 1" in told.stdout.decode()
    character = load_config(tmp_path / "conf.yaml", environ={}).config.character
    assert character.llm.settings["model"] == "qwen2.5:latest"
    assert character.tts.settings["voice"] == "af_sky"
    assert character.asr
    assert character.asr.settings["model"] == "Systran/faster-distil-whisper-small.en"


async def test_the_next_free_port_is_taken(tmp_path: Path) -> None:
    """Where another program has the usual one; else the usual one."""
    listeners = []
    with suppress(OSError):  # where somebody else has it, that is as good
        listeners = await trio.open_tcp_listeners(12393, host="127.0.0.1")
    told = await init(tmp_path, "--yes", "--no-start", *nowhere())
    for listener in listeners:
        await listener.aclose()
    assert told.returncode == 0, told.stderr
    port = load_config(tmp_path / "conf.yaml", environ={}).config.system.port
    assert port > 12393
    assert f"Port 12393 is in use. This server gets {port}.".encode() in told.stdout


async def test_it_starts_a_server_that_answers(tmp_path: Path) -> None:
    """In the folder, where its conversations are kept; with the name that was given."""
    command = [*PROGRAM, "init", "new", *ANSWERED, "--port", str(unused_port())]
    async with open_process(command, tmp_path) as server, open_client(address_of(server.address)) as client:
        heard = await client.turn("Hello, who are you?")
        said = [one for one in heard if one["type"] == "audio"]
        assert said[0]["display_text"]["name"] == "Ann"
        assert said[0]["audio"]
    assert (tmp_path / "new" / "history.sqlite3").is_file()
    assert left(tmp_path) == ["new"]


async def test_it_starts_a_server_that_asks_the_model_it_found(tmp_path: Path) -> None:
    """From the list of an Ollama server to what its model says."""
    asked: list[bytes] = []

    async def ollama(stream: trio.SocketStream) -> None:
        request = bytes(await stream.receive_some())
        if request.startswith(b"GET"):
            await json_at(11434, OLLAMA)(replay(stream, request))
            return
        while b"qwen" not in request:
            request += await stream.receive_some()
        asked.append(request)
        events = [{"choices": [{"index": 0, "delta": {"content": "I am a model."}}]}]
        events.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        body = "".join(f"data: {json.dumps(event)}\n\n" for event in events) + "data: [DONE]\n\n"
        head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
        await stream.send_all((head + body).encode())

    async with open_servers({11434: ollama}) as host:
        command = [
            *PROGRAM,
            "init",
            ".",
            "--yes",
            "--look-on",
            host,
            "--voice",
            "none",
            "--port",
            str(unused_port()),
        ]
        async with (
            open_process(command, tmp_path) as server,
            open_client(address_of(server.address)) as client,
        ):
            heard = await client.turn("Hello, who are you?")
    assert [one["display_text"]["text"] for one in heard if one["type"] == "audio"] == ["I am a model."]
    assert b"You are Iris" in asked[0]


def replay(stream: trio.SocketStream, request: bytes) -> trio.SocketStream:
    """``stream``, of which ``request`` was read already."""

    async def receive_some() -> bytes:
        return request

    stream.receive_some = receive_some  # type: ignore[method-assign, assignment]
    return stream


def address_of(url: str) -> str:
    return url.replace("localhost", "127.0.0.1")


async def test_help_teaches(tmp_path: Path) -> None:
    """Each flag with what may be given."""
    told = await init(tmp_path, "--help", COLUMNS="120")
    said = told.stdout.decode()
    for word in (
        "--language",
        "--name",
        "--model",
        "ollama:qwen2.5:latest",
        "--voice",
        "kokoro:af_sky",
        "--microphone",
    ):
        assert word in said
    for word in (
        "--listen",
        "--connect",
        "this-machine, network",
        "--yes",
        "--force",
        "--no-start",
        "--look-on",
    ):
        assert word in said
