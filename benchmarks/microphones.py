"""Many microphones at once, in real time: how late does the server handle their sound?

Starts a server, and as many clients as asked for, each of which streams speech and pauses for the server to
find the sentences in, and has them understood and answered. Behind each chunk a heartbeat is sent: a session
handles one message after the other, so its answer comes when the chunk has been handled.

    python benchmarks/microphones.py [--sessions 8] [--seconds 30] [--chunk-ms 32]

Exits with 1 if a chunk was handled later than 100 ms after it was sent.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import sys
import tempfile
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from subprocess import PIPE

import attrs
import psutil
import trio
import trio_websocket

from trio_backend.audio.pcm import Pcm
from trio_backend.audio.utterance import RATE
from trio_backend.engines.registry import configure, open_engine
from trio_backend.engines.settings import Environment
from trio_backend.engines.whole import spoken

BOUND = 0.1
SENTENCES = ("tell me a story", "turn on the light", "good morning", "what do you think about the sea")
PAUSE = 1.5

CONF = """
system_config:
  port: 0
  history_file: {folder}/history.sqlite3
character_config:
  conf_name: bench
  conf_uid: bench_001
  persona_prompt: You are a benchmark.
  agent_config:
    agent_settings: {{basic_memory_agent: {{llm_provider: echo_llm}}}}
  tts_config: {{tts_model: none_tts}}
  asr_config:
    asr_model: pocketsphinx_asr
    pocketsphinx_asr: {{phrases: [tell me a story, turn on the light, good morning]}}
  vad_config: {{vad_model: silero_vad}}
"""


@attrs.define(eq=False)
class Client:
    """One microphone, and what its server's answers tell."""

    frames: Sequence[str]
    period: float
    lateness: list[float] = attrs.field(factory=list)
    transcripts: int = 0
    _sent: deque[float] = attrs.field(factory=deque)

    async def run(self, port: int, seconds: float, start: float) -> None:
        """Stream for so long, beginning at ``start`` of the clock."""
        url = f"ws://127.0.0.1:{port}/client-ws"
        async with (
            trio_websocket.open_websocket_url(url, max_message_size=2**24) as wire,
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(self._listen, wire)
            for number in range(round(seconds / self.period)):
                await trio.sleep_until(start + number * self.period)
                await wire.send_message(self.frames[number % len(self.frames)])
                self._sent.append(trio.current_time())
                await wire.send_message('{"type":"heartbeat"}')
            await trio.sleep(0.5)
            nursery.cancel_scope.cancel()

    async def _listen(self, wire: trio_websocket.WebSocketConnection) -> None:
        while True:
            message = json.loads(await wire.get_message())
            match message["type"], message.get("text"):
                case "heartbeat-ack", _:
                    self.lateness.append(trio.current_time() - self._sent.popleft())
                case "control", "mic-audio-end":
                    await wire.send_message('{"type":"mic-audio-end"}')
                case "control", "interrupt":
                    await wire.send_message('{"type":"interrupt-signal","text":""}')
                case "user-input-transcription", _:
                    self.transcripts += 1


async def speech() -> Pcm:
    """Sentences spoken by the embedded TTS, with pauses."""
    environment = Environment(Path(), {})
    config = configure("tts", "espeak_tts", {"voice": "en-us", "speed": 140}, environment=environment)
    async with open_engine(config) as tts:
        sounds = [(await spoken(tts, sentence)).resampled(RATE).samples for sentence in SENTENCES]
    pause = bytes(2 * round(PAUSE * RATE))
    return Pcm(pause.join([*sounds, b""]), RATE)


def frames(sound: Pcm, samples: int) -> list[str]:
    """``sound`` as messages of so many samples."""
    pieces = [sound.samples[at : at + 2 * samples] for at in range(0, len(sound.samples), 2 * samples)]
    floats = [[round(x, 5) for x in Pcm(piece, RATE).floats().tolist()] for piece in pieces]
    return [json.dumps({"type": "raw-audio-data", "audio": audio}) for audio in floats]


@asynccontextmanager
async def open_server() -> AsyncIterator[tuple[int, psutil.Process]]:
    """A server of its own, its port and its process."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "conf.yaml"
        path.write_text(CONF.format(folder=folder))
        command = [sys.executable, "-m", "trio_backend", "serve", str(path)]
        process = await trio.lowlevel.open_process(command, stderr=PIPE)
        try:
            assert process.stderr is not None
            log = b""
            while (found := re.search(rb"http://[\w.]+:(\d+)", log)) is None:
                more = await process.stderr.receive_some()
                if not more:
                    sys.exit(log.decode())
                log += more
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_drain, process.stderr)
                yield int(found[1]), psutil.Process(process.pid)
                nursery.cancel_scope.cancel()
        finally:
            process.terminate()
            with trio.CancelScope(shield=True):
                await process.wait()


async def _drain(stream: trio.abc.ReceiveStream) -> None:
    while await stream.receive_some():
        pass


async def measure(sessions: int, seconds: float, chunk_ms: int) -> bool:
    """Run, and print what was seen; whether all was in time."""
    sound = await speech()
    messages = frames(sound, RATE * chunk_ms // 1000)
    async with open_server() as (port, server):
        clients = [
            # Each is at another place of the text.
            Client(messages[at:] + messages[:at], chunk_ms / 1000)
            for at in (len(messages) * number // sessions for number in range(sessions))
        ]
        start = trio.current_time() + 2
        before = server.cpu_times()
        async with trio.open_nursery() as nursery:
            for number, client in enumerate(clients):
                nursery.start_soon(client.run, port, seconds, start + number * chunk_ms / 1000 / sessions)
        after = server.cpu_times()
    cpu = (after.user + after.system - before.user - before.system) / seconds
    late = sorted(lateness for client in clients for lateness in client.lateness)
    print(f"{sessions} sessions, {seconds:g} s, chunks of {chunk_ms} ms, {len(late)} chunks")
    print(f"  understood    {sum(client.transcripts for client in clients)} sentences")
    print(
        f"  lateness      median {1000 * statistics.median(late):.1f} ms, "
        f"p99 {1000 * late[int(0.99 * len(late))]:.1f} ms, max {1000 * late[-1]:.1f} ms"
    )
    print(f"  server        {100 * cpu:.0f} % of a core, without the process of ASR")
    return late[-1] <= BOUND


def main() -> None:
    """Read the command line, measure, and say by the exit code whether the bound was kept."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sessions", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--chunk-ms", type=int, default=32)
    asked = parser.parse_args()
    if not trio.run(measure, asked.sessions, asked.seconds, asked.chunk_ms):
        sys.exit(f"a chunk was handled later than {1000 * BOUND:.0f} ms after it was sent")


if __name__ == "__main__":
    main()
