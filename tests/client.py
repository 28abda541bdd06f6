"""`Client`: what a test says to the server and hears from it."""

from __future__ import annotations

import json
from typing import Any

import attrs
import trio

from trio_backend.errors import WireClosed
from trio_backend.wire import Wire

Heard = dict[str, Any]


@attrs.define(eq=False)
class Client:
    """A client of the protocol, over any wire."""

    wire: Wire

    async def say(self, type: str, **fields: object) -> None:
        """Send one message."""
        await self.wire.send(json.dumps({"type": type, **fields}).encode())

    async def hear(self) -> Heard:
        """The next message; an hour of silence is a failure."""
        with trio.fail_after(3600):
            message = json.loads(await self.wire.receive())
        assert isinstance(message, dict)
        return message

    async def until(self, type: str, **fields: object) -> list[Heard]:
        """All messages up to and including the first of that type and fields."""
        heard: list[Heard] = []
        while True:
            heard.append(await self.hear())
            if matches(heard[-1], {"type": type, **fields}):
                return heard

    async def turn(self, text: str) -> list[Heard]:
        """Say ``text``, answer the playback question, and return all up to the turn's end."""
        await self.say("text-input", text=text)
        heard: list[Heard] = []
        while not heard or not matches(heard[-1], {"type": "control", "text": "conversation-chain-end"}):
            heard.append(await self.hear())
            if heard[-1]["type"] == "backend-synth-complete":
                await self.say("frontend-playback-complete")
        return heard

    async def silence(self, seconds: float) -> None:
        """Nothing comes for so long."""
        with trio.move_on_after(seconds) as quiet:
            raise AssertionError(f"expected silence, heard {await self.hear()}")
        assert quiet.cancelled_caught

    async def closed(self) -> int:
        """Read until the server closes; the close code."""
        try:
            with trio.fail_after(3600):
                while True:
                    await self.wire.receive()
        except WireClosed as closed:
            return closed.code


def matches(message: Heard, expected: Heard) -> bool:
    """Whether ``message`` has all the fields of ``expected``."""
    return all(key in message and message[key] == value for key, value in expected.items())
