"""A scene is one character being present in a session: engines leased, ready to take turns."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import TypeAlias

import attrs
import trio

from ..concurrency import Slot
from ..config.character import CharacterConfig
from ..errors import ConfigError, EngineError, first_leaf
from .character import Character

OpenCharacter: TypeAlias = Callable[[CharacterConfig], AbstractAsyncContextManager[Character]]


@attrs.define(eq=False)
class Scene:
    """A character on its way in, present, or gone; `play` is its whole life.

    What becomes of it is told to the session's loop, through ``inbox``, as `SceneReady` or
    `SceneFailed`. ``character`` and ``turn`` exist once it is ready.
    """

    config: CharacterConfig
    _inbox: trio.MemorySendChannel[SceneReady | SceneFailed]
    asked_for: bool
    """Whether the client chose it; otherwise it is the one that everybody meets first."""
    _scope: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)
    character: Character = attrs.field(init=False)
    turn: Slot = attrs.field(init=False)
    present: bool = attrs.field(default=False, init=False)
    """Whether turns can be taken: the engines are there."""

    async def play(self, open_character: OpenCharacter) -> None:
        """Load the character, say so, then stay until `close`. Cancelling gives back what was loaded."""
        with self._scope:
            try:
                # The nursery is inside the engines, so that a turn is over before they are given back.
                async with open_character(self.config) as self.character, trio.open_nursery() as nursery:
                    self.turn, self.present = Slot(nursery), True
                    try:
                        await self._inbox.send(SceneReady(self))
                        await trio.sleep_forever()
                    finally:
                        # At once: the session's loop may be just about to begin a turn here.
                        self.present = False
                        self.turn.close()
            except* (EngineError, ConfigError) as group:
                await self._inbox.send(SceneFailed(self, str(first_leaf(group))))

    def close(self, reason: str) -> None:
        """Let the character go, or stop its loading; a turn that runs is cancelled."""
        self._scope.cancel(reason)


@attrs.frozen
class SceneReady:
    """The character has come in."""

    scene: Scene


@attrs.frozen
class SceneFailed:
    """The character could not come in, or had to leave; ``why`` is fit for a person."""

    scene: Scene
    why: str
