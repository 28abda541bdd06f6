"""The clients of a room by themselves, without a session."""

from __future__ import annotations

import gc
import json
import weakref
from typing import Any

import pytest
import trio

from tests.memory_wire import memory_wire_pair
from tests.rooms.scripted import GREETING
from trio_backend.protocol import (
    Control,
    Error,
    Latency,
    Outgoing,
    PartialTranscription,
    SetModelAndConf,
    encode,
)
from trio_backend.protocol.codec import head_of
from trio_backend.protocol.rate import RateLimit
from trio_backend.quota import MemoryQuota
from trio_backend.rooms.members import Member, Members
from trio_backend.rooms.session import FromSession
from trio_backend.user import NOBODY

CHARACTER = SetModelAndConf({}, "mao", "m", "u")


def member(outbox: int = 64) -> Member:
    """One to whom nothing is written yet."""
    _, theirs = memory_wire_pair()
    theirs.quota = MemoryQuota()
    return Member.of(theirs, NOBODY, outbox=outbox, limit=RateLimit(100, 100))


def say(members: Members, *messages: Outgoing) -> None:
    """The session says them."""
    for message in messages:
        members.session_said(FromSession(head_of(message), encode(message)))


def unread(member: Member) -> list[Any]:
    """Take what is on its way to ``member``."""
    messages = []
    while True:
        try:
            messages.append(json.loads(member._unsent.receive_nowait()))
        except trio.WouldBlock:
            return messages


async def test_a_client_that_left_is_forgotten() -> None:
    """A room may be open for months."""
    members, client = Members(), member()
    members.add(client)
    say(members, CHARACTER, Control("start-mic"))
    assert unread(client) == GREETING
    members.remove(client)
    gone = weakref.ref(client)
    del client
    gc.collect()
    assert gone() is None


async def test_a_client_that_left_is_told_nothing() -> None:
    """Its outbox has nobody who would empty it."""
    members, client, other = Members(), member(), member()
    for one in client, other:
        members.add(one)
    members.remove(client)
    for one in client, other:
        members.tell(one, Error("No.", "queue-full"))
    assert unread(client) == []
    assert [message["code"] for message in unread(other)] == ["queue-full"]


async def test_a_session_is_there_with_its_last_word_of_greeting() -> None:
    """Another `control` before that greets nobody."""
    members, client = Members(), member()
    members.add(client)
    say(members, CHARACTER, Control("mic-audio-end"))
    assert members.greeted is False
    assert unread(client) == []
    say(members, Control("start-mic"))
    assert unread(client) == GREETING


async def test_an_outage_is_settled_too() -> None:
    """What pages ask for need not wait for a session that does not come; they are told once."""
    members, client = Members(), member()
    members.add(client)
    assert not members.settled.is_set()
    members.session_down()
    members.session_down()
    assert members.settled.is_set()
    assert [message["code"] for message in unread(client)] == ["upstream-down"]


async def test_who_does_not_keep_up_is_disconnected() -> None:
    """And costs nothing from then on."""
    client = member(outbox=2)
    for _ in range(3):
        client.post(b"x" * 5000)
    assert client.gone.cancel_called
    with client.gone:
        await client.write()
    assert client.wire.quota.used == 0


@pytest.mark.parametrize("texts", [1, 3])
async def test_what_waits_in_an_outbox_is_counted(texts: int) -> None:
    """Until the wire has it, which counts it then."""
    client = member()
    for _ in range(texts):
        client.post(b"x" * 5000)
    assert client.wire.quota.used == 5000 * texts
    client.disconnect(1000, "enough")
    with client.gone:
        await client.write()
    assert client.wire.quota.used == 0


async def test_who_accepts_a_message_gets_it() -> None:
    """Of what not every client knows; the others get what they always got."""
    members, old, new = Members(), member(), member()
    new.accepts = frozenset({"latency"})
    for client in old, new:
        members.add(client)
    say(members, CHARACTER, Control("start-mic"))
    unread(old), unread(new)
    say(members, Latency({"whole": 3}), PartialTranscription("Hel"), Control("mic-audio-end"))
    assert [message["type"] for message in unread(new)] == ["latency", "control"]
    assert [message["type"] for message in unread(old)] == ["control"]
    assert members.accepted == {None, frozenset({"latency"})}
