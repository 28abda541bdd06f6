"""`serve`: a backend on a port, from its configuration to the last closed socket."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import attrs
import trio
from loguru import logger

from .allocation import give_back_free_pages
from .assets import find_backgrounds, live2d_info
from .backend import Backend, BackendOptions, open_backend
from .boundary import Boundary
from .config.catalog import DiskCatalog
from .config.folder import Config
from .conversation.observer import Observer
from .engines.local_servers import find_ollama
from .engines.registry import DEFAULTS
from .engines.settings import Environment
from .garbage import collect_when_quiet
from .history.opening import open_store
from .history.store import History
from .observe.inspection import Inspection
from .observe.instrumentation import open_instrumentation
from .observe.log import log_statistics
from .observe.metrics import CONTENT_TYPE, Metrics, Reading
from .observe.resources import count_resources, memory_of_machine
from .observe.task_tree import DEFAULT_LIMIT, MAX_LIMIT
from .protocol.rate import RateLimit
from .quota import MemoryQuota
from .rooms import DEFAULT_ROOM
from .server.access import serves_only_here
from .server.authentication import AccessToken, Authenticator
from .server.debug_routes import DebugRoutes
from .server.fair_queue import FairQueue
from .server.handshake import UpgradeRequest
from .server.http import Folders, Pages, http_app, is_public
from .server.listener import Server, WebSocketHandler
from .server.options import ServerOptions
from .server.sockets import open_listeners, port_of
from .server.sound_cache import SoundCache, open_sound_cache
from .server.speech import Speech, SpeechLimits, serve_speech
from .server.transcription import Transcription
from .wire import Wire

# Looking at all the objects of so many sessions takes less than 10 ms, which nobody notices.
FEW_SESSIONS = 50
# Seconds after which garbage is looked for even if the base character is still being loaded.
LONGEST_START = 60.0


async def serve(
    config: Config,
    *,
    shutdown: trio.Event,
    authenticator: Authenticator | None = None,
    task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve ``config`` until ``shutdown`` is set; ``task_status`` gets the server's address as a URL.

    Then nothing new is accepted, turns get ``drain_timeout`` to end, clients are closed with 1001, and
    what is left of tasks, child processes and sockets is logged. ``authenticator`` says whose each connection
    is, and then no ``access_token`` is asked for; without one all are nobody's in particular. Raises
    `ConfigError` where the port or the certificate cannot be used, `HistoryError` where the conversations
    cannot.
    """
    before, metrics, departures = count_resources(), Metrics(), _Departures()
    quota = MemoryQuota(round(config.system.max_memory_share * memory_of_machine()))
    boundary = Boundary(metrics.bug_found)
    async with (
        open_instrumentation(time_steps=config.system.debug) as instrumentation,
        open_listeners(config.system.host, config.system.port) as listeners,
        open_store(config.system.history_file, boundary=boundary) as history,
        open_sound_cache(
            Path(config.system.cache_dir),
            ttl=config.system.cache_ttl,
            max_size=config.system.cache_size,
            max_share=config.system.cache_size_per_address,
            boundary=boundary,
        ) as cache,
        open_backend(_backend_options(config, history=history, observer=metrics, quota=quota)) as backend,
        trio.open_nursery() as nursery,
    ):
        inspection = Inspection(backend, instrumentation, lambda: server.connections, metrics.first_audio)
        metrics.sources += [inspection.readings, _log_readings]
        # Who brings the token has been asked for it before, and is as good as the one who runs the server.
        for_all = config.system.debug or (authenticator is None and config.system.access_token != "")
        pages = attrs.evolve(
            _pages(config, backend), debug=_debug_routes(config, inspection, metrics, for_all)
        )
        app = http_app(pages)
        server = Server(
            _options(config),
            {
                "/client-ws": departures.counted(partial(_serve_client, backend)),
                "/proxy-ws": departures.counted(partial(_serve_in_room, backend)),
                "/tts-ws": departures.counted(partial(_serve_speech, _speech(config, backend, cache))),
            },
            app,
            drain=partial(_drain, backend),
            boundary=boundary,
            public=is_public(app),
            quota=quota,
            authenticator=authenticator or AccessToken(config.system.access_token),
        )
        address = _address(config, port_of(listeners[0]))
        for name, job in {
            "ready": partial(_say_when_ready, backend, address),
            "garbage": partial(_sweep_when_quiet, backend, departures),
            "neighbours": partial(_say_what_is_near, config),
        }.items():
            nursery.start_soon(boundary.run, name, job, name=name)
        task_status.started(address)
        report = await server.serve(listeners, shutdown=shutdown)
        nursery.cancel_scope.cancel("shutting down")
    logger.debug("after the drain: {}", report)
    logger.info("shut down; left over: {}", count_resources().minus(before))


async def _serve_client(backend: Backend, wire: Wire, request: UpgradeRequest) -> None:
    await backend.serve_client(wire, request.user)


async def _serve_in_room(backend: Backend, wire: Wire, request: UpgradeRequest) -> None:
    await backend.serve_in_room(wire, request.query.get("room", DEFAULT_ROOM))


async def _serve_speech(speech: Speech, wire: Wire, request: UpgradeRequest) -> None:
    await serve_speech(wire, speech, client=request.client.rpartition(":")[0])


def _speech(config: Config, backend: Backend, cache: SoundCache) -> Speech:
    system = config.system
    return Speech(
        backend.open_voice,
        config.character.speech_filters,
        cache,
        SpeechLimits(
            system.max_speech_text,
            system.synthesis_ahead,
            system.speech_timeout,
            partial(
                RateLimit,
                system.messages_per_second,
                system.message_burst,
                system.bytes_per_second,
                system.byte_burst,
            ),
        ),
        # Each waits on a connection of its own, and these are counted where they are accepted.
        FairQueue(system.max_speeches, system.max_connections, system.max_connections),
    )


def _transcription(config: Config, backend: Backend) -> Transcription:
    system = config.system
    return Transcription(
        backend.ears.transcribe,
        system.max_utterance,
        FairQueue(system.max_transcriptions, system.max_uploads, system.max_uploads_per_address),
        system.transcription_timeout,
        system.allowed_origins,
    )


async def _drain(backend: Backend) -> None:
    left = await backend.drain()
    if left:
        logger.warning("{} turns were still running after drain_timeout, and are cancelled", left)


async def _say_when_ready(backend: Backend, address: str) -> None:
    await backend.preloaded.wait()
    if not backend.not_ready:
        logger.info("{} is at {}", backend.services.catalog.base.character_name, address)


@attrs.define(eq=False)
class _Departures:
    """How many WebSockets have ended so far."""

    count: int = 0

    def counted(self, handle: WebSocketHandler) -> WebSocketHandler:
        """``handle``, whose ends are counted."""

        async def counting(wire: Wire, request: UpgradeRequest) -> None:
            try:
                await handle(wire, request)
            finally:
                self.count += 1

        return counting


async def _sweep_when_quiet(backend: Backend, departures: _Departures) -> None:
    with trio.move_on_after(LONGEST_START):
        await backend.preloaded.wait()
    sessions = backend.services.sessions

    def is_quiet() -> bool:
        return len(sessions) <= FEW_SESSIONS or not any(session.turn_running for session in sessions)

    await collect_when_quiet(is_quiet, lambda: departures.count, after=give_back_free_pages)


async def _say_what_is_near(config: Config) -> None:
    """Who has no model configured, and has one running, is told how to use it."""
    if config.character.llm.name != DEFAULTS["llm"]:
        return
    models = await find_ollama()
    if models is not None:
        logger.info(
            "an Ollama server answers on this machine (models: {}): to use it, set llm_provider: ollama_llm "
            "and llm_configs.ollama_llm.model in {}",
            ", ".join(models) or "none; run 'ollama pull NAME'",
            config.path.name,
        )


def _debug_routes(config: Config, inspection: Inspection, metrics: Metrics, for_all: bool) -> DebugRoutes:
    system = config.system
    return DebugRoutes(
        inspection.tasks,
        metrics.render if system.metrics else None,
        CONTENT_TYPE,
        for_all=for_all,
        tasks_shown=DEFAULT_LIMIT,
        max_tasks_shown=MAX_LIMIT,
        metrics_for_all=system.metrics_for_all,
        local=serves_only_here(system.allowed_origins),
    )


def _log_readings() -> Iterator[Reading]:
    log = log_statistics()
    yield Reading("log_lines_dropped", "Lines of the log that were not read in time.", log.dropped)
    yield Reading("log_waiting_characters", "Characters of the log that wait for its reader.", log.waiting)


def _backend_options(
    config: Config, *, history: History, observer: Observer, quota: MemoryQuota
) -> BackendOptions:
    return BackendOptions(
        config.system,
        DiskCatalog.of(config, os.environ),
        history,
        Environment(config.folders.root, os.environ, config.system.max_sentence_sound),
        partial(trio.to_thread.run_sync, find_backgrounds, config.folders.backgrounds),
        observer,
        quota,
    )


def _options(config: Config) -> ServerOptions:
    """The part of the configuration that is the server's."""
    names = {field.name for field in attrs.fields(ServerOptions)} - {"tls"}
    shared = {name: getattr(config.system, name) for name in names}
    return ServerOptions(**shared, tls=config.tls)


def _pages(config: Config, backend: Backend) -> Pages:
    folders = config.folders

    async def models() -> Mapping[str, object]:
        return attrs.asdict(await trio.to_thread.run_sync(live2d_info, folders.live2d_models))

    return Pages(
        Folders(
            folders.live2d_models,
            folders.backgrounds,
            folders.avatars,
            Path(config.system.cache_dir),
            config.frontend,
        ),
        models,
        lambda: backend.not_ready,
        transcription=_transcription(config, backend),
        body_timeout=config.system.request_body_timeout,
        origins=config.system.allowed_origins,
    )


def _address(config: Config, port: int) -> str:
    """Where a browser on this machine finds the server."""
    host = config.system.host
    shown = "localhost" if host in ("", "0.0.0.0", "::") else host
    return f"{'https' if config.tls else 'http'}://{f'[{shown}]' if ':' in shown else shown}:{port}"
