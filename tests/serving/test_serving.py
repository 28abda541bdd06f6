"""Nothing is stood in for: real sockets, a real SQLite file, the real voice, real processes and signals."""

from __future__ import annotations

import base64
import io
import os
import random
import shutil
import signal
import sys
import wave
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pytest
import trio

from tests.children import Children
from tests.client import Client, Heard
from tests.engines.model_server import ModelServer, hanging, open_model_server, streaming
from tests.promptness import PROMPTLY
from tests.serving.servers import configured, open_client, open_server, open_server_process, wait_ready
from trio_backend.config.character import EngineChoice
from trio_backend.history.sqlite import open_sqlite_history
from trio_backend.history.store import HistoryUid, Owner
from trio_backend.observe.resources import ResourceCounts, count_resources

ECHO = EngineChoice("llm", "echo_llm", {})
ESPEAK = EngineChoice("tts", "espeak_tts", {"voice": "en"})
Way: TypeAlias = Callable[[str], Awaitable[None]]
IRIS = Owner("iris_001")
END = {"type": "control", "text": "conversation-chain-end"}

needs_espeak = pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")
posix_only = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")


def sounds(heard: list[Heard]) -> list[Heard]:
    """The audio messages among ``heard``."""
    return [message for message in heard if message["type"] == "audio"]


async def conversation(folder: Path) -> list[tuple[str, str]]:
    """Role and content of all messages on disk, oldest first."""
    async with open_sqlite_history(folder / "history.sqlite3") as history:
        found: list[tuple[str, str, str]] = []
        for one in await history.conversations(IRIS):
            messages = await history.messages(IRIS, HistoryUid(one.uid))
            found += [(message.timestamp, message.role, message.content) for message in messages]
        return [(role, content) for _, role, content in sorted(found)]


@needs_espeak
async def test_a_turn_is_heard_and_kept(tmp_path: Path) -> None:
    """Three sentences come as WAV files that decode, with volumes that follow the sound, and are on disk."""
    said = "The first sentence is this. Here comes the second one! And is this the third?"
    async with (
        open_server(configured(tmp_path, llm=ECHO, tts=ESPEAK)) as address,
        open_client(address) as client,
    ):
        heard = await client.turn(said)
    assert heard[-1] == {"type": "control", "text": "conversation-chain-end"}
    assert len(sounds(heard)) == 3
    for message in sounds(heard):
        with wave.open(io.BytesIO(base64.b64decode(message["audio"]))) as file:
            assert (file.getnchannels(), file.getsampwidth()) == (1, 2)
            samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(float)
            size = file.getframerate() * 20 // 1000
        assert len(samples) > 5_000
        slices = [samples[start : start + size] for start in range(0, len(samples), size)]
        loudness = np.array([np.sqrt(np.mean(piece**2)) for piece in slices])
        assert message["volumes"] == pytest.approx(list(loudness / loudness.max()), abs=0.02)
    assert await conversation(tmp_path) == [("human", said), ("ai", said)]


CONF = """
character_config:
  conf_name: iris
  conf_uid: iris_001
  persona_prompt: You are Iris.
  agent_config:
    agent_settings: {basic_memory_agent: {llm_provider: echo_llm}}
  tts_config:
    tts_model: espeak_tts
    espeak_tts: {voice: en}
system_config:
  history_file: history.sqlite3
"""


@needs_espeak
@posix_only
async def test_what_was_acknowledged_survives_kill_9(tmp_path: Path) -> None:
    """Killed twenty times at a random moment: the messages of every turn that had ended are on disk."""
    (tmp_path / "conf.yaml").write_text(CONF)
    moments = random.Random(20)
    acknowledged: list[str] = []
    for life in range(20):
        async with open_server_process(tmp_path / "conf.yaml", tmp_path) as server:
            with trio.move_on_after(moments.uniform(0.05, 0.5)):
                async with open_client(server.address) as client:
                    for number in range(1000):
                        said = f"This is message {number} of life {life}."
                        assert (await client.turn(said))[-1] == END
                        acknowledged.append(said)
            server.process.kill()
    stored = await conversation(tmp_path)
    assert len(acknowledged) > 20
    for said in acknowledged:
        assert ("human", said) in stored
        assert ("ai", said) in stored


@posix_only
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_ends_everything_in_good_order(tmp_path: Path, number: signal.Signals) -> None:
    """In the middle of a turn: the turn ends, the client is told 1001, nothing is left over, exit code 0."""
    (tmp_path / "conf.yaml").write_text(CONF.replace("espeak_tts", "tone_tts").replace("{voice: en}", "{}"))
    async with open_server_process(tmp_path / "conf.yaml", tmp_path) as server:
        async with open_client(server.address) as client, open_client(server.address) as idle:
            await client.say("text-input", text="One moment.")
            await client.until("backend-synth-complete")
            server.process.send_signal(number)
            await server.wait_logged("shutting down")
            await idle.say("text-input", text="Too late.")
            assert (await idle.until("error"))[-1]["code"] == "shutting-down"
            await client.say("frontend-playback-complete")
            assert (await client.until(**END))[-1] == END
            assert await client.closed() == 1001
            assert await idle.closed() == 1001
        with trio.fail_after(10):
            assert await server.process.wait() == 0
    assert "left over: 0 tasks, 0 children, 0 sockets" in "".join(server.log)


async def leave_at_once(address: str) -> None:
    """Connect and close."""
    async with open_client(address):
        pass


async def leave_in_mid_turn(address: str) -> None:
    """Ask, hear the beginning, go."""
    async with open_client(address) as client:
        await client.say("text-input", text="One two three. Four five six. Seven eight nine.")
        await client.until("audio")


async def reset(address: str) -> None:
    """Ask, and vanish with a TCP reset."""
    stream = await connect_raw(address)
    stream.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    await stream.send_all(frame(b'{"type":"text-input","text":"One two three. Four five six."}'))
    await stream.receive_some(100)
    await trio.aclose_forcefully(stream)


async def stop_reading(address: str) -> None:
    """Ask for much, read nothing, and stay longer than the server's timeout."""
    async with await connect_raw(address) as stream:
        text = b" ".join([b"word"] * 2000)
        await stream.send_all(frame(b'{"type":"text-input","text":"%s"}' % text))
        await trio.sleep(3 * SEND_TIMEOUT)


async def never_answer_playback(address: str) -> None:
    """Hear it all, and never say so."""
    async with open_client(address) as client:
        await client.say("text-input", text="One two three.")
        await client.until(**END)


async def connect_raw(address: str, path: str = "/client-ws") -> trio.SocketStream:
    """A WebSocket by hand, with a small window; the handshake is over."""
    host, port = address.removeprefix("http://").split(":")
    raw = trio.socket.socket()
    raw.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_RCVBUF, 4096)
    await raw.connect((host, int(port)))
    stream = trio.SocketStream(raw)
    await stream.send_all(
        f"GET {path} HTTP/1.1\r\nHost: here\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    assert b" 101 " in await stream.receive_some(1024)
    return stream


def frame(message: bytes) -> bytes:
    """A masked text frame; a mask of zeros leaves the text as it is."""
    return b"\x81\xfe" + len(message).to_bytes(2, "big") + bytes(4) + message


WAYS = [leave_at_once, leave_in_mid_turn, reset, stop_reading, never_answer_playback]
SEND_TIMEOUT = 0.5

# Like a voice that takes its time, and speaks one sentence after the other: what the old backend choked on.
SERIAL = EngineChoice("tts", "tone_tts", {"seconds_per_character": 0.02, "delay": 0.05, "serial": True})
SLOW_ECHO = EngineChoice("llm", "echo_llm", {"token_delay": 0.01})


async def test_300_visits_leave_nothing(tmp_path: Path) -> None:
    """In five ways, twenty at a time: as many tasks, children and files as before, and no work left."""
    config = configured(
        tmp_path, llm=SLOW_ECHO, tts=SERIAL, send_timeout=SEND_TIMEOUT, playback_grace=0.2, preload=True
    )
    async with open_server(config) as address, open_client(address) as steady:
        await steady.turn("Hello there.")
        first = await seconds_to_sound(steady)
        before = count_resources()
        limiter = trio.CapacityLimiter(20)
        async with trio.open_nursery() as nursery:
            for number in range(300):
                await limiter.acquire_on_behalf_of(number)
                nursery.start_soon(run_client, WAYS[number % len(WAYS)], address, limiter, number)
        last = await seconds_to_sound(steady)
        await settles_to(before)
    # The question waits behind nobody's sentences: one left over would cost 0.05 s each, of hundreds.
    assert last < first + 4.0


async def run_client(way: Way, address: str, limiter: trio.CapacityLimiter, number: int) -> None:
    """One client, with a deadline; gives its slot back."""
    try:
        with trio.fail_after(60):
            await way(address)
    finally:
        limiter.release_on_behalf_of(number)


async def seconds_to_sound(client: Client) -> float:
    """From a question to its first sound."""
    began = trio.current_time()
    await client.say("text-input", text="How fast is this?")
    await client.until("audio")
    took = trio.current_time() - began
    await client.until("backend-synth-complete")
    await client.say("frontend-playback-complete")
    await client.until(**END)
    return took


async def settles_to(before: ResourceCounts) -> None:
    """Wait until nothing is held any more that was not held ``before``; worker threads may idle."""
    left = None
    with trio.move_on_after(60):
        while left != 0:
            await trio.sleep(0.1)
            now = count_resources().minus(before)
            left = max(now.tasks, now.children, now.sockets, now.files, 0)
    assert left == 0, f"left over: {now}"


async def with_slow_espeak(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An espeak-ng that answers the trial at once, and any sentence in a minute."""
    program = folder / "bin" / "espeak-ng"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\ntext=$(cat)\n[ -z "$text" ] || exec sleep 60\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    await trio.lowlevel.checkpoint()


@posix_only
@pytest.mark.parametrize("point", ["before the first token", "in the tokens", "in synthesis", "in playback"])
async def test_a_barge_in_ends_all_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: str) -> None:
    """The model's connection is closed, no child of the turn lives; and the next turn works."""
    if point == "in synthesis":
        await with_slow_espeak(tmp_path, monkeypatch)
    children = Children()
    async with open_model_server() as model:
        settings = {"base_url": model.url, "model": "any", "llm_api_key": "x"}
        llm = EngineChoice("llm", "openai_compatible_llm", settings)
        tts = ESPEAK if point == "in synthesis" else EngineChoice("tts", "tone_tts", {})
        async with (
            open_server(configured(tmp_path, llm=llm, tts=tts)) as address,
            open_client(address) as client,
        ):
            await wait_ready(address)
            assert children.all() == []
            model.script = {
                "before the first token": [hanging()],
                "in the tokens": [streaming(*["Word. "] * 200, delay=0.05)],
                "in synthesis": [streaming("One sentence. ", "Another one. ", *["And "] * 200, delay=0.05)],
                "in playback": [streaming("One sentence.")],
            }[point]
            await client.say("text-input", text="Go on.")
            await reached(point, client, model, children)
            began = trio.current_time()
            await client.say("interrupt-signal", text="One")
            await client.say("heartbeat")
            await client.until("heartbeat-ack")
            if point != "in playback":
                with trio.fail_after(30):
                    await model.asked[0].left.wait()
                assert model.asked[0].left_at - began < PROMPTLY
            assert children.all() == []
            model.behaviour = streaming("Still here.")
            if point != "in synthesis":
                assert (await client.turn("And now?"))[-1] == END


async def reached(point: str, client: Client, model: ModelServer, children: Children) -> None:
    """Wait until the turn has come to ``point``."""
    match point:
        case "before the first token":
            with trio.fail_after(10):
                while not model.asked:
                    await trio.sleep(0.01)
        case "in the tokens":
            await client.until("audio")
        case "in synthesis":
            await client.until("full-text")
            with trio.fail_after(10):
                while not children.all():
                    await trio.sleep(0.01)
        case _:
            await client.until("backend-synth-complete")
