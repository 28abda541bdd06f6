"""Turns that are begun before it is certain that they are wanted. On the virtual clock."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import attrs
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.conftest import HEARING, WAKE_WORDS
from tests.conversation.running import Listener, RunningConversation, open_conversation
from tests.session.sessions import with_llm, with_tts
from trio_backend.audio.pcm import Pcm
from trio_backend.backend import BackendOptions
from trio_backend.concurrency import names_of_tasks
from trio_backend.config.catalog import MemoryCatalog
from trio_backend.config.character import EngineChoice
from trio_backend.conversation.events import (
    AudioChunk,
    Problem,
    Sentence,
    SpeechComplete,
    TurnEnded,
    TurnId,
    TurnStarted,
)
from trio_backend.conversation.recognition import Recognition
from trio_backend.conversation.responder import Response
from trio_backend.conversation.speculating import SpeculationBudget
from trio_backend.conversation.speculation import MOST_HELD, Speculation
from trio_backend.conversation.turn_input import SPECULATION
from trio_backend.conversation.user_input import UserInput
from trio_backend.conversation.wake_word import WakeWord
from trio_backend.engines.asr.scripted import write
from trio_backend.engines.base import Llm, Message, Prompt, ReplyPart
from trio_backend.quota import MemoryQuota

HELLO = UserInput("Hello there. How are you?")
TWO = ["TurnStarted", "Sentence", "AudioChunk", "Sentence", "AudioChunk", "SpeechComplete", "TurnEnded"]


@pytest.fixture
def options(options: BackendOptions) -> BackendOptions:
    """The model begins to answer after 1 s, and the synthesis of each sentence takes another."""
    return with_tts(
        with_llm(options, {"first_token_delay": 1.0}), {"delay": 1.0, "seconds_per_character": 0.01}
    )


@attrs.define(eq=False)
class Noting:
    """An `Llm` that notes what it is asked, and which of its replies are open."""

    llm: Llm
    prompts: list[Prompt] = attrs.field(factory=list)
    open: int = 0

    @asynccontextmanager
    async def reply(self, prompt: Prompt) -> AsyncIterator[trio.abc.ReceiveChannel[ReplyPart]]:
        """See `Llm.reply`."""
        self.prompts.append(prompt)
        self.open += 1
        try:
            async with self.llm.reply(prompt) as parts:
                yield parts
        finally:
            self.open -= 1

    @property
    def read(self) -> list[list[str]]:
        """The messages of each prompt."""
        return [[message.content for message in prompt.messages] for prompt in self.prompts]


def noting(running: RunningConversation) -> Noting:
    """Let the running's model note what it is asked."""
    model = Noting(running.scene.character.llm)
    running.scene.character = attrs.evolve(running.scene.character, llm=model)
    return model


def begin(running: RunningConversation, user_input: UserInput = HELLO) -> None:
    """Begin a provisional turn."""
    running.conversation.begin_provisional(running.scene, user_input)


def commit(running: RunningConversation, user_input: UserInput = HELLO) -> bool:
    """It was said."""
    return running.conversation.commit(running.scene, user_input)


async def assert_nothing_left(running: RunningConversation, *, discarded: int = 1) -> None:
    """Of a provisional turn, but that it is counted."""
    await wait_all_tasks_blocked()
    assert running.audience.events == []
    assert running.audience.over == []
    assert [timeline.outcome for timeline in running.audience.discarded] == ["discarded"] * discarded
    assert not running.conversation.memory.so_far()
    assert await running.history.conversations(running.conversation.record.owner) == []
    assert not running.conversation.turn_running
    assert running.scene._turns is not None
    assert names_of_tasks(running.scene._turns) == []


@pytest.mark.parametrize("spoken", [False, True])
@pytest.mark.parametrize("after", [0.0, HEARING / 2, 0.5, 1.0, 1.5, 2.0, 2.5, 10.0])
async def test_a_discarded_turn_leaves_nothing(
    autojump_clock: MockClock, options: BackendOptions, *, spoken: bool, after: float
) -> None:
    """Whatever it was doing: no event, memory, message, task, claim; and the next turn is the first."""
    given = UserInput("", sound=write("Hello there. How are you?")) if spoken else HELLO
    quota = MemoryQuota()
    async with open_conversation(options) as running:
        model = noting(running)
        begin(running, attrs.evolve(given, claim=quota.claim(10_000)))
        await trio.sleep(after)
        running.conversation.discard()
        running.conversation.discard()
        assert quota.used == 0
        await assert_nothing_left(running)
        assert model.open == 0
        running.say("Hello.")
        await running.wait_over()
        assert running.audience.ended == [(1, "completed", "Hello.")]


@pytest.mark.parametrize("spoken", [False, True])
@pytest.mark.parametrize("certain", [0.0, 0.5, 1.0, 1.7, 2.0, 3.0, 30.0])
async def test_a_committed_turn_adds_nothing_to_the_wait(
    autojump_clock: MockClock, options: BackendOptions, *, spoken: bool, certain: float
) -> None:
    """But what remained of the work: the first sound is there when it is made, or at once."""
    given = UserInput("", sound=write("Hello there. How are you?")) if spoken else HELLO
    made = 2.0 + (HEARING if spoken else 0)
    async with open_conversation(options) as running:
        began = trio.current_time()
        begin(running, given)
        await trio.sleep(certain)
        assert running.audience.events == []
        assert commit(running, given)
        await running.audience.until(TurnStarted)
        assert trio.current_time() - began == pytest.approx(certain)
        await running.audience.until(AudioChunk)
        assert trio.current_time() - began == pytest.approx(max(certain, made))
        await running.wait_over()
        assert running.audience.kinds == [*TWO[:1], *(["Transcript"] if spoken else []), *TWO[1:]]
        assert running.audience.ended == [(1, "completed", "Hello there. How are you?")]
        assert await running.stored() == [("human", HELLO.text), ("ai", HELLO.text)]
        assert [timeline.outcome for timeline in running.audience.over] == ["complete"]
        assert not running.audience.discarded
        assert running.audience.over[0].committed == pytest.approx(certain)


@pytest.mark.parametrize("held", [True, False])
@pytest.mark.parametrize(
    "given",
    [
        UserInput("Hey Iris, hello there."),
        UserInput("Nobody is meant."),
        UserInput("Hey Iris"),
        UserInput("", sound=write("Hey Iris, tell me. [joy] More!")),
        UserInput("", sound=write("Not you.")),
        UserInput("", sound=write(" ")),
        UserInput("Say something.", nudge=True),
        UserInput("Hey Iris, <think>hm</think> well.", name="Ann"),
        UserInput("Hey Iris, fail here."),
    ],
)
async def test_a_committed_turn_equals_an_ordinary_one(
    autojump_clock: MockClock, options: BackendOptions, given: UserInput, *, held: bool
) -> None:
    """Its events, memory, history and what the character knows of being meant, whenever it is committed."""
    base = attrs.evolve(
        options.catalog.base,
        wake_word=WAKE_WORDS,
        tts=EngineChoice("tts", "tone_tts", {"delay": 1.0, "fail_on": "fail", "seconds_per_character": 0.01}),
    )
    options = attrs.evolve(options, catalog=MemoryCatalog(base))
    stories: list[tuple[Sequence[object], ...]] = []
    for provisional in (False, True):
        async with open_conversation(options) as running:
            wake_word = running.conversation.wake_word = WakeWord(WAKE_WORDS)
            if provisional:
                begin(running, given)
                await trio.sleep(20 if held else 0.01)
                assert (wake_word.awake, wake_word.counts.wake_count) == (False, 0)
                assert commit(running, given)
            else:
                running.conversation.begin_turn(running.scene, given)
            await running.wait_over()
            end = running.audience.events[-1]
            assert isinstance(end, TurnEnded)
            events = [*running.audience.events[:-1], (end.outcome, end.heard)]
            known = (wake_word.awake, wake_word.counts)
            owner = running.conversation.record.owner
            kept = await running.stored() if await running.history.conversations(owner) else []
            stories.append((events, running.conversation.memory.so_far(), kept, [known]))
    assert stories[0] == stories[1]
    assert len(stories[0][0]) >= 2


@attrs.define(eq=False)
class Endless:
    """A responder that says ``event`` a thousand times, and counts how often somebody took it."""

    event: Response
    taken: int = 0

    @asynccontextmanager
    async def reply(self) -> AsyncIterator[trio.abc.ReceiveChannel[Response]]:
        """Its reply."""
        send, receive = trio.open_memory_channel[Response](0)

        async def speak() -> None:
            with send:
                for _ in range(1000):
                    await send.send(self.event)
                    self.taken += 1

        async with trio.open_nursery() as nursery:
            nursery.start_soon(speak)
            with receive:
                yield receive
            nursery.cancel_scope.cancel()


SECOND = Pcm(bytes(32_000), 16_000)


@pytest.mark.parametrize(
    ("event", "most"),
    [
        (AudioChunk(TurnId(1), 0, SECOND, last=False), 4),
        (AudioChunk(TurnId(1), 0, SECOND, last=True), 1),
        (Problem("engine-error", "it fails"), MOST_HELD),
    ],
)
async def test_so_much_is_held_back_and_then_the_responder_waits(
    autojump_clock: MockClock, event: Response, most: int
) -> None:
    """`SPECULATION` seconds of sound, one sentence, or a few dozen events; then all of it flows, and more."""
    responder = Endless(event)
    speculation = Speculation(SPECULATION)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(speculation.run, responder.reply())
        await trio.sleep(100)
        assert responder.taken == most
        async with speculation.flow() as events:
            for _ in range(most):
                assert await events.receive() is event
            await wait_all_tasks_blocked()
            # One is taken to be handed on, and one more may have been: there is no buffer.
            assert responder.taken <= most + 1
            for _ in range(10):
                await events.receive()
        with trio.fail_after(1):
            await speculation.stop()
    assert responder.taken <= most + 12


async def test_the_second_sentence_waits_for_the_commit(
    autojump_clock: MockClock, options: BackendOptions
) -> None:
    """However long that takes; what is synthesised meanwhile is what ``synthesis_ahead`` says."""
    system = attrs.evolve(options.system, synthesis_ahead=1, turn_deadline=60)
    async with open_conversation(attrs.evolve(options, system=system)) as running:
        given = UserInput("One. Two. Three. Four. Five.")
        begin(running, given)
        await trio.sleep(30)
        began = trio.current_time()
        assert commit(running, given)
        await running.wait_over()
        # One and two had been made, and three can begin at once.
        assert 2 <= trio.current_time() - began <= 4
        assert running.audience.ended == [(1, "completed", given.text)]


@attrs.define(eq=False)
class Playing(Listener):
    """An audience that never says that it has played everything."""

    def expect_playback(self) -> trio.Event:
        """It is never set."""
        return trio.Event()


@pytest.mark.parametrize("earlier", ["answers", "plays", "was stopped"])
async def test_what_is_committed_beside_a_turn_ends_that(
    autojump_clock: MockClock, options: BackendOptions, earlier: str
) -> None:
    """It goes on beside, and reads what was said there by then; if that has grown, it is answered anew."""
    async with open_conversation(options, Playing()) as running:
        audience, model = running.audience, noting(running)
        running.say("One two. Three four. Five six. Seven eight.")
        await audience.until(SpeechComplete if earlier == "plays" else AudioChunk)
        if earlier == "was stopped":
            await running.conversation.open.stop_for_speech()
        told = len(audience.events)
        begin(running)
        await trio.sleep(1.1)
        assert (len(audience.events) == told) == (earlier != "answers")
        assert len(model.prompts) == 2
        began = trio.current_time()
        assert commit(running)
        await audience.until(AudioChunk, where=lambda event: getattr(event, "turn", 0) == 2)
        assert trio.current_time() - began == pytest.approx(2.0 if earlier == "answers" else 0.9)
        await running.wait_over()
        said = audience.ended[0][2]
        assert audience.ended == [(1, "superseded", said), (2, "completed", HELLO.text)]
        assert model.read[-1] == ["One two. Three four. Five six. Seven eight.", said, HELLO.text]
        assert len(model.prompts) == (3 if earlier == "answers" else 2)
        assert model.open == 0
        remembered = [message.content for message in running.conversation.memory.so_far()]
        assert remembered == [*model.read[-1], HELLO.text]
        assert await running.stored() == list(zip(["human", "ai"] * 2, remembered, strict=True))


@pytest.mark.parametrize("what", ["barge-in", "speech", "turn", "another", "new one", "end", "leaves"])
async def test_whatever_else_happens_discards_it(
    autojump_clock: MockClock, options: BackendOptions, what: str
) -> None:
    """And leaves nothing of it running when it is done."""
    async with open_conversation(options) as running:
        conversation, model = running.conversation, noting(running)
        begin(running)
        await trio.sleep(0.5)
        assert model.open == 1
        match what:
            case "barge-in":
                assert not await conversation.barge_in("Hello")
                assert running.audience.silences == 0
            case "speech":
                await conversation.open.stop_for_speech()
            case "turn":
                running.say("One.")
                await running.wait_over()
                assert running.audience.ended == [(1, "completed", "One.")]
            case "another":
                begin(running, UserInput("One."))
                await trio.sleep(0.5)
                assert model.open == 1
                assert commit(running, UserInput("One."))
                await running.wait_over()
                assert running.audience.ended == [(1, "completed", "One.")]
            case "new one":
                await conversation.begin_new()
            case "end":
                running.scene._turns.cancel_scope.cancel()  # type: ignore[union-attr]
                await wait_all_tasks_blocked()
                assert not await conversation.finalize()
            case "leaves":
                running.scene.close("it leaves")
                await wait_all_tasks_blocked()
                assert not commit(running)
                await conversation.end_turn("it has left")
        if what in ("end", "leaves"):
            assert [timeline.outcome for timeline in running.audience.discarded] == ["discarded"]
            assert model.open == 0
            return
        assert model.open == 0
        if what not in ("turn", "another"):
            await assert_nothing_left(running)
        assert len(running.audience.discarded) == 1


@pytest.mark.parametrize(
    ("final", "goes_on"),
    [
        (UserInput("Hello there. How are you?"), True),
        (UserInput("", sound=write("Hello there. How are you?")), True),
        (UserInput("Hello there. How are you doing?"), False),
        (UserInput("", sound=write("Hello there. How are you doing?")), False),
        (UserInput("Hello there. How are you?", name="Ann"), False),
        (UserInput("Hello there. How are you?", images=("data:",)), False),
    ],
)
async def test_another_final_transcript_is_another_turn(
    autojump_clock: MockClock, options: BackendOptions, final: UserInput, *, goes_on: bool
) -> None:
    """The same sound, or what was understood of it, is the same turn."""
    quota = MemoryQuota()
    async with open_conversation(options) as running:
        model = noting(running)
        sound = write("Hello there. How are you?")
        begin(running, UserInput("", sound=sound, claim=quota.claim(9_000)))
        await trio.sleep(HEARING + 0.5)
        assert commit(running, attrs.evolve(final, claim=quota.claim(5_000))) == goes_on
        assert quota.used == (9_000 if goes_on else 5_000)
        await running.wait_over()
        assert len(model.prompts) == (1 if goes_on else 2)
        assert len(running.audience.discarded) == (0 if goes_on else 1)
        assert running.audience.kinds.count("TurnEnded") == running.audience.kinds.count("TurnStarted") == 1
        assert running.audience.ended[0][0] == 1
        (human, _) = await running.stored()
        assert human[1] == (final.text or "Hello there. How are you" + ("?" if goes_on else " doing?"))


async def test_text_is_not_the_same_before_the_sound_was_understood(
    autojump_clock: MockClock, options: BackendOptions
) -> None:
    """Who knows the words already does not wait for them."""
    async with open_conversation(options) as running:
        begin(running, UserInput("", sound=write("Hello there. How are you?")))
        await trio.sleep(HEARING / 2)
        assert not commit(running)


async def test_what_nobody_commits_is_discarded_at_the_deadline(
    autojump_clock: MockClock, options: BackendOptions
) -> None:
    """Its engines are not held for ever."""
    system = attrs.evolve(options.system, turn_deadline=7)
    async with open_conversation(attrs.evolve(options, system=system)) as running:
        begin(running)
        await trio.sleep(6.9)
        assert not running.audience.discarded
        await trio.sleep(0.2)
        await assert_nothing_left(running)
        assert not commit(running)
        await running.wait_over()
        assert running.audience.kinds == TWO


@pytest.mark.parametrize("wanted", [True, False])
async def test_a_failure_is_told_with_the_commit_or_never(
    autojump_clock: MockClock, options: BackendOptions, *, wanted: bool
) -> None:
    """A turn nobody wanted cannot be in trouble."""
    broken = with_llm(options, {"fail": "the model is away"})
    async with open_conversation(broken) as running:
        begin(running)
        await trio.sleep(10)
        if not wanted:
            running.conversation.discard()
            await assert_nothing_left(running)
            return
        assert commit(running)
        await running.wait_over()
        assert running.audience.kinds == ["TurnStarted", "Problem", "TurnEnded"]


async def test_a_character_that_fell_asleep_meanwhile_is_not_meant(
    autojump_clock: MockClock, options: BackendOptions
) -> None:
    """What was begun while it was awake is not what it would answer now."""
    base = attrs.evolve(options.catalog.base, wake_word=WAKE_WORDS)
    async with open_conversation(attrs.evolve(options, catalog=MemoryCatalog(base))) as running:
        model = noting(running)
        wake_word = running.conversation.wake_word = WakeWord(WAKE_WORDS)
        wake_word.hear("hey iris", trio.current_time())
        begin(running)
        await trio.sleep(0.5)
        wake_word.fall_asleep()
        assert commit(running)
        await running.wait_over()
        assert running.audience.kinds == ["TurnStarted", "WakeWordUsed", "TurnEnded"]
        assert model.open == 0
        assert not running.conversation.memory.so_far()
        assert wake_word.counts.ignored_count == 1


@pytest.mark.parametrize("words", ["typed", "spoken"])
async def test_what_is_cut_right_after_its_commit_keeps_the_users_words(
    autojump_clock: MockClock, options: BackendOptions, words: str
) -> None:
    """As an ordinary turn does, before its task has had a step."""
    given = HELLO if words == "typed" else UserInput("", sound=write(HELLO.text))
    async with open_conversation(options) as running:
        begin(running, given)
        await trio.sleep(HEARING + 0.5)
        assert commit(running, given)
        assert await running.conversation.barge_in("")
        await running.conversation.confirm()
        assert await running.stored() == [("human", HELLO.text)]
        assert [message.content for message in running.conversation.memory.so_far()] == [HELLO.text]
        assert running.audience.kinds == ["TurnEnded"]  # it was never told to have begun
        assert running.audience.discarded == []


async def test_a_new_turn_waits_for_the_engines_of_the_discarded_one(
    autojump_clock: MockClock, options: BackendOptions
) -> None:
    """A model that takes a while to close is not asked twice at once."""

    @attrs.define(eq=False)
    class Slow:
        """An `Llm` that takes half a second to let go."""

        llm: Llm
        most: int = 0
        _open: int = 0

        def reply(self, prompt: Prompt) -> AbstractAsyncContextManager[trio.abc.ReceiveChannel[ReplyPart]]:
            """See `Llm.reply`."""
            return self._reply(prompt)

        @asynccontextmanager
        async def _reply(self, prompt: Prompt) -> AsyncIterator[trio.abc.ReceiveChannel[ReplyPart]]:
            self._open += 1
            self.most = max(self.most, self._open)
            try:
                async with self.llm.reply(prompt) as parts:
                    yield parts
            finally:
                with trio.move_on_after(0.5, shield=True):
                    await trio.sleep_forever()
                self._open -= 1

    async with open_conversation(options) as running:
        model = Slow(running.scene.character.llm)
        running.scene.character = attrs.evolve(running.scene.character, llm=model)
        for again in (begin, lambda running: running.say("Hello.")):
            begin(running)
            await trio.sleep(0.5)
            running.conversation.discard()
            again(running)
            await trio.sleep(0.6)
        assert model.most == 1
        await running.wait_over()


async def test_speech_that_is_recognised_is_one_turn(
    autojump_clock: MockClock, options: BackendOptions
) -> None:
    """With the same recognition and words; what its end holds of the quota passes to memory."""
    quota = MemoryQuota()
    recognition, other = (Recognition(True, lambda _recognition: None) for _ in range(2))
    begun = UserInput("Hello there.", recognition=recognition)
    async with open_conversation(options) as running:
        for final in (
            UserInput("Hello there.", recognition=other),
            UserInput("Hello.", recognition=recognition),
            UserInput("Hello there."),
        ):
            begin(running, begun)
            await trio.sleep(0.5)
            assert not commit(running, final)
            await running.wait_over()
        begin(running, begun)
        await trio.sleep(0.5)
        assert commit(running, attrs.evolve(begun, claim=quota.claim(5_000)))
        assert quota.used == 5_000
        await running.wait_over()
        assert 0 < quota.used < 5_000
        running.conversation.memory.recall(())
        assert quota.used == 0


async def test_the_budget_is_told_what_has_cost_something(
    autojump_clock: MockClock, options: BackendOptions
) -> None:
    """A turn whose model was asked: wanted, or in vain. One that was not asked has cost nothing."""
    given = UserInput("", sound=write("Hello there. How are you?"))
    async with open_conversation(options) as running:
        conversation, noted = running.conversation, list[bool]()

        @attrs.define(eq=False)
        class Budget(SpeculationBudget):
            def note(self, *, wanted: bool) -> None:
                noted.append(wanted)

        for after in (HEARING / 2, HEARING + 0.1):
            conversation.begin_provisional(running.scene, given, Budget(0.3))
            await trio.sleep(after)
            conversation.discard()
            await wait_all_tasks_blocked()
        assert noted == [False]
        conversation.begin_provisional(running.scene, given, Budget(0.3))
        await trio.sleep(HEARING + 0.1)
        assert commit(running, given)
        await running.wait_over()
        assert noted == [False, True]
        begin(running)
        conversation.discard()
        assert noted == [False, True]


async def test_a_discarded_one_changes_no_number(autojump_clock: MockClock, options: BackendOptions) -> None:
    """The turns that are told are counted without a gap."""
    async with open_conversation(options) as running:
        for number in (1, 2):
            begin(running)
            begin(running)
            running.conversation.discard()
            begin(running)
            assert commit(running)
            await running.wait_over()
            assert running.audience.ended[-1][0] == number
            assert {event.turn for event in running.audience.events if isinstance(event, Sentence)} == set(
                range(1, number + 1)
            )


async def test_memory_foretells_what_it_will_hold(options: BackendOptions) -> None:
    """Within its budget and with its pictures, or no commit would ever find what it was begun with."""
    async with open_conversation(options) as running:
        memory = running.conversation.memory
        memory.budget = 60
        for number in range(12):
            new = Message("user", "x" * (number * 7 % 60), images=("data:",) * (number % 2))
            reply = Message("assistant", "y" * (number * 11 % 40))
            foretold = memory.with_more(reply, new) if reply.content else memory.with_more(new)
            memory.say(reply.content)
            memory.hear(new)
            assert foretold == memory.so_far()
