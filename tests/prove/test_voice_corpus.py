"""The speech of `prove voice`: where its words and pauses are, and that its recogniser knows them."""

from __future__ import annotations

import shutil
from typing import get_args

import numpy as np
import pytest

from trio_backend.audio.pcm import Pcm
from trio_backend.audio.utterance import RATE
from trio_backend.errors import ConfigError
from trio_backend.prove import voice_corpus
from trio_backend.prove.voice_corpus import (
    NOISY,
    QUIET,
    STEP,
    Corpus,
    CorpusUtterance,
    make_corpus,
    room,
    speech_edges,
)
from trio_backend.prove.voice_lines import Kind, lines
from trio_backend.prove.voice_recognition import Recogniser

needs_espeak = pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng makes the speech")


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    """Made once: it takes a second."""
    return make_corpus()


@pytest.fixture(scope="module")
def recogniser(corpus: Corpus) -> Recogniser:
    """Of the same."""
    return Recogniser(corpus)


def heard(utterance: CorpusUtterance, begin: float = 0.0, end: float = 1.0, *, before: float = 0.5) -> Pcm:
    """A part of it as a server has it: with the room before and after it."""
    count = len(utterance.samples) // 2
    part = utterance.samples[2 * int(begin * count) : 2 * int(end * count)]
    quiet = room(before, utterance.room, 41)
    return Pcm(quiet + part + room(0.9, utterance.room, 42), RATE)


def test_without_espeak_it_is_said_plainly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which program is missing; no scenario begins without speech."""
    monkeypatch.setattr(voice_corpus, "PROGRAM", "no-such-espeak")
    with pytest.raises(
        ConfigError, match="no-such-espeak is needed to make the speech, and is not installed"
    ):
        make_corpus()


def test_the_edges_of_speech_are_found() -> None:
    """Within a step of 5 ms, in the noise of a quiet room; silence has none."""
    sound = Pcm(room(2.0, QUIET, 5), RATE).floats().copy()
    sound[8_000:20_000] += 0.3 * np.sin(np.arange(12_000, dtype=np.float32) / 5)
    begin, end = speech_edges(sound)
    assert begin == pytest.approx(8_000, abs=STEP)
    assert end == pytest.approx(20_000, abs=STEP)
    assert speech_edges(np.zeros(1000, np.float32)) == (0, 0)
    assert speech_edges(np.zeros(0, np.float32)) == (0, 0)


@needs_espeak
def test_pauses_are_where_they_are_said_to_be(corpus: Corpus) -> None:
    """Nothing but the room is in them, and speech is everywhere else; from 0.2 to 1.2 s."""
    pauses = [pause for utterance in corpus.of("paused") for pause in utterance.pauses]
    assert pauses == pytest.approx([0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.2])
    for utterance in corpus.utterances:
        sound = Pcm(utterance.samples, RATE).floats()
        for (_, end), (begin, _) in zip(utterance.speech, utterance.speech[1:], strict=False):
            assert float(np.sqrt(np.mean(sound[end:begin] ** 2))) < 2 * utterance.room
        if utterance.kind != "cough":
            for begin, end in utterance.speech:
                assert float(np.sqrt(np.mean(sound[begin:end] ** 2))) > 5 * NOISY
                assert float(np.abs(sound[end - 2 * STEP : end]).max()) > utterance.room


@needs_espeak
def test_there_is_something_of_every_kind(corpus: Corpus) -> None:
    """Several speakers, rooms, and ways to pause; no two utterances sound the same."""
    assert {utterance.kind for utterance in corpus.utterances} == set(get_args(Kind))
    assert {utterance.room for utterance in corpus.talk} == {QUIET, NOISY}
    assert len({line.speaker for line in lines()}) >= 4
    assert len({utterance.samples for utterance in corpus.utterances}) == len(corpus.utterances)
    assert sorted(utterance.name for utterance in corpus.talk) == sorted(
        utterance.name for utterance in corpus.of("finished", "paused", "trailing", "number", "filler")
    )


@needs_espeak
def test_it_is_the_same_each_time(corpus: Corpus) -> None:
    """Two processes make it, and have to agree."""
    assert make_corpus() == corpus


@needs_espeak
def test_each_utterance_is_understood(corpus: Corpus, recogniser: Recogniser) -> None:
    """All of its words, however much of the room is before it, at any of two rates; a cough has none."""
    for utterance in corpus.utterances:
        for before in (0.05, 0.3, 0.317):
            assert recogniser.understand(heard(utterance, before=before)) == utterance.text.removesuffix(",")
        assert recogniser.understand(heard(utterance).resampled(24_000)) == utterance.text


@needs_espeak
@pytest.mark.parametrize(("begin", "end"), [(0.0, 0.5), (0.0, 0.75), (0.4, 1.0)])
def test_a_part_is_understood_as_far_as_it_goes(
    corpus: Corpus, recogniser: Recogniser, begin: float, end: float
) -> None:
    """One word more or less at the edges, which may be cut in its middle."""
    for utterance in corpus.talk:
        count = len(utterance.samples) // 2
        said = utterance.words_within(int(begin * count), int(end * count)).split()
        found = recogniser.understand(heard(utterance, begin, end)).split()
        assert abs(len(found) - len(said)) <= 1, utterance.name
        assert set(said[1:-1]) <= set(found), utterance.name


@needs_espeak
def test_two_utterances_in_one_sound_are_two(corpus: Corpus, recogniser: Recogniser) -> None:
    """As when a false end of the turn was taken back."""
    first, second = corpus.of("finished")[:2]
    sound = Pcm(first.samples + room(0.7, first.room, 9) + second.samples, RATE)
    assert recogniser.understand(sound) == f"{first.text} {second.text}"


@needs_espeak
def test_what_is_not_of_the_corpus_is_not_understood(corpus: Corpus, recogniser: Recogniser) -> None:
    """Silence, noise, a tone, and speech that runs backwards."""
    noise = np.random.default_rng(3).standard_normal(RATE) * 0.1
    tone = 0.2 * np.sin(np.arange(RATE) / 7)
    for sound in (np.zeros(RATE), noise, tone):
        assert recogniser.understand(Pcm.from_floats(sound, RATE)) == ""
    assert recogniser.understand(Pcm(b"", RATE)) == ""
    for utterance in corpus.of("finished"):
        backwards = np.flip(Pcm(utterance.samples, RATE).floats())
        assert recogniser.understand(Pcm.from_floats(backwards, RATE)) == ""
