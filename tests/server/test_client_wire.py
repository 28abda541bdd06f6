"""The client's end of a connection, against a real server."""

from __future__ import annotations

import trio

from tests.server.running import run_server
from trio_backend.client.address import parse_address
from trio_backend.client.connection import open_wire


async def test_to_drop_what_is_closed_already_is_harmless() -> None:
    """A cancelled `send` has closed the connection, since nobody knows how much of the message went out."""
    async with (
        run_server() as running,
        open_wire(parse_address(f"http://127.0.0.1:{running.port}/echo")) as wire,
    ):
        with trio.CancelScope() as cancelled:
            cancelled.cancel()
            await wire.send(b"hello")
        assert cancelled.cancelled_caught
        await wire.reset()
        await running.wait_connections(0)
        await wire.reset()
