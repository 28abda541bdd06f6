"""The character's own words, coming back through a microphone that hears its loudspeaker."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum, auto

from .phrases import plain, words

# The newest words of each side: they are compared in the session's loop, and so many take 3 ms.
MOST_HEARD = 30
MOST_PLAYED = 100

# Of the words heard, this share has to be the character's; recognition of a loudspeaker in a room gets about
# every fourth word wrong.
SHARE = 0.6
# And so many words: who asks back quotes one or two. A word of Chinese or Japanese is a letter here.
ENOUGH = 3
ENOUGH_LETTERS = 5
# Two words count as one that was misheard from this likeness on: "story" and "stories" have 0.6.
ALIKE = 0.5
_GAP = -1.0
_OTHER = -1.0

# Behind an echo, one word more is as likely misheard as the user's, unless it is one of these.
_ORDERS = frozenset(
    (
        "stop",
        "wait",
        "no",
        "hey",
        "quiet",
        "enough",
        "pause",
        "shut",
        "but",
        "hold",
        "停",
        "等",
        "不",
        "止",
        "待",
    )
)


class EchoMatch(Enum):
    """Whose words they are."""

    NONE = auto()
    """The user's, at least in part."""
    POSSIBLE = auto()
    """They are in what is played, but too few: the user may quote them. More words will tell."""
    CERTAIN = auto()
    """The character's."""


def echo(heard: str, played: str) -> EchoMatch:
    """Whose words ``heard`` are, while ``played`` is played, or was within the last second or two.

    Finds the best local alignment of the two rows of words (Smith and Waterman, 1981), in which words are
    compared by the pairs of letters that they share (Dice, 1945), so that misheard, lost and added words do
    not matter. What follows the alignment is the user's, where it is two words or an order to stop.
    """
    left, right = _tokens(heard)[-MOST_HEARD:], _tokens(played)[-MOST_PLAYED:]
    if not left or not right:
        return EchoMatch.NONE
    matched = _aligned(left, right)
    if len(matched) < SHARE * len(left) or not matched:
        return EchoMatch.NONE
    rest = left[matched[-1] + 1 :]
    # Not two letters of Chinese: one misheard word may be that long.
    if _weight(rest) >= 2 or any(word in _ORDERS for word in rest):
        return EchoMatch.NONE
    return EchoMatch.CERTAIN if _weight([left[at] for at in matched]) >= ENOUGH else EchoMatch.POSSIBLE


def _tokens(text: str) -> list[str]:
    return [word.form for word in words(plain(text))]


def _weight(tokens: Sequence[str]) -> float:
    """How many words these are; of a script without spaces, letters make up words."""
    return sum(1 if len(token) > 1 or token.isascii() else ENOUGH / ENOUGH_LETTERS for token in tokens)


def _aligned(left: Sequence[str], right: Sequence[str]) -> list[int]:
    """Which of ``left`` stand for one of ``right`` in the best local alignment, in their order."""
    pairs = {token: _pairs(token) for token in (*left, *right)}
    likeness = {(a, b): _likeness(a, b, pairs) for a in set(left) for b in set(right)}
    # Of each cell its score, and the matches of the best alignment that ends there.
    above: list[tuple[float, tuple[int, ...]]] = [(0.0, ())] * (len(right) + 1)
    best: tuple[float, tuple[int, ...]] = (0.0, ())
    for row, mine in enumerate(left):
        current: list[tuple[float, tuple[int, ...]]] = [(0.0, ())]
        for column, theirs in enumerate(right):
            alike = likeness[mine, theirs]
            score, matched = above[column]
            cell = (score + 2 * alike, (*matched, row)) if alike >= ALIKE else (score + _OTHER, matched)
            for neighbour in (above[column + 1], current[column]):
                if neighbour[0] + _GAP > cell[0]:
                    cell = (neighbour[0] + _GAP, neighbour[1])
            if cell[0] <= 0:
                cell = (0.0, ())
            current.append(cell)
            best = max(best, cell)
        above = current
    return list(best[1])


def _pairs(token: str) -> frozenset[str]:
    edged = f"^{token}$"
    return frozenset(edged[at : at + 2] for at in range(len(edged) - 1))


def _likeness(one: str, other: str, pairs: dict[str, frozenset[str]]) -> float:
    """From 0 to 1, which is the same word."""
    if one == other:
        return 1.0
    shared = len(pairs[one] & pairs[other])
    return 2 * shared / (len(pairs[one]) + len(pairs[other]))
