"""A turn that is held while somebody speaks, and goes on. On the virtual clock."""

from __future__ import annotations

import attrs
import pytest
import trio
import trio.lowlevel
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.conversation.running import Listener, RunningConversation, open_conversation
from tests.session.sessions import with_llm, with_tts
from trio_backend.backend import BackendOptions
from trio_backend.conversation.delivery import LATENESS, LONGEST_HOLD, MOST_KEPT
from trio_backend.conversation.events import AudioChunk, Sentence, SpeechComplete, TurnResumed, TurnStarted

# Each is said in a second and a half, by a voice that takes 0.1 s a letter.
THREE = "One two threes. Four five sixs. Seven is enough."


def slow(options: BackendOptions, *, chunk: float = 0.0, token_delay: float = 0.0) -> BackendOptions:
    """A model that has everything at once, and a voice whose sentences last."""
    settings = {"seconds_per_character": 0.1, "chunk": chunk}
    return with_tts(with_llm(options, {"token_delay": token_delay}), settings)


def texts(running: RunningConversation, since: int = 0) -> list[str]:
    """The sentences that the client was told, since so many events."""
    return [event.text for event in running.audience.events[since:] if isinstance(event, Sentence)]


async def begin(running: RunningConversation, text: str = THREE) -> None:
    """A turn in a session that listens, all of it told, none of it played."""
    running.conversation.open.expect_speech()
    running.say(text)
    await running.audience.until(SpeechComplete)


async def test_it_goes_on_at_the_sentence_that_was_cut(
    autojump_clock: MockClock, options: BackendOptions
) -> None:
    """From its beginning, with its sound; then the end of playback is waited for, and all counts as said."""
    async with open_conversation(slow(options), Listener(plays_at_once=False)) as running:
        await begin(running)
        await trio.sleep(2)  # in the middle of the second
        open_turns, before = running.conversation.open, len(running.audience.events)
        assert await open_turns.hold()
        assert running.audience.silences == 1
        assert open_turns.turns[0].delivery.held
        await trio.sleep(3)
        assert len(running.audience.events) == before
        assert open_turns.go_on()
        await wait_all_tasks_blocked()
        kinds = running.audience.kinds[before:]
        assert kinds == ["TurnResumed", *["Sentence", "AudioChunk"] * 2, "SpeechComplete"]
        assert texts(running, before) == ["Four five sixs.", "Seven is enough."]
        assert open_turns.interruptible
        began = trio.current_time()
        running.audience.play()
        await running.wait_over()
        assert trio.current_time() == began
        assert running.audience.ended == [(1, "completed", THREE)]
        assert await running.stored() == [("human", THREE), ("ai", THREE)]


async def test_what_was_just_played_is_said_again(autojump_clock: MockClock, options: BackendOptions) -> None:
    """A client is a little behind what it was sent."""
    async with open_conversation(slow(options), Listener(plays_at_once=False)) as running:
        await begin(running)
        for seconds, first in ((1.5 + LATENESS / 2, 0), (1.5 + 2 * LATENESS, 1)):
            since = len(running.audience.events)
            await trio.sleep(seconds)
            assert await running.conversation.open.hold()
            running.conversation.open.go_on()
            await wait_all_tasks_blocked()
            assert texts(running, since)[0] == ["One two threes.", "Four five sixs."][first]


async def test_what_comes_meanwhile_waits(autojump_clock: MockClock, options: BackendOptions) -> None:
    """The model goes on while somebody coughs; nothing is lost, and nothing told twice."""
    given = slow(options, chunk=0.4, token_delay=0.2)
    async with open_conversation(given, Listener(plays_at_once=False)) as running:
        running.conversation.open.expect_speech()
        running.say(THREE)
        await running.audience.until(AudioChunk)
        assert await running.conversation.open.hold()
        before = len(running.audience.events)
        await trio.sleep(20)
        assert len(running.audience.events) == before
        running.conversation.open.go_on()
        await running.audience.until(SpeechComplete)
        assert texts(running, before) == ["One two threes.", "Four five sixs.", "Seven is enough."]
        sound = [event for event in running.audience.events[before:] if isinstance(event, AudioChunk)]
        assert sum(chunk.pcm.seconds for chunk in sound) == pytest.approx(0.1 * (len(THREE) - 2))
        assert [chunk.index for chunk in sound if chunk.last] == [0, 1, 2]


async def test_it_may_be_held_again_while_it_is_said_again(
    autojump_clock: MockClock, options: BackendOptions
) -> None:
    """From whichever event on, the third time everything is told."""
    async with open_conversation(slow(options), Listener(plays_at_once=False)) as running:
        await begin(running)
        open_turns = running.conversation.open
        for steps in range(8):
            assert await open_turns.hold()
            open_turns.go_on()
            for _ in range(steps):
                await trio.lowlevel.checkpoint()
        await wait_all_tasks_blocked()
        last = max(at for at, event in enumerate(running.audience.events) if isinstance(event, TurnResumed))
        assert texts(running, last) == ["One two threes.", "Four five sixs.", "Seven is enough."]
        running.audience.play()
        await running.wait_over()
        assert running.audience.ended == [(1, "completed", THREE)]


async def test_an_interruption_that_was_meant(autojump_clock: MockClock, options: BackendOptions) -> None:
    """The client has said what was heard while the turn was held; that is kept when it ends."""
    async with open_conversation(slow(options), Listener(plays_at_once=False)) as running:
        await begin(running)
        assert await running.conversation.open.hold()
        assert not await running.conversation.barge_in("One two")
        await running.conversation.open.stop_for_speech()
        running.say("Next.")
        await running.audience.until(TurnStarted, where=lambda event: getattr(event, "turn", 0) == 2)
        assert running.audience.ended == [(1, "interrupted", "One two")]
        assert (await running.stored())[:2] == [("human", THREE), ("ai", "One two")]


async def test_a_second_barge_in_ends_it(autojump_clock: MockClock, options: BackendOptions) -> None:
    """The first answers to the speech; a user who presses the button means it."""
    async with open_conversation(slow(options), Listener(plays_at_once=False)) as running:
        await begin(running)
        assert await running.conversation.open.hold()
        assert not await running.conversation.barge_in("One two")
        assert await running.conversation.barge_in("One two three")
        assert not running.conversation.turn_running
        assert not running.conversation.open.go_on()


async def test_it_is_not_held_for_ever(autojump_clock: MockClock, options: BackendOptions) -> None:
    """Somebody who speaks on for so long has interrupted it; its own deadline does not run meanwhile."""
    system = attrs.evolve(options.system, turn_deadline=5)
    given = attrs.evolve(slow(options), system=system)
    async with open_conversation(given, Listener(plays_at_once=False)) as running:
        await begin(running)
        assert await running.conversation.open.hold()
        await trio.sleep(LONGEST_HOLD - 1)
        running_still = running.conversation.turn_running
        await trio.sleep(2)
        assert (running_still, running.conversation.turn_running) == (True, False)
        assert not running.conversation.open.go_on()


async def test_its_own_time_does_not_run(autojump_clock: MockClock, options: BackendOptions) -> None:
    """While somebody else speaks: the reply has its whole deadline, and no more than that."""
    for token_delay, held, outcome in ((0.2, 10, "completed"), (0.9, 2, "timed out")):
        given = slow(options, token_delay=token_delay)
        given = attrs.evolve(given, system=attrs.evolve(options.system, turn_deadline=4))
        async with open_conversation(given) as running:
            running.conversation.open.expect_speech()
            running.say(THREE)
            await running.audience.until(AudioChunk)
            assert await running.conversation.open.hold()
            await trio.sleep(held)
            running.conversation.open.go_on()
            await running.wait_over()
            assert [end[1] for end in running.audience.ended] == [outcome]


async def test_a_session_that_types_keeps_no_sound(
    autojump_clock: MockClock, options: BackendOptions
) -> None:
    """Its turns are cut, as ever; and so is one that is a minute ahead of its playback."""
    long = " ".join(["This is a sentence of thirty."] * (int(MOST_KEPT / 2.9) + 2))
    for listens, text in ((False, THREE), (True, long)):
        async with open_conversation(slow(options), Listener(plays_at_once=False)) as running:
            if listens:
                running.conversation.open.expect_speech()
            running.say(text)
            await running.audience.until(SpeechComplete)
            assert not await running.conversation.open.hold()
            assert not running.conversation.turn_running


async def test_a_microphone_that_is_switched_on_meanwhile(
    autojump_clock: MockClock, options: BackendOptions
) -> None:
    """What was handed out before was not kept: until that is played, the turn is cut; then, held."""
    given = slow(options, token_delay=0.3)  # the second sentence after 1.8 s, when the first is being played
    for seconds, held in ((0.2, False), (3.5, True)):
        async with open_conversation(given, Listener(plays_at_once=False)) as running:
            running.say(THREE)
            await running.audience.until(AudioChunk)
            running.conversation.open.expect_speech()
            await trio.sleep(seconds)
            assert await running.conversation.open.hold() is held
            assert running.conversation.turn_running is held


async def test_what_is_being_said_is_known(autojump_clock: MockClock, options: BackendOptions) -> None:
    """For two seconds longer than it lasts, as its echo may come later; and whether it asks for an answer."""
    async with open_conversation(slow(options), Listener(plays_at_once=False)) as running:
        await begin(running, "One two threes. Shall we go on?")
        open_turns = running.conversation.open
        assert open_turns.playing() == "One two threes."
        assert not open_turns.asks()
        await trio.sleep(2)
        assert open_turns.playing() == "One two threes. Shall we go on?"
        assert open_turns.asks()
        await trio.sleep(2)
        assert open_turns.playing() == "Shall we go on?"


async def test_a_sentence_whose_voice_is_late_is_said_again(
    autojump_clock: MockClock, options: BackendOptions
) -> None:
    """All that there is of it was played long ago: the rest belongs to a sentence that clients must know."""
    given = with_tts(with_llm(options, {"token_delay": 0}), {"seconds_per_character": 0.1, "chunk": 0.4})
    async with open_conversation(given, Listener(plays_at_once=False)) as running:
        running.conversation.open.expect_speech()
        running.say(THREE)
        await running.audience.until(AudioChunk)
        turn = running.conversation.open.turns[0]
        assert not turn.delivery._handed[-1].chunks[-1].last
        turn.delivery._handed[-1].ends = trio.current_time() - 2 * LATENESS  # as with a slow voice
        before = len(running.audience.events)
        assert await running.conversation.open.hold()
        running.conversation.open.go_on()
        await running.audience.until(SpeechComplete)
        kinds = running.audience.kinds[before:]
        assert kinds[:3] == ["TurnResumed", "Sentence", "AudioChunk"]


async def test_what_was_heard_before_it_was_held_counts_too(
    autojump_clock: MockClock, options: BackendOptions
) -> None:
    """Clients say what they heard since the turn began for them: since it went on."""
    async with open_conversation(slow(options), Listener(plays_at_once=False)) as running:
        await begin(running)
        await trio.sleep(2)
        assert await running.conversation.open.hold()
        assert not await running.conversation.barge_in("One two threes. Four")
        running.conversation.open.go_on()
        await trio.sleep(1)
        assert await running.conversation.barge_in("Four five")
        await running.conversation.confirm()
        assert running.audience.ended == [(1, "interrupted", "One two threes. Four five")]
        assert (await running.stored())[1:] == [("ai", "One two threes. Four five")]


async def test_what_was_heard_is_known_as_soon_as_the_turn_is_over(
    autojump_clock: MockClock, options: BackendOptions
) -> None:
    """Where the client answers after the words were understood, that ends it as any barge-in does."""
    async with open_conversation(slow(options), Listener(plays_at_once=False)) as running:
        await begin(running)
        assert await running.conversation.open.hold()
        await running.conversation.open.stop_for_speech()
        assert await running.conversation.barge_in("One")
        assert running.conversation.open.turns == []
        assert [message.content for message in running.conversation.memory.so_far()] == [THREE, "One"]


async def test_what_was_said_while_it_was_held_before_is_kept(
    autojump_clock: MockClock, options: BackendOptions
) -> None:
    """A client that was not told that it goes on is silent, and has nothing more to say of it."""
    async with open_conversation(slow(options), Listener(plays_at_once=False)) as running:
        await begin(running)
        assert await running.conversation.open.hold()
        assert not await running.conversation.barge_in("One")
        running.conversation.open.go_on()
        assert await running.conversation.open.hold()
        await running.conversation.open.stop_for_speech()
        await running.conversation.end_turn("a test")
        assert running.audience.ended == [(1, "interrupted", "One")]


async def test_it_is_held_no_longer_where_the_model_is_slow(
    autojump_clock: MockClock, options: BackendOptions
) -> None:
    """The time counts from when somebody spoke, and not from the next token."""
    async with open_conversation(slow(options, token_delay=8.0), Listener()) as running:
        running.conversation.open.expect_speech()
        running.say("One. Two. Three.")
        await running.audience.until(TurnStarted)
        await trio.lowlevel.checkpoint()
        held_at = trio.current_time()
        await trio.testing.wait_all_tasks_blocked()
        assert await running.conversation.open.hold()
        await running.wait_over()
        assert trio.current_time() == pytest.approx(held_at + LONGEST_HOLD)


async def test_it_goes_on_at_once_where_the_model_is_slow(
    autojump_clock: MockClock, options: BackendOptions
) -> None:
    """What was cut is said again while the next sentence is still being made."""
    async with open_conversation(slow(options, token_delay=8.0), Listener()) as running:
        running.conversation.open.expect_speech()
        running.say("One. Two. Three.")
        await running.audience.until(AudioChunk)
        await wait_all_tasks_blocked()
        before, began = len(running.audience.events), trio.current_time()
        assert await running.conversation.open.hold()
        running.conversation.open.go_on()
        await wait_all_tasks_blocked()
        assert running.audience.kinds[before:] == ["TurnResumed", "Sentence", "AudioChunk"]
        assert trio.current_time() == began
        await running.wait_over()
        assert running.audience.ended == [(1, "completed", "One. Two. Three.")]


async def test_a_late_answer_ends_nothing(autojump_clock: MockClock, options: BackendOptions) -> None:
    """On a slow network a client may say what was heard when the turn has gone on already."""
    async with open_conversation(slow(options), Listener(plays_at_once=False)) as running:
        await begin(running)
        open_turns = running.conversation.open
        assert await open_turns.hold()
        assert not await running.conversation.barge_in("One")  # it is a client that answers
        open_turns.go_on()
        await wait_all_tasks_blocked()
        assert await open_turns.hold()
        open_turns.go_on()
        await wait_all_tasks_blocked()
        assert not await running.conversation.barge_in("One two")
        assert running.conversation.turn_running
        assert await running.conversation.barge_in("One two")
        assert not running.conversation.turn_running


async def test_a_client_that_never_answers_means_it(
    autojump_clock: MockClock, options: BackendOptions
) -> None:
    """Some do not say what was heard when they are silenced: what they say later is their user's."""
    async with open_conversation(slow(options), Listener(plays_at_once=False)) as running:
        await begin(running)
        assert await running.conversation.open.hold()
        running.conversation.open.go_on()
        await wait_all_tasks_blocked()
        assert await running.conversation.barge_in("One two")
        assert not running.conversation.turn_running


async def test_held_turns_are_given_up(autojump_clock: MockClock, options: BackendOptions) -> None:
    """Those that are not held are left alone."""
    async with open_conversation(slow(options), Listener(plays_at_once=False)) as running:
        await begin(running)
        running.conversation.open.give_up()
        await wait_all_tasks_blocked()
        assert running.conversation.turn_running
        assert await running.conversation.open.hold()
        running.conversation.open.give_up()
        await wait_all_tasks_blocked()
        assert not running.conversation.turn_running
