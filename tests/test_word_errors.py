"""benchmarks/word_errors.py: its measure is the one that it says, and so are its sentences."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.engines.speech_sounds import needs_espeak
from trio_backend.audio.utterance import RATE

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "word_errors.py"


@pytest.fixture(scope="module")
def script() -> dict[str, Any]:
    """What it defines."""
    return runpy.run_path(str(SCRIPT))


@pytest.mark.parametrize(
    ("said", "understood", "errors"),
    [
        ("What's your name?", "what’s your name", 0),
        ("one two three", "one two three", 0),
        ("one two three", "one three", 1),
        ("one two three", "one two two three", 1),
        ("one two three", "one too three", 1),
        ("one two three", "", 3),
        ("one two three", "three one two", 2),
        ("well-known", "well known", 0),
    ],
)
def test_errors_are_substitutions_deletions_and_insertions(
    script: dict[str, Any], said: str, understood: str, errors: int
) -> None:
    """The fewest of them, over normalised words."""
    assert script["Score"]().plus(said, understood).errors == errors


def test_the_rate_is_over_all_words(script: dict[str, Any]) -> None:
    """Of a long sentence and a short one, and it may exceed 1."""
    score = script["Score"]().plus("one two three", "one two three").plus("no", "yes it is")
    assert (score.errors, score.words, score.rate) == (3, 4, 0.75)
    assert script["Score"]().plus("no", "yes it is").rate == 3


def test_there_are_enough_sentences(script: dict[str, Any]) -> None:
    """Each once, without digits, which engines write in different ways."""
    sentences = script["sentences"]()
    assert len(sentences) >= 100
    assert len(set(sentences)) == len(sentences)
    assert not any(letter.isdigit() for sentence in sentences for letter in sentence)


@needs_espeak
def test_the_halves_share_nothing_but_voices(script: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """In each, all voices and speeds have their turn; and noise is as loud as it says."""
    sound = script["spoken"]("How are you?", "en-us", 150)
    monkeypatch.setitem(script["utterances"].__globals__, "spoken", lambda *_: sound)
    judge, tune = (list(script["utterances"](half)) for half in ("judge", "tune"))
    assert not {each.text for each in judge} & {each.text for each in tune}
    assert len(judge) + len(tune) == len(script["sentences"]())
    for half in (judge, tune):
        assert len({(each.voice, each.speed) for each in half}) == 12
    margin = round(script["QUIET"] * RATE)
    noise = script["with_noise"](sound, 10.0).floats() - sound.floats()
    level = np.sqrt(np.mean(sound.floats()[margin:-margin] ** 2) / np.mean(noise**2))
    assert 20 * np.log10(level) == pytest.approx(10, abs=0.2)
