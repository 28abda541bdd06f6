"""A minute of microphone: what it costs, where it ends, and that stopping it leaves nothing behind."""

from __future__ import annotations

import gc
import json
import math
import time
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import attrs
import pytest
import trio

from tests.children import Children
from tests.client import Client
from tests.conftest import Connect
from tests.engines.speech_sounds import noise
from tests.engines.speech_sounds import silence as quiet
from tests.promptness import promptly
from trio_backend.audio.pcm import Pcm
from trio_backend.audio.utterance import RATE
from trio_backend.backend import Backend, BackendOptions, open_backend
from trio_backend.config.catalog import MemoryCatalog
from trio_backend.config.character import EngineChoice

PIECE = 4096  # samples, as the old page sends them
LONGEST_STEP = 0.010


@pytest.fixture
def options(options: BackendOptions) -> BackendOptions:
    """The embedded recogniser and the embedded voice detection."""
    # For any English it takes 13 s to understand a minute of noise.
    recogniser = EngineChoice("asr", "pocketsphinx_asr", {})
    detection = EngineChoice("vad", "silero_vad", {})
    voice = EngineChoice("tts", "none_tts", {})
    base = attrs.evolve(options.catalog.base, asr=recogniser, vad=detection, tts=voice)
    return attrs.evolve(options, catalog=MemoryCatalog(base))


@pytest.fixture
async def backend(options: BackendOptions) -> AsyncIterator[Backend]:
    """A running backend, whose recognisers are all gone in the end."""
    children = Children()
    async with open_backend(options) as backend:
        yield backend
    assert children.all() == []


@attrs.define(eq=False)
class Steps(trio.abc.Instrument):
    """The longest step of any task but the test's own, in CPU time: other programs are none of our doing."""

    longest: float = 0.0
    name: str = ""
    _began: float = math.inf

    def before_task_step(self, _task: trio.lowlevel.Task) -> None:
        self._began = time.thread_time()

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        took = time.thread_time() - self._began
        if took > self.longest and "test" not in task.name:
            self.longest, self.name = took, task.name


@contextmanager
def watching() -> Iterator[Steps]:
    """Watch the steps of all tasks."""
    steps = Steps()
    # What thousands of other tests have left is no garbage of these steps.
    gc.collect()
    gc.freeze()
    trio.lowlevel.add_instrument(steps)
    try:
        yield steps
    finally:
        trio.lowlevel.remove_instrument(steps)
        gc.unfreeze()


def messages(kind: str, sound: Pcm) -> list[bytes]:
    """``sound`` in pieces, as the wire has them."""
    pieces = [sound.samples[at : at + 2 * PIECE] for at in range(0, len(sound.samples), 2 * PIECE)]
    return [
        json.dumps(
            {"type": kind, "audio": [round(x, 5) for x in Pcm(piece, RATE).floats().tolist()]}
        ).encode()
        for piece in pieces
    ]


async def answered(client: Client) -> None:
    """Nothing that was sent is waiting any more."""
    await client.say("heartbeat")
    await client.until("heartbeat-ack")


@pytest.mark.parametrize("kind", ["mic-audio-data", "raw-audio-data"])
async def test_a_minute_stalls_nobody(connect: Connect, kind: str) -> None:
    """As fast as it can be sent, sent off, and stopped again: no step of the loop is longer than 10 ms."""
    client = await connect()
    prepared = messages(kind, noise(59))
    await client.wire.send(prepared[0])
    await answered(client)
    await trio.sleep(0.5)  # the recogniser and the detector are loaded
    with watching() as steps:
        for message in prepared:
            await client.wire.send(message)
        await client.say("mic-audio-end")
        # In noise the detection finds nothing to answer.
        end = {"text": "conversation-chain-end"} if kind == "raw-audio-data" else {"text": "Thinking..."}
        await client.until("control" if kind == "raw-audio-data" else "full-text", **end)
        await client.say("interrupt-signal", text="")
        await answered(client)
    assert steps.longest < LONGEST_STEP, steps.name


async def test_a_minute_is_four_megabytes_at_most(connect: Connect) -> None:
    """With the messages on their way, and while it is handed to the recogniser."""
    client = await connect()
    (message,) = messages("mic-audio-data", Pcm(noise(1).samples[: 2 * PIECE], RATE))
    await client.wire.send(message)
    await client.say("mic-audio-end")
    await client.until("control", text="conversation-chain-end")
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    for _ in range(60 * RATE // PIECE):
        await client.wire.send(message)
    await client.say("mic-audio-end")
    await client.until("full-text", text="Thinking...")
    await trio.sleep(0.2)
    await client.say("interrupt-signal", text="")
    await answered(client)
    after, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak - before < 4_000_000
    assert after - before < 200_000


@pytest.mark.parametrize("kind", ["mic-audio-data", "bytes"])
async def test_the_sixty_first_second_is_refused(connect: Connect, kind: str) -> None:
    """With its code; the utterance is dropped, its end is answered, and the next one is heard."""
    client = await connect()
    second = noise(1)
    if kind == "bytes":
        await client.say("mic-format", format="pcm16")
        await client.until("mic-format")

    async def send(sound: Pcm) -> None:
        if kind == "bytes":
            await client.wire.send_binary(sound.samples)  # type: ignore[attr-defined]
        else:
            await client.say(kind, audio=sound.floats().tolist())

    for _ in range(60):
        await send(second)
    await answered(client)
    await send(second)
    assert (await client.hear())["code"] == "utterance-too-long"
    await send(second)
    await client.say("mic-audio-end")
    assert [await client.hear() for _ in range(2)] == [
        {"type": "control", "text": "conversation-chain-start"},
        {"type": "control", "text": "conversation-chain-end"},
    ]
    await send(quiet(1))
    await client.say("mic-audio-end")
    assert (await client.until("full-text"))[-1]["text"] == "Thinking..."


@pytest.mark.parametrize("way", ["barge-in", "leaving"])
@pytest.mark.parametrize("state", ["loading", "decoding", "queueing"])
async def test_listening_stops_at_once(connect: Connect, backend: Backend, state: str, way: str) -> None:
    """Whatever the recogniser is doing: back at once, no process goes on, and the next one is heard."""

    async def attempt() -> float:
        other = await connect()
        if state != "loading":
            await other.say("mic-audio-data", audio=[0.0] * 1000)
            await trio.sleep(0.5)
        if state == "queueing":
            await begin(other)
        client = await connect()
        await begin(client)
        await trio.sleep(0.02 if state == "loading" else 0.1)
        took = await stopped(client, backend, way=way)
        if way == "leaving":
            client = await connect()
        if state == "queueing":
            await other.say("interrupt-signal", text="")
            await answered(other)
        await client.say("mic-audio-data", audio=quiet(1).floats().tolist())
        await client.say("mic-audio-end")
        with trio.fail_after(10):
            await client.until("control", text="conversation-chain-end")
        for leaver in (client, other):
            await leaver.wire.close()
        while backend.leases.statistics().engines:
            await trio.sleep(0.005)
        return took

    await promptly(attempt)


async def stopped(client: Client, backend: Backend, *, way: str) -> float:
    """Barge in, or leave; how many seconds it takes until nothing of it goes on."""
    began, sessions = trio.current_time(), len(backend.services.sessions)
    if way == "barge-in":
        await client.say("interrupt-signal", text="")
        await answered(client)
    else:
        await client.wire.close()
        while len(backend.services.sessions) == sessions:
            await trio.sleep(0.001)
    return trio.current_time() - began


async def begin(client: Client) -> None:
    """Say something that takes seconds to understand."""
    for message in messages("mic-audio-data", noise(55)):
        await client.wire.send(message)
    await client.say("mic-audio-end")
    await client.until("full-text", text="Thinking...")


async def test_text_waits_for_no_recogniser(connect: Connect, backend: Backend) -> None:
    """Who only writes never loads one."""
    client = await connect()
    await client.say("text-input", text="Hello.")
    await client.until("control", text="conversation-chain-end")
    assert {engine.kind for engine in backend.leases.statistics().engines} == {"llm", "tts"}
