"""``POST /asr``: a sound file in, what is said in it out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import attrs
import trio
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from ..audio.pcm import Pcm
from ..audio.utterance import RATE
from ..errors import EngineError
from .access import origin_allowed


@attrs.define(eq=False)
class Transcription:
    """How to hear, and how much: sounds of up to ``longest`` seconds, ``at_once`` of them at a time.

    ``origins`` are the web pages that may ask, as for WebSockets: see `origin_allowed`.
    """

    transcribe: Callable[[Pcm], Awaitable[str]]
    longest: float
    at_once: int
    origins: tuple[str, ...]
    _running: int = attrs.field(default=0, init=False)
    # Reading a file is quick, but not quick enough for the event loop.
    _readers: trio.CapacityLimiter = attrs.field(factory=lambda: trio.CapacityLimiter(1), init=False)

    def route(self) -> Route:
        """The route ``/asr``."""
        return Route("/asr", self.answer, methods=["POST"], middleware=[Middleware(_Cors)])

    async def answer(self, request: Request) -> JSONResponse:
        """``{"text": …}``, or ``{"error": …}`` with a status that says whose fault it is."""
        if not origin_allowed(request.headers.get("origin"), request.headers.get("host", ""), self.origins):
            return _error(403, "pages of this origin may not connect: see allowed_origins")
        if self._running >= self.at_once:
            return _error(503, "too many sounds are being listened to; try again in a moment")
        self._running += 1
        try:
            return await self._answer(request)
        finally:
            self._running -= 1

    async def _answer(self, request: Request) -> JSONResponse:
        try:
            pcm = await self._sound(request)
        except (ValueError, HTTPException) as error:
            return _error(400, getattr(error, "detail", None) or str(error))
        try:
            text = await self._unless_left(request, pcm)
        except EngineError as error:
            return _error(502, str(error))
        return JSONResponse({"text": text})

    async def _sound(self, request: Request) -> Pcm:
        """The file of the form. Raises `ValueError` or `HTTPException` if there is none that can be heard."""
        async with request.form(max_files=1, max_fields=8) as form:
            file = form.get("file")
            if not isinstance(file, UploadFile):
                raise ValueError("send a WAV file as the field 'file' of a form (multipart/form-data)")
            data = await file.read()
        pcm = await trio.to_thread.run_sync(Pcm.from_wav, data, limiter=self._readers)
        if not pcm.samples:
            raise ValueError("this WAV file holds no sound")
        if pcm.seconds > self.longest:
            raise ValueError(f"this sound is longer than {self.longest:g} s (max_utterance)")
        return await trio.to_thread.run_sync(pcm.resampled, RATE, limiter=self._readers)

    async def _unless_left(self, request: Request, pcm: Pcm) -> str:
        """The transcript. If the client leaves meanwhile, the decoding is stopped, and it is empty."""
        text = ""
        problem: EngineError | None = None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_wait_gone, request, nursery.cancel_scope, name="asr/client")
            try:
                text = await self.transcribe(pcm)
            except EngineError as error:
                # Out of the nursery it comes bare.
                problem = error
            nursery.cancel_scope.cancel("the transcript is there")
        if problem is not None:
            raise problem
        return text


class _Cors(CORSMiddleware):
    """Pages of other origins may read the answer; whether they get one is decided behind this."""

    def __init__(self, app: object) -> None:
        super().__init__(app, allow_origins=["*"], allow_methods=["POST"], allow_headers=["*"])  # type: ignore[arg-type]


async def _wait_gone(request: Request, scope: trio.CancelScope) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
    scope.cancel("the client has left")


def _error(status: int, message: str) -> JSONResponse:
    return JSONResponse({"error": message}, status)
