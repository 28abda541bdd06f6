"""A result, and the cancel of the task that waits for it, in one pass of the scheduler, end no session."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import attrs
import pytest
import trio
from trio.testing import MockClock

from tests.session.sessions import END, THREE, connect_greeted
from trio_backend.audio.pcm import Pcm
from trio_backend.backend import BackendOptions, open_backend
from trio_backend.config.catalog import MemoryCatalog
from trio_backend.config.character import EngineChoice
from trio_backend.engines.tts import tone

PASSES = 16
TRIES = 8


@pytest.mark.parametrize("way", ["interrupt-signal", "text-input"])
async def test_a_barge_in_in_the_pass_in_which_a_sentence_has_its_sound(
    autojump_clock: MockClock,
    options: BackendOptions,
    nursery: trio.Nursery,
    monkeypatch: pytest.MonkeyPatch,
    way: str,
) -> None:
    """The session goes on, however the scheduler orders the two."""
    passes = 0

    async def work(done: trio.Event) -> None:
        await trio.sleep(1)
        for _ in range(passes):
            await trio.lowlevel.checkpoint()
        done.set()

    async def chunks(_tts: tone.Tone, text: str) -> AsyncGenerator[Pcm, None]:
        # As of a thread: the answer comes in whatever pass it likes, and once it is there no cancel stops it.
        done = trio.Event()
        nursery.start_soon(work, done)
        await done.wait()
        yield tone.hum(0.01 * len(text))

    monkeypatch.setattr(tone.Tone, "_chunks", chunks)
    base = attrs.evolve(options.catalog.base, llm=EngineChoice("llm", "echo_llm", {}))
    async with open_backend(attrs.evolve(options, catalog=MemoryCatalog(base))) as backend:
        client = await connect_greeted(backend, nursery)
        for attempt in range(PASSES * TRIES):
            passes = attempt % PASSES
            await client.say("text-input", text=THREE)
            await client.until("full-text")
            await trio.sleep(1)  # the model takes no time
            await client.say(way, text="One two")
            if way == "text-input":
                await client.until(**END)
                await client.say("interrupt-signal", text="")
            await client.say("heartbeat")
            await client.until("heartbeat-ack")
