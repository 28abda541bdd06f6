"""`SessionServices`: what each session uses of the backend."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import attrs
import trio

from ..config.catalog import CharacterCatalog
from ..config.system import SystemConfig
from ..conversation.admission import TurnAdmission
from ..conversation.observer import NullObserver, Observer
from ..conversation.scene import OpenCharacter
from ..conversation.speculating import SpeculationBudgets
from ..history.backlog import Backlog
from ..history.store import Owner
from ..protocol import HistoryRenamed
from .engine_menu import EngineMenu


@attrs.frozen
class SessionServices:
    """What all sessions share. It outlives every one of them, and is changed by none."""

    system: SystemConfig
    catalog: CharacterCatalog
    history: Backlog
    open_character: OpenCharacter
    backgrounds: Callable[[], Awaitable[Sequence[str]]]
    """The file names of the background images."""
    observer: Observer = attrs.field(factory=NullObserver)
    admission: TurnAdmission = attrs.field(factory=TurnAdmission)
    """How many turns are answered at once."""
    closing: trio.Event = attrs.field(factory=trio.Event)
    """Set when no new turn may begin."""
    renames: set[Callable[[Owner, HistoryRenamed], None]] = attrs.field(factory=set)
    """What each session that is open does when a conversation of ``Owner`` gets another title."""
    engines: EngineMenu | None = None
    """What clients may choose from, and what is known of it."""
    budgets: SpeculationBudgets = attrs.field(
        default=attrs.Factory(lambda self: SpeculationBudgets(self.system.speculation_waste), takes_self=True)
    )
    """How many turns that are begun early may be in vain."""

    def tell_renamed(self, owner: Owner, renamed: HistoryRenamed) -> None:
        """Tell every session that a conversation of ``owner`` has another title; nothing is awaited."""
        for tell in self.renames:
            tell(owner, renamed)
