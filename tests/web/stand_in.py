"""A stand-in for the server's turns, with sound that comes in pieces.

The page's connection goes to a real server, for characters and conversations; its turns are what a test says.
"""

from __future__ import annotations

import base64
import io
import itertools
import json
import struct
import time
import wave
from collections.abc import Sequence
from typing import Any, TypeAlias, cast

import attrs
import numpy as np
import numpy.typing as npt
from playwright.sync_api import Page, WebSocketRoute

Samples: TypeAlias = npt.NDArray[np.float32]

RATE = 24_000
"""Of the voice, in Hz."""
HELD_UP = 0.05
"""Seconds that a page may be held up by other programs before it is no fault of it what is heard."""
ACCEPTS = [
    *("bytes", "partial-transcription", "latency", "wake-word-state", "wake-words", "titles"),
    *("history-renamed", "speech-recognition", "engines"),
]
# What belongs to a turn, or to what a client may accept: the real server hears nothing of it.
_OURS = {"hello", "text-input", "interrupt-signal", "audio-play-start", "frontend-playback-complete"}


def voice(seconds: float, *, seed: int = 1) -> Samples:
    """Noise below 9 kHz whose loudness goes up and down as in speech: no two stretches of it are alike."""
    noise = np.random.default_rng(seed)
    spectrum = np.fft.rfft(noise.standard_normal(round(seconds * RATE)))
    frequencies = np.fft.rfftfreq(round(seconds * RATE), 1 / RATE)
    spectrum[(frequencies < 80) | (frequencies > 9000)] = 0
    sound = np.fft.irfft(spectrum, round(seconds * RATE))
    loudness = 0.6 + 0.4 * np.sin(np.arange(len(sound)) * 2 * np.pi * 4 / RATE)
    return cast(Samples, (sound * loudness * 0.1 / np.std(sound)).astype(np.float32))


def cut(sound: Samples, seconds: Sequence[float]) -> list[Samples]:
    """``sound`` in pieces of these lengths, of the last of them to its end."""
    lengths = itertools.chain(seconds, itertools.repeat(seconds[-1]))
    pieces, at = [], 0
    while at < len(sound):
        length = round(next(lengths) * RATE)
        pieces.append(sound[at : at + length])
        at += length
    return pieces


@attrs.define(eq=False)
class StandIn:
    """The server's side of a page's turns. ``heard`` is what the page said, in order."""

    page: Page
    heard: list[dict[str, Any]] = attrs.field(factory=list)
    knows_hello: bool | None = True
    """None is for a server that says nothing to what it does not know."""
    ours: set[str] = attrs.field(factory=lambda: set(_OURS))
    """Types of messages that the real server does not hear."""
    in_conversation: bool = attrs.field(default=False, init=False)
    late: float = attrs.field(default=0.0, init=False)
    """Seconds that a piece was sent later than `speak` was asked to, at most."""
    _route: WebSocketRoute | None = attrs.field(default=None, init=False)
    _sentence: int = attrs.field(default=0, init=False)

    def says(self, name: str) -> list[dict[str, Any]]:
        return [message for message in self.heard if message["type"] == name]

    def wait_for(self, name: str, count: int = 1) -> dict[str, Any]:
        """The ``count``-th message of that type, once it is there."""
        for _ in range(750):
            if len(self.says(name)) >= count:
                return self.says(name)[count - 1]
            self.page.wait_for_timeout(20)
        raise AssertionError(f"the page said {[message['type'] for message in self.heard]}")

    def wait_connected(self) -> None:
        """Until the page is in a conversation."""
        for _ in range(750):
            if self.in_conversation:
                return
            self.page.wait_for_timeout(20)
        raise AssertionError(f"the page said {[message['type'] for message in self.heard]}")

    def was_held_up(self) -> bool:
        """Whether the machine had no time for the page, or for this: what is heard is not their doing."""
        return max(self.late, float(self.page.evaluate("tap.late")) / 1000) > HELD_UP

    def say(self, kind: str, /, **fields: Any) -> None:
        assert self._route is not None
        self._route.send(json.dumps({"type": kind, **fields}))

    def begin(self) -> None:
        self.say("control", text="conversation-chain-start")

    def announce(self, text: str) -> int:
        """A sentence, of which the sound will follow. Returns its number."""
        self._sentence += 1
        shown = {"text": text, "name": "Mao", "avatar": None}
        fields: dict[str, Any] = {"volumes": [], "slice_length": 20, "actions": {}, "forwarded": False}
        self.say("audio", audio=None, stream=True, sentence=self._sentence, display_text=shown, **fields)
        return self._sentence

    def send_piece(self, sentence: int, piece: int, samples: Samples, *, last: bool) -> None:
        header = struct.pack("<IIIHH", sentence, piece, RATE, int(last), 0)
        self.send_bytes(header + np.round(samples * 32768).astype("<i2").tobytes())

    def send_bytes(self, data: bytes) -> None:
        assert self._route is not None
        self._route.send(data)

    def speak(
        self,
        text: str,
        sound: Samples,
        *,
        pieces: Sequence[float] = (0.3, 0.5, 0.8),
        due: float = 0,
        pace: float = 0,
    ) -> None:
        """A sentence and its sound. Beyond ``due`` s of it, ``pace`` come in a second; 0 for at once."""
        sentence = self.announce(text)
        began, sent, all_pieces = time.monotonic(), 0.0, cut(sound, pieces)
        for at, samples in enumerate(all_pieces):
            sent += len(samples) / RATE
            if pace and sent > due:
                at_time = began + (sent - due) / pace
                self.page.wait_for_timeout(max(0.0, at_time - time.monotonic()) * 1000)
                self.late = max(self.late, time.monotonic() - at_time)
            self.send_piece(sentence, at, samples, last=at == len(all_pieces) - 1)

    def speak_whole(self, text: str, sound: Samples) -> None:
        """A sentence with all its sound, as every client understands it."""
        file = io.BytesIO()
        with wave.open(file, "wb") as target:
            target.setparams((1, 2, RATE, 0, "NONE", ""))
            target.writeframes(np.round(sound * 32768).astype("<i2").tobytes())
        shown = {"text": text, "name": "Mao", "avatar": None}
        audio, volumes = base64.b64encode(file.getvalue()).decode(), [1.0] * (len(sound) * 50 // RATE)
        self.say("audio", audio=audio, volumes=volumes, slice_length=20, display_text=shown, actions={})

    def complete(self) -> None:
        """All has been sent; wait for the page to have played it."""
        count = len(self.says("frontend-playback-complete"))
        self.say("backend-synth-complete")
        self.wait_for("frontend-playback-complete", count + 1)

    def end(self) -> None:
        self.say("force-new-message")
        self.say("control", text="conversation-chain-end")

    def connect(self, route: WebSocketRoute) -> None:
        self._route = route
        server = route.connect_to_server()

        def listen(message: str | bytes) -> None:
            if isinstance(message, bytes):
                return
            said = json.loads(message)
            self.heard.append(said)
            if said["type"] == "hello" and self.knows_hello:
                self.say("hello", accepts=said["accepts"], server="stand-in")
            elif said["type"] == "hello" and self.knows_hello is False:
                self.say("error", code="unknown-type", message="unknown type hello")
            if said["type"] not in self.ours:
                server.send(message)

        def pass_on(message: str | bytes) -> None:
            route.send(message)
            # The page clears what it shows when it enters a conversation: what a test says has to come after.
            self.in_conversation |= isinstance(message, str) and "new-history-created" in message

        route.on_message(listen)
        server.on_message(pass_on)
