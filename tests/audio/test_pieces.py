"""Where and when a sentence's sound is cut while it comes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_backend.audio.pcm import Pcm
from trio_backend.audio.pieces import (
    LONGEST,
    MOST_HELD,
    Arrival,
    Cutter,
    PauseCutter,
    PieceCutter,
    quietest,
)

RATE = 24_000


def noise(seconds: float, level: float = 0.3) -> Pcm:
    """Sound of one loudness."""
    samples = np.random.default_rng(1).uniform(-level, level, round(seconds * RATE))
    return Pcm.from_floats(samples, RATE)


def joined(*parts: Pcm) -> Pcm:
    """One after the other."""
    return Pcm(b"".join(part.samples for part in parts), RATE)


def stream(
    cutter: Cutter, sound: Pcm, *, rate: float, chunk: float = 0.05, began: float = 0.0
) -> list[tuple[float, Pcm]]:
    """Feed ``sound`` in chunks, ``rate`` seconds of it a second; each piece with when it was given."""
    given_: list[tuple[float, Pcm]] = []
    size, at = 2 * round(chunk * RATE), 0
    now = began
    while at < len(sound.samples):
        part = Pcm(sound.samples[at : at + size], RATE)
        at += size
        now += part.seconds / rate
        given_ += [(now, piece) for piece in cutter.feed(part, now)]
    given_.append((now, cutter.finish(now)))
    return given_


def stalls(pieces: list[tuple[float, Pcm]]) -> list[float]:
    """How long a listener waits before each piece but the first."""
    until, waits = pieces[0][0], []
    for at, piece in pieces:
        waits.append(max(0.0, at - until))
        until = max(until, at) + piece.seconds
    return waits[1:]


def of_pieces(expected: float, played_at: float = 0.0) -> PieceCutter:
    """A cutter of a sentence that lasts ``expected`` seconds."""
    return PieceCutter(played_at, Arrival(expected))


def of_pauses(expected: float, played_at: float = 0.0) -> PauseCutter:
    """A cutter of a sentence that lasts ``expected`` seconds."""
    return PauseCutter(played_at, Arrival(expected))


@pytest.mark.parametrize("rate", [1.2, 2.0, 5.0, 100.0])
def test_the_first_piece_is_short_and_the_next_ones_grow(rate: float) -> None:
    """The first leaves with the first 0.3 s of sound; no piece is longer than the longest."""
    sound = noise(12)
    pieces = stream(of_pieces(12), sound, rate=rate)
    seconds = [piece.seconds for _, piece in pieces]
    assert pieces[0][0] == pytest.approx(0.3 / rate, rel=0.01)
    assert 0.2 <= seconds[0] <= 0.4
    assert max(seconds) <= LONGEST * 4 / 3
    assert max(seconds) >= 1 or rate < 2
    assert len(pieces) <= 10 or rate < 100
    assert joined(*(piece for _, piece in pieces)) == sound
    assert not any(stalls(pieces))


@pytest.mark.parametrize("rate", [0.5, 0.7, 0.9])
@pytest.mark.parametrize("guess", [1.0, 1.3])
def test_a_slow_voice_is_held_back_just_enough(rate: float, guess: float) -> None:
    """It does not stutter; and who knew how long it lasts would not have waited much less."""
    pieces = stream(of_pieces(4 * guess), noise(4), rate=rate)
    assert not any(wait > 0.001 for wait in stalls(pieces))
    needed = 4 * (1 - rate) / rate
    assert pieces[0][0] <= max(needed * guess, 0.3 / rate) + 0.3 / rate


def test_a_voice_that_is_much_too_slow_is_not_waited_for_for_ever() -> None:
    """At a tenth of real time a minute would take ten."""
    pieces = stream(of_pieces(60), noise(60), rate=0.1)
    assert pieces[0][0] == pytest.approx(MOST_HELD / 0.1, rel=0.02)


def test_who_is_still_listening_gets_longer_pieces() -> None:
    """Half of what they are busy with: there is time, and each piece is a message."""
    pieces = stream(of_pieces(6, played_at=4.0), noise(6), rate=3)
    assert pieces[0][1].seconds >= 1
    assert len(pieces) <= 4


def test_one_who_runs_dry_gets_what_there_is() -> None:
    """A voice that stops for a second goes on as soon as it does."""
    cutter, sound = of_pieces(4), noise(2)
    early = stream(cutter, sound, rate=1, chunk=0.1)[:-1]
    assert not any(stalls(early))
    cutter = of_pieces(4)
    cutter.feed(noise(1), 1.0)
    assert cutter.feed(noise(0.2), 5.0)


@pytest.mark.parametrize("cutter", [of_pieces, of_pauses])
@given(
    sizes=st.lists(st.integers(1, 20_000), max_size=30),
    delays=st.lists(st.floats(0, 2), min_size=30, max_size=30),
    expected=st.floats(0, 20),
)
def test_nothing_is_lost_whatever_comes(
    cutter: Callable[[float], Cutter], sizes: list[int], delays: list[float], expected: float
) -> None:
    """Nor doubled, nor torn within a sample; only the last piece may be empty, if nothing came."""
    sound = noise(sum(sizes) / RATE)
    one = cutter(expected)
    now, at, pieces = 0.0, 0, []
    for size, delay in zip(sizes, delays, strict=False):
        now += delay
        pieces += one.feed(Pcm(sound.samples[at : at + 2 * size], RATE), now)
        at += 2 * size
    pieces.append(one.finish(now))
    assert b"".join(piece.samples for piece in pieces) == sound.samples[:at]
    assert not any(len(piece.samples) % 2 for piece in pieces)
    assert all(piece.samples for piece in pieces) or not sizes


def test_a_piece_ends_where_it_is_quietest() -> None:
    """As far as there is a choice."""
    sound = joined(noise(0.27), noise(0.03, 0.001), noise(0.3))
    [piece] = of_pieces(1).feed(sound, 0.0)[:1]
    assert 0.27 <= piece.seconds <= 0.30
    assert 0.27 * RATE <= quietest(sound.samples, round(0.2 * RATE), round(0.4 * RATE), RATE) <= 0.3 * RATE


def test_silence_is_cut_too() -> None:
    """As late as may be: each piece is a message."""
    assert quietest(bytes(2 * RATE), 100, 1300, RATE) == 1300 - RATE // 200
    assert quietest(bytes(2 * RATE), 100, 100, RATE) == 100


def test_a_sentence_is_cut_once_where_the_voice_pauses() -> None:
    """In the middle of the pause; what comes after it is one piece."""
    sound = joined(noise(1.0), noise(0.1, 0.001), noise(0.6), noise(0.2, 0.0), noise(0.8))
    pieces = stream(of_pauses(sound.seconds), sound, rate=3)
    assert len(pieces) == 2
    assert pieces[0][1].seconds == pytest.approx(1.05, abs=0.02)
    assert not any(stalls(pieces))


def test_a_sentence_is_cut_no_second_time() -> None:
    """Even if the voice stops in the middle, and another cut would help."""
    cutter = of_pauses(3.3)
    begin = joined(noise(1.0), noise(0.1, 0.001), noise(0.1))
    pieces = [
        cutter.feed(Pcm(begin.samples[at : at + 2400], RATE), at / 2400 / 60)
        for at in range(0, len(begin.samples), 2400)
    ]
    assert len([one for piece in pieces for one in piece]) == 1
    assert not cutter.feed(joined(noise(0.9), noise(0.1, 0.0)), 8.0)
    assert not cutter.feed(noise(1.0), 8.01)


@pytest.mark.parametrize(
    ("before", "pause", "rate", "played_at"),
    [
        (1.0, 0.06, 3.0, 0.0),  # no pause
        (0.3, 0.08, 0.5, 0.0),  # the rest would come too late
        (1.0, 0.1, 50.0, 0.0),  # nobody would wait
        (1.0, 0.1, 3.0, 9.0),  # the listener is busy
    ],
)
def test_a_sentence_is_not_cut_where_nobody_gains(
    before: float, pause: float, rate: float, played_at: float
) -> None:
    """A cut costs a pause that is longer than the voice meant it."""
    sound = joined(noise(before), noise(pause, 0.001), noise(1.6))
    assert len(stream(of_pauses(sound.seconds, played_at), sound, rate=rate)) == 1


def test_a_voice_that_has_hardly_begun_is_not_cut() -> None:
    """However long it pauses then: there is nothing to play meanwhile."""
    sound = joined(noise(0.1), noise(1.0, 0.0), noise(2.0))
    assert len(stream(of_pauses(sound.seconds), sound, rate=3)) == 1
