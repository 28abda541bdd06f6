"""The HTTP side: static files, what characters there are, health, and the front page."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

import attrs
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from .body_limit import BodyLimit
from .front_page import PAGE_POLICY, render_front_page
from .insight import Insight, insight_routes
from .static import Folder, FrontEnd

AVATAR_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".gif", ".svg"})
# Pages of other origins (a desktop pet, a development server) show our models and play our sounds.
_ANYONE = [
    Middleware(
        CORSMiddleware,
        allow_origins=["*"],
        allow_methods=["*"],
        allow_headers=["*"],
        allow_private_network=True,
    )
]


@attrs.frozen
class Folders:
    """Where the static files lie. A folder that does not exist is an empty one."""

    live2d_models: Path
    backgrounds: Path
    avatars: Path
    cache: Path
    frontend: Path | None = None


@attrs.frozen
class Pages:
    """All that the HTTP side shows.

    ``models`` gives the body of ``/live2d-models/info``; ``about`` pairs of what and which for the front
    page, such as ``("Character", "Mao")``; ``unready`` the reason why nobody can be served yet, or "".
    Without ``insight`` nobody can look inside.
    """

    folders: Folders
    models: Callable[[], Awaitable[Mapping[str, object]]]
    about: Callable[[], Sequence[tuple[str, str]]]
    unready: Callable[[], str]
    insight: Insight | None = None


def http_app(pages: Pages) -> Starlette:
    """The ASGI application of ``pages``."""
    return Starlette(routes=_routes(pages), middleware=[Middleware(BodyLimit)])


def _routes(pages: Pages) -> list[BaseRoute]:
    folders = pages.folders

    async def models(_request: Request) -> Response:
        return JSONResponse(await pages.models(), headers={"Cache-Control": "no-cache"})

    async def healthz(_request: Request) -> Response:
        return PlainTextResponse("ok\n", headers={"Cache-Control": "no-store"})

    async def readyz(_request: Request) -> Response:
        reason = pages.unready()
        return PlainTextResponse(
            f"{reason or 'ready'}\n", 503 if reason else 200, headers={"Cache-Control": "no-store"}
        )

    return [
        Route("/healthz", healthz),
        Route("/readyz", readyz),
        *(insight_routes(pages.insight) if pages.insight else []),
        Route("/live2d-models/info", models, middleware=_ANYONE),
        Mount("/live2d-models", Folder(folders.live2d_models), middleware=_ANYONE),
        Mount("/bg", Folder(folders.backgrounds), middleware=_ANYONE),
        Mount("/avatars", Folder(folders.avatars, suffixes=AVATAR_SUFFIXES), middleware=_ANYONE),
        Mount("/cache", Folder(folders.cache, cache="no-store"), middleware=_ANYONE),
        _front(pages),
    ]


def _front(pages: Pages) -> BaseRoute:
    if pages.folders.frontend is not None:
        return Mount("/", FrontEnd(pages.folders.frontend))

    async def front_page(_request: Request) -> Response:
        page = render_front_page(pages.about())
        return HTMLResponse(
            page, headers={"Cache-Control": "no-cache", "Content-Security-Policy": PAGE_POLICY}
        )

    return Route("/", front_page)
