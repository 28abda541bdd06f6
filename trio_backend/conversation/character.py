"""A character who can answer: its configuration and the engines it leases."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from functools import partial
from typing import Any

import attrs
import trio
from trio.abc import ReceiveChannel

from ..audio.pcm import Pcm
from ..config.character import CharacterConfig, EngineChoice
from ..config.diagnostics import FindingLog
from ..engines.base import Llm, NoTools, ToolServer, Translator, Tts
from ..engines.chosen import finding_of, resolve
from ..engines.fallback import Replacement
from ..engines.fallback_engines import replacement_of
from ..engines.leases import Leases
from ..engines.registry import EngineConfig
from ..engines.settings import Environment
from ..engines.whole import NO_SOUND, WholeSound
from ..errors import ConfigError, EngineError, NoVoice, UnfitSetting
from .speech_engines import SpeechEngines, open_speech_engines
from .synthesis import Translate


@attrs.frozen
class Character:
    """A persona with its language model and synthesis, both leased; speech engines are leased when needed."""

    config: CharacterConfig
    llm: Llm
    tts: Tts
    speech_engines: SpeechEngines
    tools: ToolServer = attrs.field(factory=NoTools)
    replacements: ReplacementNotices = attrs.field(factory=lambda: ReplacementNotices())
    translator: Translator | None = None

    @property
    def translate(self) -> Translate | None:
        """Gives a sentence as it is to be spoken; None where that is as it is shown."""
        return None if self.translator is None else partial(self.translator.translate, llm=self.llm)


@asynccontextmanager
async def open_character(
    config: CharacterConfig, leases: Leases, environment: Environment, findings: FindingLog | None = None
) -> AsyncIterator[Character]:
    """Lease all that the character needs; give it back when the block is left, or cancelled.

    Raises `EngineError` where an engine cannot be opened, `ConfigError` where its settings are wrong.
    An engine that we do not have is replaced by the embedded one. That, and settings that turn out wrong when
    an engine is opened, go to ``findings``, or to the log.
    """
    findings = findings or FindingLog()
    # Both before either is opened: to read their settings takes no time.
    llm_config = engine_config(config.llm, environment, findings)
    tts_config = engine_config(config.tts, environment, findings)
    lease = partial(lease_engine, leases=leases, environment=environment, findings=findings)
    async with (
        _leased(config.llm, llm_config, leases, findings) as llm,
        _leased(config.tts, tts_config, leases, findings) as tts,
        # At once, unlike other engines for speech: who names a file wants to know that it is not there.
        nullcontext() if config.turn is None else lease(config.turn) as turn,
        nullcontext() if config.translator is None else lease(config.translator) as translator,
        open_speech_engines(config, lease, turn=turn) as speech_engines,
    ):
        replacements = ReplacementNotices(lambda: (llm, tts, speech_engines.asr))
        yield Character(
            config,
            llm,
            _TtsWithOneWarning(tts),
            speech_engines,
            replacements=replacements,
            translator=translator and _RestingTranslator(translator, environment.fallback_for),
        )


def _no_engines() -> Sequence[object]:
    return ()


@attrs.define(eq=False)
class ReplacementNotices:
    """Which engines of a character's lists are replaced by others: what one session has not been told yet."""

    _engines: Callable[[], Sequence[object]] = _no_engines
    _told: tuple[Replacement, ...] = attrs.field(default=(), init=False)

    def take(self) -> Sequence[str]:
        """What is new since the last call, for a person. Nothing is told twice."""
        found = tuple(filter(None, map(replacement_of, self._engines())))
        new = [replacement.text for replacement in found if replacement not in self._told]
        self._told = found
        return new


@attrs.define(eq=False)
class _RestingTranslator:
    """A `Translator` for one session, which is not asked for a while after it has failed.

    Meanwhile the text is left as it is, without a word: each turn would only wait for the same failure.
    """

    _translator: Translator
    _rest: float
    """Seconds."""
    _asked_from: float = attrs.field(default=-math.inf, init=False)

    async def translate(self, text: str, llm: Llm) -> str:
        """See `Translator.translate`."""
        if trio.current_time() < self._asked_from:
            await trio.lowlevel.checkpoint()
            return text
        try:
            return await self._translator.translate(text, llm)
        except EngineError:
            self._asked_from = trio.current_time() + self._rest
            raise


@attrs.define(eq=False)
class _TtsWithOneWarning:
    """A `Tts` for one session: that the machine cannot speak is raised once, and is silence from then on.

    Nothing changes it before the server is started again, so an error in each turn would only be noise.
    """

    _tts: Tts
    told: bool = attrs.field(default=False, init=False)

    def speak(self, text: str) -> AbstractAsyncContextManager[ReceiveChannel[Pcm]]:
        """See `Tts.speak`. An engine that streams has a voice, or could not have been opened."""
        sound = self._tts.speak(text)
        return WholeSound(partial(self._whole, sound.make)) if isinstance(sound, WholeSound) else sound

    async def _whole(self, make: Callable[[], Awaitable[Pcm]]) -> Pcm:
        try:
            return await make()
        except NoVoice:
            if self.told:
                return NO_SOUND
            self.told = True
            raise


@asynccontextmanager
async def lease_engine(
    choice: EngineChoice, leases: Leases, environment: Environment, findings: FindingLog | None = None
) -> AsyncIterator[Any]:
    """The engine of ``choice``, until the block is left. Raises and tells as `open_character` does."""
    findings = findings or FindingLog()
    config = engine_config(choice, environment, findings)
    async with _leased(choice, config, leases, findings) as engine:
        yield engine


@asynccontextmanager
async def _leased(
    choice: EngineChoice, config: EngineConfig, leases: Leases, findings: FindingLog
) -> AsyncIterator[Any]:
    """A lease; tells of a setting that is unfit where it stands, in the words of `check`."""
    async with AsyncExitStack() as stack:
        try:
            engine = await stack.enter_async_context(leases.lease(config))
        except UnfitSetting as error:
            findings.tell(finding_of("error", choice, error.key, str(error)))
            raise
        yield engine


def engine_config(
    choice: EngineChoice, environment: Environment, findings: FindingLog | None = None
) -> EngineConfig:
    """The frozen configuration of the engine chosen, or of what stands in for it: see `resolve`.

    Raises `ConfigError`, with the place of the first setting that is wrong.
    """
    resolved = resolve(choice, environment)
    for finding in resolved.findings:
        if finding.severity == "error":
            raise ConfigError(f"{finding.choice.locate(finding.key)}: {finding.message}")
    findings = findings or FindingLog()
    for finding in resolved.findings:
        findings.tell(finding.finding)
    assert resolved.config is not None
    return resolved.config
