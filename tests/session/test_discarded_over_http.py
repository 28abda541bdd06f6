"""A thousand turns that were begun early and not wanted, with engines behind real HTTP: nothing is left."""

from __future__ import annotations

import gc
import json
import random
from collections.abc import AsyncIterator

import attrs
import psutil
import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from tests.children import Children
from tests.client import Client
from tests.conftest import GREETING
from tests.engines.model_server import Answering, ModelServer, open_model_server
from tests.memory_wire import memory_wire_pair
from tests.session.test_speaking import Counts
from trio_backend.audio.endpointing import WINDOW_BYTES
from trio_backend.audio.pcm import Pcm
from trio_backend.backend import Backend, BackendOptions, open_backend
from trio_backend.config.catalog import MemoryCatalog
from trio_backend.config.character import EngineChoice
from trio_backend.config.system import SystemConfig
from trio_backend.engines.http import MOST_IDLE
from trio_backend.quota import MemoryQuota
from trio_backend.session.session import Session

ROUNDS = 1_000
SPEAKERS = 8
# Connections to model servers that the client of HTTP keeps for later; a thousand turns that left something
# would leave many more.
KEPT = MOST_IDLE
# Sound is recognised from the beginning of the utterance, so that this many pauses make it long.
PAUSES = 10


async def engines(answering: Answering) -> None:
    """All three of them, each of which takes a few milliseconds, and the model for ever."""
    path = answering.asked.path
    await trio.sleep(0.002)
    if path.endswith("/transcriptions"):
        text = json.dumps({"text": "How are you?"}).encode()
        await answering.whole(200, text, "Content-Type: application/json")
    elif path.endswith("/speech"):
        await answering.whole(200, Pcm(bytes(3_200), 16_000).to_wav(), "Content-Type: audio/wav")
    else:
        await answering.begin_events()
        for _ in range(1_000):
            await answering.token("I am well. ")
            await trio.sleep(0.001)


@pytest.fixture
async def server() -> AsyncIterator[ModelServer]:
    """Where the engines are."""
    async with open_model_server() as server:
        server.behaviour = engines
        yield server


@pytest.fixture
def observer() -> Counts:
    """What is counted."""
    return Counts()


@pytest.fixture
async def backend(options: BackendOptions, observer: Counts, server: ModelServer) -> AsyncIterator[Backend]:
    """A backend that begins a turn in each pause, whatever becomes of them."""
    base = attrs.evolve(
        options.catalog.base,
        llm=EngineChoice("llm", "openai_compatible_llm", {"base_url": server.url, "model": "m"}),
        tts=EngineChoice("tts", "openai_tts", {"base_url": server.url, "file_extension": "wav"}),
        asr=EngineChoice("asr", "openai_compatible_asr", {"base_url": server.url}),
    )
    system = SystemConfig(
        preload=False,
        speculation="eager",
        speculation_waste=1.0,
        messages_per_second=100_000,
        bytes_per_second=2**30,
    )
    options = attrs.evolve(
        options, system=system, catalog=MemoryCatalog(base), observer=observer, quota=MemoryQuota()
    )
    async with open_backend(options) as backend:
        yield backend


def left(children: Children) -> tuple[int, int, int]:
    """Tasks, open files, and how many of ``children`` there are."""
    gc.collect()
    tasks = trio.lowlevel.current_statistics().tasks_living
    return tasks, psutil.Process().num_fds(), len(children.direct())


@attrs.define(eq=False)
class Speaker:
    """Somebody who pauses again and again, and says more each time."""

    client: Client
    session: Session
    chance: random.Random

    async def listen(self) -> None:
        """Take what is sent."""
        while True:
            await self.client.wire.receive()

    async def send(self, windows: int, *, speech: bool) -> None:
        """So many windows at once."""
        sound = Pcm((b"\x00\x20" if speech else b"\0\0") * (windows * WINDOW_BYTES // 2), 16_000)
        await self.client.say("raw-audio-data", audio=sound.floats().tolist())

    async def pause(self, times: int) -> None:
        """Pause so often, for different times; sometimes end the utterance and barge in."""
        for number in range(times):
            await self.send(6, speech=True)
            await self.send(8, speech=False)
            with trio.move_on_after(2):
                while self.session.conversation.open.provisional.turn is None:
                    await trio.sleep(0.002)
            await trio.sleep(self.chance.choice([0, 0.002, 0.005, 0.02]))
            if number % PAUSES == 0:
                await self.send(6, speech=True)
                await self.client.say("mic-audio-end")
                await trio.sleep(self.chance.choice([0, 0.02]))
                await self.client.say("interrupt-signal", text="")
        await self.client.say("mic-audio-end")
        await self.client.say("interrupt-signal", text="")


async def test_nothing_is_left_of_a_thousand(
    nursery: trio.Nursery, backend: Backend, observer: Counts
) -> None:
    """Whatever they were doing: no task, no connection, no child."""
    speakers: list[Speaker] = []
    children = Children()
    for number in range(SPEAKERS):
        ours, theirs = memory_wire_pair()
        nursery.start_soon(backend.serve_client, theirs)
        client = Client(ours)
        for _ in GREETING:
            await client.hear()
        (session,) = backend.services.sessions - {speaker.session for speaker in speakers}
        speakers.append(Speaker(client, session, random.Random(number)))
        nursery.start_soon(speakers[-1].listen)
        await speakers[-1].send(2, speech=False)
    await trio.sleep(0.5)

    async def pause(times: int) -> None:
        async with trio.open_nursery() as pausing:
            for speaker in speakers:
                pausing.start_soon(speaker.pause, times)
        with trio.fail_after(10):
            while any(session.turn_running for session in backend.services.sessions):
                await trio.sleep(0.01)
        await trio.sleep(0.2)
        await wait_all_tasks_blocked(0.05)

    await pause(10)
    before = left(children)
    rounds = 0
    while len(observer.discarded) < ROUNDS:
        await pause(50)
        rounds += 50 * SPEAKERS
        assert rounds < 5 * ROUNDS
    # The model server has a task for each connection that is kept, and both ends of it are files. What was
    # given up last may still be going.
    most = before[0] + KEPT, before[1] + 2 * KEPT, before[2]
    with trio.move_on_after(30):
        while any(now > allowed for now, allowed in zip(left(children), most, strict=True)):
            await trio.sleep(0.1)
    after = left(children)
    assert all(now <= allowed for now, allowed in zip(after, most, strict=True)), (before, after)
    assert any(timeline.tokens for timeline in observer.discarded)
    assert not all(timeline.tokens for timeline in observer.discarded)
    assert observer.recognitions
    nursery.cancel_scope.cancel("seen")
