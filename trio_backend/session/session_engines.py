"""`SessionEngines`: the engines of a session, as its client looks at them, tries them and chooses them."""

from __future__ import annotations

from functools import partial
from typing import assert_never

import attrs
import trio
from loguru import logger

from ..concurrency import Slot
from ..errors import ConfigError, EngineError, ProtocolError, first_leaf
from ..protocol import (
    ChooseEngine,
    EngineChosen,
    EngineList,
    EngineRequest,
    EngineTried,
    Error,
    FetchEngines,
    SpeechRecognition,
    StopTrying,
    TryEngine,
    unknown_type,
)
from ..quota import Claim
from ..user import SessionPeer
from .engine_menu import EngineMenu
from .engine_trial import Trial, tried
from .holdings import Holdings
from .presenter import Presenter
from .scenes import Scenes
from .services import SessionServices

NOT_OFFERED = "there is no such engine to choose"
"""The same words whether it does not exist or is not for this client: who asks learns nothing."""
NOT_FOR_VISITORS = "this engine did not work; the server's log says why"


@attrs.define(eq=False)
class SessionEngines:
    """Answers `EngineRequest`, for the task of the session's requests. At most one trial runs, in ``_trial``.

    A trial leaves the conversation alone: it opens an engine of its own, or shares one that is open. It ends
    with the session, and gives the engine back then.
    """

    _services: SessionServices
    _peer: SessionPeer
    _presenter: Presenter
    _scenes: Scenes
    _holdings: Holdings
    _nursery: trio.Nursery
    _trial: Slot = attrs.field(init=False)
    _told_limited: bool | None = attrs.field(default=None, init=False)
    """What the client was told last of its recogniser."""

    def __attrs_post_init__(self) -> None:
        self._trial = Slot(self._nursery)

    async def answer(self, request: EngineRequest) -> None:
        """Do what ``request`` asks; to a client that may not choose engines there is no such message."""
        menu = self._services.engines
        if menu is None or "engines" not in self._presenter.accepts:
            error = unknown_type(request.type)
            await self._presenter.tell(Error(str(error), error.code))
            return
        match request:
            case FetchEngines():
                await self._list(menu)
            case TryEngine():
                await self._try(menu, request)
            case StopTrying():
                await self._trial.evict("the client has heard enough")
            case ChooseEngine():
                await self._choose(menu, request)
            case _:
                assert_never(request)

    async def follow_character(self) -> None:
        """Another character or engine is there: tell what its recogniser is like, if that has changed."""
        menu = self._services.engines
        if menu is not None and menu.understands_little(self._scenes.config) != self._told_limited:
            await self.tell_recognition()

    async def tell_recognition(self) -> None:
        """Tell a client that accepts it what the present character's recogniser is like."""
        menu = self._services.engines
        if menu is None or "speech-recognition" not in self._presenter.accepts:
            return
        character = self._scenes.config
        limited, better = menu.understands_little(character), SpeechRecognition(limited=False).better
        if limited and self._peer.operator:
            try:
                better = await menu.better_recognisers(character)
            except EngineError as error:
                logger.warning("{}", error)
        self._told_limited = limited
        await self._presenter.tell(SpeechRecognition(limited, better))

    async def _list(self, menu: EngineMenu) -> None:
        operator = self._peer.operator
        try:
            entries = await menu.entries(self._scenes.config, self._scenes.original, operator=operator)
        except EngineError as error:
            await self._presenter.tell(Error(str(error), "engine-error"))
        else:
            await self._presenter.tell(EngineList(entries, operator))

    # Trials.

    async def _try(self, menu: EngineMenu, request: TryEngine) -> None:
        await self._trial.evict("another engine is tried")
        told = EngineTried(request.kind, request.name)
        try:
            trial = Trial.of(request)
            claim = self._holdings.claim(len(request.audio))
        except ProtocolError as error:
            await self._presenter.tell(Error(str(error), error.code))
            return
        try:
            menu.trials.acquire_nowait()
        except trio.WouldBlock:
            claim.release()
            await self._presenter.tell(attrs.evolve(told, problem="others try engines now: try again soon"))
            return
        # From here on the place and the claim belong to the task, which takes its first step in any case.
        await self._trial.fill(self._run_trial, menu, trial, claim, name="session/engine trial")

    async def _run_trial(self, menu: EngineMenu, trial: Trial, claim: Claim) -> None:
        told = EngineTried(trial.request.kind, trial.request.name, problem=NOT_FOR_VISITORS)
        limit = self._services.system.engine_trial_timeout

        async def run() -> None:
            nonlocal told
            try:
                told = await self._tried(menu, trial)
            except* (EngineError, ConfigError) as group:
                told = attrs.evolve(told, problem=self._why(told.name, str(first_leaf(group))))

        try:
            with trio.move_on_after(limit) as deadline:
                await menu.boundary.run("engine trial", run)
        finally:
            menu.trials.release()
            claim.release()
        if deadline.cancelled_caught:
            told = attrs.evolve(told, problem=f"it took longer than {limit:g} s")
        await self._presenter.tell(told)

    async def _tried(self, menu: EngineMenu, trial: Trial) -> EngineTried:
        request, character = trial.request, self._scenes.config
        choice = await menu.choice(
            request.kind, request.name, self._scenes.original, operator=self._peer.operator
        )
        if choice is None:
            return EngineTried(request.kind, request.name, problem=NOT_OFFERED)
        return await tried(trial, choice, character, menu.lease)

    # Choosing.

    async def _choose(self, menu: EngineMenu, request: ChooseEngine) -> None:
        scenes, operator = self._scenes, self._peer.operator
        told = EngineChosen(request.kind, request.name)
        if scenes.switching:
            await self._presenter.tell(attrs.evolve(told, problem="a character is being loaded"))
            return
        try:
            choice = await menu.choice(request.kind, request.name, scenes.original, operator=operator)
        except EngineError as error:
            why = self._why(request.name, str(error))
            await self._presenter.tell(attrs.evolve(told, problem=why))
            return
        if choice is None:
            await self._presenter.tell(attrs.evolve(told, problem=NOT_OFFERED))
            return
        if operator:
            file, key = await menu.place(scenes.config.file, request.kind)
            told = attrs.evolve(told, file=file, key=key)
        await scenes.choose(choice, told, partial(self._why, request.name))

    def _why(self, name: str, reason: str) -> str:
        """What the client is told of ``reason``: commands, paths and names of settings are for operators."""
        if self._peer.operator:
            return reason
        logger.warning("a client is told that {} did not work; in full: {}", name, reason)
        return NOT_FOR_VISITORS
