"""Engines looked at, tried and chosen by a client, where the operator lets it."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import attrs
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.client import Client, Heard
from tests.conftest import GREETING, character
from tests.memory_wire import MemoryWire, memory_wire_pair
from tests.session.sessions import END, THREE, shown, types
from tests.session.stand_in_engines import SECRET, SLOW, StandInAdapter, register
from trio_backend.audio.pcm import Pcm
from trio_backend.backend import Backend, BackendOptions, open_backend
from trio_backend.config.catalog import MemoryCatalog
from trio_backend.config.character import EngineChoice
from trio_backend.engines.asr.scripted import write

ENGINES = ["engines", "speech-recognition"]
REQUESTS: list[dict[str, Any]] = [
    {"type": "fetch-engines"},
    {"type": "try-engine", "kind": "tts", "name": "bell_tts"},
    {"type": "stop-trying"},
    {"type": "choose-engine", "kind": "tts", "name": "bell_tts"},
]


@pytest.fixture(autouse=True)
def adapters(monkeypatch: pytest.MonkeyPatch) -> dict[str, StandInAdapter]:
    """The engines that there are, besides our own."""
    return register(monkeypatch)


@attrs.define(eq=False)
class Opened:
    """A backend whose engines may be chosen by those whom ``choose_engines`` names."""

    backend: Backend
    nursery: trio.Nursery

    async def connect(self, accepts: list[str] = ENGINES, *, operator: bool = False) -> Client:
        """A client that has said what it accepts, and was told what its recogniser is like."""
        client, _ = await self.connect_wire(accepts, operator=operator)
        return client

    async def connect_wire(
        self, accepts: list[str] = ENGINES, *, operator: bool = False
    ) -> tuple[Client, MemoryWire]:
        ours, theirs = memory_wire_pair()

        async def serve() -> None:
            await self.backend.serve_client(theirs, operator=operator)

        self.nursery.start_soon(serve)
        client = Client(ours)
        assert types([await client.hear() for _ in GREETING]) == GREETING
        await client.say("hello", accepts=accepts)
        await client.until("hello")
        if "speech-recognition" in accepts:
            await client.until("speech-recognition")
        await wait_all_tasks_blocked()
        return client, ours

    @property
    def leased(self) -> dict[str, int]:
        """How many leases each engine has."""
        return {one.name: one.leases for one in self.backend.leases.statistics().engines}


@asynccontextmanager
async def opened(
    options: BackendOptions, choose_engines: str = "everyone", **system: Any
) -> AsyncIterator[Opened]:
    changed = attrs.evolve(options.system, choose_engines=choose_engines, **system)
    async with (
        open_backend(attrs.evolve(options, system=changed)) as backend,
        trio.open_nursery() as nursery,
    ):
        yield Opened(backend, nursery)
        nursery.cancel_scope.cancel()


async def fetched(client: Client) -> dict[str, Heard]:
    """The engines that a client is told of, by name."""
    await client.say("fetch-engines")
    return {one["name"]: one for one in (await client.until("engines"))[-1]["engines"]}


async def tried(client: Client, kind: str, name: str, **more: object) -> Heard:
    await client.say("try-engine", kind=kind, name=name, **more)
    return (await client.until("engine-tried"))[-1]


async def chosen(client: Client, kind: str, name: str) -> Heard:
    await client.say("choose-engine", kind=kind, name=name)
    return (await client.until("engine-chosen"))[-1]


def seconds(message: Heard) -> float:
    """How long the sound of a message is."""
    return Pcm.from_wav(b64decode(message["audio"])).seconds


def sound_of(messages: list[Heard]) -> float:
    return sum(seconds(one) for one in messages if one["type"] == "audio" and one["audio"])


# Who may.


@pytest.mark.parametrize(
    ("choose_engines", "operator", "accepts"),
    [("off", True, ENGINES), ("operator", False, ENGINES), ("everyone", True, ["titles"])],
    ids=["off", "a visitor", "no hello"],
)
async def test_who_may_not_choose_gets_the_error_of_an_unknown_message(
    autojump_clock: MockClock,
    options: BackendOptions,
    adapters: dict[str, StandInAdapter],
    choose_engines: str,
    operator: bool,
    accepts: list[str],
) -> None:
    """And nothing else is disturbed: no engine is opened, and the next turn is as ever."""
    async with opened(options, choose_engines) as there:
        client = await there.connect(accepts, operator=operator)
        before = there.leased
        for request in [*REQUESTS, {"type": "fetch-engine"}]:
            await client.say(**request)
            error = await client.hear()
            assert (error["type"], error["code"]) == ("error", "unknown-type")
            assert error["message"] == f"there is no message type {request['type']!r}"
        assert there.leased == before
        assert adapters["bell_tts"].happened == []
        assert shown(await client.turn("Hello there.")) == ["Hello there."]
        await client.silence(600)


async def test_nobody_may_by_default(autojump_clock: MockClock, options: BackendOptions) -> None:
    """Not the operator either: the addition is not agreed upon."""
    assert options.system.choose_engines == "off"
    async with opened(options, "off") as there:
        ours, theirs = memory_wire_pair()

        async def serve() -> None:
            await there.backend.serve_client(theirs, operator=True)

        there.nursery.start_soon(serve)
        client = Client(ours)
        await client.say("hello", accepts=["engines", "titles"])
        assert (await client.until("hello"))[-1]["accepts"] == ["titles"]


async def test_in_a_room_only_who_asks_is_told(autojump_clock: MockClock, options: BackendOptions) -> None:
    """A room's character belongs to all of its clients."""
    async with opened(options, "everyone", enable_proxy=True) as there:
        clients = []
        for _ in range(2):
            ours, theirs = memory_wire_pair()
            there.nursery.start_soon(there.backend.serve_in_room, theirs, "den")
            clients.append(Client(ours))
            await clients[-1].until("control", text="start-mic")
        ann, bob = clients
        await ann.say("hello", accepts=["engines"])
        assert (await ann.until("hello"))[-1]["accepts"] == []
        for request in REQUESTS:
            await ann.say(**request)
            assert (await ann.hear())["code"] == "unknown-type"
        await bob.silence(60)


# The list.


async def test_an_operator_is_told_what_is_missing(
    autojump_clock: MockClock, options: BackendOptions
) -> None:
    """What is used, what could be, and for the others what to do."""
    async with opened(options, "operator") as there:
        engines = await fetched(await there.connect(operator=True))
    assert engines["bell_tts"] == {
        "kind": "tts", "name": "bell_tts", "usable": True, "in_use": False, "configured": False,
        "needs": "nothing: a bell", "missing": [],
    }  # fmt: skip
    assert engines["tone_tts"]["in_use"]
    assert engines["tone_tts"]["configured"]
    assert not engines["unset_tts"]["usable"]
    assert engines["unset_tts"]["missing"] == ["api_key is missing: set BELL_KEY"]
    assert engines["costly_tts"]["usable"]
    # Ours for tests are there only where they are configured, as these two are.
    assert {one["kind"] for one in engines.values()} == {"llm", "tts", "asr"}


async def test_a_visitor_is_told_of_usable_ones_alone(
    autojump_clock: MockClock, options: BackendOptions
) -> None:
    """No path, no command and no setting; nor what would cost money, or a download."""
    async with opened(options) as there:
        client = await there.connect()
        engines = await fetched(client)
        assert all(one["usable"] and not one["missing"] and not one["needs"] for one in engines.values())
        assert "bell_tts" in engines
        assert not engines.keys() & {"unset_tts", "costly_tts", "large_tts"}
        for name in ("unset_tts", "costly_tts", "large_tts", "http://10.0.0.1/", "../bell_tts"):
            told = await chosen(client, "tts", name)
            assert told["problem"] == "there is no such engine to choose"
            assert (await tried(client, "tts", name))["problem"] == told["problem"]
        assert there.leased == {"echo_llm": 1, "tone_tts": 1}


async def test_engines_for_tests_are_offered_where_they_are_configured(
    autojump_clock: MockClock, options: BackendOptions
) -> None:
    """Ann has a voice of her own, and does not use the tone."""
    ann = attrs.evolve(character("ann"), tts=EngineChoice("tts", "bell_tts"))
    async with opened(attrs.evolve(options, catalog=MemoryCatalog(ann))) as there:
        engines = await fetched(await there.connect())
    assert "echo_llm" in engines
    assert "tone_tts" not in engines


async def test_settings_do_not_come_from_clients(
    autojump_clock: MockClock, options: BackendOptions, adapters: dict[str, StandInAdapter]
) -> None:
    """What a client adds to its message is passed over."""
    async with opened(options) as there:
        client = await there.connect()
        await client.say(
            "choose-engine", kind="tts", name="bell_tts", settings={"base_url": "http://10.0.0.1"}
        )
        assert (await client.until("engine-chosen"))[-1]["problem"] == ""
        await client.say("choose-engine", kind="vad", name="silero_vad")
        assert (await client.hear())["code"] == "bad-message"


# Trials.


async def test_a_voice_is_tried_beside_the_conversation(
    autojump_clock: MockClock, options: BackendOptions, adapters: dict[str, StandInAdapter]
) -> None:
    """It says the sentence, in whole; then it is given back, and the character has its own voice still."""
    async with opened(options) as there:
        client = await there.connect()
        told = await tried(client, "tts", "bell_tts", text="Good day.")
        assert told["problem"] == ""
        assert seconds(told) == pytest.approx(9 * SLOW, abs=0.02)
        await wait_all_tasks_blocked()
        assert adapters["bell_tts"].happened == ["opened", "closed"]
        assert seconds(await tried(client, "tts", "bell_tts")) > 2
        assert sound_of(await client.turn("One two.")) == pytest.approx(8 * 0.01, abs=0.02)


async def test_a_long_sound_is_cut(autojump_clock: MockClock, options: BackendOptions) -> None:
    """It comes in one message, and the voice is not asked for more of it."""
    async with opened(options) as there:
        client, began = await there.connect(), trio.current_time()
        told = await tried(client, "tts", "endless_tts", text="a" * 200)
        assert len(Pcm.from_wav(b64decode(told["audio"])).samples) == 2**20
        assert trio.current_time() - began < 40, "a second for each second"
        await client.say("try-engine", kind="tts", name="bell_tts", text="a" * 201)
        assert (await client.hear())["code"] == "bad-message"


async def test_a_recogniser_is_tried_on_what_the_page_has_recorded(
    autojump_clock: MockClock, options: BackendOptions
) -> None:
    """The conversation hears nothing of it."""
    spoken = b64encode(write("Is this on?", seconds=2).samples).decode()
    async with opened(options) as there:
        client = await there.connect()
        told = await tried(client, "asr", "keen_asr", audio=spoken)
        assert (told["text"], told["loaded_in"], told["took"]) == ("Is this on?", 3, 1)
        for wrong in ("no base64", "", "QQ=="):
            await client.say("try-engine", kind="asr", name="keen_asr", audio=wrong)
            assert (await client.hear())["code"] == "bad-message"
        await client.silence(60)


async def test_a_model_is_tried_with_a_greeting(autojump_clock: MockClock, options: BackendOptions) -> None:
    """Its answer is neither remembered nor kept."""
    async with opened(options) as there:
        client = await there.connect()
        told = await tried(client, "llm", "parrot_llm")
        assert (told["text"], told["loaded_in"], told["took"]) == ("Hello", 1, 2)
        await client.say("fetch-history-list")
        assert (await client.hear())["histories"] == []


async def test_why_a_trial_failed_is_for_the_operator(
    autojump_clock: MockClock, options: BackendOptions
) -> None:
    """Who may choose, but is a visitor, gets no path and no command."""
    async with opened(options) as there:
        operator, visitor = await there.connect(operator=True), await there.connect()
        assert (await tried(operator, "tts", "broken_tts"))["problem"] == SECRET
        told = await tried(visitor, "tts", "broken_tts")
        assert told["problem"] == "this engine did not work; the server's log says why"
        assert (await tried(operator, "tts", "silent_tts"))["problem"] == "silent_tts made no sound"


async def test_a_trial_has_a_deadline(
    autojump_clock: MockClock, options: BackendOptions, adapters: dict[str, StandInAdapter]
) -> None:
    """What hangs is given back."""
    async with opened(options, engine_trial_timeout=30) as there:
        client = await there.connect()
        began = trio.current_time()
        told = await tried(client, "tts", "hanging_tts")
        assert told["problem"] == "it took longer than 30 s"
        assert trio.current_time() - began == 30
        await wait_all_tasks_blocked()
        assert adapters["hanging_tts"].happened == ["opened", "closed"]


async def test_a_newer_trial_stops_the_one_before(
    autojump_clock: MockClock, options: BackendOptions, adapters: dict[str, StandInAdapter]
) -> None:
    """One at a time, whatever the client says; and none where it has had enough."""
    async with opened(options) as there:
        client = await there.connect()
        await client.say("try-engine", kind="tts", name="hanging_tts")
        await trio.sleep(1)
        assert (await tried(client, "tts", "bell_tts"))["name"] == "bell_tts"
        await client.say("try-engine", kind="tts", name="hanging_tts")
        await trio.sleep(1)
        await client.say("stop-trying")
        await client.silence(600)
        assert adapters["hanging_tts"].happened == ["opened", "closed"] * 2
        assert there.leased == {"echo_llm": 1, "tone_tts": 1}


async def test_few_engines_are_tried_at_once(autojump_clock: MockClock, options: BackendOptions) -> None:
    """Of all sessions; a place is free again as soon as a trial is over, and when its client leaves."""
    async with opened(options, max_engine_trials=2) as there:
        (ann, wire), (bob, _) = await there.connect_wire(), await there.connect_wire()
        cat = await there.connect()
        for client in (ann, bob):
            await client.say("try-engine", kind="tts", name="hanging_tts")
        await trio.sleep(1)
        assert (await tried(cat, "tts", "bell_tts"))["problem"] == "others try engines now: try again soon"
        await wire.close()
        await trio.sleep(1)
        assert (await tried(cat, "tts", "bell_tts"))["problem"] == ""
        await bob.say("stop-trying")
        for _ in range(5):
            assert (await tried(cat, "tts", "bell_tts"))["problem"] == ""


async def test_nothing_is_left_of_a_client_that_vanishes(
    autojump_clock: MockClock, options: BackendOptions, adapters: dict[str, StandInAdapter]
) -> None:
    """In the middle of a trial, and while an engine that it chose is loading."""
    async with opened(options) as there:
        for request in (
            {"type": "try-engine", "kind": "tts", "name": "hanging_tts", "text": "a" * 200},
            {"type": "choose-engine", "kind": "tts", "name": "slow_tts"},
        ):
            client, wire = await there.connect_wire()
            await client.say(**request)
            await trio.sleep(5)
            await wire.close()
            await wait_all_tasks_blocked()
            assert there.leased == {}
            assert not there.nursery.child_tasks
        assert adapters["hanging_tts"].happened == ["opened", "closed"]
        assert adapters["slow_tts"].happened == []


async def test_a_bug_in_an_engine_ends_its_trial_and_no_more(
    autojump_clock: MockClock, options: BackendOptions, adapters: dict[str, StandInAdapter]
) -> None:
    """The session goes on."""
    adapters["bell_tts"].engine = object()
    async with opened(options) as there:
        client = await there.connect()
        told = await tried(client, "tts", "bell_tts")
        assert told["problem"] == "this engine did not work; the server's log says why"
        assert shown(await client.turn("Hello there.")) == ["Hello there."]


# Choosing.


async def test_a_voice_that_was_chosen_is_that_of_the_next_turn(
    autojump_clock: MockClock, options: BackendOptions, adapters: dict[str, StandInAdapter]
) -> None:
    """In this session; the conversation goes on, and another page keeps the voice that the file names."""
    async with opened(options) as there:
        ann, bob = await there.connect(), await there.connect()
        await ann.turn("Hello.")
        told = await chosen(ann, "tts", "bell_tts")
        assert told == {
            "type": "engine-chosen", "kind": "tts", "name": "bell_tts", "problem": "", "file": "", "key": "",
        }  # fmt: skip
        await wait_all_tasks_blocked()
        assert there.leased == {"echo_llm": 2, "tone_tts": 1, "bell_tts": 2}
        heard = await ann.turn("One two.")
        assert sound_of(heard) == pytest.approx(8 * SLOW, abs=0.02)
        assert "new-history-created" not in types(heard)
        assert sound_of(await bob.turn("One two.")) == pytest.approx(8 * 0.01, abs=0.02)
        engines = await fetched(ann)
        assert [name for name, one in engines.items() if one["kind"] == "tts" and one["in_use"]] == [
            "bell_tts"
        ]
        assert engines["tone_tts"]["configured"]
        await ann.say("fetch-history-list")
        assert len((await ann.until("history-list"))[-1]["histories"]) == 2, "one of each page"
        assert (await chosen(ann, "tts", "bell_tts"))["problem"] == ""
        assert (await chosen(ann, "tts", "tone_tts"))["problem"] == ""
        await wait_all_tasks_blocked()
        assert adapters["bell_tts"].happened == ["opened", "closed"]
        assert there.leased == {"echo_llm": 2, "tone_tts": 3}


async def test_a_reply_ends_in_the_voice_that_it_began_with(
    autojump_clock: MockClock, options: BackendOptions, adapters: dict[str, StandInAdapter]
) -> None:
    """The choice cuts nothing off; the engine before is given back once, when the turn has ended."""
    async with opened(options) as there:
        client = await there.connect()
        await client.say("text-input", text=THREE)
        await client.until("audio")
        await client.say("choose-engine", kind="tts", name="bell_tts")
        heard = await client.until("backend-synth-complete")
        assert "engine-chosen" in types(heard)
        assert shown(heard) == ["Four five six.", "Seven eight nine."]
        assert sound_of(heard) < 1
        assert there.leased["tone_tts"] == 1
        await client.say("frontend-playback-complete")
        await client.until("control", text="conversation-chain-end")
        await wait_all_tasks_blocked()
        assert "tone_tts" not in there.leased
        heard = await client.turn("One two.")
        assert sound_of(heard) == pytest.approx(8 * SLOW, abs=0.02), heard


async def test_a_barge_in_ends_a_reply_whose_engine_was_replaced(
    autojump_clock: MockClock, options: BackendOptions
) -> None:
    """By a word, or by the next message, which the new engine speaks."""
    async with opened(options) as there:
        client = await there.connect()
        for message in ({"type": "interrupt-signal", "text": "One"}, {"type": "text-input", "text": "Two."}):
            await client.say("text-input", text=THREE)
            await client.until("audio")
            for name in ("bell_tts", "tone_tts", "bell_tts"):
                await chosen(client, "tts", name)
            await client.say(**message)
            if message["type"] == "text-input":
                heard = await client.until("backend-synth-complete")
                assert shown(heard)[-1] == "Two."
                assert sound_of(heard[-2:]) == pytest.approx(4 * SLOW, abs=0.02)
                await client.say("frontend-playback-complete")
                await client.until(**END)
            await wait_all_tasks_blocked()
            assert there.leased == {"echo_llm": 1, "bell_tts": 2}
            assert (await chosen(client, "tts", "tone_tts"))["problem"] == ""


async def test_an_engine_that_cannot_be_loaded_leaves_the_one_before(
    autojump_clock: MockClock, options: BackendOptions
) -> None:
    """The reason is told, to operators; recognition, too, is loaded before it counts as chosen."""
    async with opened(options, engine_trial_timeout=10) as there:
        operator, visitor = await there.connect(operator=True), await there.connect()
        for kind, name in (("tts", "broken_tts"), ("asr", "deaf_asr")):
            assert (await chosen(operator, kind, name))["problem"] == SECRET
            told = await chosen(visitor, kind, name)
            assert told["problem"] == "this engine did not work; the server's log says why"
        late = await chosen(operator, "tts", "slow_tts")
        assert late["problem"] == "it could not be loaded within 10 s"
        assert (late["file"], late["key"]) == ("", "")
        for client in (operator, visitor):
            assert sound_of(await client.turn("One two.")) == pytest.approx(8 * 0.01, abs=0.02)
        await wait_all_tasks_blocked()
        assert there.leased == {"echo_llm": 2, "tone_tts": 2}


async def test_who_talks_while_an_engine_loads_is_answered_at_once(
    autojump_clock: MockClock, options: BackendOptions
) -> None:
    """By the engine before."""
    async with opened(options) as there:
        client = await there.connect()
        await client.say("choose-engine", kind="tts", name="slow_tts")
        await trio.sleep(1)
        heard = await client.turn("One two.")
        assert "full-text" in types(heard)
        assert sound_of(heard) == pytest.approx(8 * 0.01, abs=0.02)
        await client.until("engine-chosen", name="slow_tts")
        assert sound_of(await client.turn("One two.")) == pytest.approx(8 * SLOW, abs=0.02)


async def test_a_newer_choice_stops_the_one_before(
    autojump_clock: MockClock, options: BackendOptions, adapters: dict[str, StandInAdapter]
) -> None:
    """Only the last one is answered."""
    async with opened(options) as there:
        client = await there.connect()
        await client.say("choose-engine", kind="tts", name="slow_tts")
        await trio.sleep(5)
        assert (await chosen(client, "tts", "bell_tts"))["name"] == "bell_tts"
        await client.silence(600)
        assert adapters["slow_tts"].happened == []


async def test_a_switch_brings_the_characters_own_engines(
    autojump_clock: MockClock, options: BackendOptions
) -> None:
    """Back at the first character, too; while one is being loaded, no engine can be chosen for another."""
    catalog = options.catalog
    assert isinstance(catalog, MemoryCatalog)
    bell = attrs.evolve(character("bell"), tts=EngineChoice("tts", "bell_tts"))
    catalog = attrs.evolve(catalog, others={**catalog.others, "bell.yaml": bell})
    async with opened(attrs.evolve(options, catalog=catalog)) as there:
        client = await there.connect()
        await chosen(client, "tts", "bell_tts")
        await client.say("choose-engine", kind="tts", name="slow_tts")
        await trio.sleep(1)
        await client.say("switch-config", file="ann.yaml")
        await trio.sleep(1)
        told = await chosen(client, "tts", "bell_tts")
        assert told["problem"] == "a character is being loaded"
        await client.until("config-switched")
        assert sound_of(await client.turn("One two.")) == pytest.approx(8 * 0.01, abs=0.02)
        await client.say("switch-config", file="conf.yaml")
        await client.until("config-switched")
        assert sound_of(await client.turn("One two.")) == pytest.approx(8 * 0.01, abs=0.02)
        await wait_all_tasks_blocked()
        assert there.leased == {"echo_llm": 1, "tone_tts": 1}
        await client.say("switch-config", file="bell.yaml")
        await client.until("config-switched")
        engines = await fetched(client)
        assert engines["bell_tts"]["configured"]
        assert not engines.get("tone_tts", {"configured": False})["configured"]


async def test_an_operator_is_told_what_would_make_it_permanent(
    autojump_clock: MockClock, options: BackendOptions
) -> None:
    """The file and the key; nothing is written."""
    async with opened(options, "operator") as there:
        client = await there.connect(operator=True)
        told = [await chosen(client, *one) for one in (("tts", "bell_tts"), ("llm", "parrot_llm"))]
    assert [(one["file"], one["key"]) for one in told] == [
        ("conf.yaml", "character_config.tts_config.tts_model"),
        ("conf.yaml", "character_config.agent_config.agent_settings.basic_memory_agent.llm_provider"),
    ]


async def test_the_engine_of_the_file_comes_back_with_its_list(
    autojump_clock: MockClock, options: BackendOptions, adapters: dict[str, StandInAdapter]
) -> None:
    """What stands in while it fails does so again."""
    broken = EngineChoice("tts", "tone_tts", {"fail_on": "Four"}, then=(EngineChoice("tts", "bell_tts"),))
    base = attrs.evolve(options.catalog.base, tts=broken)
    async with opened(attrs.evolve(options, catalog=MemoryCatalog(base))) as there:
        client = await there.connect()
        await chosen(client, "tts", "hanging_tts")
        await chosen(client, "tts", "tone_tts")
        assert adapters["bell_tts"].happened == []
        heard = await client.turn("Four five six.")
        assert adapters["bell_tts"].happened == ["opened"]
        assert sound_of(heard) == pytest.approx(14 * SLOW, abs=0.02)


async def test_a_character_that_could_not_come_comes_with_another_engine(
    autojump_clock: MockClock, options: BackendOptions
) -> None:
    """What waited meanwhile is answered."""
    base = attrs.evolve(options.catalog.base, tts=EngineChoice("tts", "broken_tts"))
    async with opened(attrs.evolve(options, catalog=MemoryCatalog(base))) as there:
        client = await there.connect()
        await client.until("error", code="bad-config")
        await client.say("choose-engine", kind="tts", name="deaf_tts")
        await client.until("engine-chosen")
        await client.say("choose-engine", kind="tts", name="slow_tts")
        await client.say("text-input", text="Hello there.")
        heard = await client.until("backend-synth-complete")
        assert shown(heard) == ["Hello there."]
        assert "engine-chosen" in types(heard)


# Speech recognition.


async def test_what_understands_little_is_said(
    autojump_clock: MockClock, options: BackendOptions, adapters: dict[str, StandInAdapter]
) -> None:
    """To all, that it does; to operators, what would understand more, and how to get it."""
    base = attrs.evolve(options.catalog.base, asr=None)
    async with opened(attrs.evolve(options, catalog=MemoryCatalog(base)), "off") as there:
        told = []
        for operator in (False, True):
            ours, theirs = memory_wire_pair()

            async def serve(wire: MemoryWire = theirs, operator: bool = operator) -> None:
                await there.backend.serve_client(wire, operator=operator)

            there.nursery.start_soon(serve)
            client = Client(ours)
            await client.say("hello", accepts=["speech-recognition"])
            told.append((await client.until("speech-recognition"))[-1])
            await client.say("hello", accepts=[])
            await client.until("hello")
            await client.silence(60)
        visitor, by_operator = told
    assert visitor == {"type": "speech-recognition", "limited": True, "better": []}
    assert by_operator["limited"]
    better = {one["name"]: one for one in by_operator["better"]}
    assert better.keys() == {"sherpa_onnx_asr", "faster_whisper", "whisper_cpp"}
    # Without a model it is usable nowhere.
    assert better["sherpa_onnx_asr"]["remedy"]
    assert better["sherpa_onnx_asr"]["needs"]


async def test_what_was_said_of_recognition_changes_with_it(
    autojump_clock: MockClock, options: BackendOptions
) -> None:
    """By a choice, and by a switch to a character that names no recogniser."""
    mute = attrs.evolve(character("mute"), asr=None)
    catalog = MemoryCatalog(options.catalog.base, {"mute.yaml": mute})
    async with opened(attrs.evolve(options, catalog=catalog)) as there:
        client = await there.connect()
        await client.say("switch-config", file="mute.yaml")
        assert (await client.until("speech-recognition"))[-1]["limited"]
        assert (await chosen(client, "asr", "keen_asr"))["problem"] == ""
        assert not (await client.until("speech-recognition"))[-1]["limited"]
        sound = write("Is this on?", seconds=1)
        await client.say("mic-audio-data", audio=sound.floats().tolist())
        await client.say("mic-audio-end")
        assert (await client.until("user-input-transcription"))[-1]["text"] == "Is this on?"


async def test_who_does_not_accept_it_is_not_told_of_recognition(
    autojump_clock: MockClock, options: BackendOptions
) -> None:
    """Neither at first nor when it changes."""
    base = attrs.evolve(options.catalog.base, asr=None)
    async with opened(attrs.evolve(options, catalog=MemoryCatalog(base))) as there:
        client = await there.connect(["engines"])
        assert (await chosen(client, "asr", "keen_asr"))["problem"] == ""
        await client.silence(60)
