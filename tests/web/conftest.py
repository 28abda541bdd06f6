"""One Chromium for all tests, a server per test module, a fresh visitor per test."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

import pytest

pytest.importorskip("playwright", reason="the page's tests need playwright")

from playwright.sync_api import Browser, Playwright, sync_playwright

from tests.web.house import House, build_house
from tests.web.visitor import Visitor

Open: TypeAlias = Callable[..., Visitor]

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
# The sandbox needs rights that containers lack; the rest keeps the browser from calling home.
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
]
SOUND_FROM_THE_START = "--autoplay-policy=no-user-gesture-required"
SOUND_AFTER_A_CLICK = "--autoplay-policy=document-user-activation-required"


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as running:
        yield running


@contextmanager
def open_browser(playwright: Playwright, *arguments: str) -> Iterator[Browser]:
    """A Chromium of this machine, or the one that playwright has installed; skips where there is neither."""
    found = next((path for path in map(shutil.which, _NAMES) if path), None)
    if found is None and not os.path.exists(playwright.chromium.executable_path):
        pytest.skip("there is no Chromium on this machine")
    browser = playwright.chromium.launch(executable_path=found, args=[*QUIET, *arguments])
    try:
        yield browser
    finally:
        browser.close()


@pytest.fixture(scope="session")
def browser(playwright: Playwright) -> Iterator[Browser]:
    with open_browser(playwright, SOUND_FROM_THE_START) as running:
        yield running


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A running server; whoever kills it starts it again."""
    house = build_house(tmp_path_factory.mktemp("house"))
    house.start()
    yield house
    house.kill()


@pytest.fixture
def visit(browser: Browser, house: House) -> Iterator[Open]:
    """Opens pages, each with a storage of its own; at the end no page may have had an error."""
    visitors: list[Visitor] = []

    def open_page(**options: Any) -> Visitor:
        visitor = Visitor(browser.new_context(**options).new_page())
        visitor.page.set_default_timeout(15_000)
        visitors.append(visitor)
        visitor.arrive(house.url)
        return visitor

    yield open_page
    for visitor in visitors:
        visitor.page.context.close()
    assert [error for visitor in visitors for error in visitor.wrong] == []
