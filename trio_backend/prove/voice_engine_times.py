"""How slow the engines of `prove voice` are: what they need is no fault of the server that asks them."""

from __future__ import annotations

import attrs

FIRST_CLAUSE = "When you ask me,"
"""Worth a sound of its own: with it the reply begins to be spoken."""
REPLY = (
    f"{FIRST_CLAUSE} I say a sentence that is as long as such sentences often are. "
    "Then there is another one, which takes a few seconds to be said. "
    "And at the end there comes a third, so that there is something to interrupt."
)
REPLY_WORDS = [word if not at else f" {word}" for at, word in enumerate(REPLY.split())]
CLAUSE_WORDS = len(FIRST_CLAUSE.split())

SPEECH_RATE = 24_000
FIRST_SOUND = 0.3
"""Seconds of sound that the synthesis sends at first: a piece that is worth being played."""
PIECE = 0.2
"""Seconds of sound in each chunk after the first."""
SPEED = 2.0
"""How much faster than it is played sound is made."""
SECONDS_PER_LETTER = 0.06
CLAUSE_SOUND = (SECONDS_PER_LETTER * len(FIRST_CLAUSE) - FIRST_SOUND) / SPEED
"""Seconds from the first sound to all the sound of the first clause."""


@attrs.frozen
class VoiceTimes:
    """Seconds that each engine needs.

    ``transcription`` of a whole utterance; ``final`` of a streaming recogniser, from the end of the sound to
    the final transcript; ``first_token`` and ``clause`` from the prompt to the first token, and from there to
    the end of the first clause; ``token`` from each further one to the next; ``speech`` from a text to its
    first sound.
    """

    transcription: float = 0.3
    final: float = 0.0
    first_token: float = 0.4
    clause: float = 0.05
    token: float = 0.01
    speech: float = 0.3

    def token_at(self, number: int) -> float:
        """When the token of this number, from 0, comes."""
        last = CLAUSE_WORDS - 1
        if number <= last:
            return self.first_token + self.clause * number / last
        return self.first_token + self.clause + self.token * (number - last)

    @property
    def reply(self) -> float:
        """From the transcript to the first sound, if nothing else takes any time."""
        return self.first_token + self.clause + self.speech

    def pipeline(self, *, streaming: bool) -> float:
        """From the sound of the whole utterance to the first sound."""
        return (self.final if streaming else self.transcription) + self.reply


TIMES = VoiceTimes()
EAGER = 0.2
"""Seconds of silence after which a reply may be begun provisionally."""
END_OF_TURN = 0.8
"""Seconds of silence for which the issue's bounds are said."""
