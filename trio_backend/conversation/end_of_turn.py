"""`EndOfTurn`: how long a silence ends the user's turn, by what is known of what they said."""

from __future__ import annotations

import math
from typing import Literal, TypeAlias

import attrs

from ..audio.endpointing import WINDOW_SECONDS, Rules
from ..text.completeness import Completeness, completeness

Judgement: TypeAlias = Literal["eager", "resumed", "final"]
"""What a streaming engine says of the turn: it has probably ended, it goes on after all, it has ended."""

# Evidence is added up: +1 is as good as certain that the user is done, and alone makes the silence the
# shortest; -1 alone makes it the longest. So two that contradict each other leave the neutral silence, and
# what the words say outweighs a turn model that is not sure.
_BY_WORDS = {
    # Not 1: the next sentence of the same turn often follows within half a second.
    Completeness.FINISHED: 0.8,
    Completeness.UNKNOWN: 0.0,
    Completeness.UNFINISHED: -1.0,
    Completeness.SPELLING: -1.0,
}
_BY_JUDGEMENT: dict[Judgement | None, float] = {
    None: 0.0,
    # Deepgram's Flux says so at an even chance that the user is done (its default `eager_eot_threshold`).
    "eager": 0.5,
    "resumed": -1.0,
    # It knows both the words and how they sounded, so it stands against the words alone.
    "final": 2.0,
}


@attrs.frozen
class EndOfTurn:
    """The silence after speech, in seconds, that ends the turn: from ``shortest`` to ``longest``.

    ``neutral`` lies between them: what applies where nothing is known.
    """

    shortest: float
    longest: float
    neutral: float

    @classmethod
    def between(cls, min_silence: float, max_silence: float, rules: Rules) -> EndOfTurn:
        """Neutral is the hang-over of ``rules``, clamped. ``min_silence`` must not be the greater one."""
        hang_over = rules.required_misses * WINDOW_SECONDS
        return cls(min_silence, max_silence, min(max(hang_over, min_silence), max_silence))

    def silence(
        self, words: str | None, judgement: Judgement | None = None, probability: float | None = None
    ) -> float:
        """How many seconds of silence end the turn, counted from the end of speech.

        ``words`` are those said so far, None while nothing is known of them. ``judgement`` is the last one of
        the streaming engine. ``probability`` is the turn model's, from 0 to 1, that the user is done.
        """
        certainty = _BY_JUDGEMENT[judgement]
        if words is not None:
            certainty += _BY_WORDS[completeness(words)]
        if probability is not None:
            certainty += 2 * probability - 1
        return self._at(min(max(certainty, -1.0), 1.0))

    def _at(self, certainty: float) -> float:
        """By ratios, as durations are perceived: half-way from 0.8 to 0.2 s is 0.4 s."""
        end = self.shortest if certainty > 0 else self.longest
        silence: float = self.neutral * (end / self.neutral) ** abs(certainty)
        # Rounding may leave the range by a bit.
        return min(max(silence, self.shortest), self.longest)


@attrs.frozen
class SpeechTiming:
    """Seconds of silence: after ``pause`` what was said may be all, and an utterance ends between
    ``min_silence`` and ``max_silence``, by what was said; without these, as the detector's `Rules` say.
    ``min_interrupt`` is seconds of speech: see `Interruption`."""

    pause: float = math.inf
    min_silence: float | None = None
    max_silence: float = math.inf
    min_interrupt: float = 0.0

    def end_of_turn(self, rules: Rules) -> EndOfTurn | None:
        """How long a silence ends an utterance; None for ``rules.required_misses``."""
        if self.min_silence is None:
            return None
        return EndOfTurn.between(self.min_silence, self.max_silence, rules)
