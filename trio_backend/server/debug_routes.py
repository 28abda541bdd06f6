"""`DebugRoutes`: ``/metrics``, ``/debug/tasks`` and ``/debug/addresses``, which are for operators."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence

import attrs
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from .access import host_name, is_loopback, serves_only_here
from .authentication import token_allowed
from .handshake import UpgradeRequest

# Header fields that programs and browsers of this machine send by themselves; "sec-" are the browser's own.
# Proxies add fields that name their client, under dozens of names: a field that is not listed here is taken
# for one.
_DIRECT = frozenset({
    "host", "connection", "keep-alive", "user-agent", "accept", "accept-encoding", "accept-language",
    "accept-charset", "cache-control", "pragma", "if-none-match", "if-modified-since", "priority", "te",
    "dnt", "cookie", "referer", "origin", "authorization", "upgrade-insecure-requests", "save-data",
    "x-prometheus-scrape-timeout-seconds", "traceparent", "tracestate",
})  # fmt: skip
_NO_STORE = {"Cache-Control": "no-store"}
_FORBIDDEN = (
    "this is shown to programs and pages of this machine only: set access_token in system_config, and send "
    "it as ?token=… or in an Authorization header\n"
)


@attrs.frozen
class DebugRoutes:
    """What the routes show, and to whom.

    ``metrics`` returns the body of ``/metrics``, of the type ``metrics_type``; None if there is no such
    route. ``tasks`` returns the JSON of ``/debug/tasks``, and gets how many tasks to describe: ``?limit=``,
    of which ``tasks_shown`` is the default and ``max_tasks_shown`` the largest value. ``for_all`` shows both
    to all clients that may connect (with the token, where one is configured), and ``metrics_for_all`` the
    metrics. Otherwise only requests that are `is_local` are answered, and none if ``local`` is False.
    ``addresses`` returns the JSON of ``/debug/addresses``, with the access ``token`` in it or not: only
    requests that have brought it themselves get it.
    """

    tasks: Callable[[int], Awaitable[bytes]]
    metrics: Callable[[], Awaitable[bytes]] | None
    metrics_type: str
    for_all: bool
    tasks_shown: int
    max_tasks_shown: int
    metrics_for_all: bool = False
    local: bool = True
    addresses: Callable[[bool], Awaitable[bytes]] | None = None
    token: str = attrs.field(default="", repr=False)

    def routes(self) -> list[Route]:
        """The routes; requests of other clients are answered with 403."""
        routes = [Route("/debug/tasks", self._answer_tasks)]
        if self.addresses is not None:
            routes.append(Route("/debug/addresses", self._answer_addresses))
        return routes if self.metrics is None else [*routes, Route("/metrics", self._answer_metrics)]

    async def _answer_tasks(self, request: Request) -> Response:
        if not self._shown_to(request):
            return PlainTextResponse(_FORBIDDEN, 403)
        try:
            limit = int(request.query_params.get("limit", self.tasks_shown))
        except ValueError:
            return PlainTextResponse("limit: must be a whole number\n", 400)
        body = await self.tasks(max(0, min(limit, self.max_tasks_shown)))
        return Response(body, media_type="application/json", headers=_NO_STORE)

    async def _answer_addresses(self, request: Request) -> Response:
        assert self.addresses is not None
        if not self._shown_to(request):
            return PlainTextResponse(_FORBIDDEN, 403)
        # Not for a cookie: from that, the token cannot be read.
        authorization = request.headers.get("authorization", "")
        known = self.token != "" and token_allowed(self.token, authorization, request.url.query)
        return Response(await self.addresses(known), media_type="application/json", headers=_NO_STORE)

    async def _answer_metrics(self, request: Request) -> Response:
        assert self.metrics is not None
        if not (self.metrics_for_all or self._shown_to(request)):
            return PlainTextResponse(_FORBIDDEN, 403)
        return Response(await self.metrics(), headers={**_NO_STORE, "Content-Type": self.metrics_type})

    def _shown_to(self, request: Request) -> bool:
        return self.for_all or (self.local and is_local(request))


def is_local(request: Request) -> bool:
    """Whether ``request`` comes from a program or from our own page on this machine, and through no proxy.

    It must name this machine as its host: a page from elsewhere can point a name of its own at our address,
    and would then have this server's origin (DNS rebinding).
    """
    if request.client is None or request.scope["http_version"] == "1.0":
        return False
    return _is_from_here(request.client.host, request.headers, _DIRECT)


def is_operators(request: UpgradeRequest, token: str, allowed_origins: Sequence[str]) -> bool:
    """Whether the WebSocket that ``request`` became is that of an operator, as for these routes.

    Where there is a ``token``, it has brought it. But ``debug`` makes nobody an operator: it shows numbers to
    all, and lets nobody change anything.
    """
    if token:
        return True
    if not serves_only_here(allowed_origins):
        return False
    return _is_from_here(request.client.rpartition(":")[0], request.headers, _DIRECT | {"upgrade"})


def _is_from_here(client: str, headers: Mapping[str, str], direct: frozenset[str]) -> bool:
    host = headers.get("host", "").lower()
    return (
        is_loopback(client)
        and is_loopback(host_name(host))
        and _is_direct(headers, direct)
        and headers.get("sec-fetch-site", "none") in ("none", "same-origin")
        and headers.get("origin", f"http://{host}").lower() in (f"http://{host}", f"https://{host}")
    )


def _is_direct(headers: Mapping[str, str], direct: frozenset[str]) -> bool:
    """Whether a request with ``headers`` shows no trace of a proxy: it has none but those in ``direct``.

    A plain ``proxy_pass`` of nginx adds no field and replaces Host, but speaks HTTP/1.0, or closes after each
    request, as older versions do by default. Browsers, curl and Prometheus do neither.
    """
    if "close" in headers.get("connection", "").lower():
        return False
    return all(name in direct or name.startswith("sec-") for name in headers)
