"""`GradioServer`: calls of a Gradio server's endpoints, as the pages of many models have them.

A call is two requests: ``POST call/NAME`` queues it and gives its id, ``GET call/NAME/ID`` is a stream of
events, of which the last has the result. By Gradio's guide “Querying Gradio Apps with Curl” of November 2026,
the source of ``gradio_client`` 2.7.2, and what servers of the versions 4.44.1, 5.4.0, 5.18.0 and 6.31.0 sent.
Calls are there since 4.29, and ``POST cancel`` a little later.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeAlias, TypeVar
from urllib.parse import quote

import attrs
import msgspec
import trio

from ..errors import EngineError, HttpFailed
from .http_answer import HttpAnswer
from .openai.answers import decode_json, json_of
from .openai.configs import Endpoint
from .openai.connection import ModelServer, SoundForm, open_model_server, unreachable

LONGEST_DESCRIPTION = 32 * 2**20
"""Bytes of what a server says of itself: its whole page is in there, with examples and style sheets."""

LONGEST_EVENT = 2**20
"""Bytes. An event names a file, in some 500 bytes; other endpoints have whole results in it."""

CANCELLING = 1.0
"""Seconds for the server to take in that a call is given up."""

MOST_GIVEN_UP = 64
"""Calls whose end the server is still to be told. One that is slower than they come ends them by itself: it
finds that their streams are closed, within ten seconds."""

_NAME = re.compile(r"[\w.-]{1,64}")
T = TypeVar("T")


class _Dependency(msgspec.Struct):
    api_name: str | bool | None = None
    id: int | None = None


class _Config(msgspec.Struct):
    dependencies: list[_Dependency]
    version: str = ""
    api_prefix: str | None = None


class _Named(msgspec.Struct):
    parameters: list[GradioParameter]


class _Info(msgspec.Struct):
    named_endpoints: dict[str, _Named]


class _Queued(msgspec.Struct):
    event_id: str


class GradioParameter(msgspec.Struct):
    """A parameter of an endpoint, and what the page has for it, which is None where it has nothing."""

    parameter_name: str = ""
    parameter_default: Any = None


class GradioFile(msgspec.Struct):
    """A file on the server that a call resulted in, or a stream of several."""

    path: str
    is_stream: bool = False


@attrs.frozen
class GradioEndpoint:
    """One endpoint. ``prefix`` is what stands before each path; ``number`` is how a cancel names it."""

    prefix: str
    name: str
    number: int
    parameters: Sequence[GradioParameter]


Call: TypeAlias = tuple[GradioEndpoint, str]

_config = msgspec.json.Decoder(_Config)
_info = msgspec.json.Decoder(_Info)
_queued = msgspec.json.Decoder(_Queued)
_uploaded = msgspec.json.Decoder(tuple[str])
# A value for each component on the page that shows a result; ours has one.
_result = msgspec.json.Decoder(list[GradioFile | None] | None)


@asynccontextmanager
async def open_gradio_server(endpoint: Endpoint, *, connect: float) -> AsyncIterator[GradioServer]:
    """A server, of which nothing is asked yet; ``connect`` is how many seconds a connection may take.

    Leaving the block takes up to `CANCELLING` seconds where the server is still told of calls that were
    given up.
    """
    send, given_up = trio.open_memory_channel[Call](MOST_GIVEN_UP)
    # Leases are left by a cancel, which must not reach what tells the server of the calls that it ends.
    telling = trio.CancelScope(shield=True)
    async with open_model_server(endpoint, connect=connect) as server, trio.open_nursery() as nursery:
        nursery.start_soon(_tell, server, given_up, telling, name="calls that are given up")
        try:
            yield GradioServer(endpoint, server, send)
        finally:
            send.close()
            telling.deadline = trio.current_time() + CANCELLING


async def _tell(
    server: ModelServer, given_up: trio.MemoryReceiveChannel[Call], telling: trio.CancelScope
) -> None:
    """Tell the server which calls nobody waits for any more.

    What is queued there ends at once, and what runs with its next piece; a model that makes its sound in one
    piece makes it to the end.
    """
    with telling:
        async for endpoint, event in given_up:
            # A call that names no session is one of its own.
            body = json_of({"session_hash": event, "event_id": event, "fn_index": endpoint.number})
            with trio.move_on_after(CANCELLING), suppress(EngineError):
                answer = await server.ask(f"{endpoint.prefix}cancel", body, accept="application/json")
                await answer.finish(within=CANCELLING)


@attrs.frozen
class GradioServer:
    """Raises `EngineError` from all that it is asked. Callers set the deadlines."""

    endpoint: Endpoint
    _server: ModelServer = attrs.field(repr=False)
    _given_up: trio.MemorySendChannel[Call] = attrs.field(repr=False)

    async def find(self, name: str) -> GradioEndpoint:
        """The endpoint ``name``, without a slash, as the server describes it."""
        about = await self._json(await self._server.get("config", accept="application/json"), _config)
        if about.version.startswith(("2.", "3.")):
            raise self.error("the server runs Gradio 3 or older; it needs 4.29 or newer")
        prefix = f"{_quoted((about.api_prefix or '').strip('/'))}/".removeprefix("/")
        described = await self._server.get(f"{prefix}info", accept="application/json")
        info = await self._json(described, _info)
        for at, one in enumerate(about.dependencies):
            if one.api_name == name and (found := info.named_endpoints.get(f"/{name}")):
                return GradioEndpoint(prefix, name, at if one.id is None else one.id, found.parameters)
        known = [one.strip("/") for one in info.named_endpoints if _NAME.fullmatch(one.strip("/"))]
        has = f"it has {', '.join(known[:8])}" if known else "it has none"
        raise self.error(f"the server has no endpoint {name!r}; {has}; check api_name")

    async def upload(self, endpoint: GradioEndpoint, name: str, data: bytes) -> str:
        """Where the server has put a file, for calls. It forgets it when it is started anew."""
        form = SoundForm({}, data, "files", name)
        answer = await self._server.ask(f"{endpoint.prefix}upload", form, accept="application/json")
        (path,) = await self._json(answer, _uploaded)
        return path

    async def call(self, endpoint: GradioEndpoint, data: Sequence[Any]) -> GradioFile:
        """The file that the endpoint makes, given a value for each of its parameters.

        A cancel closes the stream, and has the server told that the call is given up, unless it comes before
        the server has said how it calls it.
        """
        path = f"{endpoint.prefix}call/{quote(endpoint.name)}"
        answer = await self._server.ask(path, json_of({"data": data}), accept="application/json")
        event = (await self._json(answer, _queued)).event_id
        if not _NAME.fullmatch(event):
            raise self.error("the server gave an answer that is none of Gradio's")
        try:
            return await self._result(await self._server.get(f"{path}/{event}", accept="text/event-stream"))
        except BaseException:
            # Or the engine is being closed, and says nothing more.
            with suppress(trio.WouldBlock, trio.ClosedResourceError):
                self._given_up.send_nowait((endpoint, event))
            raise

    async def fetch(self, endpoint: GradioEndpoint, file: GradioFile, *, most: int, too_long: str) -> bytes:
        """The file, or the whole of a stream, in the format in which the model made its pieces.

        Raises `EngineError` with ``too_long`` where it has more than ``most`` bytes.
        """
        path = _quoted(file.path)
        # Not the address that the answer names, in which servers of 4 and 5 leave a part of our own request.
        path = f"stream/{path}" if file.is_stream else f"file={path}"
        # Servers since 5 stream AAC, which nothing here decodes; this is the whole, in the model's format.
        path = re.sub(r"/playlist\.m3u8$", "/playlist-file", path)
        try:
            answer = await self._server.get(f"{endpoint.prefix}{path}", accept="*/*")
        except EngineError as error:
            told = "the server does not hand out the sound that it made; its own log says why"
            raise self.error(told) from error
        return await self._server.read(answer, most=most, too_long=too_long)

    def error(self, told: str) -> EngineError:
        """What went wrong, with the name that configurations use."""
        return EngineError(f"{self.endpoint.provider.name}: {told}")

    async def _result(self, answer: HttpAnswer) -> GradioFile:
        """Read the events of a call to its end, and close their stream."""
        events = GradioEvents()
        try:
            while received := await answer.receive():
                for kind, data in events.feed(received):
                    if kind == "complete":
                        return self._file(data)
                    if kind == "error":
                        # What it says may repeat the text, and is mostly nothing.
                        raise self.error("the server could not make the sound; its own log says why")
                if events.held > LONGEST_EVENT:
                    raise self.error("the server sends an event without end")
        except HttpFailed as error:
            raise EngineError(unreachable(self.endpoint, error).text) from error
        finally:
            answer.close()
        raise self.error("the server ended without a sound")

    def _file(self, data: bytes) -> GradioFile:
        try:
            result: list[GradioFile | None] | None = decode_json(data, _result)
        except ValueError:
            raise self.error("the server's answer is no sound file; check api_name") from None
        if not result or result[0] is None:
            raise self.error("the server made no sound; try these settings on its page, which says why")
        return result[0]

    async def _json(self, answer: HttpAnswer, decoder: msgspec.json.Decoder[T]) -> T:
        too_long = "the server says more of itself than can be read"
        data = await self._server.read(answer, most=LONGEST_DESCRIPTION, too_long=too_long)
        try:
            return decode_json(data, decoder)
        except ValueError:
            raise self.error(
                f"what answers at {self.endpoint.base_url} is no Gradio server; "
                f"check {self.endpoint.url_setting}"
            ) from None


def _quoted(path: str) -> str:
    """A path that the server says, in which anything may stand, half a character too."""
    return quote(path, safe="/", errors="replace")


@attrs.define(eq=False)
class GradioEvents:
    """Takes the bytes of a stream of events, in any pieces. Gradio's have two lines each."""

    _held: bytearray = attrs.field(factory=bytearray, init=False, repr=False)

    @property
    def held(self) -> int:
        """Bytes of an event whose end has not come."""
        return len(self._held)

    def feed(self, received: bytes) -> Iterator[tuple[str, bytes]]:
        """The kind and the data of each event that ``received`` completes."""
        self._held += received
        while (end := self._held.find(b"\n\n")) >= 0:
            lines = dict(line.partition(b": ")[::2] for line in bytes(self._held[:end]).split(b"\n"))
            del self._held[: end + 2]
            yield lines.get(b"event", b"").decode("latin-1"), lines.get(b"data", b"")
