"""One Chromium for all tests, a server per test module, a fresh user per test."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from inspect import signature
from typing import Any, TypeAlias

import attrs
import pytest

pytest.importorskip("playwright", reason="the page's tests need playwright")

from playwright.sync_api import Browser, Playwright, expect, sync_playwright

from tests.web.page_server import PageServer, build_page_server
from tests.web.page_user import PageUser
from tests.web.recorder import record
from tests.web.stand_in import StandIn

# Milliseconds: what does not come does not come later either, and a busy machine takes its time.
expect.set_options(timeout=30_000)

ATTEMPTS = 4

Open: TypeAlias = Callable[..., PageUser]
Connect: TypeAlias = Callable[..., StandIn]

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
def page_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PageServer]:
    """A running server; a test that kills it starts it again."""
    page_server = build_page_server(tmp_path_factory.mktemp("server"))
    page_server.start()
    yield page_server
    page_server.kill()


@pytest.fixture
def open_page(browser: Browser, page_server: PageServer) -> Iterator[Open]:
    """Opens pages, each with a storage of its own; at the end no page may have had an error."""
    users: list[PageUser] = []

    def open_one(**options: Any) -> PageUser:
        user = PageUser(browser.new_context(**options).new_page())
        user.page.set_default_timeout(30_000)
        users.append(user)
        user.open(page_server.url)
        return user

    yield open_one
    for user in users:
        user.page.context.close()
    if not page_server.running:
        page_server.start()  # a test failed while it was dead: the next one is not to blame
    assert [error for user in users for error in user.wrong] == []


@attrs.define(eq=False)
class Connecting:
    """Opens pages whose turns the test speaks; what each plays is recorded at ``rate``."""

    browser: Browser
    page_server: PageServer
    opened: list[tuple[StandIn, list[str]]] = attrs.field(factory=list, init=False)

    def __call__(self, rate: int = 48_000, *, knows_hello: bool | None = True, **options: Any) -> StandIn:
        page = self.browser.new_context(bypass_csp=True, **options).new_page()
        wrong: list[str] = []
        page.on("pageerror", lambda error: wrong.append(str(error)))
        record(page, rate)
        server = StandIn(page, knows_hello=knows_hello)
        self.opened.append((server, wrong))
        page.route_web_socket("**/client-ws", lambda route: server.connect(route))
        page.goto(self.page_server.url)
        page.wait_for_selector("#app[data-link=open][data-busy=no]")
        page.evaluate("tap.ready")
        server.wait_connected()
        page.evaluate("tap.late = 0")
        return server

    def close(self) -> None:
        """Close all pages; none may have had an error."""
        for server, _ in self.opened:
            server.page.context.close()
        wrong = [error for _, wrong in self.opened for error in wrong]
        self.opened.clear()
        assert wrong == []


@pytest.fixture
def connect(browser: Browser, page_server: PageServer) -> Iterator[Connect]:
    """See `Connecting`."""
    connecting = Connecting(browser, page_server)
    yield connecting
    connecting.close()


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Where a machine with too much to do held up the page, a test of what it plays is made again."""
    connecting = pyfuncitem.funcargs.get("connect")
    if not isinstance(connecting, Connecting):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in signature(pyfuncitem.obj).parameters}
    for left in reversed(range(ATTEMPTS)):
        try:
            pyfuncitem.obj(**arguments)
        except AssertionError:
            if not left or not any(server.was_held_up() for server, _ in connecting.opened):
                raise
            connecting.close()
        else:
            break
    return True
