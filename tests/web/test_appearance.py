"""The page on each screen, for each user, and its size in bytes."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.web.conftest import Open
from tests.web.page_server import WEB, PageServer
from tests.web.page_user import THREE

SIZES = {"desktop": (1440, 900), "phone": (390, 844), "kiosk": (320, 1280)}
THEMES = ("light", "dark")
# Where to keep the screenshots, for instance those of the README.
SHOTS = os.environ.get("TRIO_BACKEND_SCREENSHOTS", "")
LIMIT = 200_000
# What the page does not load by itself: the engines, before somebody opens them (test_engines.py), and the
# operator's page. In bytes.
APART = {"engines": 20_000, "status": 20_000}


def options(size: str, theme: str) -> dict[str, Any]:
    width, height = SIZES[size]
    return {"viewport": {"width": width, "height": height}, "color_scheme": theme, "locale": "en"}


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("size", SIZES)
def test_the_page_fits_every_screen(open_page: Open, tmp_path: Path, size: str, theme: str) -> None:
    """Nothing is wider than the screen; face, words and the field to type in are all in sight at once."""
    user = open_page(**options(size, theme))
    user.type(THREE)
    user.page.wait_for_selector(".sentence:nth-of-type(2)")
    user.page.wait_for_timeout(500)
    user.page.screenshot(path=Path(SHOTS or tmp_path) / f"page-{size}-{theme}.png")
    width, _height = SIZES[size]

    assert user.page.evaluate("document.documentElement.scrollWidth") <= width
    for part in ("#name", "#mouth", ".ai .words", "#text", "#send", "#mic", "#open-settings"):
        expect(user.find(part)).to_be_in_viewport(ratio=1)
    mouth, talk = user.find("#mouth").bounding_box(), user.find(".ai .words").bounding_box()
    assert mouth is not None
    assert talk is not None
    beside = mouth["x"] + mouth["width"] < talk["x"]
    assert beside or mouth["y"] + mouth["height"] < talk["y"]


@pytest.mark.parametrize(("width", "height"), [(844, 390), (320, 640), (390, 844), (320, 1280)])
def test_nothing_lies_over_the_hair(
    open_page: Open, page_server: PageServer, tmp_path: Path, width: int, height: int
) -> None:
    """Neither the name nor what goes on, at its longest; and the field says whole what it is for."""
    user = open_page(viewport={"width": width, "height": height}, locale="en", reduced_motion="reduce")
    page_server.kill()
    user.page.wait_for_selector("#app[data-link=lost]")
    user.page.screenshot(path=Path(SHOTS or tmp_path) / f"lost-{width}x{height}.png")
    hair = user.find(".ahoge").bounding_box()
    head = user.find(".back .bob").bounding_box()
    assert hair is not None
    assert head is not None
    for part in ("#name", "#state-words", *(f".bar .round:nth-child({number})" for number in range(1, 5))):
        box = user.find(part).bounding_box()
        assert box is not None
        for drawn in (hair, head):
            beside = box["x"] + box["width"] <= drawn["x"] or drawn["x"] + drawn["width"] <= box["x"]
            apart = box["y"] + box["height"] <= drawn["y"] or drawn["y"] + drawn["height"] <= box["y"]
            assert beside or apart, part
    field = "document.getElementById('text')"
    assert user.page.evaluate(f"{field}.scrollWidth <= {field}.clientWidth")


@pytest.mark.parametrize("language", ["en", "zh", "ja"])
def test_what_it_hears_breaks_between_its_sentences(open_page: Open, language: str) -> None:
    """On the narrowest screen, too: one line each."""
    user = open_page(viewport={"width": 320, "height": 1280}, locale=language, permissions=["microphone"])
    user.page.click("#mic")
    line = user.find("#opening-line")
    user.until(lambda: "\n" in (line.text_content() or ""))

    assert len(line.inner_text().splitlines()) == 2
    height = "(one) => one.clientHeight / parseFloat(getComputedStyle(one).lineHeight)"
    assert round(line.evaluate(height)) == 2


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("size", ["desktop", "phone"])
def test_axe_finds_nothing_serious(open_page: Open, size: str, theme: str) -> None:
    """Labels, roles and contrast hold in a conversation and in each sheet."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed").Axe()
    # Contrast is measured in pixels: half-way through an animation it would be another.
    user = open_page(**options(size, theme), reduced_motion="reduce")
    assert serious(axe, user.page) == []
    user.type(f"<think>They ask about the sea.</think> {THREE}")
    user.wait_quiet()
    assert serious(axe, user.page) == []
    for sheet in ("characters", "conversations", "settings"):
        user.page.click(f"#open-{sheet}")
        user.page.wait_for_timeout(150)
        assert serious(axe, user.page) == [], sheet
        user.page.keyboard.press("Escape")


def test_axe_finds_nothing_serious_on_the_operators_page(
    open_page: Open, page_server: PageServer, tmp_path: Path
) -> None:
    """Its numbers are labelled, its tree can be unfolded from the keyboard."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed").Axe()
    user = open_page(**options("desktop", "dark"), reduced_motion="reduce")
    user.type(THREE)
    user.wait_quiet()
    user.page.goto(page_server.at("status"))
    expect(user.find("#live")).to_contain_text("live")
    user.page.screenshot(path=Path(SHOTS or tmp_path) / "status.png", full_page=True)
    assert serious(axe, user.page) == []

    folded = user.find("#tree details:not([open]):not(.leaf) > summary").first
    folded.focus()
    user.page.keyboard.press("Enter")
    user.page.wait_for_timeout(2500)
    assert user.page.evaluate("document.activeElement.parentElement.open")


def serious(axe: Any, page: Page) -> list[str]:
    """What axe-core finds, as far as it is serious or worse."""
    found = axe.run(page).response["violations"]
    return [
        f"{one['id']}: {node['html'][:120]} {node['failureSummary']}"
        for one in found
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]


def test_the_whole_page_can_be_used_from_the_keyboard(open_page: Open) -> None:
    """Tab reaches everything, a sheet keeps the focus and gives it back, the menu follows the arrows."""
    user = open_page()
    reached = set()
    for _ in range(25):
        user.page.keyboard.press("Tab")
        reached.add(user.page.evaluate("document.activeElement.id"))
    assert {
        "open-characters",
        "open-conversations",
        "mute",
        "open-settings",
        "attach",
        "text",
        "mic",
        "send",
    } <= reached

    user.page.focus("#open-settings")
    user.page.keyboard.press("Enter")
    assert user.page.evaluate("document.querySelector('#settings').contains(document.activeElement)")
    user.page.keyboard.press("Escape")
    assert user.page.evaluate("document.activeElement.id") == "open-settings"
    user.page.focus("#attach")
    user.page.keyboard.press("Enter")
    user.page.keyboard.press("ArrowDown")
    assert user.page.evaluate("document.activeElement.id") == "from-camera"
    user.page.keyboard.press("Escape")
    assert user.page.evaluate("document.activeElement.id") == "attach"


def test_who_wants_no_motion_gets_none(open_page: Open) -> None:
    """With reduced motion the face neither breathes nor looks about, and still speaks."""
    user = open_page(reduced_motion="reduce")
    user.page.mouse.move(10, 10)
    poses = set()
    for _ in range(20):
        poses.add(user.find(".breath").get_attribute("transform"))
        poses.add(user.find(".irises, .iris").first.get_attribute("transform"))
        user.page.wait_for_timeout(40)
    assert len(poses) == 2

    user.type(THREE)
    mouths = set()
    user.page.wait_for_selector(".sentence.now")
    for _ in range(20):
        mouths.add(user.find("#mouth").get_attribute("d"))
        user.page.wait_for_timeout(20)
    assert len(mouths) > 3


def test_the_page_is_small_and_whole() -> None:
    """Under 200 kB in all, without what loads when somebody asks for it, and not one byte from elsewhere."""
    files = [path for path in WEB.rglob("*") if path.is_file()]
    text = {path.relative_to(WEB).as_posix(): path.read_text("utf-8") for path in files}

    sizes = {path.relative_to(WEB).as_posix(): path.stat().st_size for path in files}
    for folder, limit in APART.items():
        assert sum(sizes.pop(name) for name in [*sizes] if name.startswith(f"{folder}/")) < limit
    assert sum(sizes.values()) < LIMIT
    for name, content in text.items():
        elsewhere = re.findall(
            r"""(?:src|href|from|import|url\()\s*=?\s*\(?["'](?:https?:)?//[^"']+""", content
        )
        assert elsewhere == [], name
        assert not re.search(
            r"\.(innerHTML|outerHTML|insertAdjacentHTML)|document\.write|\beval\(", content
        ), name
    page = text["index.html"]
    assert re.findall(r"<[^>]+\s(?:on\w+|style)=", page) == []
    assert re.findall(r"<script(?![^>]*\ssrc=)[^>]*>|<style", page) == []
