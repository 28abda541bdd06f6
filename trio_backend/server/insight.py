"""The routes by which a running server is looked into: ``/metrics`` and ``/debug/tasks``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import attrs
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from .access import host_name, is_loopback

# What programs and browsers of this machine send of themselves; "sec-" are the browser's own. A proxy adds
# fields that say for whom it asks, under dozens of names: whatever is not here is taken for one of them.
_DIRECT = frozenset({
    "host", "connection", "keep-alive", "user-agent", "accept", "accept-encoding", "accept-language",
    "accept-charset", "cache-control", "pragma", "if-none-match", "if-modified-since", "priority", "te",
    "dnt", "cookie", "referer", "origin", "authorization", "upgrade-insecure-requests", "save-data",
    "x-prometheus-scrape-timeout-seconds", "traceparent", "tracestate",
})  # fmt: skip
_NO_STORE = {"Cache-Control": "no-store"}
_HIDDEN = (
    "this is shown to programs and pages of this machine only: set access_token in system_config, and bring "
    "it as ?token=… or in an Authorization header\n"
)


@attrs.frozen
class Insight:
    """What there is to see, and who sees it.

    ``metrics`` gives the body of ``/metrics``, or is None where there is none; ``tasks`` the JSON of
    ``/debug/tasks`` with at most so many tasks described. ``for_all`` shows both to all who may connect, with
    the token where one is configured; ``metrics_for_all`` the metrics. Otherwise only those see them who
    `is_local`; nobody does where ``local`` is False.
    """

    tasks: Callable[[int], Awaitable[bytes]]
    metrics: Callable[[], Awaitable[bytes]] | None
    metrics_type: str
    for_all: bool
    tasks_shown: int
    max_tasks_shown: int
    metrics_for_all: bool = False
    local: bool = True

    def may_see(self, request: Request) -> bool:
        """Whether who sent ``request`` may look inside."""
        return self.for_all or (self.local and is_local(request))


def insight_routes(insight: Insight) -> list[Route]:
    """The routes of ``insight``."""

    async def tasks(request: Request) -> Response:
        if not insight.may_see(request):
            return PlainTextResponse(_HIDDEN, 403)
        try:
            limit = int(request.query_params.get("limit", insight.tasks_shown))
        except ValueError:
            return PlainTextResponse("limit: must be a whole number\n", 400)
        body = await insight.tasks(max(0, min(limit, insight.max_tasks_shown)))
        return Response(body, media_type="application/json", headers=_NO_STORE)

    routes = [Route("/debug/tasks", tasks)]
    give_metrics = insight.metrics
    if give_metrics is not None:

        async def metrics(request: Request) -> Response:
            if not (insight.metrics_for_all or insight.may_see(request)):
                return PlainTextResponse(_HIDDEN, 403)
            return Response(await give_metrics(), headers={**_NO_STORE, "Content-Type": insight.metrics_type})

        routes.append(Route("/metrics", metrics))
    return routes


def is_local(request: Request) -> bool:
    """Whether a program or our own page on this machine asks, directly, by a name of this machine.

    The name, since a page from elsewhere can point a name of its own at our address, and would be of this
    server's origin (DNS rebinding).
    """
    headers = request.headers
    host = headers.get("host", "").lower()
    return (
        request.client is not None
        and is_loopback(request.client.host)
        and is_loopback(host_name(host))
        and _is_direct(request)
        and headers.get("sec-fetch-site", "none") in ("none", "same-origin")
        and headers.get("origin", f"http://{host}").lower() in (f"http://{host}", f"https://{host}")
    )


def _is_direct(request: Request) -> bool:
    """Whether no proxy shows in ``request``.

    A plain ``proxy_pass`` of nginx adds no field and replaces Host, but speaks HTTP/1.0, or closes after each
    request, as older versions do by default. Browsers, curl and Prometheus do neither.
    """
    if request.scope["http_version"] == "1.0" or "close" in request.headers.get("connection", "").lower():
        return False
    return all(name in _DIRECT or name.startswith("sec-") for name in request.headers)
