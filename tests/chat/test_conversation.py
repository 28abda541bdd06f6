"""The whole client, without sound, against a scripted server on a real socket."""

from __future__ import annotations

import signal

import attrs
import pytest
import trio

from tests.chat.scripted import Peer, Server, closed
from tests.chat.users import User
from trio_backend.chat.chat import Terminal, converse


@attrs.define(eq=False)
class Chat:
    """A user, the server that they talk with, and the exit code once they have left."""

    user: User
    server: Server
    _code: list[int] = attrs.field(factory=list)
    _left: trio.Event = attrs.field(factory=trio.Event)

    async def run(self, *, piped: bool = False) -> None:
        """The client's whole life."""
        terminal = Terminal(self.user, self.user.screen, self.user.player, piped)
        self._code.append(await converse(self.server.address, terminal, once=piped))
        self._left.set()

    async def code(self) -> int:
        """Wait until the user has left; the exit code."""
        with trio.fail_after(10):
            await self._left.wait()
        return self._code[0]


@pytest.fixture
def chat(server: Server, nursery: trio.Nursery) -> Chat:
    """A chat that has begun."""
    chat = Chat(User.without_sound(), server)
    nursery.start_soon(chat.run)
    return chat


@pytest.fixture
async def peer(chat: Chat) -> Peer:
    """The client as the server has it, greeted."""
    peer = await chat.server.accept()
    await peer.greet()
    await chat.user.until("Iris is here")
    return peer


async def test_a_reply_is_shown_sentence_by_sentence(chat: Chat, peer: Peer) -> None:
    """The name stands before the first sentence, emotions where they change, thoughts without a colon."""
    await chat.user.type("Hello?")
    await peer.begin_turn("Hello?")
    await peer.speak("Hello!", emotion="joy")
    await chat.user.until("Iris ☺ joy: Hello!\n")
    await peer.speak("(A visitor.)")
    await peer.speak("Well. \x1b[2JWell.", emotion="neutral")
    await peer.speak("Oh no.", emotion="sadness")
    await peer.speak("I am here too.", name="Mao")
    await peer.end_turn()
    await chat.user.type("/quit")

    assert await chat.code() == 0
    assert chat.user.seen.splitlines() == [
        "· Iris is here. Type a message; /help lists the commands",
        "› Hello?",
        "· Thinking...",
        "Iris ☺ joy: Hello!",
        "  (A visitor.)",
        "  Well. [2JWell.",
        "  ☹ sadness: Oh no.",
        "Mao: I am here too.",
        "› /quit",
    ]
    assert await closed(peer) == 1000


async def test_without_sound_playback_is_complete_at_once(chat: Chat, peer: Peer) -> None:
    """The server does not wait for a user who only reads."""
    await chat.user.type("Hello?")
    await peer.begin_turn("Hello?")
    await peer.speak("Hello!", seconds=60)
    await peer.say("backend-synth-complete")
    await peer.expect("frontend-playback-complete")


async def test_a_line_during_a_turn_cuts_in(chat: Chat, peer: Peer) -> None:
    """What was shown counts as heard; what comes late of the old turn is not shown."""
    await chat.user.type("Tell me a story.")
    await peer.begin_turn("Tell me a story.")
    await peer.speak("(A story...)")
    await peer.speak("Once upon a time.", seconds=2)
    await peer.speak("There was a cat.", seconds=2)
    await chat.user.until("a cat.")

    await chat.user.type("Stop.")

    await peer.expect("interrupt-signal", text="Once upon a time. There was a cat.")
    await peer.speak("It had a hat.", seconds=2)
    await peer.say("backend-synth-complete")
    await peer.answer("Stop.", "As you wish.")
    await chat.user.until("As you wish.")
    assert "It had a hat." not in chat.user.seen
    await peer.expect_nothing(0.05)


async def test_ctrl_c_interrupts_a_turn_and_otherwise_leaves(chat: Chat, peer: Peer) -> None:
    """The first ends the turn, the second the program, cleanly."""
    await chat.user.type("Tell me a story.")
    await peer.begin_turn("Tell me a story.")
    await peer.speak("Once.")
    await chat.user.until("Once.")

    signal.raise_signal(signal.SIGINT)

    await peer.expect("interrupt-signal", text="Once.")
    await chat.user.until("interrupted")
    signal.raise_signal(signal.SIGINT)
    assert await chat.code() == 0
    assert await closed(peer) == 1000


async def test_a_second_ctrl_c_leaves_whatever_goes_on(chat: Chat, peer: Peer) -> None:
    """Even if the character has begun to speak again meanwhile."""
    await chat.user.type("Go.")
    await peer.begin_turn("Go.")
    await chat.user.until("Thinking")
    signal.raise_signal(signal.SIGINT)
    await peer.expect("interrupt-signal")
    await peer.say("control", text="conversation-chain-start")
    await peer.speak("And another thing.")
    await chat.user.until("another thing")

    signal.raise_signal(signal.SIGINT)

    await peer.expect("interrupt-signal", text="And another thing.")
    assert await chat.code() == 0


async def test_leaving_in_a_turn_says_what_was_heard(chat: Chat, peer: Peer) -> None:
    """The end of the input is as polite as a barge-in. SIGTERM is, too."""
    await chat.user.type("Go.")
    await peer.begin_turn("Go.")
    await peer.speak("One.")
    await chat.user.until("One.")
    signal.raise_signal(signal.SIGTERM)
    await peer.expect("interrupt-signal", text="One.")
    assert await chat.code() == 0


async def test_characters_are_listed_and_switched(chat: Chat, peer: Peer) -> None:
    """The current one is marked; a switch begins a conversation with the new one."""
    configs = [{"filename": "conf.yaml", "name": "Iris"}, {"filename": "mao.yaml", "name": "Mao"}]
    for wanted in ("nobody", "mao"):
        await chat.user.type(f"/switch {wanted}")
        await peer.expect("fetch-configs")
        await peer.say("config-files", configs=configs)
        if wanted == "nobody":
            await chat.user.until("there is no character 'nobody'")
    await peer.expect("switch-config", file="mao.yaml")
    await peer.say("full-text", text="Loading Mao...")
    await peer.become("Mao")
    await peer.say("config-switched", message="Switched")
    await peer.expect("create-new-history")
    await peer.say("new-history-created", history_uid="uid-2")
    await chat.user.until("you are now talking with Mao")
    await chat.user.type("/characters")
    await peer.expect("fetch-configs")
    await peer.say("config-files", configs=configs)
    await chat.user.until("*  2 Mao")
    assert "   1 Iris  conf.yaml\n*  2 Mao  mao.yaml\n" in chat.user.seen
    assert "· Loading Mao...\n" in chat.user.seen


async def test_a_newer_switch_takes_the_place_of_one_that_waits(chat: Chat, peer: Peer) -> None:
    """Whoever changes their mind gets the character they chose last, and one new conversation."""
    configs = [{"filename": f"{name}.yaml", "name": name} for name in ("ann", "mao")]
    for name in ("ann", "mao"):
        await chat.user.type(f"/switch {name}")
        await peer.expect("fetch-configs")
        await peer.say("config-files", configs=configs)
        await peer.expect("switch-config", file=f"{name}.yaml")
    await peer.become("mao")
    await peer.say("config-switched", message="Switched")
    await peer.expect("create-new-history")
    await peer.say("new-history-created", history_uid="uid-2")
    await chat.user.until("you are now talking with mao")
    assert "with ann now" not in chat.user.seen


async def test_a_switch_that_fails_is_told(chat: Chat, peer: Peer) -> None:
    """The old character stays, and the next switch works."""
    await chat.user.type("/switch 1")
    await peer.expect("fetch-configs")
    await peer.say("config-files", configs=[{"filename": "mao.yaml", "name": "Mao"}])
    await peer.expect("switch-config", file="mao.yaml")
    await peer.say("error", message="mao.yaml:3: persona_prompt is missing", code="bad-config")
    await chat.user.until("✗ mao.yaml:3: persona_prompt is missing")
    await chat.user.type("Still there?")
    await peer.answer("Still there?", "Yes.")
    await chat.user.until("Iris: Yes.")


async def test_conversations_are_listed_opened_and_begun(chat: Chat, peer: Peer) -> None:
    """Numbers mean the list that was seen; an opened conversation is shown."""
    latest = {"role": "ai", "timestamp": "2026-01-31T12:00:00+00:00", "content": "Bye,\nBob."}
    histories = [
        {"uid": "new", "latest_message": latest, "timestamp": "2026-01-31T12:00:00+00:00"},
        {"uid": "old", "latest_message": None, "timestamp": None},
    ]
    await chat.user.type("/history")
    await peer.expect("fetch-history-list")
    await peer.say("history-list", histories=histories)
    await chat.user.until("Bye, Bob.")
    await chat.user.type("/history 3", "/history 2")
    await peer.expect("fetch-and-set-history", history_uid="old")
    messages = [
        {"role": "human", "timestamp": "", "content": "Hi."},
        {"role": "ai", "timestamp": "", "content": "Yes?"},
    ]
    await peer.say("history-data", messages=messages)
    await chat.user.until("goes on here")
    assert "› Hi.\nIris: Yes?\n" in chat.user.seen
    assert "there is no conversation 3" in chat.user.seen
    await chat.user.type("/new")
    await peer.expect("create-new-history")
    await peer.say("new-history-created", history_uid="uid-9")
    await chat.user.until("a new conversation")


async def test_a_nudge_and_what_needs_no_server(chat: Chat, peer: Peer) -> None:
    """/say lets the character speak; help, /voice and mistakes are answered here."""
    await chat.user.type("/help", "/voice on", "/dance", "/say")
    await peer.expect("ai-speak-signal")
    await peer.say("control", text="conversation-chain-start")
    await peer.speak("Since you ask nothing.")
    await chat.user.until("ask nothing")
    await chat.user.type("/say")
    await chat.user.until("Iris is already speaking")
    assert "/switch NAME" in chat.user.seen
    assert "replies are only shown" in chat.user.seen
    assert "there is no command /dance" in chat.user.seen


async def test_what_cannot_be_read_ends_nothing(chat: Chat, peer: Peer) -> None:
    """A message of the wrong form is told quietly."""
    await peer.websocket.send_message('{"type": "audio", "volumes": "loud"}')
    await peer.websocket.send_message("\x00")
    await peer.websocket.send_message(b"\x00")
    await chat.user.until("cannot be read")
    await chat.user.type("Still there?")
    await peer.answer("Still there?", "Yes.")
    await chat.user.until("Yes.")


async def test_a_lost_connection_is_made_anew_and_the_conversation_goes_on(chat: Chat, peer: Peer) -> None:
    """Character and conversation are restored before what was typed meanwhile is said."""
    await chat.user.type("/switch mao")
    await peer.expect("fetch-configs")
    await peer.say("config-files", configs=[{"filename": "mao.yaml", "name": "Mao"}])
    await peer.expect("switch-config", file="mao.yaml")
    await peer.become("Mao")
    await peer.say("config-switched", message="")
    await peer.expect("create-new-history")
    await peer.say("new-history-created", history_uid="uid-2")
    await chat.user.type("Hi.")
    await peer.begin_turn("Hi.")
    await peer.websocket.aclose(1001, "restarting")
    peer.gone.set()
    await chat.user.until("the connection is lost: the server is shutting down (restarting)")
    await chat.user.type("Are you", "there?", "/new")
    await chat.user.until("there is no connection")

    peer = await chat.server.accept()
    await peer.introduce()
    await peer.expect("switch-config", file="mao.yaml")
    await peer.become("Mao")
    await peer.say("config-switched", message="")
    await peer.expect("fetch-and-set-history", history_uid="uid-2")
    await peer.say("history-data", messages=[])

    await peer.answer("Are you\nthere?", "Here.")
    await chat.user.until("Here.")
    assert "the conversation goes on" in chat.user.seen


async def test_a_conversation_that_is_gone_is_followed_by_a_new_one(chat: Chat, peer: Peer) -> None:
    """The user is told, if anything had been said in it."""
    await chat.user.type("Hi.")
    await peer.answer("Hi.", "Hello.")
    await chat.user.until("Hello.")
    await peer.websocket.aclose(1012)
    peer.gone.set()
    peer = await chat.server.accept()
    await peer.introduce()
    await peer.expect("fetch-and-set-history", history_uid="uid-1")
    await peer.say("error", message="no such conversation", code="no-such-history")
    await peer.expect("create-new-history")
    await peer.say("new-history-created", history_uid="uid-2")
    await chat.user.until("reconnected")
    assert "cannot be continued" in chat.user.seen
    assert "no such conversation" not in chat.user.seen


async def test_reconnecting_stops_where_it_is_of_no_use(chat: Chat, peer: Peer) -> None:
    """A server that does not let us in any more ends the program with 1."""
    chat.server.refuse_with = 401
    await peer.websocket.aclose(1001)
    peer.gone.set()
    assert await chat.code() == 1
    assert "requires an access token" in chat.user.seen


async def test_lines_of_a_pipe_are_said_one_after_the_other(server: Server, nursery: trio.Nursery) -> None:
    """Each waits for the end of the turn before it; the end of the pipe waits for the last."""
    chat = Chat(User.without_sound(), server)
    await chat.user.type("One.", "", "/characters", "Two.")
    chat.user.leave()
    nursery.start_soon(lambda: chat.run(piped=True))
    peer = await server.accept()
    await peer.greet()
    await peer.begin_turn("One.")
    await peer.expect_nothing(0.1)
    await peer.end_turn()
    await peer.expect("fetch-configs")
    await peer.expect_nothing(0.1)
    await peer.say("config-files", configs=[])
    await peer.begin_turn("Two.")
    await peer.speak("Too.")
    await peer.expect_nothing(0.1)
    await peer.end_turn()
    assert await chat.code() == 0
    assert await closed(peer) == 1000


async def test_an_error_instead_of_a_turn_ends_the_wait(server: Server, nursery: trio.Nursery) -> None:
    """The next line of a pipe is said all the same."""
    chat = Chat(User.without_sound(), server)
    await chat.user.type("One.", "Two.")
    nursery.start_soon(lambda: chat.run(piped=True))
    peer = await server.accept()
    await peer.greet()
    await peer.expect("text-input", text="One.")
    await peer.say("error", message="the server is shutting down", code="shutting-down")
    await peer.expect("text-input", text="Two.")


async def test_a_pipe_does_not_wait_for_a_lost_server(server: Server, nursery: trio.Nursery) -> None:
    """A script learns from the exit code that its conversation broke off."""
    chat = Chat(User.without_sound(), server)
    await chat.user.type("One.")
    nursery.start_soon(lambda: chat.run(piped=True))
    peer = await server.accept()
    await peer.greet()
    await peer.begin_turn("One.")
    await peer.websocket.aclose(1011)
    peer.gone.set()
    assert await chat.code() == 1
    assert "was lost: the server had an internal error" in chat.user.seen


async def test_a_server_that_falls_silent_is_asked_and_then_left(
    chat: Chat, peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer to the heartbeat is enough to stay; without one the connection is lost."""
    monkeypatch.setattr("trio_backend.chat.link.SILENCE", 0.2)
    await chat.user.type("Hi.")
    await peer.answer("Hi.", "Hello.")
    for _ in range(2):
        await peer.expect("heartbeat")
        await peer.say("heartbeat-ack")
    await peer.expect("heartbeat")
    await chat.user.until("the connection is lost: the server sent nothing for")
