"""`echo_llm`: a language model that repeats, word by word, what the user said last. Needs nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import attrs
import trio

from ...errors import EngineError
from ..base import Message, Nudge, Prompt, ReplyPart, ToolResult
from ..facts import EngineFacts
from ..settings import Environment, between, read_settings
from ..whole import tagged

NAMES = ("echo_llm",)

FACTS = EngineFacts(
    streams="yes",
    cancel="stops at once",
    tried="ours: nothing foreign in it",
    needs="nothing: for tests",
    for_tests=True,
)


@attrs.frozen
class EchoConfig:
    """Delays are in seconds. ``fail`` is the text of the error that comes in place of token ``fail_at``.

    A token comes at its time, or as soon as it is asked for after that: like a model elsewhere, this
    one does not wait for its reader.
    """

    first_token_delay: float = attrs.field(default=0.0, validator=between(0, 3600))
    token_delay: float = attrs.field(default=0.0, validator=between(0, 3600))
    load: float = attrs.field(default=0.0, validator=between(0, 3600))
    fail: str = ""
    fail_at: int = attrs.field(default=0, validator=between(0, 1_000_000))


def configure(name: str, settings: Mapping[str, object], environment: Environment) -> EchoConfig:
    """The settings are the fields of `EchoConfig`."""
    del name, environment
    return read_settings(EchoConfig, settings)


@asynccontextmanager
async def open(config: EchoConfig) -> AsyncIterator[Echo]:
    """Take as long to load as the configuration says."""
    await trio.sleep(config.load)
    yield Echo(config)


@attrs.frozen
class Echo:
    """An `Llm` whose reply is the last message of the user; tags in it are tags, as from other models."""

    config: EchoConfig

    @asynccontextmanager
    async def reply(self, prompt: Prompt) -> AsyncIterator[trio.abc.ReceiveChannel[ReplyPart]]:
        """One word a token, each with the space behind it; an empty reply if the user said nothing."""
        asked = (message for message in reversed(prompt.messages) if not _is_own(message))
        last = next(asked, None)
        async with tagged(_Words(self.config, last.content.split() if last else [])) as words:
            yield words


def _is_own(message: Message | Nudge | ToolResult) -> bool:
    return isinstance(message, Message) and message.role == "assistant"


@attrs.define(eq=False)
class _Words(trio.abc.ReceiveChannel[str]):
    _config: EchoConfig
    _words: list[str]
    _told: int = attrs.field(default=0, init=False)
    _began: float = attrs.field(factory=trio.current_time, init=False)

    async def receive(self) -> str:
        fails = bool(self._config.fail) and self._told == self._config.fail_at
        if self._told >= len(self._words) and not fails:
            await trio.lowlevel.checkpoint()
            raise trio.EndOfChannel
        due = self._began + self._config.first_token_delay + self._told * self._config.token_delay
        if due > trio.current_time():
            await trio.sleep_until(due)
        else:  # at once; a sleep that is over before it begins costs several times as much
            await trio.lowlevel.checkpoint()
        if fails:
            raise EngineError(self._config.fail)
        self._told += 1
        last = self._told == len(self._words)
        return self._words[self._told - 1] + ("" if last else " ")

    async def aclose(self) -> None:
        self._told = len(self._words)
        await trio.lowlevel.checkpoint()
