"""Dialogues with the delivered companion, as tests hold them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import attrs

from trio_backend.engines.base import Message, Nudge, Prompt
from trio_backend.engines.llm.companion.answer import answer
from trio_backend.engines.llm.companion.files import load_companion
from trio_backend.engines.llm.companion.rules import Companion

RULES = Path(__file__).parents[3] / "conf" / "companion.yaml"
EMOTIONS = ("neutral", "anger", "disgust", "fear", "joy", "smirk", "sadness", "surprise")
NUDGE = Nudge("Please say something.")


@cache
def delivered() -> Companion:
    """The rules that users get."""
    return load_companion(RULES)


@attrs.define
class Dialogue:
    """One conversation, held as the backend holds it: the whole memory goes into each prompt."""

    manner: str = "warm"
    character: str = "Mia"
    companion: Companion = attrs.field(factory=delivered)
    emotions: Sequence[str] = EMOTIONS
    memory: list[Message] = attrs.field(factory=list)

    def say(self, text: str, *, images: Sequence[str] = (), name: str = "Human") -> str:
        """What the companion answers to ``text``."""
        self.memory.append(Message("user", text, name, images))
        return self._hear(self.memory)

    def nudge(self) -> str:
        """What it says of its own accord."""
        return self._hear([*self.memory, NUDGE])

    def _hear(self, messages: Sequence[Message | Nudge]) -> str:
        said = reply(Prompt("", messages, self.character, self.emotions), self.manner, self.companion)
        self.memory.append(Message("assistant", said))
        return said


def reply(prompt: Prompt, manner: str = "warm", companion: Companion | None = None) -> str:
    """The whole reply to ``prompt``."""
    *before, last = answer(companion or delivered(), prompt, manner)
    assert not any(before), "the reply comes at the end"
    return last
