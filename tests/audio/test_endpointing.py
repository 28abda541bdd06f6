"""Endpointing: where speech starts and ends, however the sound is cut."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_backend.audio.endpointing import (
    WINDOW_BYTES,
    WINDOW_SECONDS,
    Edge,
    Endpointer,
    Rules,
    Windows,
    decibels,
    power,
)

LOUD, QUIET = 1e8, 1e2  # 80 and 20 dB
RULES = st.builds(
    Rules,
    prob_threshold=st.floats(0.05, 0.95),
    db_threshold=st.floats(30, 75),
    required_hits=st.integers(1, 10),
    required_misses=st.integers(1, 40),
    smoothing_window=st.integers(1, 10),
)


def edges(rules: Rules, windows: Sequence[bool]) -> list[tuple[int, Edge]]:
    """The edges in a row of windows that are speech or silence, with the number of their window."""
    endpointer = Endpointer(rules)
    found = (endpointer.feed(1.0 if speech else 0.0, LOUD if speech else QUIET) for speech in windows)
    return [(at, edge) for at, edge in enumerate(found) if edge is not None]


@given(RULES, st.lists(st.booleans(), max_size=300))
def test_edges_alternate(rules: Rules, windows: list[bool]) -> None:
    """Speech starts before it ends, and ends before it starts again."""
    told = [edge for _, edge in edges(rules, windows)]
    assert (
        told == [Edge.STARTED, Edge.ENDED][: len(told)]
        or told == ([Edge.STARTED, Edge.ENDED] * len(told))[: len(told)]
    )


@given(RULES, st.data())
def test_a_cough_shorter_than_the_minimum_starts_nothing(rules: Rules, data: st.DataObject) -> None:
    """Neither does anything else that short, in whatever silence."""
    before, length = data.draw(st.integers(0, 50)), data.draw(st.integers(0, rules.required_hits - 1))
    assert edges(rules, [False] * before + [True] * length + [False] * 50) == []


@given(RULES, st.integers(0, 50))
def test_the_first_word_is_within_the_pre_roll(rules: Rules, before: int) -> None:
    """However late speech is noticed, what is kept from before reaches back behind its beginning."""
    (at, edge), *_ = edges(rules, [False] * before + [True] * 50)
    assert edge is Edge.STARTED
    assert before < at + 1 <= before + rules.required_hits + rules.smoothing_window
    assert at - rules.pre_roll < before


@given(RULES, st.data())
def test_a_pause_shorter_than_the_hang_over_is_part_of_the_utterance(
    rules: Rules, data: st.DataObject
) -> None:
    """Who thinks for a moment is still speaking."""
    pauses = data.draw(st.lists(st.integers(0, rules.required_misses - 1), max_size=5))
    speech = [True] * 40
    for pause in pauses:
        speech += [False] * pause + [True]
    assert [edge for _, edge in edges(rules, speech)] == [Edge.STARTED]


@given(RULES)
def test_a_longer_pause_ends_it(rules: Rules) -> None:
    """After the hang-over, and the windows over which the mean fades."""
    (_, started), (at, ended) = edges(rules, [True] * 40 + [False] * 60)
    assert (started, ended) == (Edge.STARTED, Edge.ENDED)
    assert rules.required_misses <= at + 1 - 40 <= rules.required_misses + rules.smoothing_window


@given(RULES, st.lists(st.floats(0, 1), max_size=200))
def test_what_is_too_quiet_or_improbable_starts_nothing(rules: Rules, numbers: list[float]) -> None:
    """Loud noise that is no speech, and speech in another room."""
    endpointer = Endpointer(rules)
    improbable = rules.prob_threshold * 0.99
    assert all(endpointer.feed(number * improbable, LOUD) is None for number in numbers)
    assert all(endpointer.feed(number, QUIET) is None for number in numbers)


@given(st.binary(max_size=6000), st.lists(st.integers(0, 6000), max_size=20))
def test_windows_are_the_same_however_the_stream_is_cut(stream: bytes, cuts: list[int]) -> None:
    """Chunks may be of any length, empty ones and halves of samples among them."""
    places = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    torn = Windows.keeping(3)
    chunks = [stream[a:b] for a, b in pairwise(places)]
    windows = [window for chunk in chunks for window in torn.feed(chunk)]
    assert windows == list(Windows.keeping(3).feed(stream))
    assert all(len(window) == WINDOW_BYTES for window in windows)
    assert torn.take_recent() == b"".join(windows[-3:])
    assert torn.take_recent() == b""


def test_a_reset_ends_the_utterance_at_once() -> None:
    """What follows needs a start of its own."""
    endpointer = Endpointer(Rules(required_hits=2, smoothing_window=1))
    assert [endpointer.feed(1, LOUD) for _ in range(3)] == [None, Edge.STARTED, None]
    endpointer.reset()
    assert not endpointer.speaking
    assert [endpointer.feed(1, LOUD) for _ in range(2)] == [None, Edge.STARTED]


def test_loudness_is_in_decibels_over_the_smallest_step() -> None:
    """Full scale is 90 dB, a single step 0, and digital silence nothing at all."""
    assert decibels(power(b"\xff\x7f" * 512)) == pytest.approx(90.3, abs=0.1)
    assert decibels(power(b"\1\0" * 512)) == 0
    assert decibels(power(bytes(1024))) == float("-inf")
    assert power(b"") == 0


def test_the_defaults_are_three_windows_of_speech_and_24_of_silence() -> None:
    """A start needs the mean over 5 windows to be speech, too; the end, that this mean has faded."""
    # The mean reaches 0.4 with the second window, so that the fourth is the third hit.
    assert edges(Rules(), [True] * 10 + [False] * 40) == [(3, Edge.STARTED), (10 + 3 + 24 - 1, Edge.ENDED)]
    assert Rules().pre_roll == 12 + 3 + 5


def test_a_threshold_is_reached_by_itself() -> None:
    """60 dB are loud enough where 60 are asked for, and a probability of 0.4 where 0.4 is."""
    rules = Rules(prob_threshold=0.4, db_threshold=60)
    assert rules.hit(0.4, 1e6)
    assert not rules.hit(0.399, 1e6)
    assert not rules.hit(0.4, 0.99e6)


def test_each_utterance_has_the_whole_hang_over() -> None:
    """The pauses of the one before do not count."""
    rules = Rules(required_hits=1, required_misses=5, smoothing_window=1)
    found = edges(rules, ([True] + [False] * 9) * 3)
    assert found == [
        (at, edge) for at in (0, 10, 20) for at, edge in ((at, Edge.STARTED), (at + 5, Edge.ENDED))
    ]


def test_an_end_forgets_what_was_loud() -> None:
    """After it, as at the very beginning, what was before counts as silence."""
    endpointer = Endpointer(Rules())
    for _ in range(2):
        assert [endpointer.feed(1, LOUD) for _ in range(4)] == [None, None, None, Edge.STARTED]
        endpointer.reset()


def test_the_pre_roll_is_taken_once() -> None:
    """The last windows belong to one utterance."""
    windows = Windows.keeping(3)
    cut = list(windows.feed(bytes(range(256)) * 4 * 5))
    assert windows.take_recent() == b"".join(cut[-3:])
    assert windows.take_recent() == b""


def paced(
    endpointer: Endpointer, windows: Sequence[bool], *, ends_after: float | None = None
) -> list[tuple[int, Edge]]:
    """The edges in a row of windows, of an endpointer that may end an utterance after another silence."""
    endpointer.ends_after = ends_after
    found = (endpointer.feed(1.0 if speech else 0.0, LOUD if speech else QUIET) for speech in windows)
    return [(at, edge) for at, edge in enumerate(found) if edge is not None]


SPEECH, SILENCE = [True] * 20, [False] * 20


def test_a_pause_is_told_once_and_what_follows_it() -> None:
    """As soon as it lasts; then either more is said, or it was the end."""
    rules = Rules()
    told = paced(Endpointer(rules, 0.2), SPEECH + SILENCE + SPEECH + 2 * SILENCE)
    kinds = [edge for _, edge in told]
    assert kinds == [Edge.STARTED, Edge.PAUSED, Edge.RESUMED, Edge.PAUSED, Edge.ENDED]
    (_, _), (paused, _), (resumed, _), (again, _), (ended, _) = told
    assert paused == 20 + 6  # the seventh silent window, with 0.224 s
    assert resumed == 40 + rules.required_hits - 1
    assert again == 60 + 6
    # The mean over the last five windows still is that of speech for three.
    assert ended == 60 + 3 + rules.required_misses - 1


def test_a_click_in_a_pause_is_no_word() -> None:
    """It is quiet again after it, which is told: what was begun may still be right."""
    told = paced(Endpointer(Rules(), 0.2), SPEECH + SILENCE[:10] + [True, True] + SILENCE)
    assert [edge for _, edge in told] == [Edge.STARTED, Edge.PAUSED, Edge.PAUSED]
    assert told[-1][0] == 32 + 6
    clicks = [*SILENCE[:10], True, True] * 10
    told = paced(Endpointer(Rules(), 0.2), SPEECH + clicks)
    assert Edge.RESUMED not in [edge for _, edge in told]


@given(st.integers(0, 40), st.floats(0.1, 2.0))
def test_the_silence_that_ends_it_can_be_set(after: int, seconds: float) -> None:
    """At any time, for the silence that goes on; counted from the last window that was speech."""
    endpointer = Endpointer(Rules(required_misses=300))
    assert [edge for _, edge in paced(endpointer, SPEECH + [False] * after)] == [Edge.STARTED]
    told = paced(endpointer, [False] * 100, ends_after=seconds)
    needed = next(windows for windows in count(4) if windows * WINDOW_SECONDS >= seconds)
    assert told == [(max(0, needed - after - 1), Edge.ENDED)]
    assert endpointer.silence == pytest.approx(max(needed, after + 1) * WINDOW_SECONDS)


def test_without_a_pause_nothing_is_told_of_it() -> None:
    """As it always was."""
    told = paced(Endpointer(Rules()), SPEECH + SILENCE + SPEECH + 2 * SILENCE)
    assert [edge for _, edge in told] == [Edge.STARTED, Edge.ENDED]
