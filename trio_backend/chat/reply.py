"""A reply as it is shown, sentence by sentence, with its speaker's name and face."""

from __future__ import annotations

import attrs

from ..client.messages import ModelInfo, ReceivedAudio
from .heard import Sentence
from .screen import Screen


@attrs.define(eq=False)
class Bubble:
    """What one speaker says in one go: the name stands before its first sentence only."""

    _screen: Screen
    _character: str = attrs.field(default="", init=False)
    _face: ModelInfo = attrs.field(factory=ModelInfo, init=False)
    _speaker: str | None = attrs.field(default=None, init=False)

    def meet(self, character: str, face: ModelInfo | None) -> None:
        """The sentences that come are of this ``character``, where they do not say otherwise."""
        self._character, self._face = character, face or ModelInfo()

    def end(self) -> None:
        """The next sentence begins a new bubble."""
        self._speaker = None

    def show(self, audio: ReceivedAudio) -> Sentence:
        """Show the sentence of ``audio``; the sentence as it is to be heard."""
        text = audio.display_text.text if audio.display_text else ""
        speaker = (audio.display_text.name if audio.display_text else None) or self._character
        sentence = Sentence(text, audio.wav(), audio.seconds)
        if text.strip():
            name = "" if speaker == self._speaker else speaker
            self._speaker = speaker
            look = self._screen.look
            emotion = self._emotion(audio)
            self._screen.show(
                look.thought(name, text) if sentence.thought else look.said(name, emotion, text)
            )
        return sentence

    def _emotion(self, audio: ReceivedAudio) -> str:
        expressions = (audio.actions.expressions if audio.actions else None) or []
        keywords = dict.fromkeys(self._face.keyword(expression) for expression in expressions)
        return ", ".join(keyword for keyword in keywords if keyword)
