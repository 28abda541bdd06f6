"""`Said`: what was handed out of a reply, to the word."""

from __future__ import annotations

import attrs

from ..text.speaking_time import beginning, seconds_to_say
from .events import AudioChunk, Sentence


@attrs.define(eq=False)
class Said:
    """The sentences of one turn as they are handed out, one after the other.

    It answers for what was heard where no client says it: of a turn that was superseded or took too long.
    """

    _whole: list[Sentence] = attrs.field(factory=list, init=False)
    _pending: Sentence | None = attrs.field(default=None, init=False)
    """A sentence whose sound has not been handed out to its last piece."""
    _made: float = attrs.field(default=0.0, init=False)
    """Seconds of its sound that there were."""
    _sent: float = attrs.field(default=0.0, init=False)
    """Seconds of these that were sent."""
    first_heard: str | None = attrs.field(default=None, init=False)
    """The text of the first sentence that has sound."""
    _example: tuple[Sentence, float] | None = attrs.field(default=None, init=False)
    """The last sentence that had sound, and how many seconds that was."""

    def begin(self, sentence: Sentence) -> None:
        """The next sentence; its sound follows."""
        self._pending, self._made, self._sent = sentence, 0.0, 0.0

    def take(self, chunk: AudioChunk, sent: float, *, delivered: bool) -> float:
        """A chunk was handed out, and ``sent`` seconds of its sentence so far; how many are new.

        A sentence counts as said with its last chunk, if that was ``delivered``: the client is still there.
        """
        self._made += chunk.pcm.seconds
        if self._made and self.first_heard is None and self._pending is not None:
            self.first_heard = self._pending.text
        before, self._sent = self._sent, max(self._sent, self._made if chunk.last else sent)
        if chunk.last and self._pending is not None:
            if self._made:
                self._example = self._pending, self._made
            if delivered:
                self._whole.append(self._pending)
            self._pending = None
        return self._sent - before

    def sentences(self) -> list[Sentence]:
        """Those that were sent; of one that is being sent, the words whose sound was.

        How long it would have lasted nobody knows: as long as such a text takes, at the pace of the sentence
        before. The sound is taken to be spread evenly over the words.
        """
        sentence = self._pending
        if sentence is None or not self._sent:
            return self._whole
        # An example is not measured before it is needed, which is hardly ever.
        whole = expected_seconds(sentence)
        if self._example is not None:
            example, seconds = self._example
            whole *= seconds / expected_seconds(example)
        share = self._sent / max(whole, self._made)
        # As after a barge-in, of which the client says what it has shown: memory and history hold the same.
        part = beginning(sentence.text, share)
        return [*self._whole, attrs.evolve(sentence, source=part, text=part)]


def expected_seconds(sentence: Sentence) -> float:
    """About how long ``sentence`` takes to say; more than 0."""
    return seconds_to_say(sentence.spoken or sentence.text) or 1.0
