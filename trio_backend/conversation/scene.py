"""A scene is one character being present in a session: engines leased, ready to take turns."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import TypeAlias

import attrs
import trio

from ..config.character import CharacterConfig
from ..errors import ConfigError, EngineError, first_leaf
from .character import Character

OpenCharacter: TypeAlias = Callable[[CharacterConfig], AbstractAsyncContextManager[Character]]


@attrs.define(eq=False)
class Scene:
    """A character that is being loaded, is active, or is gone; `play` is its whole life.

    What becomes of it is told to the session's loop, through ``inbox``, as `SceneReady` or
    `SceneFailed`. ``character`` exists once it is ready.
    """

    config: CharacterConfig
    _inbox: trio.MemorySendChannel[SceneReady | SceneFailed]
    asked_for: bool
    """Whether the client chose it; otherwise it is the base character, with which each session begins."""
    _scope: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)
    character: Character = attrs.field(init=False)
    _turns: trio.Nursery | None = attrs.field(default=None, init=False)
    """Where turns run while the engines are there."""
    _retired: trio.Event = attrs.field(factory=trio.Event, init=False)

    @property
    def present(self) -> bool:
        """Whether turns can be taken: the engines are there."""
        return self._turns is not None

    def start(self, async_fn: Callable[[], Awaitable[None]], *, name: str) -> bool:
        """Run a turn's task, which ends with the scene. False, and nothing is started, if that is leaving."""
        if self._turns is None:
            return False
        self._turns.start_soon(async_fn, name=name)
        return True

    async def play(self, open_character: OpenCharacter) -> None:
        """Load the character, say so, then stay until `close`. Cancelling gives back what was loaded."""
        with self._scope:
            try:
                # The nursery is inside the engines, so that a turn is over before they are given back.
                async with open_character(self.config) as self.character, trio.open_nursery() as nursery:
                    self._turns = nursery
                    try:
                        await self._inbox.send(SceneReady(self))
                        await self._retired.wait()
                    finally:
                        # At once: the session's loop may be just about to begin a turn here.
                        self._turns = None
            except* (EngineError, ConfigError) as group:
                await self._inbox.send(SceneFailed(self, str(first_leaf(group))))

    @property
    def retired(self) -> bool:
        """Whether it was told to `retire`."""
        return self._retired.is_set()

    def retire(self) -> None:
        """Take no more turns, and let the character go when those that run have ended by themselves."""
        self._retired.set()

    def close(self, reason: str) -> None:
        """Let the character go, or stop its loading; a turn that runs is cancelled."""
        self._scope.cancel(reason)


@attrs.frozen
class SceneReady:
    """The character is loaded: turns can be begun."""

    scene: Scene


@attrs.frozen
class SceneFailed:
    """The character could not be loaded, or an engine of it has died; ``why`` is fit for a person."""

    scene: Scene
    why: str
