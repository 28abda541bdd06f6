"""Dialogues with the delivered companion, as tests hold them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from pathlib import Path

import attrs

from trio_backend.config.load import packaged_conf, survey
from trio_backend.engines.base import Message, Nudge, Prompt
from trio_backend.engines.llm.companion.answer import answer
from trio_backend.engines.llm.companion.desk_rules import with_desk
from trio_backend.engines.llm.companion.files import load_companion
from trio_backend.engines.llm.companion.rules import Companion
from trio_backend.engines.llm.scripted import configure
from trio_backend.engines.settings import Environment

RULES = Path(__file__).parents[3] / "conf" / "companion.yaml"
EMOTIONS = ("neutral", "anger", "disgust", "fear", "joy", "smirk", "sadness", "surprise")
NUDGE = Nudge("Please say something.")


@cache
def delivered() -> Companion:
    """The rules that users get."""
    return load_companion(RULES)


@attrs.frozen
class Shipped:
    """A character as users get it: its name, its manner, and rules with what it knows of its place."""

    name: str
    manner: str
    companion: Companion
    emotions: Sequence[str]


@cache
def shipped() -> Mapping[str, Shipped]:
    """The characters of conf/, by the name of their file; Iris is the one of conf.yaml."""
    found = {}
    for character in survey(packaged_conf() / "conf.yaml", {}).characters:
        choice = character.llm
        config = configure(choice.name, choice.settings, Environment(choice.folder, {}))
        companion = with_desk(load_companion(config.rules), config.desk)
        name = "iris" if character.file == "conf.yaml" else character.file.removesuffix(".yaml")
        emotions = tuple(character.emotions)
        found[name] = Shipped(character.character_name, config.manner, companion, emotions)
    return found


@attrs.define
class Dialogue:
    """One conversation, held as the backend holds it: the whole memory goes into each prompt."""

    manner: str = "warm"
    character: str = "Mia"
    companion: Companion = attrs.field(factory=delivered)
    emotions: Sequence[str] = EMOTIONS
    memory: list[Message] = attrs.field(factory=list)
    now: datetime | None = None

    def say(self, text: str, *, images: Sequence[str] = (), name: str = "Human") -> str:
        """What the companion answers to ``text``."""
        self.memory.append(Message("user", text, name, images))
        return self._hear(self.memory)

    def nudge(self) -> str:
        """What it says of its own accord."""
        return self._hear([*self.memory, NUDGE])

    def _hear(self, messages: Sequence[Message | Nudge]) -> str:
        prompt = Prompt("", messages, self.character, self.emotions)
        said = reply(prompt, self.manner, self.companion, now=self.now)
        self.memory.append(Message("assistant", said))
        return said


def reply(
    prompt: Prompt,
    manner: str = "warm",
    companion: Companion | None = None,
    *,
    now: datetime | None = None,
) -> str:
    """The whole reply to ``prompt``."""
    *before, last = answer(companion or delivered(), prompt, manner, now=now)
    assert not any(before), "the reply comes at the end"
    return last
