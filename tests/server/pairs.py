"""A `WebSocketWire` and its client, over streams in memory."""

from __future__ import annotations

from trio.testing import lockstep_stream_pair, memory_stream_pair

from tests.server.raw_client import RawClient
from trio_backend.server.websocket import WebSocketWire


def open_pair() -> tuple[WebSocketWire, RawClient]:
    """A wire whose sends never block, and its client."""
    ours, theirs = memory_stream_pair()
    return WebSocketWire(ours), RawClient(theirs)


def open_tight_pair() -> tuple[WebSocketWire, RawClient]:
    """A wire whose sends block until the client has read the last byte, and its client."""
    ours, theirs = lockstep_stream_pair()
    return WebSocketWire(ours), RawClient(theirs)
