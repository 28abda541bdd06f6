"""What a Wyoming client may not do, and what becomes of it then."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from trio_backend.config.system import SystemConfig
from trio_backend.config.wyoming import WyomingSettings
from trio_backend.engines.wyoming import WyomingEvent, encoded
from trio_backend.server.wyoming.connection import LONGEST

from .conftest import SPEECH, Satellite, WyomingRun


@pytest.fixture
def settings() -> WyomingSettings:
    """No conversation agent, and ten connections."""
    return WyomingSettings(port=0, handle=False, max_connections=10, idle_timeout=30)


@pytest.fixture
def system(settings: WyomingSettings) -> SystemConfig:
    """Short sounds and texts."""
    return SystemConfig(
        preload=False,
        wyoming=settings,
        max_utterance=2,
        max_speech_text=100,
        request_head_timeout=5,
        transcription_timeout=0.3,
    )


async def works(served: WyomingRun) -> None:
    """Another client is served as ever."""
    client = await served.connect()
    await client.say("ping", {"text": "still there?"})
    assert await client.hear() == WyomingEvent("pong", {"text": "still there?"})
    await client.leave()


async def is_refused(client: Satellite, code: str) -> None:
    """It gets an error, and then the end."""
    heard = await client.until("error")
    assert heard[-1].type == "error"
    assert heard[-1].data["code"] == code
    assert await client.hear() is None
    await client.leave()


@pytest.mark.parametrize(
    "data",
    [
        b"POST / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\x16\x03\x01\x02\x00\n",
        b"x" * 70_000,
        b"[]\n",
        b'{"type": "audio-chunk", "payload_length": 1048577}\n',
        b'{"type": "synthesize", "data_length": 1048577}\n',
        b'{"type": "synthesize", "data_length": -1}\n',
        b'{"type": "synthesize", "data_length": 2}\n[]',
        encoded(WyomingEvent("synthesize", {"text": 1})),
        encoded(WyomingEvent("synthesize-chunk", {"text": "a"})),
        encoded(WyomingEvent("synthesize-start")) * 2,
        encoded(WyomingEvent("audio-start", {**SPEECH, "rate": 44_099})),
        encoded(WyomingEvent("audio-chunk", {**SPEECH, "channels": 2}, b"abcd")),
        encoded(WyomingEvent("audio-chunk", SPEECH, b"abc")),
    ],
)
async def test_what_is_no_request_is_the_end(
    autojump_clock: MockClock, served: WyomingRun, data: bytes
) -> None:
    """Of this connection, and of nothing else."""
    stranger = await served.connect()
    await stranger.stream.send_all(data)
    await is_refused(stranger, "bad-event")
    await works(served)


async def test_what_is_not_served_is_refused(autojump_clock: MockClock, served: WyomingRun) -> None:
    """The character is no agent here, and ``describe`` says so."""
    client = await served.connect()
    await client.say("describe")
    info = await client.hear()
    assert info is not None
    assert info.data["handle"] == []
    await client.say("transcript", {"text": "Hello."})
    await is_refused(client, "not-served")


async def test_a_text_may_not_be_endless(autojump_clock: MockClock, served: WyomingRun) -> None:
    """In one event, in pieces, or where it grows by being spoken."""
    for text in ("word " * 21, "\ufdfa" * 20):
        client = await served.connect()
        await client.say("synthesize", {"text": text})
        await is_refused(client, "text-too-long")
    client = await served.connect()
    await client.say("synthesize-start")
    for _ in range(11):
        await client.say("synthesize-chunk", {"text": "word word "})
    await is_refused(client, "text-too-long")


async def test_an_utterance_may_not_be_endless(autojump_clock: MockClock, served: WyomingRun) -> None:
    """In long events or in short ones."""
    client = await served.connect()
    await client.say("audio-chunk", SPEECH, bytes(64_002))
    await is_refused(client, "utterance-too-long")
    assert LONGEST > 64_002


async def test_who_is_silent_is_disconnected(autojump_clock: MockClock, served: WyomingRun) -> None:
    """Soon at first, later after its time; in the middle of an event, too. Not while it waits for us."""
    client, begun = await served.connect(), await served.connect()
    await begun.stream.send_all(b'{"type": "pi')
    began = trio.current_time()
    assert await client.hear() is None
    assert await begun.hear() is None
    assert trio.current_time() - began == 5
    client = await served.connect()
    await client.say("ping")
    assert await client.hear()
    began = trio.current_time()
    assert await client.hear() is None
    assert trio.current_time() - began == 30


async def test_connections_are_limited(autojump_clock: MockClock, served: WyomingRun) -> None:
    """One address has half, so that others find a place."""
    clients = [await served.connect() for _ in range(5)]
    for client in clients:
        await client.say("ping")
        assert await client.hear()
    await is_refused(await served.connect(), "busy")
    other = await served.connect("192.168.1.10")
    await other.say("ping")
    assert await other.hear()
    await clients[0].leave()
    await trio.sleep(1)
    again = await served.connect()
    await again.say("ping")
    assert await again.hear()


async def test_who_takes_nothing_is_disconnected(
    autojump_clock: MockClock, served: WyomingRun, system: SystemConfig
) -> None:
    """After ``send_timeout``."""
    client = await served.connect()
    client.peer.stuck, began = True, trio.current_time()
    await client.say("synthesize", {"text": "Hello."})
    assert await client.hear() is None
    assert trio.current_time() - began == pytest.approx(system.send_timeout, abs=0.1)


async def test_a_recogniser_that_hangs_is_given_up(autojump_clock: MockClock, served: WyomingRun) -> None:
    """After ``transcription_timeout``; the client is told."""
    client = await served.connect()
    await client.say("audio-chunk", SPEECH, bytes(3_200))
    began = trio.current_time()
    await client.say("audio-stop")
    await is_refused(client, "timeout")
    assert trio.current_time() - began == pytest.approx(0.3)
