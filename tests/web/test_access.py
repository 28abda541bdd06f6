"""The page as it is served: with its policy, with a token, and the operator's page beside it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, expect

from tests.web.page_server import PageServer, build_page_server
from tests.web.page_user import PageUser


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PageServer]:
    """A server that asks for a token; only the clients of these tests connect to it."""
    page_server = build_page_server(
        tmp_path_factory.mktemp("locked"),
        system=", access_token: 'open & shut'",
        query="?token=open+%26+shut",
    )
    page_server.start()
    yield page_server
    page_server.kill()


def test_with_a_token_the_whole_page_works(browser: Browser, locked: PageServer) -> None:
    """Its own files load without one; talk, avatars and pictures take it along."""
    user = PageUser(browser.new_page())
    refused: list[str] = []
    user.page.on("response", lambda answer: refused.append(answer.url) if answer.status == 401 else None)
    user.open(locked.url)
    user.type("Hello.")
    expect(user.find(".ai .sentence")).to_have_text("Hello.")
    user.page.click("#open-characters")
    user.find("#character-list .item").filter(has_text="painted").get_by_role("button").click()
    expect(user.find("#portrait")).to_be_visible()
    user.until(lambda: bool(user.find("#portrait").evaluate("image => image.naturalWidth > 0")))

    assert refused == []
    assert user.wrong == []
    user.page.close()


def test_without_the_token_no_conversation_begins(browser: Browser, locked: PageServer) -> None:
    """The page is shown, and says that it was refused; what the server does stays hidden."""
    page = browser.new_page()
    page.goto(locked.at(""))
    expect(page.locator("#state")).to_contain_text("refused this page")
    page.goto(locked.at("status"))
    expect(page.locator("#refused")).to_contain_text("shown to its operator: an access token is needed")
    # Neither zeros nor "none" would be true.
    expect(page.locator("main > :visible")).to_have_count(1)
    page.close()


def test_the_operators_page_shows_what_the_server_does(browser: Browser, locked: PageServer) -> None:
    """Who is connected, what the engines do, how long a first sound took, and the tasks, while they live."""
    user, operator = PageUser(browser.new_page()), PageUser(browser.new_page())
    user.open(locked.url)
    user.type("Hello.")
    user.wait_quiet()
    operator.page.goto(f"{locked.at('status')}{locked.query}")

    expect(operator.find("#live")).to_contain_text("live")
    expect(figure(operator, "sessions")).to_have_text("1")
    expect(operator.find("#engines")).to_contain_text("llm echo")
    expect(operator.find("#engines")).to_contain_text("scene Mao")
    expect(operator.find("#counts")).to_contain_text("turns: complete")
    expect(operator.find("#quantiles dd").first).to_contain_text("ms")
    path = operator.find("#spark .over").get_attribute("d")
    assert path is not None
    assert path.startswith("M")
    connection = (
        operator.find("#tree summary")
        .filter(has_text="session.live")
        .or_(operator.find("#tree summary").filter(has_text="Session.live"))
    )
    connection.first.click()
    expect(operator.find("#tree summary").filter(has_text="/reader")).to_have_count(1)

    expect(operator.find("#addresses")).to_contain_text(f"http://127.0.0.1:{locked.port}")
    expect(operator.find("#reach-words")).to_contain_text("Other machines cannot connect")
    expect(operator.find("#code")).to_be_hidden()
    expect(figure(operator, "WebSockets")).to_have_text("1")

    user.page.close()
    expect(figure(operator, "sessions")).to_have_text("0")
    expect(figure(operator, "WebSockets")).to_have_text("0")
    expect(operator.find("#tree summary").filter(has_text="/reader")).to_have_count(0)
    assert operator.wrong == []
    operator.page.close()


def figure(operator: PageUser, name: str) -> Locator:
    return operator.find("#figures div").filter(has_text=name).locator("dd")


def test_a_hidden_operators_page_asks_nothing(browser: Browser, locked: PageServer) -> None:
    """It polls only while it is visible."""
    page = browser.new_page()
    # A tab behind another, as far as the page can tell.
    page.add_init_script("Object.defineProperty(document, 'hidden', {get: () => window.behind ?? true})")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/debug/" in request.url else None)
    page.goto(f"{locked.at('status')}{locked.query}")
    page.wait_for_timeout(2500)
    assert asked == []

    page.evaluate("window.behind = false; document.dispatchEvent(new Event('visibilitychange'))")

    expect(page.locator("#live")).to_contain_text("live")
    page.close()


def test_another_front_end_replaces_the_page(browser: Browser, tmp_path: Path) -> None:
    """`frontend_dir` names the folder of its build; the operator's page is there all the same."""
    build = tmp_path / "build"
    build.mkdir()
    (build / "index.html").write_text("<title>another</title><script src=app.js></script>", "utf-8")
    (build / "app.js").write_text(
        "const ws = new WebSocket(`ws://${location.host}/client-ws`);"
        "ws.onmessage = (event) => { document.title = JSON.parse(event.data).type };",
        "utf-8",
    )
    page_server = build_page_server(tmp_path / "server", system=f", frontend_dir: {json.dumps(str(build))}")
    page_server.start()
    try:
        page = browser.new_page()
        page.goto(page_server.url)
        expect(page).not_to_have_title("another")
        page.goto(page_server.at("status"))
        expect(page.locator("#live")).to_contain_text("live")
        page.close()
    finally:
        page_server.kill()
