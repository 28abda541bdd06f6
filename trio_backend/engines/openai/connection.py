"""`ModelServer`: requests to one model server, asked again where that helps, and errors in words."""

from __future__ import annotations

import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress

import attrs
import trio
from loguru import logger

from ...errors import AnswerTooLong, EngineError, HttpFailed, causes
from ..http import HttpClient, open_http_client
from ..http_answer import HttpAnswer
from ..http_target import HttpTarget
from .answers import Answer, ApiRefusal, compressed, refusal
from .configs import Endpoint

PAUSES = (0.2, 0.8)
"""Seconds before each further attempt."""

LONGEST_RETRY_AFTER = 10.0
"""Seconds. If ``Retry-After`` is longer than this, the request is not sent again."""

# Bytes that are read of an error answer: the reason is at its beginning.
_BODY = 65_536

# `identity` alone: a compressed kilobyte can become a megabyte of zeros. Of a model server's answers only
# sound is large, and that is compressed already or does not compress.
_HEADERS = {"Accept-Encoding": "identity"}


@asynccontextmanager
async def open_model_server(
    endpoint: Endpoint, *, connect: float, headers: Mapping[str, str] | None = None
) -> AsyncIterator[ModelServer]:
    """Connections to ``endpoint``, made when they are needed and within ``connect`` seconds each.

    ``headers`` go with each request and hold the key, where that is not a bearer token.
    """
    if headers is None:
        headers = {"Authorization": f"Bearer {endpoint.api_key}"} if endpoint.api_key else {}
    headers = {**_HEADERS, **headers}
    # No proxy is asked about this machine. This client follows no redirect, which might lead anywhere, with
    # the key and what people say, and keeps no cookies, which would grow with each answer.
    address = HttpTarget(endpoint.base_url, headers, use_proxy=not endpoint.is_local)
    try:
        async with open_http_client(address, connect_timeout=connect) as client:
            yield ModelServer(endpoint, client)
    except HttpFailed as error:
        raise EngineError(unreachable(endpoint, error).text) from error


@attrs.frozen
class SoundForm:
    """A form of ``fields`` and of ``wav``, as the field ``name``: WAV, unless ``file_name`` says else."""

    fields: Mapping[str, str]
    wav: bytes = attrs.field(repr=False)
    name: str = "file"
    file_name: str = "speech.wav"


@attrs.frozen
class SoundFile:
    """``wav``, a WAV file, as it stands."""

    wav: bytes = attrs.field(repr=False)


@attrs.frozen
class ModelServer:
    """One endpoint and the connections to it. Callers set the deadlines."""

    endpoint: Endpoint
    _client: HttpClient = attrs.field(repr=False)

    async def ask(self, path: str, body: bytes | SoundForm | SoundFile, *, accept: str) -> HttpAnswer:
        """POST ``body``, JSON or sound, and return the answer, of status 200 and not yet read.

        The caller closes it. What may pass by itself is asked again, twice at most. Raises `EngineError`.
        """
        content, kind = _encoded(body)
        return await self.post(path, content, {"Accept": accept, "Content-Type": kind})

    async def post(self, path: str, content: bytes, headers: Mapping[str, str]) -> HttpAnswer:
        """As `ask`, with ``content`` of any type, which the headers say."""
        return await self._answered(lambda: self._client.post(path, content, headers))

    async def get(self, path: str, *, accept: str) -> HttpAnswer:
        """As `ask`, but GET ``path``."""
        return await self._answered(lambda: self._client.request("GET", path, {"Accept": accept}))

    async def _answered(self, request: Callable[[], Awaitable[HttpAnswer]]) -> HttpAnswer:
        for pause in (*PAUSES, None):
            answer = await self._send(request)
            if isinstance(answer, HttpAnswer):
                return answer
            if pause is None or not answer.passing or answer.after > LONGEST_RETRY_AFTER:
                raise answer.error()
            logger.debug("asking again: {}", answer.text)
            await trio.sleep(max(pause, answer.after))
        raise AssertionError("the last attempt returns or raises")

    async def read(self, answer: HttpAnswer, *, most: int, too_long: str) -> bytes:
        """The whole body of an answer; closes it.

        Raises `EngineError` where it breaks off, and with ``too_long`` where it has more than ``most`` bytes.
        """
        try:
            return await answer.read(most=most)
        except AnswerTooLong:
            raise EngineError(f"{self.endpoint.provider.name}: {too_long}") from None
        except HttpFailed as error:
            raise EngineError(unreachable(self.endpoint, error).text) from error

    async def _send(self, request: Callable[[], Awaitable[HttpAnswer]]) -> HttpAnswer | ApiRefusal:
        try:
            answer = await request()
        except HttpFailed as error:
            return unreachable(self.endpoint, error)
        if answer.status != 200:
            return refusal(self.endpoint, await read_refused(answer))
        if answer.headers.get("content-encoding", "identity").strip().lower() != "identity":
            answer.close()
            return compressed(self.endpoint)
        return answer


def _encoded(body: bytes | SoundForm | SoundFile) -> tuple[bytes, str]:
    """The bytes of a request, and what kind they are; of a form, with the mark between its fields."""
    if isinstance(body, bytes):
        return body, "application/json"
    if isinstance(body, SoundFile):
        return body.wav, "audio/wav"
    # Imported here: it takes 0.1 s, and only this recogniser needs it.
    import httpx2

    files = {body.name: (body.file_name, body.wav, "audio/wav")}
    request = httpx2.Request("POST", "http://localhost", data=dict(body.fields), files=files)
    return request.read(), request.headers["content-type"]


async def read_refused(answer: HttpAnswer) -> Answer:
    """The beginning of an answer that will not be used; closes it. An answer that breaks off is short."""
    body = bytearray()
    try:
        with trio.move_on_after(5), suppress(HttpFailed):
            while len(body) < _BODY and (piece := await answer.receive()):
                body += piece
    finally:
        answer.close()
    headers = answer.headers
    return Answer(
        answer.status, headers.get("content-type", ""), bytes(body[:_BODY]), headers.get("retry-after", "")
    )


def unreachable(endpoint: Endpoint, error: HttpFailed) -> ApiRefusal:
    """What a failed request means. The text names the address, never what was sent."""
    found = tuple(causes(error))
    name, address, url = endpoint.provider.name, endpoint.address, endpoint.url_setting
    if any(isinstance(cause, socket.gaierror) for cause in found):
        return ApiRefusal(f"{name}: no server is called {endpoint.host!r}; check {url}, and the network")
    if any(isinstance(cause, ssl.SSLError) for cause in found):
        return ApiRefusal(f"{name}: the TLS connection to {address} failed; check {url}, and the certificate")
    if error.stage == "proxy":
        return ApiRefusal(
            f"{name}: the proxy refuses a connection to {address}; check HTTP_PROXY and HTTPS_PROXY"
        )
    if any(isinstance(cause, ConnectionRefusedError) for cause in found):
        remedy = endpoint.provider.start or f"is the server running, and is {url} right?"
        return ApiRefusal(f"{name}: nothing listens at {address}; {remedy}", passing=True)
    if error.stage == "timeout":
        return ApiRefusal(f"{name}: no connection to {address} in time; check {url}, and the network")
    if error.stage == "malformed":
        return ApiRefusal(f"{name}: the answer of {address} is not HTTP; check {url}")
    return ApiRefusal(f"{name}: the connection to {address} broke off; try again", passing=True)
