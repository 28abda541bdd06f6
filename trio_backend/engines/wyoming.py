"""The Wyoming protocol, by which Home Assistant talks with speech engines: events over TCP.

An event is a line of JSON with its ``type``, then ``data_length`` bytes of JSON that are its data, then
``payload_length`` bytes, which are mostly sound. Short data may stand in the line itself, as ``data``. The
format is that of the package ``wyoming`` 1.10, July 2026; the package needs asyncio, so this is by hand.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import attrs
import msgspec
import trio

from ..errors import HttpFailed, SettingsError, WireClosed
from .http_answer import HttpConnection
from .http_connect import find_way, open_connection
from .http_target import HttpAddress, HttpTarget
from .openai.configs import checked_url

LONGEST_LINE = 65_536
LONGEST_DATA = 2**20
LONGEST_PAYLOAD = 4 * 2**20
"""Bytes of the three parts of an event that is read. A server's whole description has some kilobytes."""

SEND_TIMEOUT = 10.0
"""Seconds for an event to be taken by the server."""

VERSION = "1.10.2"


@attrs.frozen
class WyomingEvent:
    """One event: ``type`` is its name, ``data`` what JSON can say, ``payload`` bytes such as sound."""

    type: str
    data: Mapping[str, Any] = attrs.field(factory=dict, hash=False, repr=False)
    payload: bytes = attrs.field(default=b"", repr=False)


@attrs.define
class _Line:
    type: str
    data: dict[str, Any] = attrs.field(factory=dict)
    data_length: int | None = 0
    payload_length: int | None = 0


_line_decoder = msgspec.json.Decoder(_Line)
_data_decoder = msgspec.json.Decoder(dict[str, Any])


def encoded(event: WyomingEvent) -> bytes:
    """``event`` as it is sent."""
    data = msgspec.json.encode(event.data) if event.data else b""
    line: dict[str, object] = {"type": event.type, "version": VERSION}
    if data:
        line["data_length"] = len(data)
    if event.payload:
        line["payload_length"] = len(event.payload)
    return b"".join([msgspec.json.encode(line), b"\n", data, event.payload])


@attrs.define(eq=False)
class WyomingReader:
    """Bytes as they come to events, whose data and payload may be so long. Does no I/O."""

    longest_data: int = LONGEST_DATA
    longest_payload: int = LONGEST_PAYLOAD
    _bytes: bytearray = attrs.field(factory=bytearray, init=False, repr=False)
    _line: _Line | None = attrs.field(default=None, init=False)

    @property
    def held(self) -> int:
        """Bytes that came, and are no event yet."""
        return len(self._bytes)

    def feed(self, data: bytes | bytearray) -> None:
        """Take in what came."""
        self._bytes += data

    def next_event(self) -> WyomingEvent | None:
        """The next event, if it is whole. Raises `ValueError` for what is none, or is too long."""
        if self._line is None:
            end = self._bytes.find(b"\n")
            if max(end, 0) > LONGEST_LINE or (end < 0 and len(self._bytes) > LONGEST_LINE):
                raise ValueError("a line without end")
            if end < 0:
                return None
            self._line = _parsed(_line_decoder, bytes(self._bytes[:end]))
            del self._bytes[: end + 1]
        data_size, payload_size = self._line.data_length or 0, self._line.payload_length or 0
        if not (0 <= data_size <= self.longest_data and 0 <= payload_size <= self.longest_payload):
            raise ValueError("an event of that size")
        whole = data_size + payload_size
        if len(self._bytes) < whole:
            return None
        more = _parsed(_data_decoder, bytes(self._bytes[:data_size])) if data_size else {}
        event = WyomingEvent(
            self._line.type, {**self._line.data, **more}, bytes(self._bytes[data_size:whole])
        )
        del self._bytes[:whole]
        self._line = None
        return event


def _parsed(decoder: msgspec.json.Decoder[Any], data: bytes) -> Any:
    try:
        return decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(type(error).__name__) from None


@attrs.define(eq=False)
class WyomingLink:
    """A connection to a Wyoming server. One task receives, another one sends."""

    _connection: HttpConnection
    _reader: WyomingReader = attrs.field(factory=WyomingReader, init=False)

    async def send(self, message: str | bytes) -> None:
        """Send what `encoded` made, within `SEND_TIMEOUT`. Raises `HttpFailed`; a cancel ends the link."""
        assert isinstance(message, bytes)
        try:
            with trio.fail_after(SEND_TIMEOUT):
                await self._connection.stream.send_all(message)
        except trio.TooSlowError:
            raise HttpFailed("timeout", f"the server took nothing for {SEND_TIMEOUT:g} s") from None
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise HttpFailed("broken", "the connection broke off") from error

    async def receive(self) -> WyomingEvent:
        """The next event; no deadline. Raises `HttpFailed`; `WireClosed` where the server has closed."""
        while True:
            try:
                event = self._reader.next_event()
            except ValueError:
                # Not chained: it may hold what somebody said.
                raise HttpFailed("malformed", "the server sends what is no event") from None
            if event is not None:
                await trio.lowlevel.checkpoint()
                return event
            try:
                data = await self._connection.stream.receive_some()
            except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
                # As in websocket.py: closed by the task that sends, which is cancelled with this one.
                await trio.lowlevel.checkpoint_if_cancelled()
                raise HttpFailed("broken", "the connection broke off") from error
            if not data:
                raise WireClosed(1005)
            self._reader.feed(data)


@attrs.frozen
class WyomingServer:
    """Where a Wyoming server listens. Made by `find_wyoming_server`."""

    _address: HttpAddress
    _tls: ssl.SSLContext | None
    _connect_timeout: float

    @asynccontextmanager
    async def open(self) -> AsyncIterator[WyomingLink]:
        """A connection, closed at once when the block is left. Raises `HttpFailed`."""
        connection = await open_connection(self._address, self._tls, within=self._connect_timeout)
        try:
            yield WyomingLink(connection)
        finally:
            connection.close()


async def find_wyoming_server(url: str, *, connect_timeout: float) -> WyomingServer:
    """The server at ``url``, which begins with http:// for tcp://. Connects to nothing, and asks no proxy."""
    address, tls = await find_way(HttpTarget(url, {}, use_proxy=False))
    return WyomingServer(address, tls, connect_timeout)


def wyoming_url(url: str, *, port: int) -> str:
    """An address such as tcp://127.0.0.1, as `HttpTarget` writes it, with ``port`` unless it has one.

    Raises `SettingsError` for ``base_url``.
    """
    try:
        if not url.lower().startswith("tcp://"):
            raise SettingsError("base_url", "")
        host = checked_url(f"http://{url[6:]}")
    except SettingsError:
        raise SettingsError("base_url", f"must be an address such as tcp://127.0.0.1:{port}") from None
    return host if re.search(r":\d+$", host) else f"{host}:{port}"
