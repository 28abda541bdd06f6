"""A heartbeat is answered at once where nothing is to be said before it, and never sooner. Virtual clock."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import attrs
import pytest
import trio
from trio.testing import MockClock

from trio_backend.backend import BackendOptions, open_backend
from trio_backend.protocol import Incoming
from trio_backend.quota import MemoryQuota
from trio_backend.session.holdings import Samples
from trio_backend.session.session import Session

GREETED = ["group-update", "full-text", "set-model-and-conf", "group-update", "control"]


@attrs.define(eq=False)
class RoomyWire:
    """A client that is sent a message in ``seconds``, or at once where the server prefers that."""

    seconds: float = 0
    quota: MemoryQuota = attrs.field(factory=MemoryQuota)
    sent: list[str] = attrs.field(factory=list)
    at_once: list[str] = attrs.field(factory=list)
    _say: trio.MemorySendChannel[str] = attrs.field(init=False)
    _said: trio.MemoryReceiveChannel[str] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._say, self._said = trio.open_memory_channel[str](1000)

    def say(self, type_: str) -> None:
        """The client says this; the server gets it in the next steps."""
        self._say.send_nowait(json.dumps({"type": type_}))

    async def receive(self) -> str | bytes:
        """What the client has said."""
        return await self._said.receive()

    async def send(self, message: bytes) -> None:
        """Takes a while."""
        await trio.sleep(self.seconds)
        self.sent.append(json.loads(message)["type"])

    async def send_at_once(self, message: bytes) -> bool:
        """Takes no time, and overtakes a `send`."""
        self.sent.append(json.loads(message)["type"])
        self.at_once.append(self.sent[-1])
        return True

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Nothing is to be closed."""


@asynccontextmanager
async def open_session(options: BackendOptions, wire: RoomyWire) -> AsyncIterator[None]:
    """A session with ``wire``."""
    async with open_backend(options) as backend, trio.open_nursery() as nursery:
        nursery.start_soon(backend.serve_client, wire)
        yield
        nursery.cancel_scope.cancel()


async def test_a_heartbeat_is_answered_without_other_tasks(
    autojump_clock: MockClock, options: BackendOptions
) -> None:
    """Where the session has nothing to do, its reader answers."""
    wire = RoomyWire()
    async with open_session(options, wire):
        await trio.sleep(10)
        wire.say("heartbeat")
        await trio.sleep(1)
        assert wire.sent == [*GREETED, "heartbeat-ack"]
        assert wire.at_once == ["heartbeat-ack"]
        wire.say("request-group-info")
        await trio.sleep(1)
        wire.say("heartbeat")
        await trio.sleep(1)
        assert wire.at_once == ["heartbeat-ack"] * 2


async def test_an_answer_overtakes_nothing_that_is_being_sent(
    autojump_clock: MockClock, options: BackendOptions
) -> None:
    """What was decided before a heartbeat is sent before its answer, though its sender is still at it."""
    wire = RoomyWire(seconds=1)
    async with open_session(options, wire):
        await trio.sleep(10)
        wire.say("request-group-info")
        await trio.sleep(0.5)
        wire.say("heartbeat")
        await trio.sleep(10)
        assert wire.sent == [*GREETED, "group-update", "heartbeat-ack"]


async def test_an_answer_overtakes_nothing_that_is_still_to_be_handled(
    autojump_clock: MockClock, options: BackendOptions
) -> None:
    """Messages that come in one moment are answered in their order, and all of them behind the greeting."""
    wire = RoomyWire()
    said = [name for _ in range(50) for name in ("request-group-info", "heartbeat", "heartbeat")]
    for name in said:
        wire.say(name)
    async with open_session(options, wire):
        await trio.sleep(10)
        answers = {"request-group-info": "group-update", "heartbeat": "heartbeat-ack"}
        assert wire.sent == [*GREETED, *(answers[name] for name in said)]


async def test_an_answer_overtakes_nothing_that_is_being_decided(
    autojump_clock: MockClock, options: BackendOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the loop has in hand when a heartbeat comes is answered first, however long it takes."""
    handle = Session._handle_at_once

    async def handle_slowly(session: Session, message: Incoming | Samples) -> bool:
        await trio.sleep(1)
        return await handle(session, message)

    monkeypatch.setattr(Session, "_handle_at_once", handle_slowly)
    wire = RoomyWire()
    async with open_session(options, wire):
        await trio.sleep(10)
        wire.say("request-group-info")
        await trio.sleep(0.5)
        wire.say("heartbeat")
        await trio.sleep(10)
        assert wire.sent == [*GREETED, "group-update", "heartbeat-ack"]
