"""`WyomingConnection`: the connection of one client, such as Home Assistant."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import attrs
import trio
from loguru import logger

from ...engines.wyoming import WyomingEvent, WyomingReader, encoded
from ...errors import ConfigError, EngineError, ProtocolError, QuotaExceeded, WireClosed, first_leaf
from ...quota import Claim, MemoryQuota, counted
from ..streams import NETWORK_ERRORS, end_sending
from .requests import WyomingRequests, WyomingService

LONGEST = 2**20
"""Bytes of an event's data, and of its payload. Home Assistant sends 2 kB of sound at a time."""
FAREWELL = 1.0
"""Seconds that a client has to read the error for which it is disconnected."""


@attrs.define(eq=False)
class WyomingConnection:
    """Serves one client. Whatever is wrong with what it asks is an ``error``, and the end of the connection.

    The end is what clients understand that wait for an answer: they know no other sign of a failure.
    """

    _stream: trio.SocketStream
    _service: WyomingService
    _quota: MemoryQuota
    _share: str
    """Whose turns its turns are, where turns have to wait."""
    _heard: Callable[[], None]
    """Called with each event that has come."""
    _scope: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)
    _reader: WyomingReader = attrs.field(factory=lambda: WyomingReader(LONGEST, LONGEST), init=False)
    _sending: trio.Lock = attrs.field(factory=trio.Lock, init=False)
    _asked: int = attrs.field(default=0, init=False)
    """Events that are being answered, or wait for that."""
    _leaving: bool = attrs.field(default=False, init=False)
    _requests: WyomingRequests | None = attrs.field(default=None, init=False)

    async def serve(self) -> None:
        """Until the client leaves, is silent for too long, or is disconnected. Closes nothing."""
        problem: BaseException | None = None
        try:
            with self._scope, self._quota.claim() as claim:
                async with trio.open_nursery() as nursery:
                    self._requests = WyomingRequests(
                        self._service, nursery, self._send, self._quota, self._share
                    )
                    put, get = trio.open_memory_channel[WyomingEvent](0)
                    nursery.start_soon(self._answer_all, get, self._requests, name="wyoming/requests")
                    await self._read_all(put, claim)
                    nursery.cancel_scope.cancel("the client has left")
        except* WireClosed:
            pass
        except* (ProtocolError, EngineError, ConfigError, QuotaExceeded, trio.TooSlowError) as group:
            problem = first_leaf(group)
        finally:
            if self._requests is not None:
                self._requests.close()
        if problem is not None:
            await self._refuse(problem)

    def leave(self) -> None:
        """End it when it has answered what it is asked now."""
        self._leaving = True
        if not self._busy:
            self._scope.cancel("the server is shutting down")

    @property
    def _busy(self) -> bool:
        return self._asked > 0 or (self._requests is not None and self._requests.unfinished)

    async def _read_all(self, put: trio.MemorySendChannel[WyomingEvent], claim: Claim) -> None:
        patience = self._service.system.request_head_timeout
        while True:
            event = None
            with trio.move_on_after(patience):
                event = await self._receive(claim)
            if event is None:
                if self._asked:
                    continue  # it waits for us
                logger.debug("a Wyoming client was silent for {:g} s", patience)
                return
            self._heard()
            patience = self._service.system.wyoming.idle_timeout
            self._asked += 1
            await put.send(event)

    async def _receive(self, claim: Claim) -> WyomingEvent:
        """The next event. Raises `WireClosed` when the client has left. Cancelling it loses nothing."""
        while True:
            try:
                event = self._reader.next_event()
            except ValueError:
                # Not chained: it may hold what somebody said.
                raise ProtocolError("bad-event", "this is no event of Wyoming, or too long") from None
            if event is not None:
                await trio.lowlevel.checkpoint()
                return event
            try:
                data = await self._stream.receive_some(65_536)
            except NETWORK_ERRORS:
                raise WireClosed from None
            if not data:
                raise WireClosed(1005)
            self._reader.feed(data)
            claim.resize(counted(self._reader.held))

    async def _answer_all(
        self, events: trio.MemoryReceiveChannel[WyomingEvent], requests: WyomingRequests
    ) -> None:
        async for event in events:
            await requests.answer(event)
            self._asked -= 1
            if self._leaving and not self._busy:
                self._scope.cancel("the server is shutting down")

    async def _send(self, event: WyomingEvent) -> None:
        """Send ``event``. Raises `WireClosed` if the client is gone, `trio.TooSlowError` if it is too slow.

        After that, and after a cancel, a part of it may have been sent.
        """
        async with self._sending:
            try:
                with trio.fail_after(self._service.system.send_timeout):
                    await self._stream.send_all(encoded(event))
            except NETWORK_ERRORS:
                raise WireClosed from None

    async def _refuse(self, problem: BaseException) -> None:
        text, code = str(problem), "engine-error"
        match problem:
            case ProtocolError():
                code = problem.code
            case QuotaExceeded():
                code = "too-much-data"
            case trio.TooSlowError():
                text, code = "this took too long, and was stopped", "timeout"
        logger.info("a Wyoming client was disconnected: {}", code)
        await send_error(self._stream, code, text)


async def send_error(stream: trio.SocketStream, code: str, text: str) -> None:
    """Send an ``error``, and wait up to `FAREWELL` seconds until the client has read it, and left."""
    with trio.move_on_after(FAREWELL), suppress(*NETWORK_ERRORS):
        await stream.send_all(encoded(WyomingEvent("error", {"text": text, "code": code})))
        await end_sending(stream)
        # Closing with bytes unread would reset the connection, and the client would lose the error.
        while await stream.receive_some(65_536):
            pass
