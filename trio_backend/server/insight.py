"""The routes by which a running server is looked into: ``/metrics`` and ``/debug/tasks``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from ipaddress import ip_address
from urllib.parse import urlsplit

import attrs
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

# Whoever comes through a proxy on this machine is not local, though the connection is.
_FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip")
_NO_STORE = {"Cache-Control": "no-store"}


@attrs.frozen
class Insight:
    """What there is to see.

    ``metrics`` gives the body of ``/metrics``, or is None where there is none; ``tasks`` the JSON of
    ``/debug/tasks`` with at most so many tasks described. ``for_all`` shows the tasks to all who may
    connect; otherwise only to programs and pages of this machine.
    """

    tasks: Callable[[int], Awaitable[bytes]]
    metrics: Callable[[], Awaitable[bytes]] | None
    metrics_type: str
    for_all: bool
    tasks_shown: int
    max_tasks_shown: int


def insight_routes(insight: Insight) -> list[Route]:
    """The routes of ``insight``."""

    async def tasks(request: Request) -> Response:
        if not insight.for_all and not is_local(request):
            return PlainTextResponse("only from this machine, or with 'debug: true' in system_config\n", 403)
        try:
            limit = int(request.query_params.get("limit", insight.tasks_shown))
        except ValueError:
            return PlainTextResponse("limit: must be a whole number\n", 400)
        body = await insight.tasks(max(0, min(limit, insight.max_tasks_shown)))
        return Response(body, media_type="application/json", headers=_NO_STORE)

    routes = [Route("/debug/tasks", tasks)]
    give_metrics = insight.metrics
    if give_metrics is not None:

        async def metrics(_request: Request) -> Response:
            return Response(await give_metrics(), headers={**_NO_STORE, "Content-Type": insight.metrics_type})

        routes.append(Route("/metrics", metrics))
    return routes


def is_local(request: Request) -> bool:
    """Whether a program of this machine asks, by a name of this machine.

    The name, since a page from elsewhere can point a name of its own at our address, and would be
    of this server's origin.
    """
    if request.client is None or any(name in request.headers for name in _FORWARDED):
        return False
    return _is_loopback(request.client.host) and _is_loopback(_host(request.headers.get("host", "")))


def _host(field: str) -> str:
    try:
        return urlsplit(f"//{field}").hostname or ""
    except ValueError:
        return ""


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
