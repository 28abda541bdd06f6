"""Whatever comes between the end of playback and the end of its turn: the reply is kept once."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import attrs
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.client import Client, Heard
from tests.server.raw_client import TEXT, RawClient, connect_websocket, frame
from tests.serving.servers import configured, open_server, wait_ready
from tests.session.sessions import END, START, connect_greeted, stored
from trio_backend.backend import Backend, BackendOptions, open_backend
from trio_backend.config.character import EngineChoice
from trio_backend.history.memory import MemoryHistory
from trio_backend.history.sqlite import open_sqlite_history
from trio_backend.history.store import HistoryUid, Owner, StoredMessage

GAPS = [0, 0.002, 0.010]  # seconds
TURNS = 8
LOUD = [0.5, -0.5] * 8_000
TYPED = [("human", "Hello there."), ("ai", "Hello there.")]


class Disk(MemoryHistory):
    """A disk that takes 20 ms before it says that it has written."""

    async def append(
        self, conf_uid: Owner, uid: HistoryUid, *messages: StoredMessage, continues: bool = False
    ) -> None:
        """Store at once, answer later."""
        await super().append(conf_uid, uid, *messages, continues=continues)
        await trio.sleep(0.020)


def remembered(backend: Backend) -> list[tuple[str, str]]:
    """What the model of the only session would read."""
    (session,) = backend.services.sessions
    roles = {"user": "human", "assistant": "ai"}
    return [(roles[message.role], message.content) for message in session.conversation.memory.so_far()]


async def heartbeat(client: Client) -> list[Heard]:
    """All that comes before the answer to a heartbeat."""
    await client.say("heartbeat")
    return (await client.until("heartbeat-ack"))[:-1]


@pytest.mark.parametrize("gap", GAPS)
@pytest.mark.parametrize(
    "what", ["text", "barge-in", "leave", "speech", "new conversation", "speech, barge-in"]
)
async def test_whatever_comes_while_the_reply_is_stored_keeps_it_once(
    autojump_clock: MockClock, options: BackendOptions, nursery: trio.Nursery, gap: float, what: str
) -> None:
    """In memory and in history; and the turn ends once, unless there was a barge-in."""
    async with open_backend(attrs.evolve(options, history=Disk())) as backend:
        client = await connect_greeted(backend, nursery)
        await client.say("text-input", text="Hello there.")
        heard = await client.until("backend-synth-complete")
        await client.say("frontend-playback-complete")
        await trio.sleep(gap)
        ends = 1
        match what:
            case "text":
                await client.say("text-input", text="Next.")
                heard += await client.until("backend-synth-complete")
                await client.say("frontend-playback-complete")
                heard += await client.until(**END)
                assert heard.count(START) == 2
                ends = 2
            case "barge-in":
                # It has said that it played everything; so what it says here of less comes too late.
                await client.say("interrupt-signal", text="Hello")
                ends = 0
            case "speech" | "speech, barge-in":
                await client.say("raw-audio-data", audio=LOUD)
                heard += await client.until("control", text="interrupt")
                if what == "speech, barge-in":
                    await client.say("interrupt-signal", text="Hello")
                ends = 0
            case "leave":
                await client.wire.close()
                ends = 0
            case _:
                await client.say("create-new-history")
                heard += await client.until("new-history-created")
        if what == "leave":
            await wait_all_tasks_blocked()
            await trio.sleep(2)
        else:
            heard += await heartbeat(client)
            memory = remembered(backend)
            if what == "new conversation":
                assert memory == []
            else:
                assert memory[:2] == TYPED
                assert len(memory) == (4 if what == "text" else 2)
            await client.silence(600)
        assert heard.count(END) == ends
        assert heard.count({"type": "force-new-message"}) == ends
        assert (await stored(backend))[:2] == TYPED
        assert len(await stored(backend)) == (4 if what == "text" else 2)


async def test_a_barge_in_before_the_end_of_playback_counts(
    autojump_clock: MockClock, options: BackendOptions, nursery: trio.Nursery
) -> None:
    """What the client says that it heard is the one version; what it cannot have heard is not."""
    async with open_backend(attrs.evolve(options, history=Disk())) as backend:
        client = await connect_greeted(backend, nursery)
        await client.say("text-input", text="Hello there.")
        await client.until("backend-synth-complete")
        await client.say("interrupt-signal", text="Hello")
        await client.say("frontend-playback-complete")
        await heartbeat(client)
        assert remembered(backend) == await stored(backend) == [TYPED[0], ("ai", "Hello")]

        await client.say("text-input", text="Hello there.")
        await client.until("backend-synth-complete")
        await client.say("interrupt-signal", text="x" * 100_000)
        await heartbeat(client)
        assert len((await stored(backend))[-1][1]) < 2_000


@pytest.mark.parametrize("gap", GAPS)
@pytest.mark.parametrize("what", ["text-input", "interrupt-signal"])
async def test_over_a_socket_in_one_write(tmp_path: Path, gap: float, what: str) -> None:
    """The real server, the real file: nothing lost, nothing doubled, and an end for each start."""
    llm, tts = EngineChoice("llm", "echo_llm", {}), EngineChoice("tts", "tone_tts", {})
    config = configured(tmp_path, llm=llm, tts=tts)
    said = [f"This is message {number}." for number in range(TURNS)]
    async with open_server(config) as address:
        await wait_ready(address)
        async with connect_websocket(int(address.rsplit(":", 1)[1]), "/client-ws") as client:
            heard = await talk(client, said, gap, what)
    starts, ends = heard.count(START), heard.count(END)
    assert starts == TURNS
    assert ends == TURNS if what == "text-input" else ends <= TURNS
    async with open_sqlite_history(tmp_path / "history.sqlite3") as history:
        conf_uid = Owner(config.character.conf_uid)
        (conversation,) = await history.conversations(conf_uid)
        messages = await history.messages(conf_uid, conversation.uid)
    kept = Counter((message.role, message.content) for message in messages)
    assert kept == Counter((role, text) for role in ("human", "ai") for text in said)


async def talk(client: RawClient, said: list[str], gap: float, what: str) -> list[Heard]:
    """Each message comes with the end of playback of the one before, or ``gap`` seconds later."""
    heard: list[Heard] = []

    async def until(**fields: object) -> None:
        while not heard or any(heard[-1].get(key) != value for key, value in fields.items()):
            heard.append(json.loads(await client.message()))

    await until(type="control", text="start-mic")
    await client.send(message("text-input", text=said[0]))
    for text in [*said[1:], ""]:
        await until(type="backend-synth-complete")
        following = [message("text-input", text=text)] if text else [message("heartbeat")]
        if what == "interrupt-signal":
            following.insert(0, message("interrupt-signal", text="This"))
        played = message("frontend-playback-complete")
        if gap:
            await client.send(played)
            await trio.sleep(gap)
            await client.send(*following)
        else:
            await client.send(played, *following)
        heard.append({"type": "the test has answered"})
    await until(type="heartbeat-ack")
    if what == "text-input":
        while heard.count(END) < len(said):
            heard.append(json.loads(await client.message()))
    return heard


def message(type: str, **fields: object) -> bytes:
    """A frame with a message."""
    return frame(TEXT, json.dumps({"type": type, **fields}).encode())
