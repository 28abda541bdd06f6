"""What stops the character, and what does not."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from trio_backend.conversation.interruption import GOES_ON_WITHIN, STREAM_ENDED, UNDERSTOOD_WITHIN
from trio_backend.errors import ProtocolError, QuotaExceeded

from .listening import Listening, listening

SAYS = "The weather is going to be lovely in the north tomorrow."
# Windows: just not enough to stop the character while words are waited for, and enough; where none will come.
SHORT, LONG = 12, 13
SHORT_WHOLE, LONG_WHOLE = 6, 7


async def test_speech_that_lasts_stops_the_character_for_now(autojump_clock: MockClock) -> None:
    """As soon as it has lasted 0.3 s, to a window, and not before; breaths in between do not count."""
    async with listening(min_interrupt=0.3, says=SAYS) as speech:
        await speech.hear(speech=SHORT)
        await speech.hear(silence=3)
        assert speech.take() == []
        await speech.hear(speech=LONG - SHORT)
        assert speech.take() == ["held", "SpeechStarted"]
        await speech.hear(speech=20)
        assert speech.take() == []


async def test_no_words_are_waited_for_where_none_will_come(autojump_clock: MockClock) -> None:
    """A recogniser of whole utterances knows them at the end; so the length decides, and sooner."""
    async with listening(streams=False, min_interrupt=0.3, says=SAYS) as speech:
        await speech.hear(speech=SHORT_WHOLE)
        assert speech.take() == []
        await speech.hear(speech=LONG_WHOLE - SHORT_WHOLE)
        assert speech.take() == ["held", "SpeechStarted"]


@pytest.mark.parametrize("streams", [True, False])
async def test_it_goes_on_in_the_pause_after_nothing(autojump_clock: MockClock, *, streams: bool) -> None:
    """Once the words are known, and not only after the silence that ends a turn."""
    async with listening(streams=streams, min_interrupt=0.3, says=SAYS) as speech:
        await speech.hear(speech=LONG, silence=8)
        assert speech.take() == ["held", "SpeechStarted"]
        await speech.asr.say("uh-huh", final=True)
        await speech.hear(silence=1)
        assert [told for told in speech.take() if not told.startswith("partial")] == ["goes on"]


async def test_a_word_stops_it_for_good(autojump_clock: MockClock) -> None:
    """Long before 0.3 s."""
    async with listening(min_interrupt=0.3, says=SAYS) as speech:
        await speech.hear(speech=3)
        await speech.asr.say("Stop")
        # At once, not with the next window of sound.
        assert sorted(speech.take()) == ["SpeechStarted", "partial Stop", "stopped"]
        await speech.hear(silence=60)
        assert "SpeechEnded" in speech.take()
        assert speech.input.end() is not None


async def test_words_confirm_what_was_held(autojump_clock: MockClock) -> None:
    """The reply is over as soon as it is known that somebody speaks to the character."""
    async with listening(min_interrupt=0.3, says=SAYS) as speech:
        await speech.hear(speech=LONG)
        assert speech.take() == ["held", "SpeechStarted"]
        await speech.asr.say("What about Berlin")
        assert sorted(speech.take()) == ["partial What about Berlin", "stopped"]


async def test_nothing_waits_where_the_character_is_silent(autojump_clock: MockClock) -> None:
    """Nor where every sound is meant to stop it."""
    for says, shortest in (("", 0.3), (SAYS, 0.0)):
        async with listening(min_interrupt=shortest, says=says) as speech:
            await speech.hear(speech=2)
            assert [told for told in speech.take() if told != "stopped"] == ["SpeechStarted"]
            await speech.hear(silence=60)
            assert speech.take() == ["SpeechEnded"]


@pytest.mark.parametrize("heard", ["uh-huh", "嗯", "うん", "[cough]", "going to be lovely in the north"])
async def test_what_asks_for_nothing_does_not_stop_it(autojump_clock: MockClock, heard: str) -> None:
    """Backchannels, noises, and the character's own words, however long; no turn is about them."""
    async with listening(min_interrupt=0.3, says=SAYS) as speech:
        await speech.hear(speech=3)
        await speech.asr.say(heard)
        await speech.hear(speech=20, silence=60)
        await speech.asr.say(heard, final=True)
        assert [told for told in speech.take() if not told.startswith("partial")] == []
        assert speech.speaking.says == SAYS
        assert speech.input.end() is None


async def test_an_answer_is_none_of_these(autojump_clock: MockClock) -> None:
    """Where the character has just asked, "uh-huh" says yes."""
    async with listening(min_interrupt=0.3, says="Shall I go on?") as speech:
        speech.speaking.question = True
        await speech.hear(speech=3)
        await speech.asr.say("uh-huh")
        assert sorted(speech.take()) == ["SpeechStarted", "partial uh-huh", "stopped"]


@pytest.mark.parametrize("heard", ["", "uh-huh"])
async def test_it_goes_on_after_nothing(autojump_clock: MockClock, heard: str) -> None:
    """What had stopped it is known now; the client is not told that an utterance is over."""
    async with listening(min_interrupt=0.3, says=SAYS) as speech:
        await speech.hear(speech=LONG, silence=60)
        assert speech.take() == ["held", "SpeechStarted"]
        await speech.asr.say(heard, final=True)
        assert speech.take() == ["goes on"]
        assert speech.input.end() is None


async def test_who_is_not_understood_in_time_has_interrupted(autojump_clock: MockClock) -> None:
    """A second after the end of the speech; the turn that follows finds out what was said."""
    async with listening(min_interrupt=0.3, says=SAYS) as speech:
        await speech.hear(speech=LONG, silence=60)
        await trio.sleep(GOES_ON_WITHIN - 0.01)
        assert speech.take() == ["held", "SpeechStarted"]
        await trio.sleep(0.02)
        assert speech.take() == ["stopped", "SpeechEnded"]
        assert speech.input.end() is not None


async def test_a_short_word_is_waited_for(autojump_clock: MockClock) -> None:
    """The character speaks on until it is known that it was one; an engine for whole utterances is asked."""
    async with listening(streams=False, min_interrupt=0.3, says=SAYS) as speech:
        await speech.hear(speech=4, silence=60)
        await trio.sleep(UNDERSTOOD_WITHIN / 2)
        assert speech.take() == []
        await speech.asr.say("No.", final=True)
        assert speech.take() == ["stopped", "SpeechStarted", "SpeechEnded"]
        spoken = speech.input.end()
        assert spoken is not None
        assert len(speech.asr.heard) == 1


async def test_who_speaks_on_meant_what_they_said(autojump_clock: MockClock) -> None:
    """Before it is known what that was: it is answered, and the rest is an utterance of its own."""
    async with listening(min_interrupt=0.3, says=SAYS) as speech:
        await speech.hear(speech=LONG, silence=60)
        await speech.hear(speech=3)
        assert speech.take() == [
            "held",
            "SpeechStarted",
            "stopped",
            "SpeechEnded",
            "stopped",
            "SpeechStarted",
        ]


async def test_the_client_may_decide(autojump_clock: MockClock) -> None:
    """That the utterance is over; where it heard nothing either, the character goes on."""
    async with listening(min_interrupt=0.3, says=SAYS) as speech:
        await speech.hear(speech=LONG)
        assert speech.input.end() is not None
        await speech.hear(silence=60)
        await trio.sleep(2 * GOES_ON_WITHIN)
        assert speech.take() == ["held", "SpeechStarted", "given up"]


async def test_no_turn_is_begun_for_what_may_be_nothing(autojump_clock: MockClock) -> None:
    """It would be discarded with what stops the character; it is begun right after that."""
    async with listening(streams=False, min_interrupt=0.3, says=SAYS) as speech:
        await speech.hear(speech=LONG, silence=8)
        assert speech.take() == ["held", "SpeechStarted"]
        await speech.asr.say("What about Berlin?", final=True)
        assert speech.take() == ["stopped", "begin What about Berlin?"]


async def test_what_was_begun_meanwhile_is_stopped_audibly(autojump_clock: MockClock) -> None:
    """A reply to what was typed while another was held: the client must know that it is over."""
    async with listening(min_interrupt=0.3, says=SAYS) as speech:
        await speech.hear(speech=LONG)
        assert speech.take() == ["held", "SpeechStarted"]
        speech.speaking.held = False
        await speech.asr.say("What about Berlin")
        assert sorted(speech.take()) == ["SpeechStarted", "partial What about Berlin", "stopped"]


async def test_a_stream_that_ends_in_the_middle(autojump_clock: MockClock) -> None:
    """Who switches the microphone off has finished: what was said is judged, or the reply would wait on."""
    async with listening(min_interrupt=0.3, says=SAYS) as speech:
        await speech.hear(speech=LONG)
        assert speech.take() == ["held", "SpeechStarted"]
        await trio.sleep(STREAM_ENDED - 0.01)
        await speech.hear(speech=1)
        await trio.sleep(STREAM_ENDED + 0.01)
        await speech.asr.say("", final=True)
        assert speech.take() == ["goes on"]
        assert speech.input.end() is None


async def test_speech_that_cannot_be_kept_is_an_interruption(autojump_clock: MockClock) -> None:
    """Nobody will ever know what it was, and nothing may wait for that; however it is noticed."""
    full = False

    def keep(size: int) -> None:
        if full and size:
            raise QuotaExceeded(1, of_all=False)

    async def notice(speech: Listening, where: str) -> None:
        if where == "stream":
            await speech.hear(speech=1)
        else:
            speech.input.add(bytes(2), speech.engines)

    for where in ("stream", "utterance"):
        full = False
        async with listening(min_interrupt=0.3, says=SAYS, keep=keep) as speech:
            await speech.hear(speech=LONG)
            assert speech.take() == ["held", "SpeechStarted"]
            full = True
            with pytest.raises(ProtocolError):
                await notice(speech, where)
            assert speech.take() == ["given up"]
