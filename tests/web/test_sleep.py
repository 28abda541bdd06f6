"""A character with wake words, on the page: it looks asleep, and the page says what wakes it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.web.conftest import Connect, Open
from tests.web.page_server import PageServer, build_page_server
from tests.web.page_user import PageUser
from tests.web.test_appearance import SIZES, options, serious

SHOTS = os.environ.get("TRIO_BACKEND_SCREENSHOTS", "")
WAKE_WORDS = """  wake_word_config:
    enabled: true
    wake_words: {en: [hey mao], zh: [你好猫], ja: [ねえマオ]}
    end_words: {en: [good night]}
    greeting: Good morning!
"""
WORDS = {"en": "hey mao", "zh": "你好猫", "ja": "ねえマオ"}


@pytest.fixture(scope="module")
def page_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PageServer]:
    """A server whose character sleeps at first."""
    page_server = build_page_server(tmp_path_factory.mktemp("asleep"), character=WAKE_WORDS)
    page_server.start()
    yield page_server
    page_server.kill()


def openness(user: PageUser) -> float:
    """Pixels between the lids of an eye."""
    box = user.find(".eye .white").first.bounding_box()
    assert box is not None
    return box["height"]


@pytest.mark.parametrize("language", WORDS)
def test_a_sleeper_looks_asleep_and_the_page_says_what_wakes_it(
    open_page: Open, tmp_path: Path, language: str
) -> None:
    """From the beginning, in the user's language; and it wakes up when it is called."""
    user = open_page(locale=language, reduced_motion="reduce")
    word = WORDS[language]
    expect(user.find("#state")).to_contain_text(word)
    expect(user.find("#opening-line")).to_contain_text(word)
    expect(user.find("#starters button")).to_have_text([word])
    user.until(lambda: openness(user) < 25)
    asleep = openness(user)
    user.page.screenshot(path=Path(SHOTS or tmp_path) / f"asleep-{language}.png")

    user.type("Hello")
    expect(user.find(".note")).to_contain_text(word)
    user.type("Hello again")
    expect(user.find(".human")).to_have_count(2)
    user.until(lambda: bool(user.texts("#log > :last-child.note")))
    expect(user.find(".note")).to_have_count(1)
    expect(user.find(".ai")).to_have_count(0)
    user.page.screenshot(path=Path(SHOTS or tmp_path) / f"unheard-{language}.png")

    user.type(word)
    expect(user.find(".ai .sentence")).to_have_text("Good morning!")
    expect(user.find(".note")).to_have_count(0)
    expect(user.find("#state")).not_to_contain_text(word)
    user.until(lambda: openness(user) > 2 * asleep)

    user.type("Good night")
    expect(user.find("#state")).to_contain_text(word)
    user.until(lambda: openness(user) < 25)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_serious_in_what_is_asleep_or_waits(
    open_page: Open, page_server: PageServer, tmp_path: Path, theme: str
) -> None:
    """The hint, and messages that wait for the connection, on a phone; nothing is wider than that."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed").Axe()
    user = open_page(**options("phone", theme), reduced_motion="reduce")
    user.type("Hello")
    expect(user.find(".note")).to_be_in_viewport(ratio=1)
    assert serious(axe, user.page) == []
    page_server.kill()
    user.page.wait_for_selector("#app[data-link=lost]")
    user.type("Is anybody there? " * 12)
    user.type("Hello?")
    user.page.wait_for_timeout(200)
    user.page.screenshot(path=Path(SHOTS or tmp_path) / f"waiting-phone-{theme}.png")
    assert serious(axe, user.page) == []
    assert user.page.evaluate("document.documentElement.scrollWidth") <= SIZES["phone"][0]
    expect(user.find(".waits .round").first).to_be_in_viewport(ratio=1)


def test_a_press_wakes_it_up(open_page: Open) -> None:
    """What the page offers to say is understood."""
    user = open_page()
    user.find("#starters button").click()
    expect(user.find(".ai .sentence")).to_have_text("Good morning!")


def test_a_server_that_says_no_words_is_believed_nothing_else(connect: Connect) -> None:
    """Without words the page says that there is one; it invents none."""
    server = connect()
    server.say("wake-word-state", action="ignored", current_state="listening")

    expect(server.page.locator("#state")).to_contain_text("asleep until the wake word")
    expect(server.page.locator(".note")).to_have_text("Mao is asleep and has not heard this.")
    expect(server.page.locator("#starters button")).to_have_count(3)


def test_the_page_says_that_it_listens_only_while_it_does(open_page: Open) -> None:
    """Not while the microphone is off, nor while the browser still asks the person."""
    user = open_page()
    user.type("hey mao")
    user.wait_quiet()
    user.page.click("#open-conversations")
    user.page.click("#new-conversation")
    expect(user.find("#opening-line")).to_have_text("Say hello.")
    expect(user.find("#state")).to_have_text("ready")
    user.page.evaluate(
        """() => {
            const devices = navigator.mediaDevices, open = devices.getUserMedia.bind(devices);
            devices.getUserMedia = async (wish) => {
                await new Promise((answer) => { window.allow = answer; });
                return open(wish);
            };
        }"""
    )

    user.page.click("#mic")
    user.until(lambda: bool(user.page.evaluate("Boolean(window.allow)")))
    expect(user.find("#state")).to_have_text("ready")
    expect(user.find("#opening-line")).to_have_text("Say hello.")
    user.page.evaluate("window.allow()")
    expect(user.find("#state")).to_have_text("listening")
    expect(user.find("#opening-line")).to_have_text("Say hello. I am listening.")

    user.page.click("#mic")
    expect(user.find("#state")).to_have_text("ready")
    expect(user.find("#opening-line")).to_have_text("Say hello.")
