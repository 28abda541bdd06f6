"""The silence that ends a turn."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_backend.audio.endpointing import Rules
from trio_backend.conversation.end_of_turn import EndOfTurn, Judgement

NEUTRAL = 24 * 0.032

judgements = st.sampled_from((None, "eager", "resumed", "final"))
probabilities = st.none() | st.floats(0, 1)


@pytest.fixture
def end() -> EndOfTurn:
    """With the defaults of the configuration, and of VAD."""
    return EndOfTurn.between(0.25, 1.6, Rules())


def test_without_knowledge_it_is_the_hang_over(end: EndOfTurn) -> None:
    """As it was before anything was known: 24 windows."""
    assert end.silence(None) == NEUTRAL
    assert end.silence("") == NEUTRAL
    assert end.silence("i have a dog") == NEUTRAL


@pytest.mark.parametrize(("misses", "seconds"), [(1, 0.25), (24, NEUTRAL), (100, 1.6)])
def test_the_hang_over_is_clamped(misses: int, seconds: float) -> None:
    """Old files may ask for 3 s, or for one window."""
    end = EndOfTurn.between(0.25, 1.6, Rules(required_misses=misses))
    assert end.neutral == end.silence(None) == seconds


@pytest.mark.parametrize("words", ["what time is it", "Tell me a story.", "你好吗", "何時ですか"])
def test_a_finished_sentence_ends_soon(end: EndOfTurn, words: str) -> None:
    """Not at once: the next sentence may follow."""
    assert 0.25 < end.silence(words) < 0.35


@pytest.mark.parametrize("words", ["i would like to order and", "my number is 555", "我想", "私は", "um"])
def test_an_unfinished_one_is_waited_for(end: EndOfTurn, words: str) -> None:
    """As long as it may be."""
    assert end.silence(words) == 1.6


def test_an_engine_that_is_sure_is_believed(end: EndOfTurn) -> None:
    """Whatever the words are: it heard how they were said."""
    for words in (None, "", "and", "what time is it"):
        assert end.silence(words, "final") == 0.25


def test_an_engine_that_takes_it_back_is_waited_for(end: EndOfTurn) -> None:
    """Speech that resumed was not the end, even if it makes a sentence."""
    assert end.silence(None, "resumed") == 1.6
    assert end.silence("what time is it", "resumed") > NEUTRAL


def test_the_models_probability_moves_it(end: EndOfTurn) -> None:
    """From the longest to the shortest; half is no knowledge."""
    assert end.silence(None, None, 0) == 1.6
    assert end.silence(None, None, 0.5) == NEUTRAL
    assert end.silence(None, None, 1) == 0.25
    # Half of the way, by ratio.
    assert end.silence(None, None, 0.75) == pytest.approx((NEUTRAL * 0.25) ** 0.5)


def test_contradictions_leave_it_neutral(end: EndOfTurn) -> None:
    """The model hears an end, the words say that there is none."""
    assert end.silence("i went to the", None, 1) == pytest.approx(NEUTRAL)


@given(st.none() | st.text(), judgements, probabilities, st.integers(1, 300), st.data())
def test_it_is_in_its_bounds(
    words: str | None,
    judgement: Judgement | None,
    probability: float | None,
    misses: int,
    data: st.DataObject,
) -> None:
    """Whatever is said, and however the bounds are set."""
    low = data.draw(st.floats(0.1, 5))
    high = data.draw(st.floats(low, 10))
    end = EndOfTurn.between(low, high, Rules(required_misses=misses))
    assert low <= end.silence(words, judgement, probability) <= high


@given(st.none() | st.text(), judgements, st.floats(0, 1), st.floats(0, 1))
def test_a_likelier_end_is_never_waited_for_longer(
    words: str | None, judgement: Judgement | None, one: float, other: float
) -> None:
    """Nor is one that the engine has more to say for."""
    end = EndOfTurn.between(0.25, 1.6, Rules())
    low, high = sorted((one, other))
    assert end.silence(words, judgement, high) <= end.silence(words, judgement, low)
    waits = [end.silence(words, said, one) for said in ("final", "eager", None, "resumed")]
    assert waits == sorted(waits)
