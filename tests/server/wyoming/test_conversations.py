"""Conversations with the character by Wyoming: what is remembered, for how long, and what ends a turn."""

from __future__ import annotations

import attrs
import pytest
import trio
from trio.testing import MockClock

from tests.attack.attacked import errors_logged
from tests.conftest import TOKEN
from tests.session.sessions import stored
from trio_backend.backend import Backend, BackendOptions
from trio_backend.config.catalog import MemoryCatalog
from trio_backend.config.character import EngineChoice
from trio_backend.config.wyoming import WyomingSettings
from trio_backend.conversation.admission import TurnPlace

from .conftest import Satellite, WyomingRun


@pytest.fixture
def settings() -> WyomingSettings:
    """Few conversations, which are forgotten after a minute."""
    return WyomingSettings(port=0, max_conversations=2, conversation_timeout=60)


def remembered(backend: Backend) -> list[list[str]]:
    """What the model is told of each conversation that goes on."""
    memories = [one.memory.so_far() for one in backend.services.conversations]
    return sorted([message.content for message in memory] for memory in memories)


async def asked(served: WyomingRun, text: str, host: str = "192.168.1.9", **context: object) -> Satellite:
    """A client that was answered, and has left, as Home Assistant does."""
    client = await served.connect(host)
    answer = await client.ask(text, **context)
    assert (answer.type, answer.data["text"]) == ("handled", text)
    await client.leave()
    return client


async def test_a_conversation_goes_on_over_connections(
    autojump_clock: MockClock, served: WyomingRun, backend: Backend
) -> None:
    """By its id; another id, another address or a device are others. Each is stored as one."""
    await asked(served, "One.", conversation_id="a", device_id="kitchen")
    await asked(served, "Two.", conversation_id="a", device_id="bath")
    await asked(served, "Three.", device_id="kitchen")
    assert remembered(backend) == [["One.", "One.", "Two.", "Two."], ["Three.", "Three."]]
    # Home Assistant has it spoken: a voice here would be paid for twice.
    assert {engine.name for engine in backend.leases.statistics().engines} == {"echo_llm", "none_tts"}


async def test_other_addresses_do_not_find_a_conversation(
    autojump_clock: MockClock, served: WyomingRun, backend: Backend
) -> None:
    """Even if they guess its name."""
    await asked(served, "One.", conversation_id="a")
    await asked(served, "Two.", "192.168.1.10", conversation_id="a")
    assert remembered(backend) == [["One.", "One."], ["Two.", "Two."]]


async def test_what_rests_is_forgotten(
    autojump_clock: MockClock, served: WyomingRun, backend: Backend
) -> None:
    """After its time, or when there are too many; and then begins anew."""
    await asked(served, "One.", conversation_id="a")
    await trio.sleep(59)
    await asked(served, "Two.", conversation_id="a")
    await trio.sleep(59)
    assert remembered(backend) == [["One.", "One.", "Two.", "Two."]]
    await trio.sleep(2)
    assert remembered(backend) == []
    for text in ("a", "b", "a", "c"):
        await asked(served, text, conversation_id=text)
    assert remembered(backend) == [["a", "a", "a", "a"], ["c", "c"]]


async def test_one_address_does_not_have_those_of_others_forgotten(
    autojump_clock: MockClock, served: WyomingRun, backend: Backend
) -> None:
    """It takes the places of its own, however long the others rest."""
    await asked(served, "Mine.", "192.168.1.10", conversation_id="a")
    for text in ("One.", "Two.", "Three."):
        await asked(served, text, conversation_id=text)
    assert remembered(backend) == [["Mine.", "Mine."], ["Three.", "Three."]]


async def test_a_connection_without_a_name_is_a_conversation(
    autojump_clock: MockClock, served: WyomingRun, backend: Backend
) -> None:
    """Which ends with it."""
    client = await served.connect()
    await client.ask("One.")
    await client.ask("Two.")
    assert remembered(backend) == [["One.", "One.", "Two.", "Two."]]
    await client.leave()
    await trio.sleep(1)
    assert remembered(backend) == []


async def test_too_many_at_once_are_refused_in_words(autojump_clock: MockClock, served: WyomingRun) -> None:
    """Not as an error: the client says it to its user."""
    clients = [await served.connect() for _ in range(3)]
    for number, client in enumerate(clients):
        await client.say("transcript", {"text": "word " * 100, "context": {"conversation_id": str(number)}})
        await trio.sleep(0.01)
    (answer,) = await clients[2].until("not-handled")
    assert "too many conversations" in answer.data["text"]


async def test_who_leaves_ends_the_turn(
    autojump_clock: MockClock, served: WyomingRun, backend: Backend
) -> None:
    """What was said until then is remembered; the conversation can go on."""
    client = await served.connect()
    await client.say("transcript", {"text": "One. two three four five.", "context": {"conversation_id": "a"}})
    await client.until("handled-chunk")
    await client.leave()
    began = trio.current_time()
    while backend.services.turns_running:
        await trio.sleep(0.001)
    assert trio.current_time() - began < TOKEN
    assert remembered(backend) == [["One. two three four five.", "One."]]
    await asked(served, "Two.", conversation_id="a")
    assert remembered(backend) == [["One. two three four five.", "One.", "Two.", "Two."]]


async def test_two_questions_of_a_conversation_are_answered_in_turn(
    autojump_clock: MockClock, served: WyomingRun
) -> None:
    """Neither takes the place of the other."""
    first, second = await served.connect(), await served.connect()
    for client, text in ((first, "One."), (second, "Two.")):
        await client.say("transcript", {"text": text, "context": {"conversation_id": "a"}})
    assert (await second.until("handled"))[-1].data["text"] == "Two."
    assert (await first.until("handled"))[-1].data["text"] == "One."


@pytest.fixture
def options(options: BackendOptions, request: pytest.FixtureRequest) -> BackendOptions:
    """With another language model where the test names one."""
    llm: EngineChoice | None = getattr(request, "param", None)
    if llm is None:
        return options
    assert isinstance(options.catalog, MemoryCatalog)
    return attrs.evolve(options, catalog=MemoryCatalog(attrs.evolve(options.catalog.base, llm=llm), {}))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (EngineChoice("llm", "echo_llm", {"fail": "the model is tired"}), "the model is tired"),
        (EngineChoice("llm", "echo_llm", {"nonsense": 1}), "nonsense: this key is not known"),
    ],
    indirect=["options"],
)
async def test_a_model_in_trouble_is_told(autojump_clock: MockClock, served: WyomingRun, told: str) -> None:
    """In the words that a page would show."""
    client = await served.connect()
    answer = await client.ask("One.", conversation_id="a")
    assert answer.type == "not-handled"
    assert told in answer.data["text"]


async def test_a_server_with_too_much_to_do_says_so(
    autojump_clock: MockClock, served: WyomingRun, backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And keeps nothing of the turn; the next one may be answered."""

    async def refuse(place: TurnPlace) -> bool:
        await trio.lowlevel.checkpoint()
        place.retry_after = 3
        return False

    client = await served.connect()
    with monkeypatch.context() as patch:
        patch.setattr(TurnPlace, "enter", refuse)
        answer = await client.ask("One.", conversation_id="a")
    assert answer.type == "not-handled"
    assert "send it again in 3 s" in answer.data["text"]
    assert remembered(backend) == [[]]
    assert (await client.ask("Two.", conversation_id="a")).data["text"] == "Two."


async def test_a_bug_is_told_as_one(
    autojump_clock: MockClock, served: WyomingRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not as the end of the server: the same question can be asked again, in a new conversation."""

    async def stumble(place: TurnPlace) -> bool:
        await trio.lowlevel.checkpoint()
        raise RuntimeError

    client = await served.connect()
    with monkeypatch.context() as patch, errors_logged() as errors:
        patch.setattr(TurnPlace, "enter", stumble)
        answer = await client.ask("One.", conversation_id="a")
    assert (answer.type, "log says why" in answer.data["text"]) == ("not-handled", True)
    assert (served.bugs.pop(), len(errors)) == ("wyoming conversation", 1)
    assert (await client.ask("One.", conversation_id="a")).data["text"] == "One."


async def test_a_server_that_shuts_down_begins_no_turn(
    autojump_clock: MockClock, served: WyomingRun, backend: Backend
) -> None:
    """But lets the one that runs end."""
    first, second = await served.connect(), await served.connect()
    await first.say("transcript", {"text": "One two three.", "context": {"conversation_id": "a"}})
    await trio.sleep(TOKEN)
    began = trio.current_time()
    served.shutdown.set()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(backend.drain)
        assert (await first.until("handled"))[-1].data["text"] == "One two three."
        assert await first.until("handled-stop")
        assert await first.hear() is None
    assert await second.hear() is None
    await served.ended.wait()
    assert trio.current_time() - began < 1
    assert not backend.services.conversations


async def test_what_was_said_before_a_cut_is_stored(
    autojump_clock: MockClock, served: WyomingRun, backend: Backend
) -> None:
    """In a conversation that ends with its connection, too."""
    client = await served.connect()
    await client.say("transcript", {"text": "One. " + "word " * 1_000})
    await client.until("handled-chunk")
    await client.leave()
    await trio.sleep(1)
    assert [(role, text[:4]) for role, text in await stored(backend)] == [("human", "One."), ("ai", "One.")]


@pytest.mark.parametrize(
    "options", [EngineChoice("llm", "echo_llm", {"first_token_delay": 90})], indirect=["options"]
)
async def test_a_client_may_wait_longer_than_it_may_be_silent(
    autojump_clock: MockClock, served: WyomingRun
) -> None:
    """It is we who are slow."""
    client = await served.connect()
    assert (await client.ask("One.")).data["text"] == "One."
