"""`EngineMenu`: which engines a character could have instead of its own; what all sessions share of that."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TypeAlias

import attrs
import trio

from ..boundary import UNCOUNTED, Boundary
from ..config.catalog import CharacterCatalog
from ..config.character import CharacterConfig, EngineChoice, EngineKind
from ..config.choices import CHOSEN_AT
from ..config.engine_sections import is_configured
from ..conversation.character import Character
from ..conversation.scene import OpenCharacter
from ..conversation.speech_engines import LeaseEngine
from ..engines.chosen import resolve
from ..engines.registry import DEFAULTS, embedded, facts_of
from ..engines.settings import Environment
from ..engines.usability import FoundEngine, look_at_engines
from ..errors import ConfigError, EngineError
from ..protocol import BetterRecogniser, ChoosableKind, EngineEntry

KINDS: tuple[ChoosableKind, ...] = ("llm", "tts", "asr")

KEPT_FOR = 3.0
"""Seconds that what was found is kept: whoever asks again and again costs one look, which takes some 30 ms;
and who has installed something sees it at the next press of a button."""
MOST_KEPT = 16
"""Looks that are kept."""
LOOK_TIMEOUT = 10.0
"""Seconds; the first look takes one or two on a busy machine. A disk that is gone takes minutes; whoever asks
waits, and so does what they say meanwhile."""

_BETTER_RECOGNISERS = ("sherpa_onnx_asr", "faster_whisper", "whisper_cpp")
"""Those that need this machine alone; the first has the smallest download, and understands in real time."""


_Looked: TypeAlias = tuple[str, tuple[ChoosableKind, ...], tuple[str, ...]]


@attrs.define(eq=False)
class EngineMenu:
    """What there is for a character, by its files and this machine.

    What a client names is only ever looked up here: no client can bring a setting, an address or a key.
    """

    _catalog: CharacterCatalog
    _environment: Environment
    lease: LeaseEngine
    trials: trio.Semaphore
    """How many engines may still be tried at once."""
    boundary: Boundary = UNCOUNTED
    _lock: trio.Lock = attrs.field(factory=trio.Lock, init=False)
    # Of a disk that is gone no more than one thread waits, however often somebody asks.
    _thread: trio.CapacityLimiter = attrs.field(factory=lambda: trio.CapacityLimiter(1), init=False)
    _found: dict[_Looked, tuple[float, Sequence[FoundEngine]]] = attrs.field(factory=dict, init=False)

    async def look(
        self, file: str, kinds: tuple[ChoosableKind, ...] = KINDS, only: tuple[str, ...] = ()
    ) -> Sequence[FoundEngine]:
        """The engines of ``kinds`` with the settings that the character of ``file`` has for them.

        All of them, or ``only`` some. Raises `EngineError` where that cannot be found out. One look at a
        time, and what it finds is kept for `KEPT_FOR` seconds; a cancel leaves what is kept as it was.
        """
        with trio.move_on_after(LOOK_TIMEOUT):
            async with self._lock:
                key = file, kinds, only
                at, found = self._found.get(key, (-math.inf, ()))
                if trio.current_time() - at < KEPT_FOR:
                    return found
                try:
                    settings = await self._catalog.engine_settings(file)
                except ConfigError as error:
                    raise EngineError(str(error)) from error
                found = await look_at_engines(settings, kinds, self._environment, only, self._thread)
                if len(self._found) >= MOST_KEPT:
                    self._found.clear()
                self._found[key] = trio.current_time(), found
                return found
        raise EngineError(f"the engines could not be looked at within {LOOK_TIMEOUT:g} s")

    async def place(self, file: str, kind: EngineKind) -> tuple[str, str]:
        """The file of a character, as people are told of it, and the key there that names its engine."""
        try:
            settings = await self._catalog.engine_settings(file)
        except ConfigError:
            # It was there when the character was loaded.
            return file, _key_of(kind)
        return settings.file, _key_of(kind)

    async def choice(
        self, kind: ChoosableKind, name: str, original: CharacterConfig, *, operator: bool
    ) -> EngineChoice | None:
        """The engine ``name``, to try or choose it instead of those of the ``original`` character.

        None if there is none of that name, or this client is not to have it. Raises `EngineError` with what
        is missing, for operators.
        """
        for found in await self.look(original.file):
            if (found.kind, found.name) == (kind, name) and _is_offered(found, original, operator=operator):
                if found.missing or found.choice is None:
                    raise EngineError("; ".join(found.missing))
                own = chosen_by(original, kind)
                # With those that stand in for it, where the character's file names some.
                return own if own.name == name else found.choice
        return None

    async def entries(
        self, present: CharacterConfig, original: CharacterConfig, *, operator: bool
    ) -> Sequence[EngineEntry]:
        """What a client is told of them; ``original`` is the ``present`` character as its file has it."""
        found = await self.look(present.file)
        return [
            EngineEntry(
                kind,
                one.name,
                usable=not one.missing,
                in_use=one.name in names_of(present, kind)[:1],
                configured=one.name in names_of(original, kind)[:1],
                needs=_needs(one) if operator else "",
                missing=tuple(one.missing),
            )
            for kind in KINDS
            for one in found
            if one.kind == kind and _is_offered(one, original, operator=operator)
        ]

    @asynccontextmanager
    async def open_with(
        self, choice: EngineChoice, within: float, open_character: OpenCharacter, config: CharacterConfig
    ) -> AsyncIterator[Character]:
        """The character of ``config``, which has the engine of ``choice``, with that engine loaded.

        Raises as `OpenCharacter` does, and `EngineError` if it takes longer than ``within`` seconds.
        """
        with trio.CancelScope(deadline=trio.current_time() + within) as loading:
            # Its own lease, since recognition is otherwise loaded when somebody speaks: too late to say that
            # it does not work, and that the one before stays.
            async with self.lease(choice), open_character(config) as character:
                loading.deadline = math.inf
                yield character
                return
        raise EngineError(f"it could not be loaded within {within:g} s")

    def understands_little(self, character: CharacterConfig) -> bool:
        """Whether its recogniser is the embedded one, by its own choice or for want of another."""
        resolved = resolve(character.asr or embedded("asr"), self._environment)
        return resolved.config is not None and resolved.config.name == DEFAULTS["asr"]

    async def better_recognisers(self, character: CharacterConfig) -> Sequence[BetterRecogniser]:
        """What would understand more, usable ones first. Raises `EngineError` as `look` does."""
        # Each page of an operator asks when it is opened: not all engines are looked at for it.
        found = await self.look(character.file, ("asr",), _BETTER_RECOGNISERS)
        usable_first = sorted(found, key=lambda one: bool(one.missing))
        return [BetterRecogniser(one.name, _needs(one), "; ".join(one.missing)) for one in usable_first]


def names_of(character: CharacterConfig, kind: ChoosableKind) -> Sequence[str]:
    """The engines of that kind that ``character`` uses: the first, and those that stand in for it."""
    choice = chosen_by(character, kind)
    return [choice.name, *(each.name for each in choice.then)]


def chosen_by(character: CharacterConfig, kind: ChoosableKind) -> EngineChoice:
    """The engine of that kind; where the character names none, the embedded one."""
    chosen: dict[ChoosableKind, EngineChoice | None] = {
        "llm": character.llm,
        "tts": character.tts,
        "asr": character.asr,
    }
    return chosen[kind] or embedded(kind)


def with_engine(character: CharacterConfig, choice: EngineChoice) -> CharacterConfig:
    """``character`` with another engine of the kind of ``choice``."""
    match choice.kind:
        case "llm":
            return attrs.evolve(character, llm=choice)
        case "tts":
            return attrs.evolve(character, tts=choice)
        case "asr":
            return attrs.evolve(character, asr=choice)
        case _:
            raise AssertionError(f"nobody chooses a {choice.kind}")


def _is_offered(found: FoundEngine, character: CharacterConfig, *, operator: bool) -> bool:
    """Whether somebody may know of it, and choose it once nothing is missing.

    Others than operators choose only what the operator has written into the configuration, or what needs
    nothing: no stranger starts a download, or spends money by a key that is in the environment for something
    else.
    """
    used, facts = found.name in names_of(character, _kind(found)), facts_of(found.kind, found.name)
    written = used or (found.choice is not None and is_configured(found.choice))
    if facts is not None and facts.for_tests and not written:
        return False
    return operator or (not found.missing and (written or facts is None or facts.needs_nothing))


def _kind(found: FoundEngine) -> ChoosableKind:
    assert found.kind in KINDS
    return found.kind


def _needs(found: FoundEngine) -> str:
    facts = facts_of(found.kind, found.name)
    return facts.needs if facts is not None else ""


def _key_of(kind: EngineKind) -> str:
    return f"character_config.{CHOSEN_AT[kind]}"
