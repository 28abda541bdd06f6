"""`Services`: what all sessions share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

import attrs
import trio

from ..config.catalog import CharacterCatalog
from ..config.system import SystemConfig
from ..conversation.observer import Nobody, Observer
from ..conversation.scene import OpenCharacter
from ..history.backlog import Backlog

if TYPE_CHECKING:
    from .session import Session


@attrs.frozen
class Services:
    """What all sessions share. It outlives every one of them."""

    system: SystemConfig
    catalog: CharacterCatalog
    history: Backlog
    open_character: OpenCharacter
    backgrounds: Callable[[], Awaitable[Sequence[str]]]
    """The file names of the background images."""
    observer: Observer = attrs.field(factory=Nobody)
    sessions: set[Session] = attrs.field(factory=set)
    closing: trio.Event = attrs.field(factory=trio.Event)
    """Set when no new turn may begin."""
