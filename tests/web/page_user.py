"""A user of the page: types, reads, and keeps all messages of its connection."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import attrs
from playwright.sync_api import ConsoleMessage, Locator, Page, WebSocket

THREE = "The tide is high today. [joy] It brings me a button. I keep them all."
LONG = (
    "This is a long sentence that goes on for quite a while so that there is time to cut in. And another one."
)


@attrs.define(eq=False)
class PageUser:
    """A page and its connection. ``sent`` and ``received`` hold all messages since it was opened."""

    page: Page
    sent: list[dict[str, Any]] = attrs.field(factory=list)
    received: list[tuple[float, dict[str, Any]]] = attrs.field(factory=list)
    wrong: list[str] = attrs.field(factory=list)
    """What the browser complained about."""
    bytes_sent: int = 0
    """How much of it was no JSON but sound."""
    bytes_received: int = 0

    def __attrs_post_init__(self) -> None:
        self.page.on("websocket", lambda socket: self._listen(socket))
        self.page.on("console", lambda line: self._read(line))
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("dialog", lambda dialog: self.wrong.append(f"dialog: {dialog.message}"))

    def open(self, url: str) -> None:
        """Open the page, and wait until it is in a conversation."""
        self.page.goto(url)
        self.wait_connected()

    def wait_connected(self) -> None:
        self.page.wait_for_selector("#app[data-link=open][data-busy=no]")
        self.until(
            lambda: any(m["type"] in ("new-history-created", "history-data") for _, m in self.received)
        )

    def type(self, text: str) -> None:
        """Type and press Enter."""
        self.page.fill("#text", text)
        self.page.press("#text", "Enter")

    def wait_quiet(self) -> None:
        """Wait until a turn has begun and ended."""
        self.page.wait_for_selector("#app:not([data-turn=idle])", timeout=30_000)
        self.page.wait_for_selector("#app[data-turn=idle]")

    def says(self, name: str) -> list[dict[str, Any]]:
        """The messages of that type that the page sent."""
        return [message for message in self.sent if message["type"] == name]

    def until(self, happened: Callable[[], bool], *, within: float = 30) -> None:
        """Let the browser go on until ``happened``. Raises `AssertionError` when it does not."""
        deadline = time.monotonic() + within
        while not happened():
            assert time.monotonic() < deadline, f"did not happen; sent {self.sent[-3:]}, wrong {self.wrong}"
            self.page.wait_for_timeout(20)

    def texts(self, selector: str) -> list[str]:
        return self.find(selector).all_inner_texts()

    def find(self, selector: str) -> Locator:
        return self.page.locator(selector)

    def _listen(self, socket: WebSocket) -> None:
        socket.on("framesent", lambda frame: self._note(frame))
        socket.on("framereceived", lambda frame: self._take(frame))

    def _take(self, frame: str | bytes) -> None:
        if isinstance(frame, bytes):
            self.bytes_received += len(frame)
        else:
            self.received.append((time.monotonic(), json.loads(frame)))

    def _note(self, frame: str | bytes) -> None:
        if isinstance(frame, bytes):
            self.bytes_sent += len(frame)
        else:
            self.sent.append(json.loads(frame))

    def _read(self, line: ConsoleMessage) -> None:
        # What the page's policy forbade is said nowhere else.
        if "Content Security Policy" in line.text:
            self.wrong.append(line.text)
