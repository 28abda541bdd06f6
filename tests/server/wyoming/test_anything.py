"""Whatever Wyoming clients send, nothing but their own connection ends, and nothing is left of it."""

from __future__ import annotations

import random

import pytest
import trio
from trio.testing import MockClock

from trio_backend.backend import Backend
from trio_backend.config.wyoming import WyomingSettings
from trio_backend.engines.wyoming import WyomingEvent, encoded

from .conftest import SPEECH, WyomingRun

TYPES = [
    *("describe", "ping", "transcribe", "audio-start", "audio-chunk", "audio-stop", "synthesize"),
    *("synthesize-start", "synthesize-chunk", "synthesize-stop", "transcript", "select-program", "surprise"),
]
VALUES: list[object] = [None, "", "Hello. How are you?", "\x00\u202e😀", 1, -1, 1e300, True, [], {}, [[{}]]]
KEYS = ["text", "context", "rate", "width", "channels", "voice", "language", "conversation_id"]


@pytest.fixture
def settings() -> WyomingSettings:
    """Few connections and conversations."""
    return WyomingSettings(port=0, max_connections=8, max_conversations=3, conversation_timeout=5)


def anything(rng: random.Random) -> bytes:
    """Mostly an event, mostly one that could be meant."""
    if rng.random() < 0.05:
        return rng.randbytes(rng.randrange(1, 200)) + b"\n"
    data: dict[str, object] = {key: rng.choice(VALUES) for key in KEYS if rng.random() < 0.2}
    if rng.random() < 0.7:
        data |= {
            **SPEECH,
            "text": "Hello. How are you?",
            "context": {"conversation_id": rng.choice("abcdef")},
        }
    event = encoded(WyomingEvent(rng.choice(TYPES), data, rng.randbytes(2 * rng.randrange(50))))
    return event[: rng.randrange(len(event))] if rng.random() < 0.05 else event


async def misbehave(served: WyomingRun, rng: random.Random) -> None:
    """A client that sends anything, reads now and then, and leaves at some moment."""
    client = await served.connect(f"192.168.1.{rng.randrange(4)}")
    try:
        for _ in range(rng.randrange(12)):
            await client.stream.send_all(anything(rng))
            await trio.sleep(rng.choice([0, 0, 0.001, 0.5]))
            with trio.move_on_after(rng.choice([0, 0.3])):
                await client.hear()
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        pass
    finally:
        await trio.aclose_forcefully(client.stream)


@pytest.mark.parametrize("seed", range(12))
async def test_nothing_is_left_of_what_clients_do(
    autojump_clock: MockClock, served: WyomingRun, backend: Backend, seed: int
) -> None:
    """No bug, no turn, no conversation, no connection; and who comes next is served."""
    rng = random.Random(seed)
    with trio.fail_after(3600):
        async with trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(misbehave, served, random.Random(rng.random()))
                await trio.sleep(rng.choice([0, 0.2]))
        await trio.sleep(60)
        assert served.bugs == []
        assert backend.services.turns_running == 0
        assert not backend.services.conversations
        client = await served.connect()
        assert (await client.ask("Still there?")).data["text"] == "Still there?"
        await client.leave()
        served.shutdown.set()
        await served.ended.wait()
    assert not backend.leases.statistics().engines or all(
        engine.state == "closing" for engine in backend.leases.statistics().engines
    )
