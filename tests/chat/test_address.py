"""What a person may write as the address of a server."""

from __future__ import annotations

import pytest

from trio_backend.client.address import DEFAULT_ADDRESS, ServerAddress, parse_address
from trio_backend.errors import NoConnection


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (DEFAULT_ADDRESS, ServerAddress("127.0.0.1", 12393, "/client-ws")),
        ("localhost", ServerAddress("localhost", 12393, "/client-ws")),
        (" localhost:8000 ", ServerAddress("localhost", 8000, "/client-ws")),
        ("localhost:8000/proxy-ws?room=den", ServerAddress("localhost", 8000, "/proxy-ws?room=den")),
        ("http://pi.local:12393/", ServerAddress("pi.local", 12393, "/client-ws")),
        ("http://pi.local", ServerAddress("pi.local", 80, "/client-ws")),
        ("https://pi.local?token=a", ServerAddress("pi.local", 443, "/client-ws?token=a", tls=True)),
        ("WSS://pi.local:1/other", ServerAddress("pi.local", 1, "/other", tls=True)),
        ("ws://[::1]:12393", ServerAddress("::1", 12393, "/client-ws")),
        ("[::1]", ServerAddress("::1", 12393, "/client-ws")),
    ],
)
def test_an_address_is_made_whole(written: str, meant: ServerAddress) -> None:
    """Scheme, port and path may be left out."""
    assert parse_address(written) == meant


@pytest.mark.parametrize("written", ["", "://", "ftp://host", "host:port", "a b", "ws://", "host:99999"])
def test_what_is_no_address_is_told(written: str) -> None:
    """The error shows how an address looks, and trying again is known not to help."""
    with pytest.raises(NoConnection, match=r"ws://127\.0\.0\.1:12393") as caught:
        parse_address(written)
    assert caught.value.lasting


def test_a_token_is_never_shown() -> None:
    """Neither the text nor the repr of an address holds its query."""
    address = parse_address("wss://host/client-ws?token=secret")
    assert str(address) == "wss://host:443/client-ws"
    assert "secret" not in repr(address)
    with pytest.raises(NoConnection) as caught:
        parse_address("ftp://host?token=secret")
    assert "secret" not in str(caught.value)


def test_ipv6_hosts_keep_their_brackets() -> None:
    """Host and port are told apart."""
    assert parse_address("[::1]:80").authority == "[::1]:80"
