"""A folder in which Open-LLM-VTuber ran: its pages, the token that they do not pass on, its conversations."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import attrs
import httpx2
import pytest
import trio
import trio.testing

from tests.serving.servers import configured, open_server, wait_ready
from trio_backend import backend
from trio_backend.config.character import EngineChoice
from trio_backend.config.folder import Config
from trio_backend.config.load import load_config
from trio_backend.conversation import speech_engines
from trio_backend.history.opening import place_of
from trio_backend.server.authentication import AccessToken, Credentials
from trio_backend.server.token_cookie import TokenCookie
from trio_backend.user import NOBODY

TOKEN = "between us; a=b"


def old_folder(folder: Path, **system: object) -> Config:
    """A configuration in ``folder``, where builds of both old pages are."""
    for name in ("frontend", "web_tool"):
        (folder / name).mkdir()
        (folder / name / "index.html").write_text(f"<title>{name}</title>", "utf-8")
        (folder / name / "main.js").write_text("run()", "utf-8")
    (folder / "live2d-models").mkdir()
    (folder / "live2d-models" / "mao.json").write_text("{}", "utf-8")
    config = configured(
        folder, llm=EngineChoice("llm", "echo_llm", {}), tts=EngineChoice("tts", "tone_tts", {}), **system
    )
    return attrs.evolve(config, path=folder / "conf.yaml")


async def test_the_pages_of_the_old_folder_are_served(tmp_path: Path) -> None:
    """Without a key of the configuration; ours is beside them."""
    async with open_server(old_folder(tmp_path)) as address, httpx2.AsyncClient() as client:
        assert "<title>frontend</title>" in (await client.get(f"{address}/")).text
        assert "<title>web_tool</title>" in (await client.get(f"{address}/web-tool/")).text
        assert (await client.get(f"{address}/web-tool/main.js")).text == "run()"
        moved = await client.get(f"{address}/web-tool?token=x")
        assert moved.headers["location"] == "/web-tool/?token=x"
        assert 'src="main.js"' in (await client.get(f"{address}/page/")).text
        # The official page connects to this address.
        assert address.startswith("http://127.0.0.1:")


@pytest.mark.parametrize(("frontend_dir", "title"), [("ours", "main.js"), ("web_tool", "web_tool")])
async def test_a_key_says_what_is_served_instead(tmp_path: Path, frontend_dir: str, title: str) -> None:
    """Whoever does not want the old page says so."""
    config = old_folder(tmp_path, frontend_dir=frontend_dir)
    async with open_server(config) as address, httpx2.AsyncClient() as client:
        assert title in (await client.get(f"{address}/")).text


async def test_an_empty_folder_is_no_front_end(tmp_path: Path) -> None:
    """As git leaves it of a clone without its submodules."""
    config = old_folder(tmp_path)
    (tmp_path / "frontend" / "index.html").unlink()
    async with open_server(config) as address, httpx2.AsyncClient() as client:
        assert 'src="main.js"' in (await client.get(f"{address}/")).text


async def test_a_page_opened_with_the_token_gets_models_and_a_websocket(tmp_path: Path) -> None:
    """The official page passes the token on to neither; and a page without it gets nothing."""
    config = old_folder(tmp_path, access_token=TOKEN)
    async with open_server(config) as address, httpx2.AsyncClient() as client:
        model = f"{address}/live2d-models/mao.json"
        for wrong in ("", "?token=wrong", "?token="):
            assert "set-cookie" not in (await client.get(f"{address}/{wrong}")).headers
        assert (await client.get(model)).status_code == 401
        opened = await client.get(f"{address}/", params={"token": TOKEN})
        cookie = opened.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie
        assert "Secure" not in cookie
        assert TOKEN not in cookie
        # Of the file itself, not of what it loads.
        assert "set-cookie" not in (await client.get(f"{address}/main.js", params={"token": TOKEN})).headers
        assert (await client.get(model)).status_code == 200
        pair = cookie.partition(";")[0]
        # A browser that was closed meanwhile still has the page, but no cookie any more.
        kept = {"If-None-Match": opened.headers["etag"]}
        for token, given in ((TOKEN, cookie), ("wrong", None)):
            again = await client.get(f"{address}/", params={"token": token}, headers=kept)
            assert (again.status_code, again.headers.get("set-cookie")) == (304, given)
        assert await connects(address, {"Cookie": pair, "Origin": address})
        assert not await connects(address, {"Origin": address})
        assert not await connects(address, {"Cookie": f"{pair}x", "Origin": address})


async def connects(address: str, headers: Mapping[str, str]) -> bool:
    """Whether a WebSocket with ``headers`` is accepted."""
    host = address.removeprefix("http://")
    fields = {
        "Host": host, "Connection": "Upgrade", "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", **headers,
    }  # fmt: skip
    lines = ["GET /client-ws HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items()), "", ""]
    name, port = host.split(":")
    with trio.fail_after(20):
        async with await trio.open_tcp_stream(name, int(port)) as stream:
            await stream.send_all("\r\n".join(lines).encode())
            answer = await stream.receive_some(100)
    status = int(answer.split()[1])
    assert status in (101, 401)
    return status == 101


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ({}, True),
        ({"origin": "http://kiosk.local:12393"}, True),
        ({"origin": "http://KIOSK.local:12393"}, True),
        # Browsers send the cookie for those, too: another port is the same site.
        ({"origin": "http://kiosk.local:8000"}, False),
        ({"origin": "http://kiosk.local"}, False),
        ({"origin": "null"}, False),
        ({"origin": "file://"}, False),
        ({"sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "none"}, True),
        ({"sec-fetch-site": "same-site"}, False),
        ({"sec-fetch-site": "cross-site"}, False),
    ],
)
async def test_the_cookie_is_good_for_our_own_pages(headers: dict[str, str], allowed: bool) -> None:
    """A page of another program on this machine does not act for whoever looks at it."""
    cookie = TokenCookie(TOKEN)
    pair = cookie.header(secure=False).partition(";")[0]
    sent = {"host": "kiosk.local:12393", "cookie": f"theme=dark; {pair}", **headers}
    answer = await AccessToken(TOKEN).identify(Credentials("/", "", sent))
    assert (answer == NOBODY) is allowed
    other = await AccessToken("another").identify(Credentials("/", "", sent))
    assert other != NOBODY
    assert cookie.header(secure=True).endswith("; Secure")


@pytest.mark.parametrize(
    "cookie", ["", ";;;", "a", '"', "=", f"{TokenCookie(TOKEN).name}=", "\x00=\x01", "ü=ü"]
)
async def test_a_broken_cookie_is_no_cookie(cookie: str) -> None:
    """Nothing a stranger sends is a bug of ours."""
    answer = await AccessToken(TOKEN).identify(Credentials("/", "", {"cookie": cookie}))
    assert answer != NOBODY


@pytest.mark.parametrize("other", ["a[b]=1", 'settings={"a": "b c"}', "ü=ü", "=", 'theme=da"rk'])
async def test_cookies_of_other_servers_are_passed_over(other: str) -> None:
    """All servers of a machine share them, and nobody keeps all of those to the standard."""
    pair = TokenCookie(TOKEN).header(secure=False).partition(";")[0]
    for sent in (f"{other}; {pair}", f"{pair}; {other}"):
        assert await AccessToken(TOKEN).identify(Credentials("/", "", {"cookie": sent})) == NOBODY


def test_conversations_are_kept_beside_the_old_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not in Open-LLM-VTuber's folder; except where version 0.1 has put them there."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "conf.yaml").write_text(
        "character_config: {conf_name: a, conf_uid: a, persona_prompt: b}", "utf-8"
    )
    default = load_config(tmp_path / "conf.yaml", environ={}).config.system.history_file
    (tmp_path / "chat_history").mkdir()
    assert place_of(default) == default == "history.sqlite3"
    (tmp_path / "chat_history" / "history.sqlite3").touch()
    assert place_of(default) == "chat_history/history.sqlite3"
    assert place_of("mine.sqlite3") == "mine.sqlite3"
    (tmp_path / "history.sqlite3").touch()
    assert place_of(default) == default


@pytest.mark.parametrize("page", ["theirs", "ours"])
async def test_recognition_is_loaded_for_the_page_that_does_not_tell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page: str
) -> None:
    """Theirs sends nothing of a microphone before the first utterance is over; for ours there is time."""
    config = old_folder(tmp_path, frontend_dir="" if page == "theirs" else "ours")
    asr = EngineChoice("asr", "scripted_asr", {})
    monkeypatch.setattr(backend, "asr_of", lambda _character: asr)
    monkeypatch.setattr(speech_engines, "asr_of", lambda _character: asr)
    assert config.character.asr is None
    async with open_server(config) as address, httpx2.AsyncClient() as client:
        await wait_ready(address)
        await trio.testing.wait_all_tasks_blocked(0.05)
        tasks = (await client.get(f"{address}/debug/tasks")).text
        assert ("engine asr/scripted_asr" in tasks) == (page == "theirs")
