"""The format of a recognition service, apart from all I/O: what an adapter for a streaming one writes.

`service_asr.py` has the tasks, deadlines and errors around it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

import attrs

from ..errors import EngineError, HttpFailed
from .base import AsrTranscript
from .http_target import HttpTarget
from .openai.configs import Endpoint
from .openai.connection import unreachable
from .websocket import find_websocket_server

PIECE = 32_000
"""Bytes of sound in one message at most: a second. More waits only after a slow connect."""


class UtteranceFormat(Protocol):
    """One utterance in the format of a service: what to send, and what its messages mean. Does no I/O."""

    def begin(self) -> Sequence[str | bytes]:
        """What is sent first, before any sound."""
        ...

    def sound(self, samples: bytes) -> Sequence[str | bytes]:
        """What carries ``samples``, 16-bit little-endian, at most `PIECE` bytes and never none."""
        ...

    def end(self) -> Sequence[str | bytes]:
        """What says that the sound is over."""
        ...

    def receive(self, message: Any) -> Sequence[AsrTranscript]:
        """What ``message``, as the link gives it, means. A final transcript is the last that is asked for.

        Raises `EngineError`, whose text repeats nothing of the message; `ValueError` where it is none of
        this service's.
        """
        ...

    def closed(self, code: int) -> AsrTranscript:
        """The final transcript, if the service may close now, with this close code; else `EngineError`."""
        ...


class ServiceLink(Protocol):
    """A connection to a service, such as `EngineSocket`. One task receives, another one sends."""

    async def send(self, message: str | bytes) -> None:
        """Raises `HttpFailed` or `WireClosed`. Has a deadline."""
        ...

    async def receive(self) -> Any:
        """The next message: text or bytes of a WebSocket, an event of Wyoming.

        Raises `HttpFailed` or `WireClosed`.
        """
        ...


def closed_early(name: str, code: int) -> EngineError:
    """The error of a service that closes the connection, with this close code, before its last word."""
    return EngineError(f"{name}: the service closed the connection amid an utterance ({code}); try again")


@attrs.frozen
class RecognitionService:
    """Which service: how to connect to it for one utterance, at which ``rate`` it takes sound.

    ``timeout`` is how many seconds it may take for the final transcript after the end of the sound.
    """

    endpoint: Endpoint
    connect: Callable[[], AbstractAsyncContextManager[ServiceLink]]
    rate: int
    timeout: float

    @property
    def name(self) -> str:
        """The name that configurations use."""
        return self.endpoint.provider.name


async def websocket_service(
    endpoint: Endpoint, path: str, headers: Mapping[str, str], *, connect_timeout: float
) -> Callable[[], AbstractAsyncContextManager[ServiceLink]]:
    """What opens a WebSocket at ``path`` of ``endpoint``, once for each utterance. Raises `EngineError`."""
    # No proxy is asked about this machine.
    target = HttpTarget(endpoint.base_url, headers, use_proxy=not endpoint.is_local)
    try:
        server = await find_websocket_server(target, connect_timeout=connect_timeout)
    except HttpFailed as error:
        raise EngineError(unreachable(endpoint, error).text) from error
    return lambda: server.open(path)
