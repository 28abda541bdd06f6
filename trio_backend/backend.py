"""`open_backend`: everything that sessions share, as one block."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import trio
from loguru import logger

from .boundary import Boundary
from .config.catalog import CharacterCatalog
from .config.character import EngineChoice
from .config.diagnostics import FindingLog
from .config.system import SystemConfig
from .conversation.admission import AdmissionLimits, TurnAdmission
from .conversation.character import lease_engine, open_character
from .conversation.load import LoopWait
from .conversation.observer import NullObserver, Observer
from .conversation.speech_engines import LeaseEngine, SpeechEngines, asr_of, open_speech_engines
from .engines.base import Tts
from .engines.leases import Leases
from .engines.registry import facts_of
from .engines.settings import Environment
from .errors import ConfigError, EngineError, UnfitSetting, first_leaf
from .history.backlog import open_backlog
from .history.store import History
from .identity import new_id
from .quota import MemoryQuota
from .rooms import Rooms, RoomsOptions, SessionSource, open_local_session, open_rooms, open_upstream
from .session import ClientUid, EngineMenu, Services, SessionClient, WireClient, run_session
from .user import NOBODY, STRANGER, SessionPeer, User
from .wire import Wire


async def _no_backgrounds() -> Sequence[str]:
    await trio.lowlevel.checkpoint()
    return ()


@attrs.frozen
class BackendOptions:
    """What `open_backend` needs: the settings, the characters, and where conversations are stored.

    Engines read their keys and files from ``environment``: by default from no environment variable, and
    relative to the working directory. ``backgrounds`` returns the file names of background images.
    ``observer`` is told what all sessions do. ``quota`` limits the memory for the data of all clients; that
    of a client's wire should be a part of it. ``loop_wait`` tells how long the event loop makes turns wait,
    and so limits how many are answered at once; without it, all are. ``findings`` logs what is wrong with the
    characters' engines.
    """

    system: SystemConfig
    catalog: CharacterCatalog
    history: History
    environment: Environment = attrs.field(factory=lambda: Environment(Path(), {}))
    backgrounds: Callable[[], Awaitable[Sequence[str]]] = _no_backgrounds
    observer: Observer = attrs.field(factory=NullObserver)
    quota: MemoryQuota = attrs.field(factory=MemoryQuota)
    loop_wait: Callable[[], LoopWait] | None = None
    findings: FindingLog = attrs.field(factory=FindingLog)


async def _serve_session(client: SessionClient, services: Services, peer: SessionPeer = STRANGER) -> None:
    client_uid = ClientUid(str(new_id()))
    boundary = Boundary(services.observer.bug_found)
    session = partial(run_session, client, services, client_uid, peer)
    with logger.contextualize(session=client_uid[:4]):
        if not await boundary.run("session", session):
            await client.close(1011, "internal error")


def _sessions_of_rooms(services: Services, quota: MemoryQuota) -> SessionSource:
    """The sessions of rooms: on another server where there is an ``upstream_url``, or in this process.

    A room's session is of nobody in particular, whoever its clients are: what is said in it is said by and to
    all of them, and so is no one user's conversation.
    """
    system = services.system
    if system.upstream_url:
        upstream = partial(
            open_upstream,
            system.upstream_url,
            ping_interval=system.ping_interval,
            pong_timeout=system.pong_timeout,
        )
        return SessionSource(upstream, decoded=False)
    serve = partial(_serve_session, services=services)
    # A room's session keeps what all of its clients sent, and may hold as much as one client's session.
    new_quota = partial(MemoryQuota, system.max_memory_per_client, quota)
    return SessionSource(partial(open_local_session, serve, new_quota), decoded=True)


@attrs.define(eq=False)
class Backend:
    """A running backend. ``not_ready`` says why it is not ready, and is "" once it is."""

    services: Services
    leases: Leases
    rooms: Rooms
    speech_engines: SpeechEngines
    """Those of the base character, for requests outside of sessions."""
    boundary: Boundary
    _lease: LeaseEngine
    not_ready: str = "the base character is being loaded"
    preloaded: trio.Event = attrs.field(factory=trio.Event)
    """Set when the base character was loaded, or could not be."""

    async def serve_client(
        self, wire: Wire, user: User = NOBODY, *, address: str = "", operator: bool = False
    ) -> None:
        """Run one session, of a client of ``user``, until the client leaves. Does not raise when it does.

        Where turns have to wait, users are treated alike; where there are no logins, addresses are, if
        ``address`` says which one it is. An ``operator`` is told what is missing for engines, and how to mend
        it; whether others may choose engines, too, ``choose_engines`` says. A bug in the session closes
        ``wire`` with 1011. A cancel ends the session; what was said is stored.
        """
        share = f"user {user.id}" if user.id else address
        system = self.services.system
        chooses = system.choose_engines == "everyone" or (operator and system.choose_engines == "operator")
        peer = SessionPeer(user, share, operator, chooses)
        await _serve_session(WireClient.of(wire, system), self.services, peer)

    async def serve_in_room(self, wire: Wire, room: str, user: User = NOBODY) -> None:
        """Serve a client of ``user`` in ``room``, until it leaves.

        Errors and cancels are as in `serve_client`.
        """
        if not await self.boundary.run("room client", partial(self.rooms.serve, wire, room, user)):
            await wire.close(1011, "internal error")

    def open_tts(self) -> AbstractAsyncContextManager[Tts]:
        """The TTS of the base character, for requests outside of sessions."""
        return self._lease(self.services.catalog.base.tts)

    def lease(self, choice: EngineChoice) -> AbstractAsyncContextManager[Any]:
        """An engine for requests outside of sessions, until the block is left.

        Raises `EngineError`, or `ConfigError` where its settings are wrong.
        """
        return self._lease(choice)

    async def drain(self) -> int:
        """Begin no new turn, and wait up to ``drain_timeout`` seconds for those that run.

        Returns how many are still running then.
        """
        self.services.closing.set()
        with trio.move_on_after(self.services.system.drain_timeout):
            await self.services.wait_turns_over()
        return self.services.turns_running

    async def keep_base_character(self) -> None:
        """Keep the base character's engines loaded, so that the first client need not wait for them.

        Runs until cancelled, or until they fail: then `not_ready` says why, and each session tries again.
        """
        if not await self.boundary.run("base character", self._keep_base_character):
            self.not_ready = "the base character cannot be loaded: a bug; the log says where"
            self.preloaded.set()

    async def prepare_recognition(self, *, at_once: bool) -> None:
        """Once the base character is there, make ready for the first microphone; or load recognition already.

        ``at_once`` is for clients that tell nothing of a microphone before the first utterance is over, as
        Open-LLM-VTuber's page. With others there is time when it is switched on, and where nobody does that,
        100 MB are saved.
        """
        await self.preloaded.wait()
        # The imports of an adapter take 12 ms, in which the loop would serve nobody.
        name = asr_of(self.services.catalog.base).name
        facts = await trio.to_thread.run_sync(facts_of, "asr", name)
        if facts is not None and facts.limits:
            logger.info("speech recognition is {}: {}", name, facts.honestly)
        if at_once:
            self.speech_engines.prepare()

    async def _keep_base_character(self) -> None:
        try:
            async with self.services.open_character(self.services.catalog.base):
                if self.services.catalog.base.asr is not None:
                    # It is loaded in the background: the server is ready for clients that only write.
                    self.speech_engines.prepare()
                self.not_ready = ""
                self.preloaded.set()
                await trio.sleep_forever()
        except* (EngineError, ConfigError) as group:
            leaf = first_leaf(group)
            self.not_ready = str(leaf)
            # Which setting is wrong was told just now, with its place.
            why = "" if isinstance(leaf, UnfitSetting) else f": {leaf}"
            logger.error("the base character cannot be loaded{}", why)
            self.preloaded.set()


@asynccontextmanager
async def open_backend(options: BackendOptions) -> AsyncIterator[Backend]:
    """A backend that serves clients until the block is left; then all sessions are cancelled.

    Call `Backend.drain` before, to give running turns time to end. What was said is handed to the history
    store before the block is left.
    """
    boundary = Boundary(options.observer.bug_found)
    # The backlog outlives the sessions: at their end they hand it what was said. The engines' tasks live in
    # the nursery, around rooms and speech recognition, which lease them.
    async with (
        open_backlog(options.history, options.system.history_backlog, boundary) as history,
        trio.open_nursery() as nursery,
    ):
        leases = Leases(nursery)
        system = options.system
        lease = partial(
            lease_engine, leases=leases, environment=options.environment, findings=options.findings
        )
        trials = trio.Semaphore(system.max_engine_trials)
        services = Services(
            system,
            options.catalog,
            history,
            partial(
                open_character,
                leases=leases,
                environment=options.environment,
                findings=options.findings,
            ),
            options.backgrounds,
            observer=options.observer,
            admission=TurnAdmission(
                AdmissionLimits(system.max_wait, system.max_waiting_turns), options.loop_wait
            ),
            engines=EngineMenu(options.catalog, options.environment, lease, trials, boundary),
        )
        nursery.start_soon(services.admission.run, name="turn admission")
        async with (
            open_rooms(
                RoomsOptions.of(system),
                _sessions_of_rooms(services, options.quota),
                partial(boundary.run, "room"),
                options.quota,
            ) as rooms,
            open_speech_engines(services.catalog.base, lease, boundary) as speech_engines,
        ):
            backend = Backend(services, leases, rooms, speech_engines, boundary, lease)
            if options.system.preload:
                nursery.start_soon(backend.keep_base_character, name="base character")
            else:
                backend.not_ready = ""
                backend.preloaded.set()
            try:
                yield backend
            finally:
                # Before the rooms end: a session that ends must not load an engine any more.
                leases.close()
        nursery.cancel_scope.cancel("the backend closes")
