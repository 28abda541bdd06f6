"""Access rules as pure functions."""

from __future__ import annotations

import pytest

from trio_backend.server.access import origin_allowed
from trio_backend.server.authentication import token_allowed

USUAL = ("same-host", "localhost", "file")


@pytest.mark.parametrize(
    ("allowed", "origin", "host", "policy"),
    [
        (True, None, "127.0.0.1:12393", ()),
        (True, "https://evil.example", "127.0.0.1:12393", ("*",)),
        (False, "https://evil.example", "127.0.0.1:12393", USUAL),
        (False, "https://evil.example", "127.0.0.1:12393", ()),
        (True, "http://127.0.0.1:12393", "127.0.0.1:12393", USUAL),
        (True, "http://localhost:5173", "127.0.0.1:12393", USUAL),
        (True, "http://[::1]:3000", "127.0.0.1:12393", USUAL),
        (False, "http://localhost:5173", "127.0.0.1:12393", ("same-host",)),
        (False, "http://localhost.evil.example", "127.0.0.1:12393", USUAL),
        (True, "https://kiosk.local:8443", "KIOSK.local:12393", USUAL),
        (False, "https://kiosk.local", "kiosk.local", ("localhost",)),
        (False, "https://kiosk.local", "other.local", USUAL),
        (True, "http://10.0.0.7", "10.0.0.7:12393", USUAL),
        (True, "http://kiosk:12393", "kiosk:12393", USUAL),
        (True, "http://pi.fritz.lan.", "pi.fritz.lan.", USUAL),
        (True, "http://pi.home.arpa", "pi.home.arpa", USUAL),
        (True, "http://talk.internal", "talk.internal", USUAL),
        (True, "http://a.localhost:8000", "a.localhost:12393", USUAL),
        # Its owner can point it at us: rebinding.
        (False, "https://rebound.example", "rebound.example", USUAL),
        (True, "https://rebound.example", "rebound.example", (*USUAL, "https://rebound.example")),
        (False, "http://evil-local", "evil.example", USUAL),
        (False, "http://notlocal.example.local.evil", "notlocal.example.local.evil", USUAL),
        (True, "http://[fd00::1]:80", "[fd00::1]:12393", USUAL),
        (True, "file://", "127.0.0.1:12393", USUAL),
        # Any website can have a sandboxed frame, whose origin is this.
        (False, "null", "127.0.0.1:12393", USUAL),
        (True, "null", "127.0.0.1:12393", ("null",)),
        (False, "file://", "127.0.0.1:12393", ("null",)),
        (False, "file://", "127.0.0.1:12393", ("same-host", "localhost")),
        (True, "https://Pet.example", "127.0.0.1:12393", ("https://pet.example/",)),
        (False, "https://pet.example:444", "127.0.0.1:12393", ("https://pet.example",)),
        (False, "http://pet.example", "127.0.0.1:12393", ("https://pet.example",)),
        (False, "same-host", "127.0.0.1:12393", USUAL),
        (False, "", "", USUAL),
        (False, "https://", "", USUAL),
        (False, "http://[broken", "127.0.0.1", USUAL),
        # Applications, and what only looks like a page of this machine.
        (False, "capacitor://localhost", "localhost:12393", USUAL),
        (False, "tauri://localhost", "localhost:12393", USUAL),
        (False, "app://localhost", "localhost:12393", USUAL),
        (False, "app://localhost", "127.0.0.1:12393", USUAL),
        (False, "ws://localhost", "localhost:12393", USUAL),
        (False, "localhost", "localhost:12393", USUAL),
        (False, "//localhost", "localhost:12393", USUAL),
        (False, "https://localhost", "localhost:12393", USUAL),
        (False, "https://localhost", "127.0.0.1:12393", USUAL),
        (True, "https://localhost", "localhost", USUAL),
        (True, "https://localhost:8443", "127.0.0.1:12393", USUAL),
        (True, "http://localhost", "127.0.0.1:12393", USUAL),
        (False, "http://tauri.localhost", "localhost:12393", USUAL),
        (True, "capacitor://localhost", "127.0.0.1:12393", (*USUAL, "capacitor://localhost")),
        (False, "tauri://localhost", "127.0.0.1:12393", (*USUAL, "capacitor://localhost")),
        (True, "https://localhost", "127.0.0.1:12393", (*USUAL, "https://localhost")),
        (False, "http://evil.com@localhost", "localhost:12393", USUAL),
        (False, "http://evil.com:80@localhost", "localhost:12393", USUAL),
        (False, "http://localhost/", "localhost:12393", USUAL),
        (False, "http://localhost:80:80", "localhost:12393", USUAL),
        (False, "http://localhost?x", "localhost:12393", USUAL),
        (False, "http://localhost#x", "localhost:12393", USUAL),
        (False, "http://localhost\\@evil.com", "localhost:12393", USUAL),
        (False, "http://localhost http://evil.com", "localhost:12393", USUAL),
        (False, "http://kiosk.local", "evil.com@kiosk.local", USUAL),
        (False, "http://10.0.0.7", "10.0.0.7/x", USUAL),
    ],
)
def test_a_page_is_judged_by_its_origin(
    allowed: bool, origin: str | None, host: str, policy: tuple[str, ...]
) -> None:
    """Words stand for kinds of pages, everything else for itself."""
    assert origin_allowed(origin, host, policy) is allowed


@pytest.mark.parametrize(
    ("allowed", "token", "authorization", "query"),
    [
        (True, "", "", ""),
        (False, "secret", "", ""),
        (True, "secret", "Bearer secret", ""),
        (True, "secret", "bearer  secret ", ""),
        (False, "secret", "Basic secret", ""),
        (False, "secret", "secret", ""),
        (True, "secret", "", "a=b&token=secret"),
        (True, "s&=ü", "", "token=s%26%3D%C3%BC"),
        (False, "secret", "Bearer wrong", "token=wrong"),
        (True, "secret", "Bearer wrong", "token=secret"),
        (False, "secret", "Bearer ", "token="),
        (False, "secret", "", "token=SECRET"),
    ],
)
def test_a_token_opens_in_either_form(allowed: bool, token: str, authorization: str, query: str) -> None:
    """Exactly, and only where one is configured."""
    assert token_allowed(token, authorization, query) is allowed
