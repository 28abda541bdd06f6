"""`llm`: translation by the character's own language model, which is asked once more for each sentence."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import attrs
import trio

from ...errors import EngineError
from ..base import Llm, Message, Prompt, Text
from ..facts import EngineFacts
from ..settings import Environment, between, read_settings

NAMES = ("llm",)

FACTS = EngineFacts(
    streams="no",
    cancel="closes the connection",
    tried="ours: nothing foreign in it",
    needs="nothing more than the character's language model",
)

# Of a translation: one sentence is hardly three times as long in another language. A model that goes on has
# begun to answer, or repeats itself.
MOST_TIMES_LONGER = 6
MOST_MORE = 200  # characters

PROMPT = (
    "You are a translator. Translate what the user writes into {language}, as somebody who speaks that "
    "language would say it aloud. Keep names, tone and punctuation. Do not answer it, do not explain "
    "anything, and write nothing but the translation."
)


def _check_language(_instance: object, _attribute: attrs.Attribute[Any], value: str) -> None:
    if not value.strip():
        raise ValueError("must be a language, such as Japanese")


@attrs.frozen
class LlmTranslation:
    """``target_lang`` is a language in words, or a code that the model knows. ``timeout`` is in seconds."""

    target_lang: str = attrs.field(validator=_check_language)
    timeout: float = attrs.field(default=10.0, validator=between(0.1, 600))


def configure(name: str, settings: Mapping[str, object], environment: Environment) -> LlmTranslation:
    """Its settings are the fields of `LlmTranslation`."""
    del name, environment
    return read_settings(LlmTranslation, settings)


@asynccontextmanager
async def open(config: LlmTranslation) -> AsyncIterator[LlmTranslator]:
    """There is nothing to load: the model is the character's."""
    yield LlmTranslator(config)


@attrs.frozen
class LlmTranslator:
    """A `Translator` that asks the language model of whoever wants a translation."""

    config: LlmTranslation

    async def translate(self, text: str, llm: Llm) -> str:
        """See `Translator.translate`. The model reads nothing of the conversation but ``text``."""
        prompt = Prompt(PROMPT.format(language=self.config.target_lang), [Message("user", text)])
        with trio.move_on_after(self.config.timeout):
            return await self._ask(prompt, llm, MOST_TIMES_LONGER * len(text) + MOST_MORE)
        raise EngineError(f"llm: no translation within {self.config.timeout:g} s")

    @staticmethod
    async def _ask(prompt: Prompt, llm: Llm, most: int) -> str:
        translated = ""
        async with llm.reply(prompt) as parts:
            async for part in parts:
                if isinstance(part, Text):
                    translated += part.text
                if len(translated) > most:
                    raise EngineError("llm: the model writes far more than a translation; try another model")
        if not translated.strip():
            raise EngineError("llm: the model gave no translation; try another model")
        return translated.strip()
