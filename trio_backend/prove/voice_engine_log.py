"""What the engines of `prove voice` were asked, and when: what they needed themselves can be told from it."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import msgspec


@attrs.define
class SpeechRequest:
    """One sentence that was to be spoken. Moments are those of the system's monotonic clock, in seconds.

    ``number`` is what its sound is marked with; ``begun`` is when its first 0.3 s were sent, None if whoever
    asked had left before.
    """

    number: int
    asked: float
    begun: float | None = None
    seconds: float = 0.0
    """How much sound was sent."""
    whole: bool = False


@attrs.define
class EngineLog:
    """Counts from the engine server's start, and what was to be spoken lately, oldest first.

    ``transcriptions`` are whole utterances; ``listened`` are streams. A reply that is not among the
    ``whole_replies`` was cancelled, or is on its way.
    """

    transcriptions: int = 0
    transcribed: int = 0
    listened: int = 0
    finals: int = 0
    replies: int = 0
    whole_replies: int = 0
    tokens: int = 0
    speeches: list[SpeechRequest] = attrs.field(factory=list)

    KEPT = 4_000

    def speech(self, asked: float) -> SpeechRequest:
        """A sentence is asked for."""
        request = SpeechRequest(self._next(), asked)
        self.speeches.append(request)
        del self.speeches[: -self.KEPT]
        return request

    def _next(self) -> int:
        return self.speeches[-1].number + 1 if self.speeches else 1

    def to_json(self) -> bytes:
        """All of it."""
        return msgspec.json.encode(self)

    @staticmethod
    def parse(data: bytes) -> EngineLog:
        """What `to_json` wrote. Raises `msgspec.DecodeError`."""
        return msgspec.json.decode(data, type=EngineLog)

    def speech_of(self, number: int) -> SpeechRequest | None:
        """The request with this number."""
        return next((speech for speech in self.speeches if speech.number == number), None)

    def more_than(self, before: EngineLog) -> EngineLog:
        """What was asked since ``before``."""
        counts = {
            name: getattr(self, name) - getattr(before, name)
            for name in (
                "transcriptions",
                "transcribed",
                "listened",
                "finals",
                "replies",
                "whole_replies",
                "tokens",
            )
        }
        known = {speech.number for speech in before.speeches}
        speeches: Sequence[SpeechRequest] = [speech for speech in self.speeches if speech.number not in known]
        return EngineLog(**counts, speeches=list(speeches))
