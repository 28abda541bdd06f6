"""`UserInput`: what a turn answers, and how much memory it takes."""

from __future__ import annotations

import sys

import attrs

from ..audio.pcm import Pcm
from ..identity import RequestId
from ..quota import Claim
from .recognition import Recognition
from .timeline import SpokenMoments


def size_of_text(text: str) -> int:
    """Bytes that ``text`` takes: one letter that is not Latin makes all of them two or four times as big."""
    return sys.getsizeof(text) if text else 0


@attrs.frozen
class UserInput:
    """What a turn answers: something said, or a nudge, whose text neither memory nor history keep.

    ``name`` is who said it, where that is not the one user whom the character knows. ``sound`` is what was
    said, where it is not written: then there is no ``text`` yet. ``recognition`` is at work at the words, or
    has found those that are its ``text``. ``claim`` is what it holds of the client's quota; whoever keeps the
    input releases it. The events of its turn have its ``request``. ``spoken`` says when it was said, where we
    found that out in a microphone's stream.
    """

    text: str
    images: tuple[str, ...] = ()
    nudge: bool = False
    name: str = ""
    sound: Pcm | None = None
    claim: Claim | None = None
    request: RequestId | None = None
    spoken: SpokenMoments | None = attrs.field(default=None, kw_only=True)
    recognition: Recognition | None = attrs.field(default=None, kw_only=True)

    @property
    def is_speech(self) -> bool:
        """Whether it was spoken, and not written."""
        return self.sound is not None or self.recognition is not None

    @property
    def size(self) -> int:
        """Bytes that it takes."""
        sound = len(self.sound.samples) if self.sound is not None else 0
        return size_of_text(self.text) + sum(map(size_of_text, self.images)) + sound

    def release(self) -> None:
        """It is kept no longer, and nobody wants to know its words."""
        if self.claim is not None:
            self.claim.release()
        if self.recognition is not None:
            self.recognition.close()
