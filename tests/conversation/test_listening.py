"""`SpeechInput` with an engine that says what a test lets it say. On the virtual clock."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.conftest import character
from trio_backend.audio.endpointing import WINDOW_BYTES, WINDOW_SECONDS
from trio_backend.conversation.partial_transcripts import LONGEST_PARTIAL, PARTIAL_INTERVAL
from trio_backend.conversation.speech_engines import open_speech_engines
from trio_backend.conversation.speech_input import LONGEST_EAGER, MOST_BEGUN
from trio_backend.errors import ProtocolError

from .listening import listening


async def test_the_engine_may_judge_before_the_pause(autojump_clock: MockClock) -> None:
    """Its eager judgement begins a turn, going on discards it, and its final one ends the utterance."""
    async with listening() as speech:
        await speech.hear(speech=10)
        await speech.asr.say("Hello", "eager")
        assert speech.take() == ["SpeechStarted", "begin Hello", "partial Hello"]
        await speech.asr.say("Hello", "resumed")
        assert speech.take() == ["discard"]
        await speech.hear(silence=8)
        assert speech.take() == ["begin Hello"]  # whoever decides that here is told the judgement
        await speech.hear(speech=3)
        assert speech.take() == ["discard"]
        await trio.sleep(1)
        await speech.asr.say("Hello there", "eager")
        await speech.asr.say("Hello there", "final")
        assert speech.take() == ["begin Hello there", "partial Hello there", "SpeechEnded"]
        spoken = speech.input.end()
        assert spoken is not None
        assert spoken.words == "Hello there"
        assert spoken.ended == spoken.decided == trio.current_time()
        assert len(speech.asr.heard) == 1


async def test_late_words_are_another_turn(autojump_clock: MockClock) -> None:
    """Other marks are not. Only so often in one pause; what was begun wrongly is not what was said."""
    async with listening() as speech:
        await speech.hear(speech=10)
        await speech.asr.say("turn on the")
        await speech.hear(silence=8)
        assert speech.take() == ["SpeechStarted", "partial turn on the", "begin turn on the"]
        await trio.sleep(1)
        await speech.asr.say("Turn on the.")
        assert speech.take() == ["partial Turn on the."]
        await speech.asr.say("Turn on the light.")
        assert speech.take()[:2] == ["discard", "begin Turn on the light."]
        assert MOST_BEGUN == 2
        await speech.asr.say("Turn on the lights.")
        assert "begin Turn on the lights." not in speech.take()
        spoken = speech.input.end()
        assert spoken is not None
        assert spoken.words is None
        assert spoken.recognition is not None


async def test_the_final_transcript_counts_if_it_comes_in_time(autojump_clock: MockClock) -> None:
    """After the end of the utterance, and before the client's word."""
    async with listening() as speech:
        await speech.hear(speech=10)
        await speech.asr.say("How are you?")
        await speech.hear(silence=16)
        assert speech.take()[-1] == "SpeechEnded"
        await speech.asr.say("How old are you?", final=True)
        spoken = speech.input.end()
        assert spoken is not None
        assert spoken.words is None
        assert spoken.recognition is not None
        assert await spoken.recognition.result() == "How old are you?"


async def test_the_words_shorten_the_silence(autojump_clock: MockClock) -> None:
    """As `EndOfTurn` says; those of a pause count in that pause."""
    windows = []
    for words in ("How are you?", "I will have the", None):
        async with listening() as speech:
            await speech.hear(speech=10)
            if words is not None:
                await speech.asr.say(words)
            speech.take()
            for number in range(200):
                await speech.hear(silence=1)
                if "SpeechEnded" in speech.log:
                    windows.append(number + 1)
                    break
    finished, unfinished, unknown = windows
    assert finished < 20 < unknown == unfinished == 50


@pytest.mark.parametrize("streams", [False, True])
async def test_what_is_too_long_is_dropped_with_its_turn(autojump_clock: MockClock, *, streams: bool) -> None:
    """And with its recognition."""
    async with listening(streams=streams, limit=1.0) as speech:
        await speech.hear(speech=10)
        if not streams:
            await speech.hear(silence=8)
        await speech.asr.say("How are you?", final=not streams)
        if streams:
            await speech.hear(silence=8)
        assert "begin How are you?" in speech.take()
        with pytest.raises(ProtocolError, match="longer than 1 s"):
            await speech.hear(speech=1, silence=40)
        assert speech.take() == ["discard"]
        await speech.hear(silence=3)
        assert len(speech.asr.heard) == 1
        assert speech.input.end() is None


async def test_a_whole_recogniser_is_asked_again_when_more_was_said(autojump_clock: MockClock) -> None:
    """With all of it, from the beginning; what it says of the first part then comes too late."""
    async with listening(streams=False) as speech:
        await speech.hear(speech=10)
        assert not speech.asr.heard
        await speech.hear(silence=8)
        first = len(speech.asr.heard[0])
        assert first >= 17 * WINDOW_BYTES
        await speech.hear(speech=10)
        assert speech.take() == ["SpeechStarted", "in vain"]
        await speech.hear(silence=8)
        assert len(speech.asr.heard) == 1
        await speech.asr.say("How", final=True)
        assert len(speech.asr.heard) == 2
        assert len(speech.asr.heard[1]) == first + 18 * WINDOW_BYTES
        assert speech.take() == []
        await speech.asr.say("How are you?", final=True)
        assert speech.take() == ["begin How are you?"]


async def test_of_recognitions_in_vain_one_goes_on(autojump_clock: MockClock) -> None:
    """To stop it would end its process; those that wait for it are never begun. The turn gets the last."""
    async with listening(streams=False) as speech:
        for _ in range(5):
            await speech.hear(speech=10)
            await speech.hear(silence=8)
        assert len(speech.asr.heard) == 1
        await speech.hear(silence=50)
        spoken = speech.input.end()
        assert spoken is not None
        assert spoken.recognition is not None
        assert speech.take()[-1] == "SpeechEnded"
        await speech.asr.say("How", final=True)
        assert len(speech.asr.heard) == 2
        await speech.asr.say("How are you?", final=True)
        assert await spoken.recognition.result() == "How are you?"


async def test_a_long_utterance_is_recognised_at_its_end(autojump_clock: MockClock) -> None:
    """Each pause would cost all of it again."""
    async with listening(streams=False) as speech:
        await speech.hear(speech=round(LONGEST_EAGER / WINDOW_SECONDS))
        await speech.hear(silence=60)
        assert not speech.asr.heard
        assert speech.take() == ["SpeechStarted", "SpeechEnded"]


async def test_with_no_pause_a_whole_recogniser_waits_for_the_end(autojump_clock: MockClock) -> None:
    """As it is with speculation off."""
    async with listening(streams=False, pause=float("inf")) as speech:
        await speech.hear(speech=10, silence=60)
        assert speech.take() == ["SpeechStarted", "SpeechEnded"]
        assert not speech.asr.heard
        spoken = speech.input.end()
        assert spoken is not None
        assert spoken.recognition is None


async def test_what_is_shown_is_bounded(autojump_clock: MockClock) -> None:
    """In length and in number, whatever the engine does; of a long text the end is shown."""
    async with listening() as speech:
        await speech.hear(speech=10)
        for number in range(8):
            await speech.asr.say("x" * 5000 + str(number))
        await trio.sleep(PARTIAL_INTERVAL + 0.01)
        told = speech.take()[1:]
        assert [text[-1] for text in told] == ["0", "7"]
        assert {len(text) for text in told} == {len("partial ") + LONGEST_PARTIAL}
        await speech.asr.say("x" * 5000 + "7")
        await speech.asr.say(" ")
        await trio.sleep(1)
        assert speech.take() == []


@pytest.mark.parametrize("how", ["silence", "the client", "the engine"])
async def test_after_the_end_nothing_is_shown(autojump_clock: MockClock, how: str) -> None:
    """Not even what waits to be shown; whoever ends the utterance."""
    async with listening() as speech:
        await speech.hear(speech=10)
        await speech.asr.say("Hello")
        await speech.asr.say("Hello there.")
        if how == "silence":
            await speech.hear(silence=60)
        elif how == "the client":
            assert speech.input.end() is not None
        else:
            await speech.asr.say("Hello there, you.", "final")
        await trio.sleep(1)
        shown = [note for note in speech.take() if note.startswith("partial")]
        assert shown == ["partial Hello"]


@pytest.mark.parametrize("how", ["another character", "the session ends"])
async def test_what_was_being_said_is_forgotten(autojump_clock: MockClock, how: str) -> None:
    """With what was understood of it."""
    async with listening() as speech:
        await speech.hear(speech=10)
        await speech.asr.say("Hello.")
        if how == "another character":
            async with open_speech_engines(character("ann"), speech.asr.lease) as others:
                await speech.input.listen(bytes(WINDOW_BYTES), others)
        else:
            speech.input.close()
        await wait_all_tasks_blocked()
        with pytest.raises(trio.BrokenResourceError):
            await speech.asr.say("Hello there.")
        assert speech.input.end() is None
