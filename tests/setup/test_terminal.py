"""`trio-backend init` in a terminal, as a person sees it: questions, slips of the pen, Ctrl-C."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import pytest
import trio

from tests.serving.servers import open_client
from tests.setup.servers import ALL, json_at, open_servers, unused_host
from trio_backend.check import look_at
from trio_backend.config.load import load_config

if sys.platform == "win32":
    pytest.skip("Windows has no pseudo-terminals of this kind", allow_module_level=True)

import pty

# A Ctrl-C is a signal only for who has the terminal as its own.
PROGRAM = """
import fcntl, os, signal, sys, termios
signal.signal(signal.SIGINT, signal.SIG_DFL)  # who runs tests in the background has it ignored
os.setsid()
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.executable, [sys.executable, "-m", "trio_backend", *sys.argv[1:]])
"""
TIMEOUT = 60.0
"""Seconds, for a machine that does other things, too."""


@attrs.define(eq=False)
class Person:
    """Who sits before the terminal. ``fd`` is that side of it."""

    fd: int
    process: trio.Process
    seen: str = ""

    async def until(self, text: str) -> str:
        """Wait until ``text`` is on the screen; what came before it since the last time."""
        with trio.fail_after(TIMEOUT):
            while text not in self.seen and await self._read():
                pass
        assert text in self.seen, f"{text!r} was not written, but {self.seen!r}"
        before, _, self.seen = self.seen.partition(text)
        return before

    async def answer(self, question: str, line: str = "") -> str:
        """Type ``line`` and Enter when ``question`` has been asked."""
        before = await self.until(question)
        before += await self.until("› ")
        os.write(self.fd, f"{line}\r".encode())
        return before

    async def interrupt(self) -> None:
        os.write(self.fd, b"\x03")

    async def ended(self) -> int:
        """The exit code; all that was written is in ``seen``."""
        with trio.fail_after(TIMEOUT):
            while await self._read():
                pass
            return await self.process.wait()

    async def interrupted(self) -> int:
        """As `ended`, by Ctrl-C, pressed again where nothing happens.

        `input` does not see one that comes between its prompt and the moment in which it reads.
        """
        with trio.fail_after(TIMEOUT):
            while True:
                os.write(self.fd, b"\x03")
                with trio.move_on_after(2):
                    return await self.ended()

    async def _read(self) -> bool:
        await trio.lowlevel.wait_readable(self.fd)
        try:
            data = os.read(self.fd, 65_536)
        except OSError:  # Linux says so where nobody has the other side any more
            return False
        self.seen += data.decode(errors="replace").replace("\r\n", "\n")
        return bool(data)


@asynccontextmanager
async def open_person(folder: Path, *arguments: str, **environ: str) -> AsyncIterator[Person]:
    """A terminal in which `trio-backend init` runs, in ``folder``."""
    fd, device = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100", "LC_ALL": "C.UTF-8", **environ}
    process = await trio.lowlevel.open_process(
        [sys.executable, "-c", PROGRAM, "init", *arguments],
        stdin=device, stdout=device, stderr=device, env=environment, cwd=folder,
    )  # fmt: skip
    os.close(device)
    try:
        yield Person(fd, process)
    finally:
        if process.returncode is None:
            process.kill()
        with trio.move_on_after(10, shield=True):
            await process.wait()
        os.close(fd)


QUESTIONS = {
    "en": (
        "1 of 5",
        "2 of 5",
        "3 of 5",
        "Voice",
        "4 of 5",
        "When does it answer?",
        "5 of 5",
        "Start the server now?",
    ),
    "zh": ("1 of 5", "第 2 题", "第 3 题", "声音", "第 4 题", "什么时候回答", "第 5 题", "现在启动服务器吗"),
    "ja": (
        "1 of 5",
        "5 問中 2",
        "5 問中 3",
        "声",
        "5 問中 4",
        "いつ答えますか",
        "5 問中 5",
        "いまサーバーを",
    ),
}


@pytest.mark.parametrize("language", QUESTIONS)
async def test_five_times_enter_gives_a_character_that_answers(tmp_path: Path, language: str) -> None:
    """The language is chosen, all else is suggested; the server starts and answers, with sound."""
    first, *others, start = QUESTIONS[language]
    async with open_person(tmp_path, "--look-on", unused_host(), "--port", "0") as person:
        await person.answer(first, language)
        for question in others:
            # The embedded recogniser would not hear a Chinese or a Japanese name.
            if question not in ("什么时候回答", "いつ答えますか"):
                await person.answer(question)
        await person.answer(start)
        await person.until(" is at http")
        address = f"http{(await person.until(chr(10))).split()[0]}"
        async with open_client(address.replace("localhost", "127.0.0.1")) as client:
            heard = await client.turn({"en": "Hello!", "zh": "你好！", "ja": "こんにちは！"}[language])
        said = [one for one in heard if one["type"] == "audio"]
        assert said[0]["display_text"]["name"] == {"en": "Iris", "zh": "米娅", "ja": "ひな"}[language]
        assert said[0]["audio"]
        await person.interrupt()
        assert await person.ended() == 0
    checked = await trio.to_thread.run_sync(look_at, tmp_path / "conf.yaml", {})
    assert checked.findings == ()


@pytest.mark.parametrize("number", range(8))
async def test_ctrl_c_at_any_question_writes_nothing(tmp_path: Path, number: int) -> None:
    """Exit code 130, and it says so. At the last one, which asks whether to start, all is written already."""
    async with open_person(tmp_path, "--look-on", unused_host(), LC_ALL="en_US.UTF-8") as person:
        for question in QUESTIONS["en"][:number]:
            await person.answer(question)
        await person.until(QUESTIONS["en"][number])
        await person.until("› ")
        assert await person.interrupted() == 130
        assert "Traceback" not in person.seen
        if number < 7:
            assert "Stopped. Nothing was written." in person.seen
    assert (tmp_path / "conf.yaml").exists() == (number == 7)
    assert list(tmp_path.iterdir()) == [] or number == 7


async def test_ctrl_c_while_servers_are_looked_for(tmp_path: Path) -> None:
    """The same, in the second that this takes."""

    async def silent(stream: trio.SocketStream) -> None:
        listening.set()
        await trio.sleep_forever()

    listening = trio.Event()
    async with open_servers({11434: silent}) as host, open_person(tmp_path, "--look-on", host) as person:
        await person.answer("1 of 5", "1")
        await person.answer("2 of 5")
        with trio.fail_after(TIMEOUT):
            await listening.wait()
        await person.interrupt()
        assert await person.ended() == 130
        assert "Stopped. Nothing was written." in person.seen
        assert "Traceback" not in person.seen
    assert list(tmp_path.iterdir()) == []


async def test_the_end_of_the_input_writes_nothing(tmp_path: Path) -> None:
    """A Ctrl-D, or a terminal that is closed."""
    async with open_person(tmp_path, "--look-on", unused_host()) as person:
        await person.until("1 of 5")
        await person.until("› ")
        os.write(person.fd, b"\x04")
        assert await person.ended() == 1
        assert "the input ended" in person.seen
    assert list(tmp_path.iterdir()) == []


async def test_slips_of_the_pen_are_asked_again(tmp_path: Path) -> None:
    """Each with what may be typed; bytes that are no text, too."""
    async with open_person(tmp_path, "--look-on", unused_host(), "--no-start") as person:
        await person.answer("1 of 5", "9")
        await person.answer("Type a number from 1 to 3", "français")
        await person.answer("'français': en / zh / ja", "1")
        await person.answer("2 of 5", "x" * 81)
        await person.answer("A name has 1 to 80 letters", "\x1b[A")
        await person.until("A name has 1 to 80")
        await person.until("› ")
        os.write(person.fd, b"\xff\xfe\r")
        await person.answer("A name has 1 to 80", ' "Ann": #1 ${HOME} ')
        await person.answer("3 of 5", "gpt")
        await person.answer("'gpt' is not known here; known are: companion, ", "companion")
        await person.answer("Voice", "espeak:en-gb+m3")
        await person.answer("4 of 5", "0")
        await person.answer("Type a number from 1 to 1", "embedded")
        await person.answer("When does it answer?", "2")
        await person.answer("5 of 5", "network")
        assert await person.ended() == 0
        assert "0 errors, 0 warnings" in person.seen
    config = load_config(tmp_path / "conf.yaml", environ={}).config
    assert config.character.conf_name == '"Ann": #1 ${HOME}'
    assert config.character.tts.settings["voice"] == "en-gb+m3"
    assert config.character.wake_word.enabled
    assert config.system.access_token


async def test_a_key_is_typed_unseen(tmp_path: Path) -> None:
    """Without one, something else is chosen; the key is in the file that only its owner can read."""
    key = "sk-typed-in-secret"
    unset = {"OPENAI_API_KEY": "", "ANTHROPIC_API_KEY": ""}
    async with open_person(tmp_path, "--look-on", unused_host(), "--no-start", **unset) as person:
        seen = await person.answer("1 of 5")
        seen += await person.answer("2 of 5")
        seen += await person.answer("3 of 5", "2")
        seen += await person.answer("Which service?", "2")
        seen += await person.answer("Name of the model, as Claude (Anthropic) calls it [claude-haiku-5-5]")
        seen += await person.answer("Key of Claude (Anthropic)")
        seen += await person.answer("Model", "openai:gpt-x")
        seen += await person.answer("Key of OpenAI", "none")
        seen += await person.answer("No key looks like that.", key)
        # The same service has one key.
        seen += await person.answer("Voice", "openai:nova")
        seen += await person.answer("4 of 5")
        seen += await person.answer("When does it answer?")
        seen += await person.answer("5 of 5")
        assert await person.ended() == 0
        seen += person.seen
    assert key not in seen
    assert (tmp_path / "conf.yaml").stat().st_mode & 0o777 == 0o600
    character = load_config(tmp_path / "conf.yaml", environ={}).config.character
    assert character.llm.settings["llm_api_key"] == character.tts.settings["api_key"] == key


async def test_what_was_found_is_offered(tmp_path: Path) -> None:
    """By name, with where it runs; the first one is suggested, any is chosen by its number."""
    async with open_servers(ALL) as host, open_person(tmp_path, "--look-on", host, "--no-start") as person:
        await person.answer("1 of 5")
        await person.answer("2 of 5")
        told = await person.answer("3 of 5", "2")
        assert f"What runs on {host}:" in told
        assert "GPT-SoVITS (9880): answers; it imitates a recording" in told
        lines = [" ".join(line.split()) for line in told.splitlines()]
        assert f"1) qwen2.5:latest Ollama, on {host}" in lines
        assert f"2) qwen2.5-7b-instruct LM Studio, on {host}" in lines
        told = await person.answer("Voice")
        assert f"1) af_sky Kokoro-FastAPI, on {host}" in [
            " ".join(line.split()) for line in told.splitlines()
        ]
        told = await person.answer("4 of 5", "2")
        assert "small-int8" in told
        await person.answer("When does it answer?")
        await person.answer("5 of 5")
        assert await person.ended() == 0
    character = load_config(tmp_path / "conf.yaml", environ={}).config.character
    assert character.llm.name == "lmstudio_llm"
    assert character.tts.settings["base_url"] == f"http://{host}:8880/v1"
    assert character.asr
    assert character.asr.name == "wyoming_asr"


async def test_what_flags_answer_is_not_asked(tmp_path: Path) -> None:
    """Only the rest is."""
    given = ["--language", "en", "--model", "companion", "--voice", "none", "--microphone", "embedded"]
    async with open_person(tmp_path, *given, "--connect", "this-machine", "--no-start") as person:
        told = await person.answer("2 of 5", "Ann")
        assert "1 of 5" not in told
        assert await person.ended() == 0
        assert " of 5" not in person.seen
        assert "127.0.0.1:" not in person.seen
    assert (tmp_path / "characters" / "ann.yaml").is_file()


async def test_a_server_with_many_voices_leaves_room_for_others(tmp_path: Path) -> None:
    """Five of it are shown; all can be named."""
    names = ", ".join(f'"af_{number}"' for number in range(60))
    voices = {8880: json_at(8880, f'{{"voices": [{names}]}}'.encode())}
    given = ["--language", "en", "--name", "Ann", "--model", "companion", "--microphone", "embedded"]
    given += ["--connect", "this-machine", "--no-start"]
    async with open_servers(voices) as host, open_person(tmp_path, *given, "--look-on", host) as person:
        told = await person.answer("Voice", "af_59")
        assert "6)  espeak" in told
        assert told.index("kokoro has 55 more; type a name as kokoro:NAME.") > told.index("6)  espeak")
        assert await person.ended() == 0
    character = load_config(tmp_path / "conf.yaml", environ={}).config.character
    assert character.tts.settings["voice"] == "af_59"
