"""Which requests get tasks and metrics of a running server, and what they get."""

from __future__ import annotations

import json

import attrs
import pytest

from tests.server.raw_client import Answer, connect
from tests.server.running import pages, run_server
from trio_backend.server.debug_routes import DebugRoutes, is_operators
from trio_backend.server.handshake import UpgradeRequest
from trio_backend.server.http import http_app
from trio_backend.server.token_cookie import TokenCookie
from trio_backend.user import NOBODY


async def tasks(limit: int) -> bytes:
    return json.dumps({"limit": limit}).encode()


async def metrics() -> bytes:
    return b"turns_total 3\n"


async def addresses(with_token: bool) -> bytes:
    return json.dumps({"with_token": with_token}).encode()


DEBUG_ROUTES = DebugRoutes(tasks, metrics, "text/plain; version=0.0.4", False, 1_000, 20_000)


async def fetch(path: str, *fields: str, debug: DebugRoutes | None = DEBUG_ROUTES) -> Answer:
    """One request from this machine to a server that can be looked into."""
    app = http_app(attrs.evolve(pages(), debug=debug))
    async with run_server(app=app) as running, connect(running.port) as client:
        head = "\r\n".join([f"GET {path} HTTP/1.1", *fields, "", ""])
        await client.send(head.encode())
        return await client.answer()


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:12393", "[::1]:12393"])
async def test_this_machine_sees_the_tasks(host: str) -> None:
    """By any of its own names."""
    answer = await fetch("/debug/tasks", f"Host: {host}")
    assert answer.status == 200
    assert json.loads(answer.body) == {"limit": 1_000}


@pytest.mark.parametrize(
    "fields",
    [
        ("Host: rebound.example",),
        ("Host: 10.0.0.7",),
        ("Host: localhost", "X-Forwarded-For: 10.0.0.7"),
        ("Host: localhost", "Forwarded: for=10.0.0.7"),
        ("Host: [",),
    ],
)
async def test_other_clients_do_not(fields: tuple[str, ...]) -> None:
    """Not a page whose name points at us, and not the clients of a proxy, unless configured so."""
    assert (await fetch("/debug/tasks", *fields)).status in (400, 403)
    if fields != ("Host: [",):
        shown = await fetch("/debug/tasks", *fields, debug=attrs.evolve(DEBUG_ROUTES, for_all=True))
        assert shown.status == 200


@pytest.mark.parametrize(("asked", "got"), [("7", 7), ("-1", 0), ("99999999", 20_000)])
async def test_the_limit_has_limits(asked: str, got: int) -> None:
    """A request cannot get more than `max_tasks_shown`."""
    answer = await fetch(f"/debug/tasks?limit={asked}", "Host: localhost")
    assert json.loads(answer.body) == {"limit": got}


async def test_a_limit_that_is_no_number_is_refused() -> None:
    """With 400, not with a traceback."""
    assert (await fetch("/debug/tasks?limit=all", "Host: localhost")).status == 400


async def test_metrics_are_for_this_machine_or_all_or_off() -> None:
    """As the config says; their content type is Prometheus' own."""
    assert (await fetch("/metrics", "Host: localhost")).status == 200
    assert (await fetch("/metrics", "Host: example.org")).status == 403
    shown = attrs.evolve(DEBUG_ROUTES, metrics_for_all=True)
    answer = await fetch("/metrics", "Host: example.org", debug=shown)
    assert (answer.status, answer.body) == (200, b"turns_total 3\n")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4"
    without = attrs.evolve(DEBUG_ROUTES, metrics=None)
    assert (await fetch("/metrics", "Host: localhost", debug=without)).status == 404
    assert (await fetch("/debug/tasks", "Host: localhost", debug=None)).status == 404


@pytest.mark.parametrize(
    ("token", "query", "field", "held"),
    [
        ("", "?token=", "Accept: *", False),
        ("secret", "", "Accept: *", False),
        ("secret", "?token=wrong", "Accept: *", False),
        ("secret", "?token=secret", "Accept: *", True),
        ("secret", "", "Authorization: Bearer secret", True),
    ],
)
async def test_only_who_brings_the_token_gets_it(token: str, query: str, field: str, held: bool) -> None:
    """A page that has a cookie in its place could not tell it to somebody else, and cannot now."""
    debug = attrs.evolve(DEBUG_ROUTES, addresses=addresses, token=token, for_all=True)
    cookie = f"Cookie: {TokenCookie('secret').header(secure=False).partition(';')[0]}"
    answer = await fetch(f"/debug/addresses{query}", "Host: a", field, cookie, debug=debug)
    assert json.loads(answer.body) == {"with_token": held}
    assert answer.headers["cache-control"] == "no-store"
    assert "secret" not in repr(debug)


async def test_addresses_are_for_this_machine() -> None:
    """As tasks are."""
    debug = attrs.evolve(DEBUG_ROUTES, addresses=addresses)
    assert (await fetch("/debug/addresses", "Host: localhost", debug=debug)).status == 200
    assert (await fetch("/debug/addresses", "Host: 10.0.0.7", debug=debug)).status == 403
    assert (await fetch("/debug/addresses", "Host: localhost")).status == 404


# What Chromium sends with a WebSocket.
PAGE = {
    "host": "localhost:12393",
    "connection": "Upgrade",
    "upgrade": "websocket",
    "origin": "http://localhost:12393",
    "user-agent": "a browser",
    "pragma": "no-cache",
    "cache-control": "no-cache",
    "accept-encoding": "gzip",
    "accept-language": "en",
    "sec-websocket-key": "x",
    "sec-websocket-version": "13",
    "sec-websocket-extensions": "permessage-deflate",
}
OWN = ("same-host", "localhost", "file")


def upgraded(client: str = "127.0.0.1:5000", **headers: str) -> UpgradeRequest:
    """A WebSocket with ``headers`` besides those of our page on this machine, or in their place."""
    changed = {name.replace("_", "-"): value for name, value in headers.items()}
    return UpgradeRequest("/client-ws", {}, {**PAGE, **changed}, client, NOBODY)


def test_a_page_of_this_machine_is_the_operators() -> None:
    """And so is every client, where each has brought the token."""
    assert is_operators(upgraded(), "", OWN)
    assert is_operators(upgraded("[::1]:5000", host="[::1]:80", origin="http://[::1]:80"), "", OWN)
    assert is_operators(upgraded("10.0.0.7:5000", host="example.org"), "secret", ["*"])


@pytest.mark.parametrize(
    "request_",
    [
        upgraded("10.0.0.7:5000"),
        upgraded(host="rebound.example", origin="http://rebound.example"),
        upgraded(origin="http://localhost:3000"),
        upgraded(origin="file://"),
        upgraded(sec_fetch_site="cross-site"),
        upgraded(x_forwarded_for="10.0.0.7"),
        upgraded(via="1.1 proxy"),
        upgraded(connection="close, Upgrade"),
    ],
    ids=lambda request: request.client,
)
def test_others_are_not(request_: UpgradeRequest) -> None:
    """Not the network, not other pages, not a name that points at us, and not a proxy's clients."""
    assert not is_operators(request_, "", OWN)


def test_where_other_names_lead_here_this_machine_proves_nothing() -> None:
    """A proxy on this machine may leave no trace in its requests."""
    for origins in (["*"], [*OWN, "https://example.org"]):
        assert not is_operators(upgraded(), "", origins)
