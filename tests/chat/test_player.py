"""Sound: sentences in their order through real child processes, silence at once, nothing left behind."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import attrs
import pytest
import trio

from tests.chat.scripted import Peer, Server, wav
from tests.chat.users import User, wait_for
from tests.promptness import PROMPTLY
from trio_backend.chat.chat import Terminal, converse
from trio_backend.chat.player import Player, SpeechPlayer, find_players
from trio_backend.chat.sentence import SpokenSentence
from trio_backend.errors import PlayerFailed

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the stand-in for a player is a script")

# Plays nothing, for as long as the sound lasts, and keeps a log.
STAND_IN = """#!{python} -IS
import json, os, sys, time, wave
with wave.open(sys.argv[-1]) as wav:
    seconds = wav.getnframes() / wav.getframerate()
def note(what):
    with open({player_log!r}, "a") as player_log:
        print(json.dumps([what, os.getpid(), round(seconds, 3), sys.argv[-1]]), file=player_log)
note("begin")
time.sleep(seconds)
note("end")
"""

BROKEN = """#!{python} -IS
import sys
print("starting", file=sys.stderr)
sys.exit("no sound card")
"""


@attrs.frozen
class PlayerLog:
    """What the stand-in did: ``begin`` or ``end``, process, seconds, file."""

    path: Path

    def read(self) -> list[tuple[str, int, float, str]]:
        """All entries so far."""
        text = self.path.read_text() if self.path.exists() else ""
        return [tuple(json.loads(line)) for line in text.splitlines()]

    def lengths(self, what: str) -> list[float]:
        """How long the sounds were that did ``what``."""
        return [seconds for did, _, seconds, _ in self.read() if did == what]

    async def until(self, count: int) -> None:
        """Wait for so many entries."""
        await wait_for(lambda: len(self.read()) >= count, lambda: f"{self.read()}")


@pytest.fixture
def player_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PlayerLog:
    """Of a player named aplay, which is the only one on the PATH; temporary files go to the test's folder."""
    player_log = PlayerLog(tmp_path / "player_log")
    (tmp_path / "bin").mkdir()
    (tmp_path / "files").mkdir()
    install(tmp_path, "aplay", STAND_IN.format(python=sys.executable, player_log=str(player_log.path)))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "files"))
    return player_log


def install(tmp_path: Path, name: str, script: str) -> None:
    """Put a program on the PATH."""
    program = tmp_path / "bin" / name
    program.write_text(script)
    program.chmod(0o755)


def only_from(tmp_path: Path) -> list[Player]:
    """The players that are found."""
    return find_players(
        lambda name: str(tmp_path / "bin" / name) if (tmp_path / "bin" / name).exists() else None
    )


def alive(pid: int) -> bool:
    """Whether a process exists."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture
async def open_chat(server: Server, nursery: trio.Nursery) -> Callable[[User], Awaitable[Peer]]:
    """Lets a user begin a chat; the client as the server has it, greeted."""

    async def open_chat(user: User) -> Peer:
        nursery.start_soon(converse, server.address, Terminal(user, user.screen, user.player))
        peer = await server.accept()
        await peer.greet()
        await user.until("Iris is here")
        return peer

    return open_chat


OpenChat = Callable[[User], Awaitable[Peer]]


async def test_sentences_sound_in_order_and_their_end_is_told(
    player_log: PlayerLog, tmp_path: Path, open_chat: OpenChat
) -> None:
    """One after the other, with no file and no process left; only then the server hears that it may go on."""
    user = User.with_players(only_from(tmp_path))
    peer = await open_chat(user)
    await user.type("Hi.")
    await peer.begin_turn("Hi.")
    for number, seconds in enumerate((0.3, 0, 0.1, 0.2)):
        await peer.speak(f"Number {number}.", seconds=seconds)
    await peer.say("backend-synth-complete")
    await user.until("Number 3.")
    assert len(player_log.read()) < 6, "what is shown does not wait for the sound"

    await peer.expect("frontend-playback-complete")

    assert [(did, seconds) for did, _, seconds, _ in player_log.read()] == [
        ("begin", 0.3), ("end", 0.3), ("begin", 0.1), ("end", 0.1), ("begin", 0.2), ("end", 0.2),
    ]  # fmt: skip
    assert not any(alive(pid) for _, pid, _, _ in player_log.read())
    assert list((tmp_path / "files").iterdir()) == []


async def test_a_barge_in_silences_at_once_and_tells_what_was_heard(
    player_log: PlayerLog, tmp_path: Path, open_chat: OpenChat
) -> None:
    """Finished sentences whole, the current one to its last whole word, what had not begun not at all."""
    user = User.with_players(only_from(tmp_path))
    peer = await open_chat(user)
    await user.type("Go.")
    await peer.begin_turn("Go.")
    await peer.speak("(A long one.)")
    await peer.speak("First.", seconds=0.1)
    await peer.speak(" ".join(f"w{number}" for number in range(100)), seconds=40.0)
    await peer.speak("Never heard.", seconds=1.0)
    await player_log.until(3)
    await trio.sleep(2)

    began = time.monotonic()
    await user.type("Stop.")
    heard = (await peer.hear())["text"]
    took = time.monotonic() - began

    assert heard.startswith("First. w0 w1 w2 w3")
    assert "w60" not in heard
    assert not heard.endswith(" ")
    assert took < PROMPTLY
    await peer.begin_turn("Stop.")
    assert player_log.lengths("end") == [0.1]
    assert not any(alive(pid) for _, pid, _, _ in player_log.read())
    assert list((tmp_path / "files").iterdir()) == []
    await peer.say("backend-synth-complete")
    await peer.expect("frontend-playback-complete")


async def test_leaving_ends_the_player(player_log: PlayerLog, tmp_path: Path, open_chat: OpenChat) -> None:
    """No child outlives the program."""
    user = User.with_players(only_from(tmp_path))
    peer = await open_chat(user)
    await user.type("Go.")
    await peer.begin_turn("Go.")
    await peer.speak("Long.", seconds=60)
    await player_log.until(1)
    user.leave()
    await peer.expect("interrupt-signal")
    await wait_for(lambda: not alive(player_log.read()[0][1]), lambda: "the player goes on")


async def test_the_voice_can_be_turned_off_and_on(
    player_log: PlayerLog, tmp_path: Path, open_chat: OpenChat
) -> None:
    """Off is silence at once, and nobody waits for it; on is from the next sentence on."""
    user = User.with_players(only_from(tmp_path))
    peer = await open_chat(user)
    await user.type("Go.")
    await peer.begin_turn("Go.")
    await peer.speak("Long.", seconds=60)
    await peer.speak("Longer.", seconds=60)
    await peer.say("backend-synth-complete")
    await player_log.until(1)
    await user.type("/voice off")
    await peer.expect("frontend-playback-complete")
    assert not alive(player_log.read()[0][1])
    await peer.end_turn()
    await user.type("/voice on", "More.")
    await peer.begin_turn("More.")
    await peer.speak("Short.", seconds=0.1)
    await player_log.until(3)
    assert player_log.lengths("begin") == [60, 0.1]


async def test_a_player_that_fails_is_followed_by_the_next(player_log: PlayerLog, tmp_path: Path) -> None:
    """The user learns why, once; without any player left the conversation goes on to be read."""
    install(tmp_path, "paplay", BROKEN.format(python=sys.executable))
    told: list[str] = []
    player = SpeechPlayer(only_from(tmp_path), told.append)
    for _ in range(2):
        await player.play(SpokenSentence("Hi.", wav(0.1), 0.1))
    assert told == ["paplay: no sound card"]
    assert player_log.lengths("end") == [0.1, 0.1]

    install(tmp_path, "aplay", BROKEN.format(python=sys.executable))
    for _ in range(2):
        await player.play(SpokenSentence("Hi.", wav(0.1), 0.1))
    assert told[1] == "aplay: no sound card"
    assert "replies are only shown" in told[2]
    assert len(told) == 3
    assert not player.able


async def test_a_player_that_hangs_is_given_up(
    player_log: PlayerLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its time is that of the sound and a grace."""
    monkeypatch.setattr("trio_backend.chat.player.PLAYER_GRACE", 0.3)
    told: list[str] = []
    player = SpeechPlayer(only_from(tmp_path), told.append)
    await player.play(SpokenSentence("Hi.", wav(60), 0.1))
    assert told[0] == "aplay did not finish"
    assert player_log.lengths("end") == []


async def test_a_player_that_is_gone_is_told(tmp_path: Path, player_log: PlayerLog) -> None:
    """Between being found and being used."""
    player = only_from(tmp_path)[0]
    (tmp_path / "bin" / "aplay").unlink()
    with pytest.raises(PlayerFailed, match="aplay: No such file"):
        await player.play(tmp_path)


def test_the_best_player_is_the_first() -> None:
    """Of those that are there."""
    players = find_players(lambda name: name if name in ("play", "aplay") else None)
    assert [player.name for player in players] == ["aplay", "play"]
