"""The client with the real server: a conversation as a script has it, and one with sound and a barge-in."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Literal

import pytest
import trio

from tests.chat.test_player import PlayerLog, alive, only_from, player_log
from tests.chat.users import User
from tests.serving.servers import configured, open_server
from trio_backend.chat.chat import Terminal, converse
from trio_backend.client.address import parse_address
from trio_backend.config.character import EngineChoice

__all__ = ["player_log"]

PROGRAM = """
import sys, trio
from trio_backend.chat import ChatOptions, chat
sys.exit(trio.run(chat, ChatOptions(sys.argv[1], voice=False), strict_exception_groups=True))
"""


def engine(kind: Literal["llm", "tts"], name: str, **settings: object) -> EngineChoice:
    """An engine by name."""
    return EngineChoice(kind, name, settings)


async def run_program(address: str, said: str) -> tuple[int, list[str], str]:
    """Run the client with ``said`` on its standard input: exit code, lines of output, the rest."""
    with trio.fail_after(60):
        ended = await trio.run_process(
            [sys.executable, "-X", "utf8", "-W", "error", "-c", PROGRAM, address],
            stdin=said.encode(), capture_stdout=True, capture_stderr=True, check=False,
        )  # fmt: skip
    return ended.returncode, ended.stdout.decode().splitlines(), ended.stderr.decode()


async def test_a_script_converses(tmp_path: Path) -> None:
    """Each line is answered before the next is said; a second program finds the conversation again."""
    config = configured(tmp_path, llm=engine("llm", "echo_llm"), tts=engine("tts", "tone_tts"))
    async with open_server(config) as address:
        code, lines, notes = await run_program(address, "Hello there. [joy] How are you?\n/characters\nBye.")
        assert code == 0, notes
        assert lines[:4] == [
            "› Hello there. [joy] How are you?",
            "Iris: Hello there.",
            "  ☺ joy: How are you?",
            "› /characters",
        ]
        assert lines[4].startswith("*  1 Iris")
        assert lines[-2:] == ["› Bye.", "Iris: Bye."]
        assert "Iris is here" in notes

        code, lines, _ = await run_program(address, "/history\n/history 1\nMore.\n/history")
        assert code == 0
        assert lines[2:6] == [
            "› /history 1",
            "› Hello there. [joy] How are you?",
            "Iris: Hello there. How are you?",
            "› Bye.",
        ]
        assert lines[-1].startswith("*  1")
        assert lines[-1].endswith("More.")


async def test_a_script_without_a_server_fails() -> None:
    """With 1, and a word of advice."""
    code, _, notes = await run_program("127.0.0.1:1", "Hello.\n")
    assert code == 1
    assert "trio-backend serve" in notes


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in for a player is a script")
async def test_the_server_keeps_what_was_heard(
    player_log: PlayerLog,
    tmp_path: Path,
    nursery: trio.Nursery,
) -> None:
    """A barge-in in the second sentence: history has the first and the beginning of the second."""
    voice = engine("tts", "tone_tts", seconds_per_character=0.2)
    user = User.with_players(only_from(tmp_path))
    async with open_server(configured(tmp_path, llm=engine("llm", "echo_llm"), tts=voice)) as address:
        nursery.start_soon(converse, parse_address(address), Terminal(user, user.screen, user.player))
        await user.type("Yes. One two three four five six seven eight nine ten.")
        await player_log.until(3)
        await trio.sleep(2)
        await user.type("Stop.")
        await user.until("Iris: Stop.")
        await player_log.until(5)
        await user.type("/history 1")
        await user.until("goes on here")
        user.leave()
    # How much of its nine seconds were heard, the machine decides.
    assert re.search(r"\nIris: Yes\. One two[a-z ]*\n", user.seen)
    assert "nine" not in user.seen.rpartition("\nIris: Yes.")[2].partition("\n")[0]
    assert not any(alive(pid) for _, pid, _, _ in player_log.read())
