"""Engines that a test of choosing them can count: registered by name, and gone when the test is over."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import attrs
import pytest
import trio

from trio_backend.config.character import EngineKind
from trio_backend.config.engine_sections import EngineSettings
from trio_backend.engines import registry, usability
from trio_backend.engines.asr.scripted import ScriptedAsr, ScriptedAsrConfig
from trio_backend.engines.facts import EngineFacts
from trio_backend.engines.llm.echo import Echo, EchoConfig
from trio_backend.engines.settings import Environment, read_settings
from trio_backend.engines.tts.tone import Tone, ToneConfig
from trio_backend.engines.usability import FoundEngine
from trio_backend.errors import EngineError, SettingsError
from trio_backend.session import engine_menu

SLOW = 0.1
"""Seconds for each character: ten times what the test characters take, and still short enough to be
encoded without a thread, for which the clock would not wait."""
SECRET = "/srv/voices/bell.onnx is not there: `pip install bell`"


@attrs.frozen
class _Nothing:
    name: str


@attrs.define(eq=False)
class StandInAdapter:
    """One engine. ``happened`` is what became of it: it ``opened``, it ``closed``."""

    name: str
    engine: Any
    load: float = 0.0
    problem: str = ""
    lacks: str = ""
    """A setting without which it cannot be."""
    needs: str = "nothing: a bell"
    keys: tuple[str, ...] = ()
    """Variables of the environment, one of which is set."""
    happened: list[str] = attrs.field(factory=list)

    @property
    def NAMES(self) -> tuple[str, ...]:  # noqa: N802
        return (self.name,)

    @property
    def FACTS(self) -> EngineFacts:  # noqa: N802
        facts = EngineFacts(streams="no", cancel="stops at once", tried="programs", needs=self.needs)
        return attrs.evolve(facts, keys=self.keys)

    def configure(self, name: str, settings: Mapping[str, object], environment: Environment) -> _Nothing:
        del environment
        if self.lacks:
            raise SettingsError(self.lacks, "is missing: set BELL_KEY")
        return read_settings(_Nothing, settings, preset={"name": name})

    @asynccontextmanager
    async def open(self, settings: _Nothing) -> AsyncIterator[Any]:
        del settings
        await trio.sleep(self.load)
        if self.problem:
            raise EngineError(self.problem)
        self.happened.append("opened")
        try:
            yield self.engine
        finally:
            self.happened.append("closed")


def tone(seconds_per_character: float, delay: float = 0, chunk: float = 0) -> Tone:
    config = ToneConfig(seconds_per_character=seconds_per_character, delay=delay, chunk=chunk)
    return Tone(config, trio.CapacityLimiter(10))


def register(monkeypatch: pytest.MonkeyPatch) -> dict[str, StandInAdapter]:
    """All of them, by name. The disk is looked at without a thread, for which the clock would not wait."""
    listening = ScriptedAsr(ScriptedAsrConfig(delay=1), trio.CapacityLimiter(10))
    kinds: dict[EngineKind, list[StandInAdapter]] = {
        "tts": [
            StandInAdapter("bell_tts", tone(SLOW)),
            StandInAdapter("broken_tts", tone(SLOW), load=2, problem=SECRET),
            StandInAdapter("costly_tts", tone(SLOW), needs="an account there", keys=("BELL_KEY",)),
            StandInAdapter("large_tts", tone(SLOW), needs="a bell to download"),
            StandInAdapter("endless_tts", tone(1, delay=1, chunk=1)),
            StandInAdapter("hanging_tts", tone(SLOW, delay=1000)),
            StandInAdapter("silent_tts", tone(0)),
            StandInAdapter("slow_tts", tone(SLOW), load=20),
            StandInAdapter("unset_tts", tone(SLOW), lacks="api_key"),
        ],
        "llm": [StandInAdapter("parrot_llm", Echo(EchoConfig(first_token_delay=2)), load=1)],
        "asr": [
            StandInAdapter("keen_asr", listening, load=3),
            StandInAdapter("deaf_asr", listening, problem=SECRET),
        ],
    }
    for kind, adapters in kinds.items():
        monkeypatch.setitem(registry._registered, kind, [*registry._registered[kind], *adapters])

    async def look(
        settings: EngineSettings,
        kinds: Iterable[EngineKind],
        environment: Environment,
        only: Collection[str] = (),
        limiter: trio.CapacityLimiter | None = None,
    ) -> list[FoundEngine]:
        del limiter
        await trio.lowlevel.checkpoint()
        return usability._look_at_all(settings, kinds, environment, only)

    monkeypatch.setattr(engine_menu, "look_at_engines", look)
    return {one.name: one for adapters in kinds.values() for one in adapters}
