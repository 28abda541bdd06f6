"""What `prove voice` measures on waveforms, and that a server that is wrong is told to be so."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import attrs
import numpy as np
import pytest
import trio
from trio.testing import MockClock

from tests.prove.voice_server import VoiceServer, open_voice_wire
from trio_backend.audio.pcm import Pcm
from trio_backend.audio.utterance import RATE
from trio_backend.prove.context import ScenarioContext
from trio_backend.prove.outcome import Check
from trio_backend.prove.voice_client import OURS, PLAIN, ClientForm, open_voice_client
from trio_backend.prove.voice_conversation import converse, interject
from trio_backend.prove.voice_corpus import LOUDNESS, QUIET, CorpusUtterance, PlacedWord
from trio_backend.prove.voice_engine_log import EngineLog, SpeechRequest
from trio_backend.prove.voice_engine_times import CLAUSE_SOUND, EAGER, TIMES
from trio_backend.prove.voice_lines import Kind
from trio_backend.prove.voice_measures import (
    Exchange,
    Interjection,
    Waste,
    curves,
    end_of_turn_checks,
    exchange_checks,
    fixed_silences,
    interjection_checks,
    waste_checks,
)
from trio_backend.prove.voice_waveform import Playback, first_audible, mark_of, marked_tone


def utterance(*pieces: float, kind: Kind = "finished") -> CorpusUtterance:
    """Noise as loud as speech: seconds of it, of silence, of noise, and so on."""
    generator, sound, speech, at = np.random.default_rng(1), [], [], 0
    for number, seconds in enumerate(pieces):
        length = int(seconds * RATE)
        loud = number % 2 == 0
        sound.append(generator.standard_normal(length) * (LOUDNESS if loud else QUIET))
        if loud:
            speech.append((at, at + length))
        at += length
    words = [PlacedWord(f"word{number}", begin, end) for number, (begin, end) in enumerate(speech)]
    samples = Pcm.from_floats(np.concatenate(sound), RATE).samples
    return CorpusUtterance("said", kind, samples, words, speech, QUIET)


def missed(checks: Sequence[Check]) -> set[str]:
    """The names of those whose bounds do not hold."""
    return {check.what for check in checks if not check.met}


# What is heard.


@pytest.mark.parametrize("rate", [16_000, 22_050, 24_000, 48_000])
@pytest.mark.parametrize("lead", [0.0, 0.001, 0.05, 0.3, 1.2345])
def test_the_first_sample_that_is_heard_is_found(lead: float, rate: int) -> None:
    """Within 5 ms, whatever noise is before it."""
    tone = np.frombuffer(marked_tone(3, lead + 0.5, rate, lead=lead), "<i2").astype(np.int32)
    noise = np.random.default_rng(2).integers(-100, 100, len(tone))
    found = first_audible(Pcm(np.clip(tone + noise, -32768, 32767).astype("<i2").tobytes(), rate))
    assert found == pytest.approx(lead, abs=0.005)


def test_a_silent_reply_is_not_heard() -> None:
    """Neither zeros nor the noise of a sound card."""
    assert first_audible(Pcm(bytes(32_000), 16_000)) is None
    hiss = np.random.default_rng(2).integers(-200, 200, 16_000).astype("<i2")
    assert first_audible(Pcm(hiss.tobytes(), 16_000)) is None
    assert first_audible(Pcm(b"", 16_000)) is None


@pytest.mark.parametrize("number", [0, 1, 77, 2**31 + 5, 2**32 - 1])
def test_a_sound_says_which_request_it_answers(number: int) -> None:
    """Behind any silence, and not once its beginning is cut off."""
    sound = marked_tone(number, 0.5, 24_000, lead=0.1)
    assert mark_of(Pcm(sound, 24_000)) == number
    assert mark_of(Pcm(sound[2 * 2420 :], 24_000)) is None
    assert mark_of(Pcm(bytes(2000), 24_000)) is None


def test_playback_is_one_sound_after_the_other() -> None:
    """With a gap between messages, as the page has it; late sound begins late; a stop ends all."""
    second = Pcm(marked_tone(1, 1.0, 24_000), 24_000)
    playback = Playback(gap=0.1)
    assert playback.play(second, at=5.0) == 5.0
    assert playback.play(second, at=5.2) == pytest.approx(6.1)
    assert playback.play(second, at=9.0) == 9.0
    assert playback.sounding(5.5)
    assert not playback.sounding(6.05)
    playback.stop(9.5)
    assert not playback.sounding(9.6)
    assert np.array(playback.sounds) == pytest.approx(np.array([(5.0, 6.0), (6.1, 7.1), (9.0, 9.5)]))
    assert playback.heard_after(6.0) == pytest.approx(6.1)


# A client that speaks and listens.


async def held(server: VoiceServer, form: ClientForm, said: CorpusUtterance) -> Exchange:
    """One exchange with ``server``."""
    async with open_voice_wire(server) as wire, open_voice_client(wire, form) as client:
        await trio.sleep(0.5)
        exchange, _ = await converse(client, said, "whole")
        return exchange


@pytest.mark.parametrize("form", [PLAIN, OURS])
@pytest.mark.parametrize(
    ("end_of_turn", "reply", "lead"), [(0.8, 1.0, 0.0), (0.5, 0.25, 0.4), (1.6, 2.0, 0.013)]
)
async def test_a_known_wait_is_found(
    autojump_clock: MockClock, form: ClientForm, end_of_turn: float, reply: float, lead: float
) -> None:
    """From the last sample of speech to the first that is heard, within a message of sound and 5 ms."""
    server = VoiceServer(end_of_turn, reply, lead=lead, streams=form is OURS)
    found = await held(server, form, utterance(1.0))
    frame = form.frame / RATE
    assert found.cut is None
    assert found.decided is not None
    assert found.heard is not None
    assert found.arrived is not None
    # The server counts whole messages, and takes one with the end of speech in it for speech, or not.
    assert end_of_turn - 0.005 <= found.decided <= end_of_turn + 2 * frame + 0.005
    assert found.heard - found.decided == pytest.approx(reply + lead, abs=0.005)
    assert found.arrived - found.decided == pytest.approx(reply, abs=0.005)


async def test_a_cut_off_is_seen(autojump_clock: MockClock) -> None:
    """A pause that is longer than the silence that ends a turn; and none that is shorter."""
    found = await held(VoiceServer(0.8, 1.0), OURS, utterance(0.5, 1.0, 0.5))
    assert found.cut is not None
    assert found.cut == pytest.approx(0.8 - 1.5, abs=0.07)
    assert (await held(VoiceServer(0.8, 1.0), OURS, utterance(0.5, 0.6, 0.5))).cut is None


async def test_a_silent_reply_is_a_failure(autojump_clock: MockClock) -> None:
    """It is an utterance without a reply, and the scenario misses its bound."""
    found = await held(VoiceServer(silent=True), OURS, utterance(1.0))
    assert found.heard is None
    assert "utterances without a reply, 1 talking" in missed(exchange_checks([found], 1))


@pytest.mark.parametrize(
    ("kind", "seconds", "stops"), [("interruption", 1.5, True), ("backchannel", 0.2, False)]
)
async def test_what_stops_a_reply_is_seen(
    autojump_clock: MockClock, kind: Kind, seconds: float, *, stops: bool
) -> None:
    """When the page stops playing, from the first sample of what was said."""
    server = VoiceServer(sound=6.0, interrupt=0.3)
    async with open_voice_wire(server) as wire, open_voice_client(wire, OURS) as client:
        found = await interject(client, utterance(seconds, kind=kind), "streaming", 0.5)
    assert found.kind == kind
    assert (found.stopped is not None) == stops
    if found.stopped is not None:
        assert found.stopped == pytest.approx(0.3, abs=0.04)


@pytest.mark.parametrize("form", [PLAIN, OURS])
async def test_a_page_says_what_it_plays(autojump_clock: MockClock, form: ClientForm) -> None:
    """When the first sound begins, and when all was played; not of a reply that was ended."""
    server = VoiceServer(sound=1.0, streams=form is OURS)
    async with open_voice_wire(server) as wire, open_voice_client(wire, form, muted=True) as client:
        await client.ask("Hello.")
        await trio.sleep(5)
        told = [kind for kind in server.heard if kind not in ("hello", "mic-format")]
        assert told == ["text-input", "audio-play-start", "frontend-playback-complete"]
        assert server.played == ["Yes."]
        server.heard.clear()
        await client.ask("Hello.")
        await trio.sleep(1.5)
        await client.be_quiet()
        await trio.sleep(5)
        assert server.heard == ["text-input", "audio-play-start", "interrupt-signal"]
        assert not client.playback.sounding(trio.current_time() - 4.9)


# The bounds.

SAID = utterance(1.0)
GOOD = Exchange(SAID, "streaming", decided=0.6, heard=0.96, arrived=0.96, piece=0.05, understood=SAID.text)
WHOLE = Exchange(SAID, "whole", decided=0.8, heard=1.29, arrived=1.29, piece=0.05, understood=SAID.text)


def test_a_server_without_faults_meets_every_bound() -> None:
    """So that it is the fault that is found by the tests below."""
    for talking in (1, 10, 50):
        assert not missed(exchange_checks([GOOD, WHOLE] * 20, talking))
    assert not missed(end_of_turn_checks([GOOD, WHOLE]))
    assert not missed(interjection_checks(INTERJECTIONS, 50))
    assert not missed(waste_checks(Waste(10, 10, 10, 20.0, 20.0)))


PIPELINE = EAGER + TIMES.pipeline(streaming=True)


@pytest.mark.parametrize(
    ("change", "count", "talking", "what"),
    [
        ({"heard": None}, 1, 1, "utterances without a reply, 1 talking"),
        ({"heard": 1.01}, 20, 1, "wait, streaming recognition, 1 talking (p50)"),
        ({"heard": PIPELINE + 0.021}, 20, 1, "wait beyond the engines' own time, 1 talking (p50)"),
        ({"heard": PIPELINE + 0.051}, 1, 1, "wait beyond the engines' own time, 1 talking (p99)"),
        ({"heard": PIPELINE + 0.051}, 20, 50, "wait beyond the engines' own time, 50 talking (p50)"),
        ({"heard": PIPELINE + 0.151}, 1, 50, "wait beyond the engines' own time, 50 talking (p99)"),
        ({"piece": 0.061}, 20, 1, "sound after the voice's first 0.3 s, 1 talking (p50)"),
        ({"understood": "word"}, 1, 1, "utterances understood wrongly, 1 talking"),
    ],
)
def test_a_slow_reply_is_told(change: dict[str, Any], count: int, talking: int, what: str) -> None:
    """Each bound by itself, in the median or at the slowest."""
    worse = [attrs.evolve(GOOD, **change)] * count + [GOOD] * (20 - count)
    assert what in missed(exchange_checks(worse, talking))
    assert what not in missed(exchange_checks([GOOD] * 20, talking))


def test_a_wait_that_the_engines_need_is_not_the_servers() -> None:
    """Nor is the silence that ends the turn, if that takes longer."""
    late = attrs.evolve(GOOD, decided=1.5, heard=1.51)
    assert late.beyond == pytest.approx(0.01)
    assert "wait beyond the engines' own time, 1 talking (p99)" not in missed(exchange_checks([late], 1))
    assert WHOLE.beyond == pytest.approx(1.29 - EAGER - 1.05)


@pytest.mark.parametrize(
    ("listening", "told", "bound"),
    [("whole", "bare", 1.3), ("streaming", "with the engine's judgement", 0.7)],
)
def test_a_wrong_end_of_turn_is_told(listening: Any, told: str, bound: float) -> None:
    """Too late on average, or in the middle of more than one utterance in twenty."""
    good = attrs.evolve(GOOD, listening=listening, decided=bound - 0.01)
    late = attrs.evolve(good, decided=bound + 0.02)
    cut = attrs.evolve(good, cut=-0.4)
    assert not missed(end_of_turn_checks([good] * 19 + [cut]))
    assert missed(end_of_turn_checks([late] * 20)) == {f"end of turn, {told} (mean)"}
    assert missed(end_of_turn_checks([good] * 18 + [cut] * 2)) == {f"false cut-offs, {told}"}


INTERJECTIONS = [
    *[Interjection("interruption", stopped=0.32, answered=True)] * 5,
    *[Interjection("backchannel")] * 19,
    Interjection("backchannel", stopped=0.4, resumed=0.6),
    *[Interjection("backchannel", "whole", stopped=0.4, resumed=0.9)] * 3,
    *[Interjection("cough")] * 20,
]


@pytest.mark.parametrize(
    ("wrong", "what"),
    [
        (Interjection("interruption", stopped=0.36), "silent after a meant interruption, 50 talking (p99)"),
        (Interjection("interruption"), "missed interruptions"),
        (
            Interjection("backchannel", stopped=0.4),
            "backchannels with streaming recognition after which it did not resume",
        ),
        (
            Interjection("backchannel", stopped=0.4, answered=True),
            "backchannels with streaming recognition that were answered",
        ),
        (
            Interjection("backchannel", "whole", stopped=0.4),
            "backchannels with whole recognition after which it did not resume",
        ),
        (Interjection("cough", "whole", 0.4, 1.01), "resumed after the end of what meant nothing (slowest)"),
        (Interjection("cough", answered=True), "coughs with streaming recognition that were answered"),
        (
            Interjection("cough", stopped=0.4),
            "coughs with streaming recognition after which it did not resume",
        ),
    ],
)
def test_a_wrong_stop_is_told(wrong: Interjection, what: str) -> None:
    """One is enough."""
    assert what in missed(interjection_checks([*INTERJECTIONS, wrong], 50))


def test_too_many_false_stops_are_told() -> None:
    """More than one in ten."""
    stops = [Interjection("backchannel", stopped=0.4, resumed=0.5)] * 2
    assert missed(interjection_checks([*INTERJECTIONS, *stops], 50)) == {
        "backchannels with streaming recognition that stop the reply"
    }


def test_the_official_page_waits_for_the_whole_clause() -> None:
    """Which the voice needs a third of a second more for; that is no fault of the server."""
    page = attrs.evolve(WHOLE, plain=True, heard=1.29 + CLAUSE_SOUND)
    what = "wait, whole recognition, official page, 1 talking (p50)"
    assert what not in missed(exchange_checks([page], 1))
    assert what in missed(exchange_checks([attrs.evolve(page, heard=1.31 + CLAUSE_SOUND)], 1))


def test_where_the_load_generator_is_late_the_figures_may_be_its_own() -> None:
    """Which is said with each of them that is a time."""
    prompt, late = exchange_checks([GOOD], 1, late=0.02), exchange_checks([GOOD], 1, late=0.2)
    assert not any(check.client_bound for check in prompt)
    assert all(check.client_bound == (check.unit == "ms") for check in late)


def test_the_way_of_the_first_sound_is_in_the_log() -> None:
    """From when the voice had sent it; where the log does not know it, nothing is said of it."""
    log = EngineLog(speeches=[SpeechRequest(5, 10.0, 10.3), SpeechRequest(6, 11.0)])
    heard = attrs.evolve(GOOD, piece=None, number=5, came=10.32)
    assert heard.with_piece(log).piece == pytest.approx(0.02)
    for number in (None, 6, 7):
        assert attrs.evolve(heard, number=number).with_piece(log).piece is None


def test_nothing_measured_is_no_success() -> None:
    """Without a wait there is no median, which meets no bound."""
    assert math.isnan(exchange_checks([attrs.evolve(GOOD, heard=None)], 1)[1].value)
    assert "wait, streaming recognition, 1 talking (p50)" in missed(
        exchange_checks([attrs.evolve(GOOD, heard=None)], 1)
    )


def test_the_curve_of_fixed_silences_is_that_of_the_pauses() -> None:
    """Each silence cuts the utterances with a longer pause; curves are drawn for each kind of recognition."""
    said = [utterance(0.5), utterance(0.5, 0.55, 0.5), utterance(0.5, 1.15, 0.5), utterance(0.5, 0.25, 0.5)]
    found = dict(fixed_silences(said))
    assert (found[0.2], found[0.3], found[0.5], found[0.6], found[1.2]) == (0.75, 0.5, 0.5, 0.25, 0.0)
    exchanges = [attrs.evolve(GOOD, utterance=one) for one in said]
    drawn = curves([*exchanges, attrs.evolve(WHOLE, utterance=said[2], cut=-0.3, decided=None)])
    assert [series.name for series in drawn] == [
        "end of turn against false cut-offs: a fixed silence",
        "last word to first sound, bare",
        "last word to first sound, with the engine's judgement",
    ]
    (judged,) = drawn[0].also  # the other has no wait, since its only utterance was cut
    assert list(judged.points) == [(0.0, 600.0)]


def test_the_best_setting_within_the_cut_offs_counts() -> None:
    """Of the silences that were tried; where all cut too often, a fixed silence takes 1 600 ms."""
    quick = [attrs.evolve(WHOLE, decided=0.5, silence=12, cut=-0.4 if at < 2 else None) for at in range(20)]
    slow = [attrs.evolve(WHOLE, decided=1.2, silence=36)] * 20
    what = "end of turn at 5 % false cut-offs, bare (mean)"
    (best,) = [check for check in end_of_turn_checks([*quick, *slow]) if check.what == what]
    assert best.value == pytest.approx(1200)
    assert best.met
    slow = [attrs.evolve(one, cut=-0.1) if at < 3 else one for at, one in enumerate(slow)]
    (best,) = [check for check in end_of_turn_checks([*quick, *slow]) if check.what == what]
    assert best.value == pytest.approx(1600)
    assert not best.met
    points = np.array(curves([*quick, *slow])[0].also[0].points)
    assert points == pytest.approx(np.array([(10, 500), (15, 1200)]))


async def test_without_a_server_of_ours_there_is_nothing_to_compare(autojump_clock: MockClock) -> None:
    """The engines' own time is known only where prove starts them."""
    from tests.prove.faulty_server import FaultyServer, open_faulty_server
    from trio_backend.prove.plan import Plan
    from trio_backend.prove.scenarios import discard, voice

    async with open_faulty_server(FaultyServer(Plan()), own=False) as context:
        assert isinstance(context, ScenarioContext)
        assert (await voice.run(context)).verdict == "skipped"
        assert (await discard.run(context)).verdict == "skipped"
