"""Listening sockets, and accepting from them when the process is short of everything."""

from __future__ import annotations

import errno
import socket
import sys

import pytest
import trio

from tests.server.raw_client import connect, connect_websocket
from tests.server.running import run_server
from trio_backend.errors import ConfigError
from trio_backend.server import open_listeners, port_of


async def test_localhost_means_both_families_on_one_port() -> None:
    """Browsers try IPv6 first, other programs IPv4."""
    async with open_listeners("localhost", 0) as listeners:
        addresses = {listener.socket.getsockname()[0] for listener in listeners}
        assert len({port_of(listener) for listener in listeners}) == 1
        assert "127.0.0.1" in addresses
        assert addresses <= {"127.0.0.1", "::1"}
        for address in addresses:
            async with await trio.open_tcp_stream(address, port_of(listeners[0])):
                pass


@pytest.mark.skipif(not socket.has_ipv6, reason="there is no IPv6 here")
async def test_an_ipv6_address_is_listened_on() -> None:
    """And only that one."""
    async with open_listeners("::1", 0) as listeners:
        assert [listener.socket.family for listener in listeners] == [socket.AF_INET6]


async def test_leaving_the_block_frees_the_port() -> None:
    """At once, even if connections of before are still dying."""
    async with open_listeners("127.0.0.1", 0) as listeners:
        port = port_of(listeners[0])
        async with connect(port):
            pass
    async with open_listeners("127.0.0.1", port) as listeners:
        assert port_of(listeners[0]) == port


async def test_the_error_for_a_port_in_use_says_what_to_do() -> None:
    """The commonest trouble of a first start."""
    async with open_listeners("127.0.0.1", 0) as listeners:
        port = port_of(listeners[0])
        with pytest.raises(ConfigError, match=rf"port {port}: another program .* choose another port"):
            async with open_listeners("127.0.0.1", port):
                pass


@pytest.mark.parametrize(
    ("host", "message"),
    [("203.0.113.1", "no such address"), ("no such host.invalid", "give an address of this machine")],
)
async def test_the_error_for_a_foreign_host_says_what_to_do(host: str, message: str) -> None:
    """The text names the host, and a way out."""
    with pytest.raises(ConfigError, match=message):
        async with open_listeners(host, 0):
            pass


@pytest.mark.skipif(sys.platform != "linux", reason="the option is Linux's")
async def test_accepted_sockets_give_up_on_peers_that_acknowledge_nothing() -> None:
    """TCP_USER_TIMEOUT and keep-alive are inherited from the listening socket."""
    async with open_listeners("127.0.0.1", 0) as listeners:
        client = await trio.open_tcp_stream("127.0.0.1", port_of(listeners[0]))
        async with client, await listeners[0].accept() as stream:
            assert stream.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 20_000
            assert stream.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS])
async def test_a_process_out_of_handles_goes_on_listening(
    monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Connections in the kernel's queue are served once there is a handle again."""
    accept = trio.SocketListener.accept
    failures = 0

    async def short_of_handles(self: trio.SocketListener) -> trio.SocketStream:
        nonlocal failures
        if failures < 3:
            failures += 1
            raise OSError(number, "no more")
        return await accept(self)

    monkeypatch.setattr(trio.SocketListener, "accept", short_of_handles)
    async with run_server() as running, connect_websocket(running.port):
        assert failures == 3
