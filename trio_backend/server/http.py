"""The HTTP routes: the web page, static files, the list of models, health."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

import attrs
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Match, Mount, Route
from starlette.types import Scope

from .access import OriginGate
from .authentication import CookieForPages
from .body_limit import BODY_TIMEOUT, BodyLimit
from .debug_routes import DebugRoutes
from .static import Folder, FrontEnd
from .transcription import Transcription

WEB = Path(__file__).parents[1] / "web"
# Images and connections may go anywhere, since the user of the page chooses pictures and other servers by
# their URL.
PAGE_POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src * data: blob:; media-src 'self' blob:; "
    "connect-src *; object-src 'none'; base-uri 'none'"
)
AVATAR_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".gif", ".svg"})
# Pages of other origins (a desktop pet, a development server) show our models and play our sounds.
_ANY_ORIGIN = [
    Middleware(
        CORSMiddleware,
        allow_origins=["*"],
        allow_methods=["*"],
        allow_headers=["*"],
        allow_private_network=True,
    )
]

_HEALTH, _STATUS, _PAGE = "health", "status", "page"
_PUBLIC = (_HEALTH, _STATUS, _PAGE)


@attrs.frozen
class Folders:
    """The folders of static files. A folder that does not exist is an empty one.

    ``frontend`` is the build of another front end, which is served at / instead of our page; ``web_tool`` a
    page served at /web-tool/.
    """

    live2d_models: Path
    backgrounds: Path
    avatars: Path
    cache: Path
    frontend: Path | None = None
    web_tool: Path | None = None


@attrs.frozen
class HttpContent:
    """What the HTTP routes serve.

    ``models`` returns the body of ``/live2d-models/info``; ``unready`` the reason why the server is not ready
    yet, or "". Without ``debug`` there are no debug routes, without ``transcription`` no ``/asr``. Pages of
    ``origins`` may read the sounds under ``/cache``. A request's body must come within ``body_timeout``
    seconds. A page that is opened with ``token`` gets its cookie.
    """

    folders: Folders
    models: Callable[[], Awaitable[Mapping[str, object]]]
    unready: Callable[[], str]
    debug: DebugRoutes | None = None
    transcription: Transcription | None = None
    body_timeout: float = BODY_TIMEOUT
    origins: Sequence[str] = ("same-host", "localhost", "file")
    token: str = attrs.field(default="", repr=False)


def http_app(content: HttpContent) -> Starlette:
    """The ASGI application of ``content``."""
    return Starlette(routes=_routes(content), middleware=[Middleware(BodyLimit, within=content.body_timeout)])


def is_public(app: Starlette) -> Callable[[Scope], bool]:
    """A function that tells which requests to ``app`` need no user: health, and the front ends' own files.

    Those files hold no secret, and a page that was opened with a token cannot add it to the requests for its
    own scripts and styles.
    """

    def public(scope: Scope) -> bool:
        for route in app.routes:
            if route.matches(scope)[0] is not Match.NONE:
                return getattr(route, "name", "") in _PUBLIC
        return False

    return public


def _routes(content: HttpContent) -> list[BaseRoute]:
    folders = content.folders
    # The cache holds what was said, so only pages that may talk can read it; models and pictures are for all
    # pages.
    gate = Middleware(OriginGate, origins=content.origins)

    async def models(_request: Request) -> Response:
        return JSONResponse(await content.models(), headers={"Cache-Control": "no-cache"})

    async def healthz(_request: Request) -> Response:
        return PlainTextResponse("ok\n", headers={"Cache-Control": "no-store"})

    async def readyz(_request: Request) -> Response:
        reason = content.unready()
        return PlainTextResponse(
            f"{reason or 'ready'}\n", 503 if reason else 200, headers={"Cache-Control": "no-store"}
        )

    async def with_slash(request: Request) -> Response:
        # With the query, since the token is in it, and with a slash, since a page's files are named
        # relative to it.
        return RedirectResponse(f"{request.url.path}/?{request.url.query}")

    def pages(path: str, front_end: FrontEnd, name: str) -> list[BaseRoute]:
        return [
            *([Route(path, with_slash, name=name)] if path else []),
            Mount(path or "/", front_end, middleware=cookies, name=name),
        ]

    ours = FrontEnd(WEB, policy=PAGE_POLICY)
    cookies = [Middleware(CookieForPages, token=content.token)] if content.token else []

    return [
        Route("/healthz", healthz, name=_HEALTH),
        Route("/readyz", readyz),
        *(content.debug.routes() if content.debug else []),
        *([content.transcription.route()] if content.transcription else []),
        Route("/live2d-models/info", models, middleware=_ANY_ORIGIN),
        Mount("/live2d-models", Folder(folders.live2d_models), middleware=_ANY_ORIGIN),
        Mount("/bg", Folder(folders.backgrounds), middleware=_ANY_ORIGIN),
        Mount("/avatars", Folder(folders.avatars, suffixes=AVATAR_SUFFIXES), middleware=_ANY_ORIGIN),
        Mount("/cache", Folder(folders.cache, cache="no-store"), middleware=[gate, *_ANY_ORIGIN]),
        *pages("/status", FrontEnd(WEB / "status", WEB, policy=PAGE_POLICY), _STATUS),
        *(pages("/web-tool", FrontEnd(folders.web_tool), _PAGE) if folders.web_tool else []),
        *pages("/page", ours, _PAGE),
        *pages("", FrontEnd(folders.frontend) if folders.frontend else ours, _PAGE),
    ]
