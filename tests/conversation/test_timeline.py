"""Where the time of a turn went: stages that add up to what the user waited."""

from __future__ import annotations

import itertools

import attrs
import pytest
import trio
from loguru import logger
from trio.testing import MockClock

from tests.conversation.running import open_conversation
from tests.session.sessions import connect_greeted, with_llm, with_tts
from trio_backend.backend import BackendOptions, open_backend
from trio_backend.conversation.events import AudioChunk
from trio_backend.conversation.observer import NullObserver
from trio_backend.conversation.timeline import STAGES, SpokenMoments, Timeline
from trio_backend.conversation.user_input import UserInput
from trio_backend.engines.asr.scripted import write

SAID = "Hello there. How are you?"
MODEL = {"first_token_delay": 0.4, "token_delay": 0.1}


def timeline(**moments: float) -> Timeline:
    """A turn of which only these moments are known."""
    made = Timeline(began=0.0)
    for name, at in moments.items():
        setattr(made, name, at)
    return made


def test_stages_are_what_passed_since_the_latest_moment_before() -> None:
    """In the order in which they happened, whatever the order of their names."""
    whole = timeline(
        ended=-0.9, decided=-0.1, transcribed=0.2, first_token=0.6, first_sentence=0.65, sound_made=0.95,
        first_audio=0.96, played=1.0,
    )  # fmt: skip
    assert list(whole.stages) == list(STAGES)
    assert list(whole.stages.values()) == pytest.approx([0.8, 0.3, 0.4, 0.05, 0.3, 0.01, 0.04])
    assert whole.wait == pytest.approx(1.9)
    early = timeline(
        ended=-0.2, transcribed=0.3, first_token=0.7, decided=0.6, first_audio=1.1, committed=0.6
    )
    assert list(early.stages) == ["transcript", "end_of_turn", "first_token", "sound_sent"]
    assert list(early.stages.values()) == pytest.approx([0.5, 0.3, 0.1, 0.4])
    assert early.wait == pytest.approx(1.3)


def test_what_was_known_before_the_last_word_takes_no_time() -> None:
    """A streaming engine may be sure of its transcript before the silence began; nothing is negative."""
    known = timeline(ended=0.5, transcribed=0.3, decided=0.7, first_audio=0.9)
    assert known.stages == pytest.approx({"transcript": 0.0, "end_of_turn": 0.2, "sound_sent": 0.2})
    assert known.wait == pytest.approx(0.4)


@pytest.mark.parametrize("known", list(itertools.product([False, True], repeat=4)))
def test_stages_add_up_whichever_are_missing(known: tuple[bool, ...]) -> None:
    """From the last word, if there is one, to the last moment that is known."""
    names = ("decided", "transcribed", "first_token", "first_audio")
    moments = {name: at for name, at, there in zip(names, (0.3, 0.1, 0.2, 0.4), known, strict=True) if there}
    found = timeline(ended=-0.5, **moments)
    assert sum(found.stages.values()) == pytest.approx(max(moments.values(), default=-0.5) + 0.5)
    assert min(found.stages.values(), default=0.0) >= 0


def test_a_turn_without_sound_has_no_wait() -> None:
    """Nobody waited for what did not come; how far it came is still told."""
    silent = timeline(first_token=0.3, first_sentence=0.4)
    assert silent.wait is None
    assert silent.stages == pytest.approx({"first_token": 0.3, "first_sentence": 0.1})


def test_another_reply_begins_with_what_is_known_of_the_input() -> None:
    """When it was spoken and committed; nothing of the first reply."""
    first = timeline(ended=-0.2, decided=0.6, committed=0.6, first_token=0.3, sound_made=0.5)
    assert attrs.asdict(first.anew()) == attrs.asdict(timeline(ended=-0.2, decided=0.6, committed=0.6))


def test_playback_counts_once_and_only_of_what_was_sent() -> None:
    """Before the first sound of a turn, the client means one of an earlier turn."""

    async def play() -> Timeline:
        played = Timeline()
        played.play()
        await trio.sleep(1)
        played.audio(0.5)
        await trio.sleep(1)
        played.play()
        await trio.sleep(1)
        played.play()
        return played

    assert trio.run(play, clock=MockClock(autojump_threshold=0)).played == pytest.approx(2.0)


async def test_a_typed_turn_has_the_stages_of_the_reply(
    autojump_clock: MockClock, options: BackendOptions
) -> None:
    """As long as the engines took, one after the other, and no end of speech."""
    engines = with_tts(with_llm(options, MODEL), {"delay": 0.3})
    async with open_conversation(engines) as running:
        running.say("One two. Three.")
        await running.wait_over()
        (found,) = running.audience.over
        assert list(found.stages) == ["first_token", "first_sentence", "sound_made", "sound_sent"]
        assert found.stages["first_token"] == pytest.approx(0.4)
        assert found.stages["sound_made"] == pytest.approx(0.3)
        assert found.wait == pytest.approx(found.first_audio)


@attrs.define(eq=False)
class Noting(NullObserver):
    """An `Observer` that keeps what turns took."""

    over: list[Timeline] = attrs.field(factory=list)

    def turn_over(self, timeline: Timeline) -> None:
        """Keep it."""
        self.over.append(timeline)


@pytest.mark.parametrize("provisional", [False, True])
async def test_a_spoken_turn_has_the_moments_of_its_speech(
    autojump_clock: MockClock, options: BackendOptions, *, provisional: bool
) -> None:
    """With its end decided before the turn, or while it was at work already."""
    sound = write(SAID)
    async with open_conversation(with_llm(options, MODEL)) as running:
        await trio.sleep(1)
        ended = trio.current_time() - 0.2
        if provisional:
            running.conversation.begin_provisional(running.scene, UserInput("", sound=sound))
            await trio.sleep(0.6)
            decided = SpokenMoments(ended, trio.current_time())
            assert running.conversation.commit(running.scene, UserInput("", sound=sound, spoken=decided))
        else:
            await trio.sleep(0.6)
            decided = SpokenMoments(ended, trio.current_time())
            running.conversation.begin_turn(running.scene, UserInput("", sound=sound, spoken=decided))
        await running.audience.until(AudioChunk)
        sounded = trio.current_time()
        await running.wait_over()
        (found,) = running.audience.over
        assert found.wait == pytest.approx(sounded - ended)
        stages = dict(found.stages)
        if provisional:
            assert stages["end_of_turn"] + stages["transcript"] == pytest.approx(0.8)
        else:
            assert stages["end_of_turn"] == pytest.approx(0.8)
            assert next(iter(stages)) == "end_of_turn"


async def test_the_client_says_when_it_plays(
    autojump_clock: MockClock, options: BackendOptions, nursery: trio.Nursery
) -> None:
    """The first such message about sound ends the last stage, and the turn's line in the log says so."""
    observer = Noting()
    lines: list[str] = []
    number = logger.add(lambda text: lines.append(str(text)), level="INFO", format="{message}")
    async with open_backend(attrs.evolve(options, observer=observer)) as backend:
        client = await connect_greeted(backend, nursery)
        await client.say("text-input", text="One two.")
        await client.until("audio")
        for text in ("(A thought.)", "One two.", "One two."):
            await trio.sleep(0.25)
            await client.say("audio-play-start", display_text={"text": text, "name": "", "avatar": ""})
        await client.say("frontend-playback-complete")
        await client.until("control", text="conversation-chain-end")
    logger.remove(number)
    (found,) = observer.over
    assert found.stages["sound_played"] == pytest.approx(0.5)
    assert found.wait == pytest.approx(sum(found.stages.values()))
    assert any("the user waited" in line and "sound_played 500" in line for line in lines)
