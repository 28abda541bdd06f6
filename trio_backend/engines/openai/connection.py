"""`ModelServer`: requests to one model server, asked again where that helps, and errors in words."""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from http.cookiejar import CookieJar, DefaultCookiePolicy

import attrs
import httpx2
import msgspec
import trio
from loguru import logger

from ...errors import AnswerTooLong, EngineError, causes
from .answers import Answer, ApiRefusal, compressed, refusal
from .configs import Endpoint

PAUSES = (0.2, 0.8)
"""Seconds before each further attempt."""

LONGEST_RETRY_AFTER = 10.0
"""A server that asks to be left alone for more than this many seconds is not asked again."""

LIMITS = httpx2.Limits(max_connections=200, max_keepalive_connections=8, keepalive_expiry=60)
"""Idle connections are kept for the next turn, since a new one to a provider takes 50 to 200 ms."""

# Bytes of an answer that only says why there is none: the reason stands at its beginning.
_BODY = 65_536

# `identity` alone: a kilobyte of compressed nothing becomes a megabyte, and of all that comes from model
# servers only sound is large, which is compressed already or does not compress.
_HEADERS = {"Accept-Encoding": "identity"}


@asynccontextmanager
async def open_model_server(endpoint: Endpoint, *, connect: float) -> AsyncIterator[ModelServer]:
    """Connections to ``endpoint``, made when they are needed and within ``connect`` seconds each."""
    is_plain = endpoint.is_local and endpoint.base_url.startswith("http:")
    # Reading the machine's certificates takes 40 ms.
    verify = False if is_plain else await trio.to_thread.run_sync(httpx2.create_ssl_context)
    key = {"Authorization": f"Bearer {endpoint.api_key}"} if endpoint.api_key else {}
    async with httpx2.AsyncClient(
        base_url=endpoint.base_url,
        headers={**_HEADERS, **key},
        # Kept, they would grow with each answer of a server that sends new ones.
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        # A redirect might lead anywhere, with the key and what people say.
        follow_redirects=False,
        verify=verify,
        trust_env=not endpoint.is_local,
        limits=LIMITS,
        timeout=httpx2.Timeout(None, connect=connect, write=30),
    ) as client:
        yield ModelServer(endpoint, client)


@attrs.frozen
class SoundForm:
    """A form of ``fields`` and of ``wav``, a WAV file, as the field ``file``."""

    fields: Mapping[str, str]
    wav: bytes = attrs.field(repr=False)


@attrs.frozen
class ModelServer:
    """One endpoint and the connections to it. Callers set the deadlines."""

    endpoint: Endpoint
    _client: httpx2.AsyncClient = attrs.field(repr=False)

    async def ask(self, path: str, body: bytes | SoundForm, *, accept: str) -> httpx2.Response:
        """POST ``body``, JSON or a form, and return the answer, of status 200 and not yet read.

        The caller closes it. What may pass by itself is asked again, twice at most. Raises `EngineError`.
        """
        for pause in (*PAUSES, None):
            answer = await self._send(self._request(path, body, accept))
            if isinstance(answer, httpx2.Response):
                return answer
            if pause is None or not answer.passing or answer.after > LONGEST_RETRY_AFTER:
                raise EngineError(answer.text)
            logger.debug("asking again: {}", answer.text)
            await trio.sleep(max(pause, answer.after))
        raise AssertionError("the last attempt returns or raises")

    async def read(self, response: httpx2.Response, *, most: int, too_long: str) -> bytes:
        """The whole body of an answer; closes it.

        Raises `EngineError` where it breaks off, and with ``too_long`` where it has more than ``most`` bytes.
        """
        try:
            return await read_body(response, most=most)
        except AnswerTooLong:
            raise EngineError(f"{self.endpoint.provider.name}: {too_long}") from None
        except httpx2.RequestError as error:
            raise EngineError(unreachable(self.endpoint, error).text) from error

    def _request(self, path: str, body: bytes | SoundForm, accept: str) -> httpx2.Request:
        if isinstance(body, SoundForm):
            files = {"file": ("speech.wav", body.wav, "audio/wav")}
            return self._client.build_request(
                "POST", path, data=dict(body.fields), files=files, headers={"Accept": accept}
            )
        headers = {"Accept": accept, "Content-Type": "application/json"}
        return self._client.build_request("POST", path, content=body, headers=headers)

    async def _send(self, request: httpx2.Request) -> httpx2.Response | ApiRefusal:
        try:
            response = await self._client.send(request, stream=True)
            coding = response.headers.get("content-encoding", "identity").strip().lower()
            if response.status_code == 200 and coding != "identity":
                await response.aclose()
                return compressed(self.endpoint)
            if response.status_code == 200:
                return response
            return refusal(self.endpoint, await read_answer(response))
        except httpx2.RequestError as error:
            return unreachable(self.endpoint, error)


@attrs.define(eq=False)
class AnswerStream:
    """The bytes of an answer as they come, for one reader, who closes it. Holds none of them."""

    _response: httpx2.Response
    _chunks: AsyncIterator[bytes] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._chunks = aiter(self._response.aiter_raw())

    async def receive(self) -> bytes | None:
        """The next bytes; None at the end. Raises `httpx2.RequestError`.

        A cancel closes the connection: only close it then.
        """
        return await anext(self._chunks, None)

    async def aclose(self, *, linger: float = 0.0) -> None:
        """Close it: the connection too, unless the end comes within ``linger`` seconds."""
        try:
            # The generators inside the HTTP library end only by reading on: to the end if that is
            # near, else into this cancellation.
            with trio.move_on_after(linger), suppress(httpx2.RequestError):
                while await self.receive() is not None:
                    pass
        finally:
            await self._response.aclose()


async def read_body(response: httpx2.Response, *, most: int) -> bytes:
    """The whole body of an answer; closes it. Raises `AnswerTooLong` after ``most`` bytes."""
    body = bytearray()
    try:
        with trio.CancelScope() as scope:
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > most:
                    # Not `break`: the generators inside the HTTP library end only by reading on.
                    scope.cancel("the body is too long")
    finally:
        await response.aclose()
    if len(body) > most:
        raise AnswerTooLong("the body is too long")
    return bytes(body)


async def read_answer(response: httpx2.Response) -> Answer:
    """The beginning of an answer that will not be used; closes it. An answer that breaks off is short."""
    body = bytearray()
    try:
        with trio.move_on_after(5) as scope, suppress(httpx2.RequestError):
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) >= _BODY:
                    # Not `break`: the generators inside the HTTP library end only by reading on.
                    scope.cancel()
    finally:
        await response.aclose()
    headers = response.headers
    return Answer(
        response.status_code,
        headers.get("content-type", ""),
        bytes(body[:_BODY]),
        headers.get("retry-after", ""),
    )


def json_of(request: Mapping[str, object]) -> bytes:
    """The body of a request. Half a character, which a client cut from an emoji, becomes a question mark."""
    try:
        return msgspec.json.encode(request)
    except UnicodeEncodeError:
        return json.dumps(request, ensure_ascii=False).encode("utf-8", "replace")


def unreachable(endpoint: Endpoint, error: httpx2.RequestError) -> ApiRefusal:
    """What a failed request means. The text names the address, never what was sent."""
    found = tuple(causes(error))
    name, address = endpoint.provider.name, endpoint.address
    if any(isinstance(cause, socket.gaierror) for cause in found):
        return ApiRefusal(f"{name}: no server is called {endpoint.host!r}; check base_url, and the network")
    if any(isinstance(cause, ssl.SSLError) for cause in found):
        return ApiRefusal(f"{name}: no trusted connection to {address}; check base_url, and the certificate")
    if isinstance(error, httpx2.ProxyError):
        return ApiRefusal(f"{name}: the proxy gives no way to {address}; check HTTP_PROXY and HTTPS_PROXY")
    if any(isinstance(cause, ConnectionRefusedError) for cause in found):
        remedy = endpoint.provider.start or "is the server running, and is base_url right?"
        return ApiRefusal(f"{name}: nothing listens at {address}; {remedy}", passing=True)
    if isinstance(error, httpx2.TimeoutException):
        return ApiRefusal(f"{name}: no connection to {address} in time; check base_url, and the network")
    return ApiRefusal(f"{name}: the connection to {address} broke off; try again", passing=True)
