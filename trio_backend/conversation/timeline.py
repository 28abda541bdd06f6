"""When things happened in a turn."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import attrs
import trio


@attrs.define(eq=False)
class Timeline:
    """The moments of one turn, in seconds since its input was complete; None for what did not happen."""

    began: float = attrs.field(factory=trio.current_time)
    committed: float | None = None
    """When it became certain that the reply is wanted, for a turn that was begun before that."""
    transcribed: float | None = None
    """When what was spoken had been understood."""
    first_token: float | None = None
    first_sentence: float | None = None
    first_audio: float | None = None
    last_audio: float | None = None
    end: float | None = None
    """When its end was told to the client; None for a turn that was cut."""
    sentences: int = 0
    sound: float = 0.0
    """Seconds of sound that the turn sent."""
    cut: float | None = None
    reason: str = ""
    """Why it was cut."""
    gone: dict[str, float] = attrs.field(factory=dict)
    """Seconds from the cut until each part of the turn had ended."""

    def now(self) -> float:
        """Seconds since the input was complete."""
        return trio.current_time() - self.began

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

    def audio(self, seconds: float) -> None:
        self.sound += seconds
        self.last_audio = self.now()
        if self.first_audio is None:
            self.first_audio = self.last_audio

    def mark_cut(self, reason: str) -> None:
        """The turn is about to be cancelled."""
        self.cut, self.reason = self.now(), reason

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
        if self.cut is not None:
            told.append(f"cut at {1000 * self.cut:.0f} ms ({self.reason})")
        told += [f"{part} gone after {1000 * took:.1f} ms" for part, took in self.gone.items()]
        return "; ".join(told)
