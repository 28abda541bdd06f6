"""What is said while nobody is there: it waits on the page, can be taken back, and is sent once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.web.conftest import Open
from tests.web.page_server import PageServer
from tests.web.page_user import PageUser

SHOTS = os.environ.get("TRIO_BACKEND_SCREENSHOTS", "")


def said(user: PageUser) -> list[str]:
    """What the page sent to be answered, since it was opened."""
    return [message["text"] for message in user.says("text-input")]


def lose(user: PageUser, page_server: PageServer) -> None:
    """The server dies, and the page knows."""
    page_server.kill()
    user.page.wait_for_selector("#app[data-link=lost]")


def test_what_was_said_meanwhile_is_sent_once_and_in_order(
    open_page: Open, page_server: PageServer, tmp_path: Path
) -> None:
    """When the server is back: each is answered before the next is sent, in the conversation of before."""
    user = open_page()
    user.type("Before the storm.")
    user.wait_quiet()
    lose(user, page_server)
    for text in ("First in the dark.", "Second in the dark.", "Third in the dark."):
        user.type(text)
    expect(user.find(".waits .words")).to_have_text(
        ["First in the dark.", "Second in the dark.", "Third in the dark."]
    )
    expect(user.find(".waits .why").first).to_have_text("Sent when the connection is back")
    expect(user.find("#text")).to_have_value("")
    expect(user.find(".human")).to_have_count(1)
    user.page.screenshot(path=Path(SHOTS or tmp_path) / "waiting.png")
    user.find(".waits").nth(1).get_by_role("button", name="Take back").click()
    expect(user.find("#text")).to_have_value("Second in the dark.")
    user.page.fill("#text", "")

    page_server.start()

    expect(user.find(".ai .words")).to_have_text(
        ["Before the storm.", "First in the dark.", "Third in the dark."], timeout=60_000
    )
    user.page.wait_for_selector("#app[data-turn=idle]")
    assert user.find(".waits").count() == 0
    assert said(user) == ["Before the storm.", "First in the dark.", "Third in the dark."]
    assert user.says("interrupt-signal") == []
    expect(user.find(".human .words")).to_have_text(said(user))

    lose(user, page_server)
    page_server.start()
    user.page.wait_for_selector("#app[data-link=open][data-busy=no]", timeout=30_000)
    user.type("Now.")
    expect(user.find(".ai .words").last).to_have_text("Now.")
    assert said(user)[3:] == ["Now."]


def test_what_is_typed_while_something_waits_comes_after_it(open_page: Open, page_server: PageServer) -> None:
    """It does not cut off the answer to what came before; who wants that presses Stop."""
    user = open_page()
    lose(user, page_server)
    user.type("Message 1, " + "which is long enough to be spoken for a while, " * 12)
    user.type("Message 2.")
    page_server.start()
    user.page.wait_for_selector("#app[data-turn=speaking]", timeout=60_000)
    user.type("Message 3.")
    expect(user.find(".waits .words")).to_have_text(["Message 2.", "Message 3."])
    expect(user.find(".waits .why").last).to_have_text("Sent when this answer is over")

    user.page.press("#text", "Enter")

    expect(user.find(".ai .words").last).to_have_text("Message 3.", timeout=60_000)
    assert [text[:9] for text in said(user)] == ["Message 1", "Message 2", "Message 3"]
    assert len(user.says("interrupt-signal")) == 1


def test_a_reload_sends_nothing_and_loses_nothing(open_page: Open, page_server: PageServer) -> None:
    """Who opens the page again does not expect it to speak: what waited is in the field."""
    user = open_page()
    lose(user, page_server)
    user.type("One.")
    user.type("Two.")
    user.page.fill("#text", "Thr")
    page_server.start()
    user.page.reload()

    user.wait_connected()
    expect(user.find("#text")).to_have_value("One.\nTwo.\nThr")
    user.page.wait_for_timeout(500)
    assert user.find(".waits").count() == 0
    user.page.reload()
    expect(user.find("#text")).to_have_value("One.\nTwo.\nThr")


def test_pictures_wait_with_their_words(open_page: Open, page_server: PageServer) -> None:
    """And come back with them."""
    user = open_page()
    user.page.click("#attach")
    user.page.click("#from-camera")
    user.until(lambda: user.page.evaluate("document.getElementById('camera-view').videoWidth") > 0)
    user.page.click("#camera-take")
    expect(user.find("#pictures li")).to_have_count(1)
    lose(user, page_server)
    user.type("Look!")
    expect(user.find(".waits img")).to_have_count(1)
    expect(user.find("#pictures li")).to_have_count(0)
    user.page.get_by_role("button", name="Take back").click()
    expect(user.find("#pictures li")).to_have_count(1)
    user.page.press("#text", "Enter")

    page_server.start()

    user.until(lambda: bool(user.says("text-input")), within=60)
    (message,) = user.says("text-input")
    assert message["text"] == "Look!"
    assert len(message["images"]) == 1


@pytest.mark.parametrize(("language", "words"), [("zh", "恢复连接后自动发送"), ("ja", "接続が戻ると送信")])
def test_what_happens_is_said_in_each_language(
    open_page: Open, page_server: PageServer, language: str, words: str
) -> None:
    """As the rest of the page."""
    user = open_page(locale=language)
    lose(user, page_server)
    user.type("Hello?")
    expect(user.find(".why")).to_contain_text(words)
    page_server.start()
    expect(user.find(".ai .words")).to_have_text("Hello?", timeout=60_000)
