"""What the conversation asks of its engines: four Protocols, and the values that cross the border."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Literal, Protocol

import attrs
from trio.abc import ReceiveChannel

from ..audio.endpointing import Rules
from ..audio.pcm import Pcm


@attrs.frozen
class Message:
    """One thing said. ``images`` are data URLs; ``name`` is the speaker, where several are about."""

    role: Literal["user", "assistant"]
    content: str
    name: str = ""
    images: Sequence[str] = ()


@attrs.frozen
class Prompt:
    """What a model reads: who it is, and what was said so far, oldest first.

    ``system`` is the whole system prompt. ``character`` and ``emotions`` (the keywords that its face
    knows, in lower case) are in there too, and stand here for engines that read no prose.
    """

    system: str
    messages: Sequence[Message]
    character: str = ""
    emotions: Sequence[str] = ()


class Llm(Protocol):
    """A language model. Keeps no state between calls; calls may overlap."""

    def reply(self, prompt: Prompt) -> AbstractAsyncContextManager[ReceiveChannel[str]]:
        """The reply as a channel of tokens (any cut of the text).

        Leaving the block, or cancelling it, stops the model and closes its connection at once.
        Receiving raises `EngineError` where the model fails; what was received before stands.
        """
        ...


class Tts(Protocol):
    """A voice. Keeps no state between calls; calls may overlap."""

    async def speak(self, text: str) -> Pcm:
        """``text`` as sound; empty sound where there is nothing to say.

        Cancelling stops the synthesis and ends its child process, if any. Raises `EngineError`.
        """
        ...


class Asr(Protocol):
    """An ear: speech to text. Keeps no state between calls; calls may overlap, and may have to queue."""

    async def transcribe(self, pcm: Pcm) -> str:
        """What is said in ``pcm``; empty where nothing is.

        Cancelling stops the decoding at once, in a child process or on a server. Raises `EngineError`.
        """
        ...


class Detector(Protocol):
    """Tells speech from other sound, in one microphone's stream. Has a memory of that stream."""

    def probability(self, window: bytes) -> float:
        """How likely somebody speaks in ``window``, the next 32 ms: 512 samples of 16 bits at 16 kHz.

        Takes up to 2 ms.
        """
        ...


class Vad(Protocol):
    """Voice activity detection, for any number of microphones."""

    @property
    def rules(self) -> Rules:
        """What counts as speech, by the probabilities of its detectors."""
        ...

    def detector(self) -> Detector:
        """One for a new stream. Takes a few milliseconds."""
        ...
