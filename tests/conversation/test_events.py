"""What a conversation tells, and what it keeps, whatever ends its turns. On the virtual clock."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import attrs
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.conversation.running import Listener, open_conversation
from tests.session.sessions import with_llm, with_tts
from trio_backend.audio.pcm import Pcm
from trio_backend.backend import BackendOptions
from trio_backend.conversation.cascade import Cascade
from trio_backend.conversation.events import (
    AudioChunk,
    ConversationReplaced,
    Outcome,
    Problem,
    Sentence,
    SpeechComplete,
    TurnEnded,
    TurnId,
    TurnStarted,
)
from trio_backend.conversation.memory import Memory
from trio_backend.conversation.responder import Response, ResponseContext
from trio_backend.conversation.timeline import Timeline
from trio_backend.conversation.turn import HEARD_LEEWAY, State, Turn
from trio_backend.conversation.turn_input import TurnContext, TurnInput, TurnLimits
from trio_backend.conversation.user_input import UserInput
from trio_backend.conversation.wake_word import Heard, WakeWord
from trio_backend.engines.base import Message, Prompt, ReplyPart, Text
from trio_backend.errors import HistoryError, NoSuchHistory
from trio_backend.history.memory import MemoryHistory
from trio_backend.history.store import HistoryUid, Owner, StoredMessage

THREE = "One two three. Four five six. Seven eight nine."
TURN = ["TurnStarted", "Sentence", "AudioChunk", "Sentence", "AudioChunk", "SpeechComplete", "TurnEnded"]


async def test_the_events_of_a_turn_come_in_order(autojump_clock: MockClock, options: BackendOptions) -> None:
    """Each sentence before its sound, one end; and playback that is over at once is noticed."""
    async with open_conversation(with_llm(options, {})) as running:
        began = trio.current_time()
        running.say("One two. Three four.")
        await running.wait_over()
        heard = running.audience
        assert heard.kinds == TURN
        indexes = [event.index for event in heard.events if isinstance(event, Sentence | AudioChunk)]
        assert indexes == [0, 0, 1, 1]
        assert heard.ended == [(1, "completed", "One two. Three four.")]
        assert [timeline.outcome for timeline in heard.over] == ["complete"]
        assert trio.current_time() == began


async def test_a_turn_is_superseded_by_the_next(autojump_clock: MockClock, options: BackendOptions) -> None:
    """The first has ended, with what was handed out of it, before the second begins; each ends once."""
    async with open_conversation(options) as running:
        running.say(THREE)
        await running.audience.until(AudioChunk)
        running.say("Next.")
        await running.wait_over()
        await running.conversation.end_turn("nothing runs")
        heard = running.audience
        assert heard.kinds[:5] == ["TurnStarted", "Sentence", "AudioChunk", "TurnEnded", "TurnStarted"]
        assert heard.ended == [(1, "superseded", "One two three."), (2, "completed", "Next.")]
        assert [timeline.outcome for timeline in heard.over] == ["superseded", "complete"]
        assert await running.stored() == [
            ("human", THREE),
            ("ai", "One two three."),
            ("human", "Next."),
            ("ai", "Next."),
        ]


async def test_what_was_heard_is_of_the_turn_that_the_client_knows(
    autojump_clock: MockClock, options: BackendOptions
) -> None:
    """A turn of which it was told nothing was not heard; its words are kept. The first reason stays."""
    async with open_conversation(options) as running:
        running.say(THREE)
        await running.audience.until(AudioChunk)
        running.say("Next.")
        assert await running.conversation.barge_in("One two")
        told = list(running.audience.events)
        await running.conversation.confirm()
        await wait_all_tasks_blocked()
        assert running.audience.kinds[len(told) :] == ["TurnEnded"] * 2
        assert not running.conversation.turn_running
        assert await running.stored() == [("human", THREE), ("ai", "One two"), ("human", "Next.")]
        assert [timeline.outcome for timeline in running.audience.over] == ["superseded", "barge-in"]
        assert not await running.conversation.barge_in("One two")


async def test_what_was_heard_is_kept_as_it_was_said(
    autojump_clock: MockClock, options: BackendOptions
) -> None:
    """The page of Open-LLM-VTuber puts no space between sentences; the model is not to learn that from it."""
    async with open_conversation(options) as running:
        running.say(THREE)
        await running.audience.until(AudioChunk, where=lambda event: getattr(event, "index", 0) == 1)
        assert await running.conversation.barge_in("One two three.Four")
        await running.conversation.confirm()
        assert await running.stored() == [("human", THREE), ("ai", "One two three. Four")]
        assert running.conversation.memory.so_far()[-1].content == "One two three. Four"


async def test_what_was_heard_is_of_the_last_turn_only(
    autojump_clock: MockClock, options: BackendOptions
) -> None:
    """The one before it keeps what was handed out of it."""
    async with open_conversation(options, Listener(stuck_at=Sentence)) as running:
        running.say("First.")
        await running.audience.until(TurnStarted)
        running.say("Second.")
        await running.audience.until(TurnStarted, where=lambda event: getattr(event, "turn", 0) == 2)
        assert await running.conversation.barge_in("Sec")
        await running.conversation.confirm()
        assert await running.stored() == [("human", "First."), ("human", "Second."), ("ai", "Sec")]
        assert [timeline.outcome for timeline in running.audience.over] == ["superseded", "barge-in"]


async def test_nothing_is_attributed_beyond_what_was_sent(
    autojump_clock: MockClock, options: BackendOptions
) -> None:
    """A client cannot put a book into the character's memory."""
    async with open_conversation(options) as running:
        running.say(THREE)
        await running.audience.until(AudioChunk)
        await running.conversation.barge_in("x" * 100_000)
        await running.conversation.confirm()
        (_, (_, reply)) = await running.stored()
        assert len(reply) == len("One two three.") + HEARD_LEEWAY


async def test_a_turn_that_takes_too_long_says_so(autojump_clock: MockClock, options: BackendOptions) -> None:
    """Its outcome is its own; the client was told everything, so nothing was cut."""
    system = attrs.evolve(options.system, turn_deadline=1)
    slow = with_llm(options, {"token_delay": 0.25})
    async with open_conversation(attrs.evolve(slow, system=system)) as running:
        running.say(THREE)
        await running.wait_over()
        assert running.audience.ended == [(1, "timed out", "One two three.")]
        assert [timeline.outcome for timeline in running.audience.over] == ["complete"]
        problems = [event.code for event in running.audience.events if isinstance(event, Problem)]
        assert problems == ["turn-deadline"]


async def test_what_nobody_got_was_not_said(autojump_clock: MockClock, options: BackendOptions) -> None:
    """A client that is gone has heard nothing; what it said is kept."""
    async with open_conversation(with_llm(options, {}), Listener(there=False)) as running:
        running.say("One two.")
        await running.wait_over()
        assert running.audience.ended == [(1, "completed", "")]
        assert await running.stored() == [("human", "One two.")]


async def test_what_was_typed_is_stored_whatever_the_client_takes(
    autojump_clock: MockClock, options: BackendOptions
) -> None:
    """The words wait for nobody who reads slowly."""
    async with open_conversation(options, Listener(stuck_at=TurnStarted)) as running:
        running.say("Hello.")
        await wait_all_tasks_blocked()
        assert await running.stored() == [("human", "Hello.")]
        await running.conversation.barge_in("")


async def test_a_turn_of_a_character_that_is_just_leaving(
    autojump_clock: MockClock, options: BackendOptions
) -> None:
    """It does not run, and ends with its words stored when it is said that the character has left."""
    async with open_conversation(options) as running:
        running.scene.close("it leaves")
        await wait_all_tasks_blocked()
        assert not running.scene.present
        running.say("Hello?")
        assert not running.conversation.turn_running
        with trio.fail_after(10):
            await running.conversation.end_turn("its character is gone")
        assert running.audience.ended == [(1, "superseded", "")]
        assert await running.stored() == [("human", "Hello?")]


async def test_speech_ends_nothing_where_nothing_runs(
    autojump_clock: MockClock, options: BackendOptions
) -> None:
    """What is told of the end of a turn is told."""
    async with open_conversation(options) as running:
        await running.conversation.open.stop_for_speech()
        assert not running.audience.silences


async def test_no_end_is_told_after_somebody_spoke(
    autojump_clock: MockClock, options: BackendOptions
) -> None:
    """Of a turn that is gone, and not told to be: the client is silenced, as if it still ran."""
    async with open_conversation(options) as running:
        running.say(THREE)
        await running.audience.until(AudioChunk)
        (turn,) = running.conversation.open.turns
        turn.cut("another conversation")
        await turn.gone.wait()
        assert not running.audience.silences
        await running.conversation.open.stop_for_speech()
        assert running.audience.silences


async def test_a_conversation_that_was_deleted_elsewhere(
    autojump_clock: MockClock, options: BackendOptions
) -> None:
    """What the user says begins a new one; the client is told, and what was deleted is forgotten."""
    async with open_conversation(with_llm(options, {})) as running:
        running.say("One.")
        await running.wait_over()
        record = running.conversation.record
        deleted = record.uid
        await running.history.delete(record.owner, deleted)
        running.say("Two.")
        await running.wait_over()
        assert record.uid != deleted
        problems = [event.code for event in running.audience.events if isinstance(event, Problem)]
        assert problems == ["no-such-history"]
        assert ConversationReplaced(record.uid) in running.audience.events
        assert await running.stored() == [("human", "Two."), ("ai", "Two.")]
        assert [message.content for message in running.conversation.memory.so_far()] == ["Two.", "Two."]


@pytest.mark.parametrize("meanwhile", ["nothing", "a new conversation"])
async def test_a_barge_in_into_a_deleted_conversation_is_told_later(
    autojump_clock: MockClock, options: BackendOptions, meanwhile: str
) -> None:
    """By `confirm`; a conversation that was begun meanwhile goes on."""
    async with open_conversation(options) as running:
        running.say("One.")
        await running.wait_over()
        record = running.conversation.record
        deleted = record.uid
        running.say(THREE)
        await running.audience.until(AudioChunk, where=lambda event: getattr(event, "turn", 0) == 2)
        await running.history.delete(record.owner, deleted)
        await running.conversation.barge_in("One two")
        uid = await running.conversation.begin_new() if meanwhile != "nothing" else deleted
        await running.conversation.confirm()
        problems = [event.code for event in running.audience.events if isinstance(event, Problem)]
        assert problems == ["no-such-history"]
        assert (record.uid == uid) == (meanwhile != "nothing")


@attrs.define(eq=False)
class MoodyHistory(MemoryHistory):
    """A store that works or does not."""

    works: bool = True

    async def append(
        self, owner: Owner, uid: HistoryUid, *messages: StoredMessage, continues: bool = False
    ) -> None:
        """Store, or say why not."""
        if not self.works:
            await trio.lowlevel.checkpoint()
            raise HistoryError("the disk is gone")
        await super().append(owner, uid, *messages, continues=continues)


async def test_a_store_that_fails_is_told_once_each_time(
    autojump_clock: MockClock, options: BackendOptions
) -> None:
    """Not with each message, and again when it had worked in between."""
    history = MoodyHistory()
    async with open_conversation(attrs.evolve(with_llm(options, {}), history=history)) as running:
        for told in (1, 2):
            history.works = False
            for text in ("One.", "Two."):
                running.say(text)
                await running.wait_over()
                await trio.sleep(1)
            problems = [event.code for event in running.audience.events if isinstance(event, Problem)]
            assert problems == ["history-error"] * told
            history.works = True
            await trio.sleep(60)
            running.say("Three.")
            await running.wait_over()
        said = ["One.", "One.", "Two.", "Two.", "Three.", "Three."]
        assert [content for _, content in await running.stored()] == 2 * said


@pytest.mark.parametrize(("ahead", "seconds"), [(1, 5), (2, 3), (5, 1)])
async def test_so_many_sentences_are_in_synthesis_at_once(
    autojump_clock: MockClock, options: BackendOptions, ahead: int, seconds: float
) -> None:
    """As ``synthesis_ahead`` says, and no more."""
    system = attrs.evolve(options.system, synthesis_ahead=ahead)
    slow = with_tts(with_llm(options, {}), {"delay": 1.0, "seconds_per_character": 0.01})
    async with open_conversation(attrs.evolve(slow, system=system)) as running:
        began = trio.current_time()
        running.say("One two. Three four. Five six. Seven eight. Nine ten.")
        await running.wait_over()
        assert trio.current_time() - began == pytest.approx(seconds)


async def test_a_synthesis_that_fails_is_told_once_though_several_sentences_fail(
    autojump_clock: MockClock, options: BackendOptions
) -> None:
    """And is not asked again in this turn: what comes then is silent at once."""
    broken = with_tts(with_llm(options, {}), {"delay": 1.0, "fail_on": "o"})
    async with open_conversation(broken) as running:
        began = trio.current_time()
        running.say("One to. Two to. Four to. Lo so. Go to. No mo.")
        await running.wait_over()
        assert running.audience.kinds.count("Problem") == 1
        assert running.audience.kinds.count("Sentence") == 6
        assert trio.current_time() - began == pytest.approx(1.0)


async def test_who_leaves_a_reply_ends_it(autojump_clock: MockClock, options: BackendOptions) -> None:
    """However much of it is still to come."""

    def hear(text: str) -> tuple[Heard, None]:
        return Heard(request=text), None

    def prompt(request: str) -> Prompt:
        return Prompt("", [Message("user", request)])

    async with open_conversation(options) as running:
        with trio.fail_after(10):
            context = ResponseContext(TurnId(1), hear, prompt, Timeline(), 2)
            async with Cascade(running.scene.character).respond(UserInput(THREE), context) as events:
                assert isinstance(await events.receive(), Sentence)


@attrs.frozen
class Pieces:
    """A `Responder` with a sentence of two pieces of sound; the second comes ``late``."""

    late: float

    @asynccontextmanager
    async def respond(
        self, user_input: UserInput, context: ResponseContext
    ) -> AsyncIterator[trio.abc.ReceiveChannel[Response]]:
        """See `Responder.respond`."""
        context.hear(user_input.text)
        send, receive = trio.open_memory_channel[Response](0)
        piece = Pcm(bytes(3200), 16_000)

        async def speak() -> None:
            async with send:
                await send.send(Sentence(context.turn, 0, "Hello.", "Hello."))
                await send.send(AudioChunk(context.turn, 0, piece, last=False))
                await trio.sleep(self.late)
                await send.send(AudioChunk(context.turn, 0, piece))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(speak)
            yield receive
            nursery.cancel_scope.cancel("the reply is no longer wanted")


@pytest.mark.parametrize("cut", [True, False])
async def test_a_sentence_counts_as_said_with_its_last_piece(
    autojump_clock: MockClock, options: BackendOptions, cut: bool
) -> None:
    """Whose sound was not handed out in full was not said; the end is told once, whoever tells it."""
    audience = Listener()
    limits = TurnLimits(ahead=2, deadline=60, playback_grace=1)
    async with open_conversation(options) as running:
        context = TurnContext(Memory(1000), audience, limits, WakeWord.always_open())
        turn = Turn(TurnId(1), Pieces(10), TurnInput(UserInput("Hi."), running.scene.character, context))
        with trio.move_on_after(5 if cut else 100):
            await turn.run()
        turn.end(Outcome.INTERRUPTED)
        turn.end(Outcome.INTERRUPTED, "Hello, hello")
    assert turn.state is State.ENDED
    assert (turn.heard, turn.outcome) == (("", Outcome.INTERRUPTED) if cut else ("Hello.", Outcome.COMPLETED))
    assert len(audience.over) == 1
    assert turn.timeline.sound == pytest.approx(0.1 if cut else 0.2)
    assert any(isinstance(event, SpeechComplete) for event in audience.events) != cut
    said = [message.content for message in context.memory.so_far()]
    assert said == (["Hi."] if cut else ["Hi.", "Hello."])


@attrs.define(eq=False)
class SlowHistory(MemoryHistory):
    """A disk that takes a second before it writes."""

    async def append(
        self, owner: Owner, uid: HistoryUid, *messages: StoredMessage, continues: bool = False
    ) -> None:
        """Wait, then store."""
        await trio.sleep(1)
        await super().append(owner, uid, *messages, continues=continues)


async def test_what_was_told_to_be_over_is_on_disk(
    autojump_clock: MockClock, options: BackendOptions
) -> None:
    """Who reads the end of a turn reads its words in history."""
    async with open_conversation(attrs.evolve(with_llm(options, {}), history=SlowHistory())) as running:
        running.say("One.")
        await running.audience.until(TurnEnded)
        assert await running.stored() == [("human", "One."), ("ai", "One.")]


async def test_a_turn_whose_end_is_being_told_is_not_over(
    autojump_clock: MockClock, options: BackendOptions
) -> None:
    """Who barges in then ends the telling."""
    async with open_conversation(with_llm(options, {}), Listener(stuck_at=TurnEnded)) as running:
        running.say("One.")
        await wait_all_tasks_blocked()
        assert running.conversation.turn_running
        with trio.fail_after(10):
            assert await running.conversation.barge_in("One.")
        assert running.audience.silences


async def test_another_conversation_remembers_nothing_of_this_one(
    autojump_clock: MockClock, options: BackendOptions
) -> None:
    """With another character, or the same; the turn that runs ends in its own."""
    async with open_conversation(options) as running:
        conversation = running.conversation
        for begin in (conversation.begin_new, lambda: conversation.start_with("ann_001")):
            running.say(THREE)
            await running.audience.until(AudioChunk)
            running.audience.events.clear()
            uid, owner = conversation.record.uid, conversation.record.owner
            await begin()
            assert not conversation.turn_running
            assert running.audience.kinds == ["TurnEnded"]
            assert not conversation.memory.so_far()
            assert conversation.record.uid != uid
            kept = await running.history.messages(owner, uid)
            assert [message.content for message in kept] == [THREE, "One two three."]
        assert conversation.record.owner == Owner("ann_001")


async def test_a_resume_that_fails_changes_nothing(
    autojump_clock: MockClock, options: BackendOptions
) -> None:
    """Not even the turn that runs."""
    async with open_conversation(options) as running:
        running.say(THREE)
        await running.audience.until(AudioChunk)
        with pytest.raises(NoSuchHistory):
            await running.conversation.resume(HistoryUid("nobody"))
        assert running.conversation.turn_running
        await running.wait_over()
        assert running.audience.ended == [(1, "completed", THREE)]


async def test_deleting_this_conversation_ends_its_turn_and_begins_a_new_one(
    autojump_clock: MockClock, options: BackendOptions
) -> None:
    """Nothing of it is written again, nothing remembered, and nobody is told that something is amiss."""
    async with open_conversation(options) as running:
        record = running.conversation.record
        deleted = record.uid
        running.say(THREE)
        await running.audience.until(AudioChunk)
        await running.conversation.delete(deleted)
        assert not running.conversation.turn_running
        assert running.audience.ended == [(1, "superseded", "One two three.")]
        assert record.uid != deleted
        assert not running.conversation.memory.so_far()
        await trio.sleep(60)
        assert await running.history.conversations(record.owner) == []
        assert "Problem" not in running.audience.kinds


@pytest.mark.parametrize(("names", "read"), [(["Ann"], "Hi."), (["Ann", "Bob"], "Ann: Hi.")])
async def test_one_speaker_alone_is_not_named(
    autojump_clock: MockClock, options: BackendOptions, names: list[str], read: str
) -> None:
    """In a conversation that is continued, as the model reads it."""
    async with open_conversation(with_llm(options, {})) as running:
        for name in names:
            running.conversation.begin_turn(running.scene, UserInput("Hi.", name=name))
            await running.wait_over()
        uid = running.conversation.record.uid
        await running.conversation.begin_new()
        await running.conversation.resume(uid)
        assert running.conversation.memory.so_far()[0].content == read


async def test_what_cannot_even_wait_for_the_store_is_told_at_a_barge_in(
    autojump_clock: MockClock, options: BackendOptions
) -> None:
    """It is lost, and the user knows."""
    system = attrs.evolve(options.system, history_backlog=1024)
    history = MoodyHistory(works=False)
    async with open_conversation(attrs.evolve(options, system=system, history=history)) as running:
        running.say("x" * 900)
        await running.audience.until(Problem)
        await running.conversation.barge_in("")
        running.audience.events.clear()
        running.scene.close("so that nothing else stores what is said")
        await wait_all_tasks_blocked()
        running.say("y" * 900)
        await running.conversation.barge_in("")
        assert running.audience.kinds == ["Problem"]
        history.works = True


async def test_thoughts_are_shown_and_stored_and_not_remembered(
    autojump_clock: MockClock, options: BackendOptions
) -> None:
    """A model is not to read what it thought."""
    async with open_conversation(with_llm(options, {})) as running:
        running.say("<think>Well then.</think> Hello there.")
        await running.wait_over()
        thoughts = [event.thought for event in running.audience.events if isinstance(event, Sentence)]
        assert thoughts == [True, False]
        assert running.conversation.memory.so_far()[-1].content == "Hello there."
        assert "Well then" in (await running.stored())[-1][1]


async def test_a_turn_of_which_the_client_was_told_nothing_was_not_heard(
    autojump_clock: MockClock, options: BackendOptions
) -> None:
    """Though its start was on its way: what the client says that it heard is not of it."""
    async with open_conversation(options) as running:
        running.say("One.")
        await running.wait_over()
        running.audience.stuck_at = TurnStarted
        running.say("Two.")
        await wait_all_tasks_blocked()
        await running.conversation.barge_in("One")
        await running.conversation.confirm()
        assert await running.stored() == [("human", "One."), ("ai", "One."), ("human", "Two.")]


@attrs.frozen
class Blanks:
    """An `Llm` that sends megabytes in which nothing is to be said."""

    size: int

    @asynccontextmanager
    async def reply(self, prompt: Prompt) -> AsyncIterator[trio.abc.ReceiveChannel[ReplyPart]]:
        """See `Llm.reply`."""
        del prompt
        send, receive = trio.open_memory_channel[ReplyPart](1)
        with send:
            send.send_nowait(Text(" " * self.size))
        with receive:
            yield receive


async def test_others_have_their_turn_while_megabytes_are_read(
    autojump_clock: MockClock, options: BackendOptions
) -> None:
    """Though no sentence comes of them."""
    passes = 0

    async def count() -> None:
        nonlocal passes
        while True:
            await trio.lowlevel.checkpoint()
            passes += 1

    async with open_conversation(options) as running, trio.open_nursery() as nursery:
        character = running.scene.character
        for size, many in ((1, False), (4_000_000, True)):
            running.scene.character = attrs.evolve(character, llm=Blanks(size))
            before = passes
            nursery.start_soon(count)
            running.say("Hello.")
            await running.wait_over()
            assert (passes - before > 100) == many
        nursery.cancel_scope.cancel("seen")


async def test_a_resume_ends_the_turn_that_runs(autojump_clock: MockClock, options: BackendOptions) -> None:
    """Its words are those of the conversation that is left."""
    async with open_conversation(options) as running:
        conversation = running.conversation
        running.say("One.")
        await running.wait_over()
        resumed = conversation.record.uid
        left = await conversation.begin_new()
        running.say(THREE)
        await running.audience.until(AudioChunk, where=lambda event: getattr(event, "turn", 0) == 2)
        await conversation.resume(resumed)
        assert not conversation.turn_running
        assert running.audience.ended[-1] == (2, "superseded", "One two three.")
        assert [message.content for message in conversation.memory.so_far()] == ["One.", "One."]
        kept = await running.history.messages(conversation.record.owner, left)
        assert [message.content for message in kept] == [THREE, "One two three."]
        assert await running.stored() == [("human", "One."), ("ai", "One.")]
