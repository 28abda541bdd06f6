"""`serve --https` in a browser: at an address of the network, where phones are, with a microphone."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.web.page_server import build_page_server

SHOTS = os.environ.get("TRIO_BACKEND_SHOTS")
TOKEN = "open & shut"
QUERY = "?token=open+%26+shut"
pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="what is made for it is kept in XDG_STATE_HOME"
)


@pytest.fixture(scope="module", params=["http", "https"])
def network_address(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Of a server that listens on all addresses of this machine, with and without HTTPS; its first one."""
    folder = tmp_path_factory.mktemp(request.param)
    build_page_server(folder, system=f", access_token: '{TOKEN}'")
    options = ["--https"] if request.param == "https" else []
    command = [
        sys.executable,
        "-m",
        "trio_backend",
        "serve",
        "--host",
        "0.0.0.0",
        "--port",
        "0",
        *options,
        ".",
    ]
    environ = {**os.environ, "XDG_STATE_HOME": str(folder / "state")}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, env=environ, stderr=subprocess.PIPE, stdout=log)
        assert process.stderr is not None
        try:
            found = None
            for line in process.stderr:
                text = line.decode()
                found = found or re.search(r"network: (\S+)", text)
                # What is told behind the addresses.
                if "microphone" in text or "certificate, and warn" in text:
                    break
            if found is None:
                pytest.skip("this machine has no address in a network")
            yield found[1]
        finally:
            process.kill()
            process.stderr.close()
            process.wait(10)


@pytest.fixture
def phone(browser: Browser) -> Iterator[Page]:
    """Whose user has told it to go on where it warns."""
    context = browser.new_context(ignore_https_errors=True, viewport={"width": 390, "height": 844})
    yield context.new_page()
    context.close()


def test_pages_of_the_network_have_a_microphone_over_https_alone(phone: Page, network_address: str) -> None:
    """And say so where they have none."""
    wrong: list[str] = []
    phone.on("pageerror", lambda error: wrong.append(str(error)))
    phone.goto(f"{network_address}/{QUERY}")
    phone.wait_for_selector("#app[data-link=open]")
    secure = network_address.startswith("https:")
    assert phone.evaluate("isSecureContext") is secure
    assert phone.evaluate("Boolean(navigator.mediaDevices?.getUserMedia)") is secure
    if secure:
        sound = (
            "navigator.mediaDevices.getUserMedia({audio: true}).then((all) => all.getAudioTracks().length)"
        )
        assert phone.evaluate(sound) == 1
    assert wrong == []


def test_who_types_an_address_without_its_scheme_gets_there(phone: Page, network_address: str) -> None:
    """Browsers try plain HTTP first; the token comes along."""
    phone.goto(f"{network_address.replace('https:', 'http:')}/{QUERY}")
    phone.wait_for_selector("#app[data-link=open]")
    assert phone.url == f"{network_address}/{QUERY}"


def test_an_operator_sees_the_code_for_phones(phone: Page, network_address: str, tmp_path: Path) -> None:
    """With the token in it only if the page was opened with that; and what microphones need, if they do."""
    phone.goto(f"{network_address}/status/{QUERY}")
    expect(phone.locator("#addresses")).to_contain_text(network_address)
    expect(phone.locator("#code")).to_be_visible()
    phone.wait_for_function("document.querySelector('#code').naturalWidth > 0")
    words = phone.locator("#reach-words")
    expect(words).to_contain_text("It holds the access token: show it to nobody else.")
    held = phone.locator("#code").get_attribute("src")
    if network_address.startswith("https:"):
        expect(words).not_to_contain_text("microphone")
    else:
        expect(words).to_contain_text("trio-backend serve --https")
    phone.screenshot(path=Path(SHOTS or tmp_path) / "status-phone.png")
    # The cookie lets the page in, which is not told the token.
    phone.goto(f"{network_address}/status/")
    expect(words).to_contain_text("Open this page with ?token=… to have the access token in it.")
    assert phone.locator("#code").get_attribute("src") != held
