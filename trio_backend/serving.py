"""`serve`: a backend on a port, from its configuration to the last closed socket."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path

import attrs
import trio
from loguru import logger

from .addresses import address_of, addresses_as_json
from .assets import find_backgrounds, live2d_info
from .backend import Backend, BackendOptions, open_backend
from .boundary import Boundary
from .config.catalog import DiskCatalog
from .config.diagnostics import FindingLog
from .config.folder import Config
from .config.system import SystemConfig
from .config.wyoming import WyomingEngines
from .conversation.observer import Observer
from .engines.local_servers import suggest_local_model
from .engines.settings import Environment
from .history.opening import open_store, place_of
from .history.store import History
from .memory_tuning import collect_when_quiet, give_back_free_pages
from .observe.inspection import Inspection
from .observe.instrumentation import open_instrumentation
from .observe.metrics import CONTENT_TYPE, Metrics, log_readings
from .observe.resources import count_resources, memory_of_machine
from .observe.task_tree import DEFAULT_LIMIT, MAX_LIMIT
from .protocol.rate import RateLimit
from .quota import MemoryQuota
from .rooms import DEFAULT_ROOM
from .server.access import serves_only_here
from .server.authentication import AccessToken, Authenticator
from .server.client_address import share_of
from .server.debug_routes import DebugRoutes, is_operators
from .server.fair_queue import FairQueue
from .server.handshake import UpgradeRequest
from .server.http import Folders, HttpContent, http_app, is_public
from .server.listener import Server, WebSocketHandler
from .server.options import ServerOptions
from .server.sockets import open_listeners, port_of
from .server.sound_cache import SoundCache, open_sound_cache
from .server.speech import Speech, SpeechLimits, serve_speech
from .server.transcription import Transcription
from .server.wyoming.listener import WyomingListener, open_wyoming_listeners
from .start_report import StartOptions, StartReport
from .wire import Wire

# Up to so many sessions garbage is collected during turns too: looking at all their objects takes less than
# 10 ms, which nobody notices.
FEW_SESSIONS = 50
# Seconds after which garbage is collected even if the base character is still being loaded.
MAX_LOADING = 60.0


async def serve(
    config: Config,
    *,
    shutdown: trio.Event,
    authenticator: Authenticator | None = None,
    start: StartOptions = StartOptions(),  # noqa: B008 -- frozen
    task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve ``config`` until ``shutdown`` is set; ``task_status`` gets the server's address as a URL.

    At the shutdown nothing new is accepted, turns get ``drain_timeout`` seconds to end, clients are closed
    with 1001, and it is logged which tasks, child processes and sockets are left over. A cancel cuts turns
    and connections instead. ``start`` is what is logged besides addresses and warnings. ``authenticator``
    identifies the user of each connection, in place of ``access_token``; without one, all connections are
    those of `NOBODY`. Raises `ConfigError` if the port or the TLS certificate cannot be used, `HistoryError`
    if the conversations cannot be stored.
    """
    before, metrics, departures = count_resources(), Metrics(), _Departures()
    findings = FindingLog()
    quota = MemoryQuota(round(config.system.max_memory_share * memory_of_machine()))
    boundary = Boundary(metrics.bug_found)
    # The port before the history, since a second server on the same port must not touch the first one's file.
    # At the end the order is reversed: the backend hands over what was said before the history is closed.
    async with (
        open_instrumentation(time_steps=config.system.debug) as instrumentation,
        open_listeners(config.system.host, config.system.port) as listeners,
        open_wyoming_listeners(config.system, restricted=authenticator is not None) as wyoming_listeners,
        open_store(place_of(config.system.history_file), boundary=boundary) as history,
        _open_sound_cache(config.system, boundary) as cache,
        open_backend(
            attrs.evolve(
                _backend_options(config, findings, history=history, observer=metrics, quota=quota),
                loop_wait=instrumentation.passes.wait,
            )
        ) as backend,
        trio.open_nursery() as nursery,
    ):
        for warning in config.warnings:
            findings.tell(warning)
        inspection = Inspection(
            backend, instrumentation, lambda: server.count_connections(), metrics.first_audio
        )
        metrics.sources += [inspection.readings, log_readings]
        # With a token, every request to these routes has brought it, and its owners are trusted like the
        # operator. Users of an `Authenticator` are not.
        for_all = config.system.debug or (authenticator is None and config.system.access_token != "")
        port = port_of(listeners[0])
        token = config.system.access_token if authenticator is None else ""
        debug = attrs.evolve(
            _debug_routes(config, inspection, metrics, for_all),
            addresses=partial(addresses_as_json, config, port),
            token=token,
        )
        app = http_app(_http_content(config, backend, debug, token))
        server = Server(
            _server_options(config),
            departures.counting(_websocket_routes(config, backend, cache, token)),
            app,
            drain=partial(_drain, backend),
            boundary=boundary,
            public=is_public(app),
            quota=quota,
            authenticator=authenticator or AccessToken(config.system.access_token),
        )
        address, report = address_of(config, port), StartReport(config, backend, findings, start)
        for name, job in {
            "start report": partial(report.tell, address, port),
            "speech recognition": partial(backend.prepare_recognition, at_once=config.frontend is not None),
            "garbage collection": partial(_collect_garbage, backend, departures),
            "local servers": partial(suggest_local_model, config.character.llm.name, config.path.name),
        }.items():
            nursery.start_soon(boundary.run, name, job, name=name)
        task_status.started(address)
        async with trio.open_nursery() as serving:
            if wyoming_listeners:
                engines = config.wyoming or WyomingEngines.of(config.character)
                wyoming = WyomingListener(backend.services, engines, backend.lease, boundary, quota)
                serve_wyoming = partial(wyoming.serve, wyoming_listeners, shutdown=shutdown)
                serving.start_soon(boundary.run, "wyoming", serve_wyoming, name="wyoming")
            ended = await server.serve(listeners, shutdown=shutdown)
        nursery.cancel_scope.cancel("shutting down")
    logger.debug("after the drain: {}", ended)
    logger.info("shut down; left over: {}", count_resources().minus(before))


def _websocket_routes(
    config: Config, backend: Backend, cache: SoundCache, token: str
) -> dict[str, WebSocketHandler]:
    speech, origins = _speech(config, backend, cache), config.system.allowed_origins

    async def session(wire: Wire, request: UpgradeRequest) -> None:
        share, operator = share_of(request.client.rpartition(":")[0]), is_operators(request, token, origins)
        await backend.serve_client(wire, request.user, address=share, operator=operator)

    async def room(wire: Wire, request: UpgradeRequest) -> None:
        await backend.serve_in_room(wire, request.query.get("room", DEFAULT_ROOM), request.user)

    async def tts(wire: Wire, request: UpgradeRequest) -> None:
        await serve_speech(wire, speech, client=request.client.rpartition(":")[0])

    return {"/client-ws": session, "/proxy-ws": room, "/tts-ws": tts}


def _open_sound_cache(system: SystemConfig, boundary: Boundary) -> AbstractAsyncContextManager[SoundCache]:
    return open_sound_cache(
        Path(system.cache_dir),
        ttl=system.cache_ttl,
        max_size=system.cache_size,
        max_share=system.cache_size_per_address,
        boundary=boundary,
    )


def _speech(config: Config, backend: Backend, cache: SoundCache) -> Speech:
    system = config.system
    messages = partial(
        RateLimit,
        system.messages_per_second,
        system.message_burst,
        system.bytes_per_second,
        system.byte_burst,
    )
    limits = SpeechLimits(system.max_speech_text, system.synthesis_ahead, system.speech_timeout, messages)
    # Each text waits on a connection of its own, and connections are limited where they are accepted.
    queue = FairQueue(system.max_speeches, system.max_connections, system.max_connections)
    return Speech(backend.open_tts, config.character.speech_filters, cache, limits, queue)


def _transcription(config: Config, backend: Backend) -> Transcription:
    system = config.system
    queue = FairQueue(system.max_transcriptions, system.max_uploads, system.max_uploads_per_address)
    return Transcription(
        backend.speech_engines.transcribe,
        system.max_utterance,
        queue,
        system.transcription_timeout,
        system.allowed_origins,
    )


async def _drain(backend: Backend) -> None:
    left = await backend.drain()
    if left:
        logger.warning("{} turns were still running after drain_timeout, and are cancelled", left)


@attrs.define(eq=False)
class _Departures:
    """How many WebSockets have ended so far."""

    count: int = 0

    def counting(self, handlers: Mapping[str, WebSocketHandler]) -> dict[str, WebSocketHandler]:
        """``handlers``, of which each return is counted."""
        return {path: self._counting(handler) for path, handler in handlers.items()}

    def _counting(self, handler: WebSocketHandler) -> WebSocketHandler:
        async def counted(wire: Wire, request: UpgradeRequest) -> None:
            try:
                await handler(wire, request)
            finally:
                self.count += 1

        return counted


async def _collect_garbage(backend: Backend, departures: _Departures) -> None:
    with trio.move_on_after(MAX_LOADING):
        await backend.preloaded.wait()
    sessions = backend.services.sessions

    def is_quiet() -> bool:
        return len(sessions) <= FEW_SESSIONS or not any(session.turn_running for session in sessions)

    await collect_when_quiet(is_quiet, lambda: departures.count, after=give_back_free_pages)


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


def _backend_options(
    config: Config, findings: FindingLog, *, history: History, observer: Observer, quota: MemoryQuota
) -> BackendOptions:
    return BackendOptions(
        config.system,
        DiskCatalog.of(config, os.environ, findings),
        history,
        Environment.of(config, os.environ),
        partial(trio.to_thread.run_sync, find_backgrounds, config.folders.backgrounds),
        observer,
        quota,
        findings=findings,
    )


def _server_options(config: Config) -> ServerOptions:
    """Those fields of ``system_config`` that `ServerOptions` has, by name, and the TLS files."""
    names = {field.name for field in attrs.fields(ServerOptions)} - {"tls"}
    shared = {name: getattr(config.system, name) for name in names}
    return ServerOptions(**shared, tls=config.tls)


def _http_content(config: Config, backend: Backend, debug: DebugRoutes, token: str) -> HttpContent:
    folders = config.folders

    async def models() -> Mapping[str, object]:
        return attrs.asdict(await trio.to_thread.run_sync(live2d_info, folders.live2d_models))

    return HttpContent(
        Folders(
            folders.live2d_models,
            folders.backgrounds,
            folders.avatars,
            Path(config.system.cache_dir),
            config.frontend,
            config.web_tool,
        ),
        models,
        lambda: backend.not_ready or backend.services.admission.not_ready,
        debug=debug,
        transcription=_transcription(config, backend),
        body_timeout=config.system.request_body_timeout,
        origins=config.system.allowed_origins,
        token=token,
    )
