"""What the conversation asks of its engines: `Llm` and `Tts`, and the values that cross the border."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Literal, Protocol

import attrs
from trio.abc import ReceiveChannel

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
