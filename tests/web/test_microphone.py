"""The microphone in the page, with a note of 1 kHz from a file in place of a person."""

from __future__ import annotations

import array
import itertools
import json
import math
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
from playwright.sync_api import Page, Playwright, WebSocketRoute, expect

from tests.web.conftest import SOUND_FROM_THE_START, open_browser
from tests.web.page_server import PageServer

NOTE = 1000


@attrs.define(eq=False)
class Line:
    """A page whose microphone's messages end here; all others go to the server and back."""

    page: Page
    heard: list[dict[str, Any]] = attrs.field(factory=list)
    route: WebSocketRoute | None = None

    def says(self, name: str) -> list[dict[str, Any]]:
        return [message for message in self.heard if message["type"] == name]

    def wait_for(self, name: str, count: int) -> None:
        for _ in range(500):
            if len(self.says(name)) >= count:
                return
            self.page.wait_for_timeout(20)
        raise AssertionError(f"the page said {[message['type'] for message in self.heard]}")

    def connect(self, route: WebSocketRoute) -> None:
        self.route = route
        server = route.connect_to_server()

        def listen(message: str | bytes) -> None:
            heard = json.loads(message)
            self.heard.append(heard)
            if not heard["type"].startswith(("mic-", "raw-")):
                server.send(message)

        route.on_message(listen)


@pytest.fixture
def line(playwright: Playwright, page_server: PageServer, tmp_path: Path) -> Iterator[Line]:
    note = tmp_path / "note.wav"
    samples = (round(12_000 * math.sin(2 * math.pi * NOTE * i / 48_000)) for i in range(48_000))
    with wave.open(str(note), "wb") as file:
        file.setparams((1, 2, 48_000, 0, "NONE", ""))
        file.writeframes(array.array("h", samples).tobytes())
    microphone = f"--use-file-for-fake-audio-capture={note}"
    with open_browser(playwright, SOUND_FROM_THE_START, microphone) as browser:
        line = Line(browser.new_page())
        line.page.route_web_socket("**/client-ws", lambda route: line.connect(route))
        line.page.goto(page_server.url)
        line.page.wait_for_selector("#app[data-link=open]")
        yield line


def test_hands_free_sends_16_khz_in_even_pieces(line: Line) -> None:
    """Floats in [-1, 1], 512 to 4096 at a time; a note of 1 kHz is still one after the change of rate."""
    line.page.click("#mic")
    line.wait_for("raw-audio-data", 12)
    line.page.click("#mic")

    pieces = [message["audio"] for message in line.says("raw-audio-data")]

    assert all(512 <= len(piece) <= 4096 for piece in pieces)
    assert all(-1 <= sample <= 1 for piece in pieces for sample in piece)
    sound = [sample for piece in pieces[4:] for sample in piece]
    crossings = sum(before < 0 <= after for before, after in itertools.pairwise(sound))
    assert crossings / (len(sound) / 16_000) == pytest.approx(NOTE, rel=0.03)


def test_a_refused_group_leaves_the_microphone_on(line: Line) -> None:
    """The server says `not-yet` of groups only: its words are shown, and sound is sent as before."""
    line.page.click("#mic")
    line.wait_for("raw-audio-data", 1)
    assert line.route is not None
    words = "add-client-to-group: groups are not served yet"
    line.route.send(json.dumps({"type": "error", "code": "not-yet", "message": words}))

    expect(line.page.locator(".notice").filter(has_text=words)).to_have_count(1)
    expect(line.page.locator("#mic")).to_have_attribute("aria-pressed", "true")
    line.wait_for("raw-audio-data", len(line.says("raw-audio-data")) + 3)


def test_holding_the_button_sends_one_utterance(line: Line) -> None:
    """It begins with the press; letting go sends what is left, and then the end."""
    line.page.click("#open-settings")
    line.page.select_option("#set-listening", "hold")
    line.page.keyboard.press("Escape")
    line.page.hover("#mic")
    line.page.mouse.down()
    # Longer than a tap, which would listen on until the next one.
    line.wait_for("mic-audio-data", 8)
    line.page.mouse.up()
    line.wait_for("mic-audio-end", 1)

    assert line.heard[-1]["type"] == "mic-audio-end"
    assert line.says("raw-audio-data") == []
    expect(line.page.locator("#mic")).to_have_attribute("aria-pressed", "false")


def test_bytes_are_sent_only_to_a_server_that_takes_them(line: Line) -> None:
    """The page offers PCM16; until the server agrees for this kind of message, floats go in JSON."""
    line.page.click("#mic")
    line.wait_for("raw-audio-data", 1)

    [offer] = line.says("mic-format")

    assert offer == {"type": "mic-format", "format": "pcm16", "carries": "raw-audio-data"}
