"""Whose a connection is: asked of an `Authenticator` before anything else is done for it."""

from __future__ import annotations

from http import HTTPStatus
from pathlib import Path
from urllib.parse import parse_qs

import attrs
import pytest
import trio
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from tests.attack.attacked import ECHO, TONE, errors_logged
from tests.client import Client
from tests.server.raw_client import connect, connect_websocket, handshake
from tests.server.requests import ask
from tests.server.running import pages, run_server
from tests.serving.servers import configured, open_client, open_server
from trio_backend.boundary import Boundary
from trio_backend.server import ServerOptions, UpgradeRequest
from trio_backend.server import authentication as module
from trio_backend.server.authentication import AccessToken, Credentials, token_allowed
from trio_backend.server.http import http_app
from trio_backend.server.responses import Refusal
from trio_backend.user import NOBODY, User, UserId
from trio_backend.wire import Wire

UNKNOWN_NAME = Refusal(HTTPStatus.FORBIDDEN, "there is no user of that name")


@attrs.frozen
class ByName:
    """An authenticator that believes any name, waits a while, and for some names fails or never answers."""

    names: tuple[str, ...] = ("ann", "bob")

    async def identify(self, credentials: Credentials) -> User | Refusal:
        """See `Authenticator.identify`."""
        await trio.sleep(0.001)
        name = parse_qs(credentials.query).get("name", [""])[0] or credentials.headers.get("x-name", "")
        if name == "bug":
            raise RuntimeError
        if name == "silence":
            await trio.sleep_forever()
        return User(UserId(name)) if name in self.names else UNKNOWN_NAME


async def whoami(request: Request) -> Response:
    """The user behind the gate."""
    return PlainTextResponse(request.user.id)


async def test_a_websocket_and_a_request_are_their_users() -> None:
    """Each request by itself, although another user's came before it on the same connection."""
    seen: list[User] = []

    async def look(_wire: Wire, request: UpgradeRequest) -> None:
        await trio.lowlevel.checkpoint()
        seen.append(request.user)

    app = http_app(pages())
    app.router.routes.insert(0, Route("/whoami", whoami))
    async with run_server(app=app, routes={"/look": look}, authenticator=ByName()) as running:
        for name in ("ann", "bob"):
            async with connect_websocket(running.port, f"/look?name={name}") as client:
                await client.closed()
        async with connect(running.port) as client:
            for name in ("ann", "bob"):
                assert (await ask(client, "/whoami", fields=f"X-Name: {name}\r\n")).body == name.encode()
            # What is public is so for everybody: nobody is asked who wants it. Nor is a browser that asks for
            # the CORS rules, with which it sends no credentials.
            assert (await ask(client, "/healthz")).status == 200
            fields = "Origin: http://localhost:3000\r\nAccess-Control-Request-Method: GET\r\n"
            assert (await ask(client, "/bg/sea.jpg", method="OPTIONS", fields=fields)).status == 200

    assert seen == [User(UserId("ann")), User(UserId("bob"))]


async def test_a_refused_client_is_told_why() -> None:
    """The authenticator's own words, for a WebSocket and for a request."""
    async with run_server(authenticator=ByName()) as running:
        for path, head in (
            ("/echo", handshake("/echo?name=eve")),
            ("/readyz", b"GET /readyz?name=eve HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"),
        ):
            async with connect(running.port) as client:
                await client.send(head)
                answer = await client.answer()
            assert (path, answer.status, answer.body) == (path, 403, b"there is no user of that name\n")


@pytest.mark.parametrize("name", ["bug", "silence"])
async def test_an_authenticator_that_fails_refuses_and_ends_no_connection(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """503 with a text, for this one connection; open and later connections notice nothing."""
    monkeypatch.setattr(module, "AUTHENTICATION_TIMEOUT", 0.1)
    with errors_logged() as errors:
        async with (
            run_server(authenticator=ByName()) as running,
            connect_websocket(running.port, "/echo?name=ann") as inside,
        ):
            for head in (
                handshake(f"/echo?name={name}"),
                f"GET /readyz?name={name} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode(),
            ):
                async with connect(running.port) as client:
                    await client.send(head)
                    answer = await client.answer()
                assert (answer.status, answer.headers["retry-after"]) == (503, "5")
                assert answer.body.startswith(b"the server cannot identify you at the moment: try again")
            await inside.send(b"\x81\x82\0\0\0\0Hi")
            assert await inside.message() == "Hi"
            async with connect_websocket(running.port, "/echo?name=bob"):
                pass
    assert len(errors) == (2 if name == "bug" else 0)


async def test_the_bug_of_an_authenticator_is_counted() -> None:
    """As a part of its own."""
    parts: list[str] = []
    authenticator = module.BoundedAuthenticator(ByName(), Boundary(parts.append))
    with errors_logged():
        assert await authenticator.identify(Credentials("/", "name=bug", {})) is module.UNKNOWN
    assert parts == ["authentication"]


async def test_clients_with_the_token_are_one_user() -> None:
    """And so is everybody where none is configured."""
    token, wrong = Credentials("/", "token=secret", {}), Credentials("/", "", {"authorization": "Bearer x"})
    assert await AccessToken("secret").identify(token) == NOBODY
    assert await AccessToken("").identify(wrong) == NOBODY
    refusal = await AccessToken("secret").identify(wrong)
    assert isinstance(refusal, Refusal)
    assert refusal.status == 401


def test_no_secret_shows_in_a_log() -> None:
    """Neither of the request nor of the configuration."""
    credentials = Credentials("/x", "token=secret", {"authorization": "Bearer secret"})
    assert "secret" not in f"{credentials} {AccessToken('secret')} {ServerOptions(access_token='secret')}"


async def test_what_one_user_said_does_not_exist_for_another(tmp_path: Path) -> None:
    """From the handshake to the disk: not listed, and when asked for by name, it never was."""
    config = configured(tmp_path, llm=ECHO, tts=TONE)
    async with open_server(config, ByName()) as address:
        async with open_client(address, "/client-ws?name=ann") as ann:
            await ann.turn("A secret.")
            [uid] = await conversations(ann)
        async with open_client(address, "/client-ws?name=bob") as bob:
            assert await conversations(bob) == []
            answers = [await refusals(bob, name) for name in (uid, "never was")]
            assert answers[0] == answers[1]
            await bob.turn("My own.")
            assert len(await conversations(bob)) == 1
        async with open_client(address, "/client-ws?name=ann") as ann:
            assert await conversations(ann) == [uid]
            await ann.say("fetch-and-set-history", history_uid=uid)
            messages = (await ann.until("history-data"))[-1]["messages"]
            assert [message["content"] for message in messages][:1] == ["A secret."]
            await ann.say("hello", accepts=["titles"])
            await ann.say("fetch-history-list")
            assert (await ann.until("history-list"))[-1]["histories"][0]["title"] == "A secret."


async def conversations(client: Client) -> list[str]:
    """The names of those that are listed."""
    await client.say("fetch-history-list")
    return [one["uid"] for one in (await client.until("history-list"))[-1]["histories"]]


async def refusals(client: Client, uid: str) -> list[object]:
    """What is said about conversation ``uid``, which is not to be seen."""
    said = []
    for request in ("fetch-and-set-history", "delete-history", "rename-history"):
        await client.say(request, history_uid=uid, title="Mine")
        error = (await client.until("error"))[-1]
        said += [error["code"], error["message"]]
    return said


def test_tokens_are_compared_in_the_same_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever they differ: by the function that is made for that."""
    compared: list[bytes] = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append(one)
        return one == other

    monkeypatch.setattr("hmac.compare_digest", compare)
    assert not token_allowed("secret", "Bearer guess", "token=other")
    assert compared == [b"other", b"guess"]
