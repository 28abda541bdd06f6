"""The load generator's model: it streams as others do, and sees at once when its connection is closed."""

from __future__ import annotations

import socket

import trio

from trio_backend.prove.stand_ins import open_model


def free_port() -> int:
    """One that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def test_it_streams_until_it_is_left() -> None:
    """Words come one at a time; the closed connection is known within moments."""
    port = free_port()
    async with open_model(port) as model:
        async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
            await stream.send_all(b"POST /v1/chat/completions HTTP/1.1\r\n\r\n")
            said = b""
            while b'"content":"this "' not in said:
                said += await stream.receive_some()
            assert said.index(b"text/event-stream") < said.index(b'"content":"Now "')
            assert model.open == 1
        with trio.fail_after(5):
            while model.open:
                await trio.sleep(0.001)
