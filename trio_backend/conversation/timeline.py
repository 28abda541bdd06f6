"""When things happened in a turn, and where the time went that the user waited."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Literal, TypeAlias, get_args

import attrs
import trio

Stage: TypeAlias = Literal[
    "end_of_turn", "transcript", "first_token", "first_sentence", "sound_made", "sound_sent", "sound_played"
]
"""What a user waits for, in the order in which a turn that is not begun early goes through it: the decision
that their turn has ended, the final transcript, the first token, the first sentence, the first sound from the
engine, that it is handed to the client's connection, and that the client says that it plays it."""

STAGES: tuple[Stage, ...] = get_args(Stage)


@attrs.frozen
class SpokenMoments:
    """When the user stopped speaking, and when that was taken for the end of their turn; on Trio's clock.

    ``decided`` is None while it is not certain, and where the client decided it.
    """

    ended: float
    decided: float | None = None


@attrs.define(eq=False)
class Timeline:
    """The moments of one turn, in seconds since its input was complete; None for what did not happen.

    What was spoken ``ended`` before that, so that this is negative.
    """

    began: float = attrs.field(factory=trio.current_time)
    ended: float | None = None
    """When the last word of the input was said; None for what was typed, or found by the client."""
    decided: float | None = None
    """When it was decided that this was the end of the user's turn."""
    committed: float | None = None
    """When it became certain that the reply is wanted, for a turn that was begun before that."""
    transcribed: float | None = None
    """When what was spoken had been understood."""
    first_token: float | None = None
    first_sentence: float | None = None
    sound_made: float | None = None
    """When the first sound came from the engine; it may be held back, or wait for an earlier sentence."""
    first_audio: float | None = None
    """When the first sound was handed out to be sent."""
    played: float | None = None
    """When the client said that it plays the first sound."""
    last_audio: float | None = None
    end: float | None = None
    """When its end was told to the client; None for a turn that was cut."""
    tokens: int = 0
    """Pieces of text that came from the model, thoughts too; most models send one for each token."""
    sentences: int = 0
    sound: float = 0.0
    """Seconds of sound that the turn sent; of a discarded one, that it had held back."""
    cut: float | None = None
    reason: str = ""
    """Why it was cut."""
    gone: dict[str, float] = attrs.field(factory=dict)
    """Seconds from the cut until each part of the turn had ended."""

    def now(self) -> float:
        """Seconds since the input was complete."""
        return trio.current_time() - self.began

    def spoken(self, moments: SpokenMoments | None) -> None:
        """The input was spoken, if these moments are known."""
        if moments is not None:
            self.ended = moments.ended - self.began
            self.decided = None if moments.decided is None else moments.decided - self.began

    def anew(self) -> Timeline:
        """The timeline of another reply to the same input, of which nothing has happened yet."""
        return Timeline(self.began, ended=self.ended, decided=self.decided, committed=self.committed)

    def commit(self) -> None:
        """It is certain that the reply is wanted."""
        self.committed = self.now()

    def transcript(self) -> None:
        self.transcribed = self.now()

    def token(self) -> None:
        if self.first_token is None:
            self.first_token = self.now()

    def sentence(self) -> None:
        self.sentences += 1
        if self.first_sentence is None:
            self.first_sentence = self.now()

    def made_sound(self) -> None:
        if self.sound_made is None:
            self.sound_made = self.now()

    def play(self) -> None:
        """The client plays a sentence. Before any was sent it means one of an earlier turn."""
        if self.played is None and self.first_audio is not None:
            self.played = self.now()

    def audio(self, seconds: float) -> None:
        self.sound += seconds
        self.last_audio = self.now()
        if self.first_audio is None:
            self.first_audio = self.last_audio

    def mark_cut(self, reason: str) -> None:
        """The turn is about to be cancelled."""
        self.cut, self.reason = self.now(), reason

    @property
    def stages(self) -> Mapping[Stage, float]:
        """Seconds from the last word of the input, or from the whole input, to the first sound, by stage.

        Each stage is what passed since the latest moment before it, so that they add up to the whole; they
        are in the order in which they ended. In a provisional turn they overlap: a transcript that was there
        before the end of the turn was decided leaves to ``end_of_turn`` only what that took longer. What did
        not happen has no stage; what was known before the last word took no time.
        """
        start = 0.0 if self.ended is None else self.ended
        moments: dict[Stage, float | None] = {
            "end_of_turn": self.decided,
            "transcript": self.transcribed,
            "first_token": self.first_token,
            "first_sentence": self.first_sentence,
            "sound_made": self.sound_made,
            "sound_sent": self.first_audio,
            "sound_played": self.played,
        }
        # Stable: of what happened at the same instant, the cause is named first.
        happened = sorted(
            ((stage, max(start, at)) for stage, at in moments.items() if at is not None),
            key=lambda each: each[1],
        )
        stages: dict[Stage, float] = {}
        for stage, at in happened:
            stages[stage] = at - start
            start = at
        return stages

    @property
    def wait(self) -> float | None:
        """Seconds from the last word of the input to the first sound: to its playback, if that was told."""
        return None if self.first_audio is None else sum(self.stages.values())

    @property
    def outcome(self) -> str:
        """How the turn ended: ``complete``, or why it was cut."""
        return "complete" if self.end is not None else self.reason or "the session ended"

    @contextmanager
    def until_gone(self, part: str) -> Iterator[None]:
        """Measure, if the turn is cut inside the block, how long ``part`` took to end."""
        try:
            yield
        finally:
            if self.cut is not None:
                self.gone[part] = self.now() - self.cut

    def __str__(self) -> str:
        moments = {
            "committed": self.committed,
            "transcript": self.transcribed,
            "first token": self.first_token,
            "first sentence": self.first_sentence,
            "first audio": self.first_audio,
            "end": self.now(),
        }
        told = [f"{name} {1000 * at:.0f} ms" for name, at in moments.items() if at is not None]
        told.append(f"{self.sentences} sentences, {self.sound:.1f} s of sound")
        if self.wait is not None:
            stages = " + ".join(f"{stage} {1000 * took:.0f}" for stage, took in self.stages.items())
            told.append(f"the user waited {1000 * self.wait:.0f} ms: {stages}")
        if self.cut is not None:
            told.append(f"cut at {1000 * self.cut:.0f} ms ({self.reason})")
        told += [f"{part} gone after {1000 * took:.1f} ms" for part, took in self.gone.items()]
        return "; ".join(told)
