"""``POST /asr``: a sound file in, what is said in it out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import aclosing, suppress
from typing import IO

import attrs
import trio
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from ..audio.pcm import Pcm
from ..audio.utterance import RATE
from ..errors import EngineError, QueueFull
from .access import origin_allowed
from .client_address import share_of
from .fair_queue import FairQueue, Place

# Fields beside the file are read into memory, and none has a meaning.
MAX_FIELDS = 8
MAX_FIELD_SIZE = 16 * 1024
# How long someone who is refused has to finish what they are sending.
REFUSAL_TIME = 1.0


@attrs.define(eq=False)
class Transcription:
    """How to hear, and how much: sounds of up to ``longest`` seconds, in up to ``deadline`` seconds each.

    ``queue`` shares the recogniser among the addresses that ask; a request waits up to ``deadline`` for its
    turn. ``origins`` are the web pages that may ask, as for WebSockets: see `origin_allowed`.
    """

    transcribe: Callable[[Pcm], Awaitable[str]]
    longest: float
    queue: FairQueue
    deadline: float
    origins: tuple[str, ...]
    # Reading a file is quick, but not quick enough for the event loop. One at a time: a file of 8 MiB takes a
    # multiple of that while it is being converted, and 2 MB when it has been.
    _readers: trio.CapacityLimiter = attrs.field(factory=lambda: trio.CapacityLimiter(1), init=False)

    def route(self) -> Route:
        """The route ``/asr``."""
        return Route("/asr", self.answer, methods=["POST"], middleware=[Middleware(_Cors)])

    async def answer(self, request: Request) -> JSONResponse:
        """``{"text": …}``, or ``{"error": …}`` with a status that says whose fault it is."""
        if not origin_allowed(request.headers.get("origin"), request.headers.get("host", ""), self.origins):
            return await _refuse(request, 403, "pages of this origin may not connect: see allowed_origins")
        address = share_of(request.client.host if request.client else "")
        try:
            with self.queue.place(address) as place:
                return await self._answer(request, place)
        except QueueFull as error:
            if error.own_share:
                return await _refuse(
                    request,
                    429,
                    "too many sounds come from your address at once; send them one after the other",
                )
            return await _refuse(request, 503, "too many sounds are being listened to; try again in a moment")
        except ClientDisconnect:
            # While its body was being read. Nobody reads this answer.
            return _error(400, "the client has left")

    async def _answer(self, request: Request, place: Place) -> JSONResponse:
        try:
            pcm = await self._sound(request, place)
        except (ValueError, HTTPException) as error:
            return _error(400, getattr(error, "detail", None) or str(error))
        try:
            text = await self._unless_left(request, pcm, place.address)
        except EngineError as error:
            return _error(502, str(error))
        except trio.TooSlowError as error:
            return _error(503, str(error))
        return JSONResponse({"text": text})

    async def _sound(self, request: Request, place: Place) -> Pcm:
        """The file of the form. Raises `ValueError` or `HTTPException` if there is none that can be heard.

        Nothing is held for it but its place: `BodyLimit` bounds how large it is and how long it takes, and
        the form's parser keeps the first MiB of a file in memory, but a larger one in a temporary file.
        """
        form: FormData | None = None
        with place.preparing:
            form = await request.form(max_files=1, max_fields=MAX_FIELDS, max_part_size=MAX_FIELD_SIZE)
        place.ready = True
        if form is None:
            assert place.lost is not None
            raise place.lost
        try:
            file = form.get("file")
            if not isinstance(file, UploadFile):
                raise ValueError("send a WAV file as the field 'file' of a form (multipart/form-data)")
            return await trio.to_thread.run_sync(self._read, file.file, limiter=self._readers)
        finally:
            # The file is temporary; a cancel is not to leave it open. It takes microseconds.
            with trio.move_on_after(1, shield=True):
                await form.close()

    def _read(self, file: IO[bytes]) -> Pcm:
        """The sound at our rate. Raises `ValueError`."""
        pcm = Pcm.from_wav(file.read())
        if not pcm.samples:
            raise ValueError("this WAV file holds no sound")
        if pcm.seconds > self.longest:
            raise ValueError(f"this sound is longer than {self.longest:g} s (max_utterance)")
        return pcm.resampled(RATE)

    async def _in_turn(self, pcm: Pcm, address: str) -> str:
        """The transcript. Raises `EngineError`, and `trio.TooSlowError` with words for a person."""
        waited = trio.current_time() + self.deadline
        with trio.move_on_at(waited) as scope:
            async with self.queue.turn(address):
                scope.deadline = trio.current_time() + self.deadline
                return await self.transcribe(pcm)
        # A turn that came moved the deadline.
        if scope.deadline == waited:
            raise trio.TooSlowError("too many sounds are being listened to; try again in a moment")
        raise trio.TooSlowError(
            f"this sound was not understood within {self.deadline:g} s (transcription_timeout); "
            "send a shorter one"
        )

    async def _unless_left(self, request: Request, pcm: Pcm, address: str) -> str:
        """The transcript. If the client leaves meanwhile, the decoding is stopped, and it is empty.

        Raises as `_in_turn` does.
        """
        text = ""
        problem: EngineError | trio.TooSlowError | None = None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_wait_gone, request, nursery.cancel_scope, name="asr/client")
            try:
                text = await self._in_turn(pcm, address)
            except (EngineError, trio.TooSlowError) as error:
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


async def _refuse(request: Request, status: int, message: str) -> JSONResponse:
    """An answer to a request whose body is not wanted.

    Closing with bytes unread would reset the connection, and the answer would be lost: what comes within a
    moment is dropped.
    """
    with trio.move_on_after(REFUSAL_TIME), suppress(ClientDisconnect):
        async with aclosing(request.stream()) as stream:
            async for _ in stream:
                pass
    return _error(status, message)


def _error(status: int, message: str) -> JSONResponse:
    return JSONResponse({"error": message}, status)
