"""The terminal client in a room: its address, the speakers, and that no message interrupts another."""

from __future__ import annotations

import pytest
import trio

from tests.chat.scripted import Server
from tests.chat.users import User
from trio_backend.chat.chat import Terminal, converse
from trio_backend.chat.link import RoomOptions
from trio_backend.client.address import parse_address
from trio_backend.protocol import TextInput


@pytest.mark.parametrize(
    ("written", "room", "target"),
    [
        ("localhost", "den", "/proxy-ws?room=den"),
        ("localhost?token=a%26b", "größe", "/proxy-ws?token=a%26b&room=gr%C3%B6%C3%9Fe"),
        ("localhost/proxy-ws?room=other", "den", "/proxy-ws?room=den"),
        ("localhost/proxy-ws?room=other", "", "/proxy-ws?room=other"),
    ],
)
def test_a_room_is_a_place_at_the_server(written: str, room: str, target: str) -> None:
    """Its path takes the place of the other; a token stays."""
    assert RoomOptions(room).address(parse_address(written)).target == target


def test_who_speaks_is_said_with_the_message() -> None:
    """Alone and unnamed, a message is what it always was."""
    assert RoomOptions().message("Hi") == TextInput("Hi")
    assert RoomOptions("den", "Ann").message("Hi") == TextInput("Hi", name="Ann", notify=True)


async def test_in_a_room_a_line_waits_for_its_turn(server: Server, nursery: trio.Nursery) -> None:
    """Coming in begins no new conversation, and asking interrupts nobody; the others are shown by name."""
    user = User.without_sound()
    terminal = Terminal(user, user.screen, user.player, room=RoomOptions("den", "Ann"))
    nursery.start_soon(converse, server.address, terminal)
    peer = await server.accept()
    await peer.introduce()
    await user.until("you are in the room den")

    await peer.say("control", text="conversation-chain-start")
    await peer.say("user-input-transcription", text="Hello?", name="Bob")
    await peer.speak("Hello, Bob!")
    await user.until("› Bob: Hello?\nIris: Hello, Bob!\n")
    await user.type("And me?")
    await peer.expect("text-input", text="And me?", name="Ann", notify=True)
    await peer.say("queue-position", position=2, length=2)
    await user.until("number 2 of 2")
    await peer.speak("How are you?")
    await user.until("How are you?")

    await peer.say("interrupt-signal", text="Hello, Bob!")
    await peer.speak("This comes late.")
    await peer.say("control", text="conversation-chain-start")
    await peer.speak("Hello, Ann!")
    await user.until("Hello, Ann!")
    assert "late" not in user.seen
    await user.type("/quit")


@pytest.mark.parametrize("code", ["proxy-disabled", "bad-room"])
@pytest.mark.parametrize("once", [False, True], ids=["typed", "piped"])
async def test_a_room_that_is_refused_is_said_once(
    server: Server, nursery: trio.Nursery, code: str, once: bool
) -> None:
    """Nobody is told that they are in it, nor tries again; the remedy is the last word."""
    user = User.without_sound()
    terminal = Terminal(user, user.screen, user.player, room=RoomOptions("den"))
    left: list[int] = []

    async def live() -> None:
        left.append(await converse(server.address, terminal, once=once))

    async with trio.open_nursery() as life:
        life.start_soon(live)
        peer = await server.accept()
        await peer.say("error", message="that cannot be: do this", code=code)
        await peer.websocket.aclose(1008, code)
        peer.gone.set()
        life.cancel_scope.deadline = trio.current_time() + 10

    assert left == [1]
    assert "in the room" not in user.seen
    assert user.seen.strip().endswith("that cannot be: do this")


async def test_a_room_that_is_lost_is_joined_again(server: Server) -> None:
    """And only then is it said."""
    user = User.without_sound()
    terminal = Terminal(user, user.screen, user.player, room=RoomOptions("den"))
    async with trio.open_nursery() as life:
        life.start_soon(converse, server.address, terminal)
        peer = await server.accept()
        await peer.introduce()
        await peer.become("Ann")
        await user.until("you are in the room den")
        await peer.websocket.aclose(1001)
        peer.gone.set()
        peer = await server.accept()
        await peer.introduce()
        await user.until("reconnected")
        assert user.seen.count("you are in the room") == 1
        await user.type("/quit")
        peer.gone.set()
