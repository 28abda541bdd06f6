"""``/tts-ws``: text in, sound files out, and no work goes on for clients that have left."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from tests.memory_wire import MemoryWire, memory_wire_pair
from trio_backend.audio.pcm import Pcm
from trio_backend.engines.base import Tts
from trio_backend.engines.registry import configure, open_engine
from trio_backend.engines.settings import Environment
from trio_backend.protocol.rate import RateLimit
from trio_backend.server.fair_queue import FairQueue
from trio_backend.server.sound_cache import open_sound_cache
from trio_backend.server.speech import Speech, SpeechLimits, serve_speech
from trio_backend.text.lines import SpeechFilters


def voice(**settings: object) -> AbstractAsyncContextManager[Tts]:
    """The humming voice."""
    return open_engine(configure("tts", "tone_tts", settings, environment=Environment(Path(), {})))


@asynccontextmanager
async def connected(folder: Path, **settings: object) -> AsyncIterator[tuple[MemoryWire, trio.Nursery]]:
    """A client, and the nursery in which it is served."""
    async with open_sound_cache(folder, ttl=60, max_size=1_000_000) as cache, trio.open_nursery() as nursery:
        ours, theirs = memory_wire_pair()
        limit = partial(RateLimit, 10, 5)
        limits = SpeechLimits(200, 2, 60, limit)
        queue = FairQueue(1, 10, 10)
        speech = Speech(partial(voice, **settings), SpeechFilters(), cache, limits, queue)
        nursery.start_soon(serve_speech, theirs, speech)
        yield ours, nursery
        await ours.close()


async def hear(wire: MemoryWire) -> dict[str, Any]:
    """The next answer."""
    with trio.fail_after(10):
        answer = json.loads(await wire.receive())
    assert isinstance(answer, dict)
    return answer


async def test_each_sentence_is_a_file(tmp_path: Path) -> None:
    """In order, with its text; what cannot be spoken has none; then the text is complete."""
    async with connected(tmp_path) as (wire, _):
        await wire.send(json.dumps({"text": "One two. (Silently.) Three (aside) four!"}).encode())
        first, second, last = [await hear(wire) for _ in range(3)]
        assert [(one["status"], one["text"]) for one in (first, second)] == [
            ("partial", "One two."),
            ("partial", "Three (aside) four!"),
        ]
        assert last == {"status": "complete"}
        for one in (first, second):
            folder, _, name = one["audioPath"].partition("/")
            assert folder == "cache"
            assert Pcm.from_wav((tmp_path / name).read_bytes()).seconds > 0.3
        await wire.send(b'{"text": ""}')
        assert await hear(wire) == {"status": "complete"}


@pytest.mark.parametrize("frame", [b"hello", b'{"words": 1}', b"[]", b'{"text": "%s"}' % (b"a" * 201)])
async def test_a_wrong_request_is_answered_with_an_error(tmp_path: Path, frame: bytes) -> None:
    """And the next one is spoken."""
    async with connected(tmp_path) as (wire, _):
        await wire.send(frame)
        answer = await hear(wire)
        assert answer["status"] == "error"
        assert answer["message"]
        await wire.send(b'{"text": "Hello."}')
        assert [(await hear(wire))["status"] for _ in range(2)] == ["partial", "complete"]


async def test_a_failing_tts_is_reported(tmp_path: Path) -> None:
    """Once for the text, in its own words."""
    async with connected(tmp_path, fail_on="two") as (wire, _):
        await wire.send(b'{"text": "One two three."}')
        assert await hear(wire) == {
            "status": "error",
            "message": "tone_tts was told to fail on this sentence",
        }


async def test_a_client_that_leaves_stops_the_synthesis(tmp_path: Path) -> None:
    """In the middle of a sentence, nothing goes on."""
    async with connected(tmp_path, delay=3600) as (wire, nursery):
        await wire.send(b'{"text": "One two three."}')
        await wait_all_tasks_blocked()
        await wire.close()
        await wait_all_tasks_blocked()
        assert not nursery.child_tasks


async def test_a_flood_is_refused(tmp_path: Path) -> None:
    """As everywhere: told once, then sent away if it goes on."""
    async with connected(tmp_path) as (wire, _):

        async def flood() -> None:
            for _ in range(30):
                await wire.send(b'{"text": ""}')

        answers: list[dict[str, Any]] = []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(flood)
            while not answers or answers[-1]["status"] == "complete":
                answers.append(await hear(wire))
            nursery.cancel_scope.cancel()
        assert "slow down" in answers[-1]["message"]
