"""`none`: the text as it is: what stands in for a translator that there is not."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import attrs
import trio

from ..base import Llm
from ..facts import EngineFacts
from ..settings import Environment, read_settings

NAMES = ("none",)

FACTS = EngineFacts(
    streams="no",
    cancel="stops at once",
    tried="ours: nothing foreign in it",
    needs="nothing: it is spoken as it is shown",
)


@attrs.frozen
class NoTranslationConfig:
    """Nothing to set."""


def configure(name: str, settings: Mapping[str, object], environment: Environment) -> NoTranslationConfig:
    """There are no settings."""
    del name, environment
    return read_settings(NoTranslationConfig, settings)


@asynccontextmanager
async def open(config: NoTranslationConfig) -> AsyncIterator[NoTranslation]:
    """There is nothing to load."""
    del config
    yield NoTranslation()


@attrs.frozen
class NoTranslation:
    """A `Translator` into the language that it was in."""

    async def translate(self, text: str, llm: Llm) -> str:
        """``text``."""
        del llm
        await trio.lowlevel.checkpoint()
        return text
