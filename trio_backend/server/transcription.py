"""``POST /asr``: clients send a WAV file, and get its transcript."""

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
from ..text.paths import without_folders
from .access import origin_allowed
from .client_address import share_of
from .fair_queue import FairQueue, Place

# Form fields besides the file, and their bytes: they are read into memory, and have no meaning here.
MAX_FIELDS = 8
MAX_FIELD_SIZE = 16 * 1024
# Seconds that a refused client has to finish sending its body.
REFUSAL_TIMEOUT = 1.0


@attrs.define(eq=False)
class Transcription:
    """The route ``/asr``: files of up to ``longest`` seconds of sound.

    Addresses share the ASR engine by ``queue``. A request waits up to ``deadline`` seconds for its turn, and
    then may take as many to be transcribed. ``origins`` are the web pages that may send one: see
    `origin_allowed`.
    """

    transcribe: Callable[[Pcm], Awaitable[str]]
    longest: float
    queue: FairQueue
    deadline: float
    origins: tuple[str, ...]
    # Files are read in a thread, since that takes too long for the event loop. One at a time: a file of 8 MiB
    # takes a multiple of that while it is converted, and 2 MB afterwards.
    _readers: trio.CapacityLimiter = attrs.field(factory=lambda: trio.CapacityLimiter(1), init=False)

    def route(self) -> Route:
        """The route ``/asr``."""
        return Route("/asr", self.answer, methods=["POST"], middleware=[Middleware(_Cors)])

    async def answer(self, request: Request) -> JSONResponse:
        """``{"text": …}``, or ``{"error": …}`` with status 400, 403, 429, 502 or 503.

        If the client leaves, the work for it is cancelled.
        """
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
                    "too many files come from your address at once; send them one after the other",
                )
            return await _refuse(request, 503, "too many files are being transcribed; try again in a moment")
        except ClientDisconnect:
            # While its body was being read. The answer goes nowhere, but Starlette wants one.
            return _error(400, "the client has left")

    async def _answer(self, request: Request, place: Place) -> JSONResponse:
        try:
            pcm = await self._sound(request, place)
        except (ValueError, HTTPException) as error:
            return _error(400, getattr(error, "detail", None) or str(error))
        try:
            text = await self._until_client_leaves(request, pcm, place.address)
        except EngineError as error:
            return _error(502, str(error))
        except trio.TooSlowError as error:
            return _error(503, str(error))
        return JSONResponse({"text": text})

    async def _sound(self, request: Request, place: Place) -> Pcm:
        """The sound in the form's file. Raises `ValueError` or `HTTPException` if it has none.

        While the body comes, the request holds a place, and at most 1 MiB of memory: the form's parser keeps
        larger files on disk. `BodyLimit` limits the body's size and its time.
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
            # A cancel must not leave the temporary file open. Closing takes microseconds; the deadline is for
            # a disk that hangs.
            with trio.move_on_after(1, shield=True):
                await form.close()

    def _read(self, file: IO[bytes]) -> Pcm:
        """The sound at `RATE`; blocking. Raises `ValueError`."""
        pcm = Pcm.from_wav(file.read())
        if not pcm.samples:
            raise ValueError("this WAV file holds no sound")
        if pcm.seconds > self.longest:
            raise ValueError(f"this sound is longer than {self.longest:g} s (max_utterance)")
        return pcm.resampled(RATE)

    async def _in_turn(self, pcm: Pcm, address: str) -> str:
        """The transcript. Raises `EngineError`, and `trio.TooSlowError` with a text for the client."""
        waited = trio.current_time() + self.deadline
        with trio.move_on_at(waited) as scope:
            async with self.queue.turn(address):
                scope.deadline = trio.current_time() + self.deadline
                return await self.transcribe(pcm)
        # The deadline was moved if there was a turn.
        if scope.deadline == waited:
            raise trio.TooSlowError("too many files are being transcribed; try again in a moment")
        raise trio.TooSlowError(
            f"this file was not transcribed within {self.deadline:g} s (transcription_timeout); "
            "send a shorter one"
        )

    async def _until_client_leaves(self, request: Request, pcm: Pcm, address: str) -> str:
        """The transcript; if the client leaves meanwhile, the work is cancelled, and it is empty.

        Raises as `_in_turn` does.
        """
        text = ""
        problem: EngineError | trio.TooSlowError | None = None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_wait_disconnect, request, nursery.cancel_scope, name="asr/client")
            try:
                text = await self._in_turn(pcm, address)
            except (EngineError, trio.TooSlowError) as error:
                # Raised behind the nursery, which would put it into a group.
                problem = error
            nursery.cancel_scope.cancel("the transcript is there")
        if problem is not None:
            raise problem
        return text


class _Cors(CORSMiddleware):
    """Browsers let pages of all origins read the answer; `Transcription` refuses those that may not ask."""

    def __init__(self, app: object) -> None:
        super().__init__(app, allow_origins=["*"], allow_methods=["POST"], allow_headers=["*"])  # type: ignore[arg-type]


async def _wait_disconnect(request: Request, scope: trio.CancelScope) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
    scope.cancel("the client has left")


async def _refuse(request: Request, status: int, message: str) -> JSONResponse:
    """The answer to a request that is refused before its body was read.

    What comes of the body within `REFUSAL_TIMEOUT` is read and dropped: closing with bytes unread would reset
    the connection, and the client would not see the answer.
    """
    with trio.move_on_after(REFUSAL_TIMEOUT), suppress(ClientDisconnect):
        async with aclosing(request.stream()) as stream:
            async for _ in stream:
                pass
    return _error(status, message)


def _error(status: int, message: str) -> JSONResponse:
    return JSONResponse({"error": without_folders(message)}, status)
