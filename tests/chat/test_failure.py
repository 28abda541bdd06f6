"""What a user is told when no connection can be made, or it is lost."""

from __future__ import annotations

import errno
import socket
import ssl

import attrs
import pytest
import trio

from tests.chat.scripted import Server
from tests.chat.users import User
from trio_backend.chat.chat import Terminal, converse
from trio_backend.client.address import ServerAddress
from trio_backend.client.failure import Backoff, lost, rejected, unreachable

ADDRESS = ServerAddress("example.org", 80, "/client-ws?token=secret")


async def told(address: ServerAddress) -> str:
    """What a user sees of a conversation that cannot be had; the exit code is 1."""
    user = User.without_sound()
    with trio.fail_after(30):
        assert await converse(address, Terminal(user, user.screen, user.player)) == 1
    return user.seen


async def test_nothing_listens() -> None:
    """The user learns how to start it."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        assert "start it with `trio-backend serve`" in await told(
            ServerAddress("127.0.0.1", taken.getsockname()[1], "/")
        )


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (401, "?token="),
        (403, "refuses this client"),
        (404, "/client-ws"),
        (503, "later"),
        (302, "redirects"),
        (500, "500"),
    ],
)
async def test_a_server_that_refuses_the_connection(server: Server, status: int, words: str) -> None:
    """Each refusal says what may be done."""
    server.refuse_with = status
    assert words in await told(server.address)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/", "the path is usually /client-ws"),
        ("/client-ws", "no server of this kind; is the port right"),
        ("/proxy-ws?room=den", "no server of this kind; is the port right"),
    ],
)
async def test_another_server_is_told_from_a_wrong_path(server: Server, path: str, words: str) -> None:
    """Nobody is sent to the path where they are."""
    server.refuse_with = 404
    assert words in await told(attrs.evolve(server.address, target=path))


async def test_a_server_without_tls(server: Server) -> None:
    """What is no TLS is not taken for silence."""
    assert "try ws://" in await told(attrs.evolve(server.address, tls=True))


async def test_a_server_that_says_nothing(autojump_clock: trio.testing.MockClock) -> None:
    """The wait has an end."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        assert "no answer within 10 s" in await told(ServerAddress("127.0.0.1", mute.getsockname()[1], "/"))


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 101 ", b"SSH-2.0-OpenSSH_9.2\r\n\r\n"])
async def test_a_server_that_hangs_up_in_the_handshake(answer: bytes) -> None:
    """As one that is killed then: that is no silence, and is known at once."""

    async def close_at_once(stream: trio.SocketStream) -> None:
        async with stream:
            await stream.receive_some()
            await stream.send_all(answer)

    async with trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, close_at_once, [listener])
        began = trio.current_time()
        assert "closed the connection at once" in await told(
            ServerAddress("127.0.0.1", listener.socket.getsockname()[1], "/")
        )
        assert trio.current_time() - began < 5
        nursery.cancel_scope.cancel()


def untrusted() -> ssl.SSLCertVerificationError:
    """As OpenSSL's own, which set the message by themselves."""
    error = ssl.SSLCertVerificationError()
    error.verify_message = "self-signed certificate"
    return error


@pytest.mark.parametrize(
    ("error", "words", "lasting"),
    [
        (socket.gaierror(-2, "Name or service not known"), "no host named 'example.org'", False),
        (OSError(errno.EHOSTUNREACH, "No route"), "is the network up", False),
        (untrusted(), "self-signed", True),
        (OSError(errno.EMFILE, "Too many open files"), "Too many open files", False),
    ],
)
def test_an_error_is_explained(error: OSError, words: str, *, lasting: bool) -> None:
    """However deep trio has put it."""
    wrapped = OSError("all attempts to connect failed")
    wrapped.__cause__ = ExceptionGroup("", [error])
    told = unreachable(ADDRESS, wrapped)
    assert words in str(told)
    assert told.lasting == lasting


def test_of_several_addresses_the_first_is_explained() -> None:
    """It is the one that the system prefers; a cause is more than what it led to."""
    no_route = OSError(errno.EHOSTUNREACH, "No route")
    no_route.__context__ = ValueError("before it")
    wrapped = OSError("all attempts to connect failed")
    wrapped.__cause__ = ExceptionGroup("", [ExceptionGroup("", [no_route]), ConnectionRefusedError()])
    assert "is the network up" in str(unreachable(ADDRESS, wrapped))


def test_no_error_shows_the_token() -> None:
    """It is in the address that the user gave."""
    for error in (rejected(ADDRESS, 404), rejected(ADDRESS, 401), unreachable(ADDRESS, OSError("x"))):
        assert "secret" not in str(error)


def test_a_loss_is_explained_once() -> None:
    """By the close code, and by the reason where it says more."""
    assert lost(1006, None) == "the server is gone"
    assert lost(1001, "the server is shutting down") == "the server is shutting down"
    assert lost(4999, "why not") == "close code 4999 (why not)"


def test_waits_grow_to_a_limit_and_come_to_an_end() -> None:
    """Each is somewhere between half and all of what it could be."""
    longest = list(Backoff(1, 8, 60, lambda: 0.0).waits())
    assert longest == [1, 2, 4, 8, 8, 8, 8, 8, 8, 8]
    assert list(Backoff(1, 8, 60, lambda: 1.0).waits())[:5] == [0.5, 1, 2, 4, 4]
    assert 600 <= sum(Backoff().waits()) <= 615
