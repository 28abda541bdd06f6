"""`scripted_llm`: the embedded companion. Converses by rules in a file: no key, no model, no network."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime
from pathlib import Path
from time import perf_counter
from typing import Any

import attrs
import trio

from ...errors import EngineError, SettingsError, UnfitSetting
from ...identity import now
from ...text.scripts import CJK
from ..base import Prompt, ReplyPart, Text
from ..facts import EngineFacts
from ..settings import Environment, between, read_settings
from ..whole import channel_of
from .companion.answer import answer
from .companion.desk import Desk
from .companion.desk_rules import with_desk
from .companion.desk_settings import read_desk
from .companion.files import DELIVERED, load_companion, rules_file
from .companion.rules import Companion
from .companion.talk import TurnReadings

NAMES = ("scripted_llm",)
OPENED_BY_CHECK = True

UNTIL_COMPILED = 1.0
"""Seconds from when the rules were read until their patterns are compiled: a start is over then."""

BREATH = 0.001
"""Seconds that a reply is thought out without a checkpoint: most take less in all."""

_TOKEN = re.compile(rf"(?:[{CJK}\u3000-\u303f\uff00-\uffef]{{1,2}}|[^\s{CJK}\u3000-\u303f\uff00-\uffef]+)\s*")

_SENTENCE_MARK = re.compile(r"[.!?…。！？]")
"""Behind it a sentence may end."""

_MARK = re.compile(r"[.,:;!?…—。，、：；！？]")
"""Behind it the first sentence may be cut, so that sound starts sooner."""

FACTS = EngineFacts(
    streams="yes",
    cancel="stops at once",
    tried="ours: nothing foreign in it",
    needs="nothing (embedded)",
)


@attrs.frozen
class ScriptedLlmConfig:
    """``token_delay`` is in seconds, so that the companion seems to type; a token is about a word.

    ``manner`` is one of those in the rules file, ``rules`` the file's path, ``desk`` what it knows of
    its place.
    """

    rules: Path
    manner: str = "warm"
    token_delay: float = 0.025
    desk: Desk = attrs.field(factory=Desk)


@attrs.frozen
class _ScriptedLlmSettings:
    rules: str = DELIVERED
    manner: str = "warm"
    token_delay: float = attrs.field(default=0.025, validator=between(0, 10))
    # These are checked by `read_desk`.
    places: Any = None
    hours: Any = None
    faq: Any = None
    contact: Any = None


def configure(name: str, settings: Mapping[str, object], environment: Environment) -> ScriptedLlmConfig:
    """The settings: ``rules`` (a file, from the configuration's folder), ``manner``, ``token_delay``.

    And what the character knows of its place, see `read_desk`: ``places``, ``hours``, ``faq``, ``contact``.
    """
    del name
    given = read_settings(_ScriptedLlmSettings, settings)
    desk = read_desk(settings)
    return ScriptedLlmConfig(
        _rules_file(environment.folder, given.rules), given.manner, given.token_delay, desk
    )


def _rules_file(folder: Path, name: str) -> Path:
    found = rules_file(folder, name)
    if found is None:
        raise SettingsError("rules", f"there is no file {str(folder / name)!r}")
    return found


@asynccontextmanager
async def open(config: ScriptedLlmConfig) -> AsyncIterator[ScriptedLlm]:
    """Read the rules. Raises `EngineError`, which names file and line, where they are wrong."""
    companion = await trio.to_thread.run_sync(_load, config)
    patterns = _Patterns(companion)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(patterns.compile_soon, name="companion/patterns")
        yield ScriptedLlm(config, companion, patterns)
        nursery.cancel_scope.cancel("the engine closes")


def _load(config: ScriptedLlmConfig) -> Companion:
    try:
        companion = load_companion(config.rules)
    except EngineError as error:
        raise UnfitSetting("rules", str(error)) from error
    if config.manner not in companion.manners:
        known = ", ".join(companion.manners)
        raise UnfitSetting(
            "manner", f"{config.rules}: there is no manner {config.manner!r}; known are: {known}"
        )
    return with_desk(companion, config.desk)


@attrs.define(eq=False)
class _Patterns:
    """The regular expressions of ``_companion``, which are compiled after the start of a server.

    All 900 that are delivered take 0.15 s: a fifth of a start, and far too long for the event loop.
    """

    _companion: Companion
    _needed: trio.Event = attrs.field(factory=trio.Event, init=False)
    _compiled: trio.Event = attrs.field(factory=trio.Event, init=False)

    async def compile_soon(self) -> None:
        """Compile them in a thread, after `UNTIL_COMPILED` seconds or when needed. A cancel stops that."""
        with trio.move_on_after(UNTIL_COMPILED):
            await self._needed.wait()
        await trio.to_thread.run_sync(self._compile)
        self._compiled.set()

    async def wait_compiled(self) -> None:
        """Return when they are; who speaks right after the start waits 0.15 s."""
        self._needed.set()
        await self._compiled.wait()

    def _compile(self) -> None:
        for pattern in self._companion.patterns():
            trio.from_thread.check_cancelled()
            pattern.compile()


@attrs.frozen
class ScriptedLlm:
    """An `Llm` that is a rule machine; all that it knows of a conversation is in the prompt.

    What it has read of a message is kept as long as the message itself, and changes no reply.
    """

    config: ScriptedLlmConfig
    _companion: Companion = attrs.field(repr=False)
    _patterns: _Patterns = attrs.field(repr=False)
    _readings: TurnReadings = attrs.field(factory=TurnReadings, init=False, repr=False)

    def reply(self, prompt: Prompt) -> AbstractAsyncContextManager[trio.abc.ReceiveChannel[ReplyPart]]:
        """The first word, the first sentence clause by clause, and then sentence by sentence.

        Each comes after ``token_delay`` for each of its words.

        Two Chinese characters count as a word.
        """
        return channel_of(self._parts(prompt))

    async def _parts(self, prompt: Prompt) -> AsyncGenerator[ReplyPart, None]:
        # Nothing is decided, spoken or shown between the marks, and a wake-up for each word was half of what
        # a turn cost. Whoever measures when a reply begins sees the first word when it was typed.
        clause, words, mark = "", 0, _MARK
        for number, word in enumerate(_TOKEN.findall(await self._composed(prompt))):
            clause, words = clause + word, words + 1
            if not number or mark.search(word):
                await trio.sleep(words * self.config.token_delay)
                yield Text(clause)
                clause, words = "", 0
                if _SENTENCE_MARK.search(word):
                    mark = _SENTENCE_MARK
        if clause:
            await trio.sleep(words * self.config.token_delay)
            yield Text(clause)

    async def _composed(self, prompt: Prompt) -> str:
        """The whole reply, thought out in small steps, with a checkpoint when they took `BREATH`."""
        await self._patterns.wait_compiled()
        reply, began = "", perf_counter()
        for step in answer(self._companion, prompt, self.config.manner, self._readings, _here()):
            reply = step
            if perf_counter() - began > BREATH:
                await trio.lowlevel.checkpoint()
                began = perf_counter()
        await trio.lowlevel.checkpoint()
        return reply


def _here() -> datetime:
    """The time of the wall clock, in the time zone of this machine."""
    return now().astimezone()
