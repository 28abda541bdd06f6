"""A server that says what the test wants it to say, on a real socket."""

from __future__ import annotations

import base64
import io
import json
import wave
from typing import Any

import attrs
import pytest
import trio
from trio_websocket import (
    ConnectionClosed,
    WebSocketConnection,
    WebSocketRequest,
    WebSocketServer,
    serve_websocket,
)

from trio_backend.client.address import ServerAddress

EMOTIONS = {"neutral": 0, "joy": 4, "sadness": 6}


@attrs.define(eq=False)
class Peer:
    """One client, as the server has it."""

    websocket: WebSocketConnection
    gone: trio.Event = attrs.field(factory=trio.Event)

    async def say(self, type: str, **fields: object) -> None:
        """Send one message."""
        await self.websocket.send_message(json.dumps({"type": type, **fields}))

    async def hear(self) -> dict[str, Any]:
        """The next message; 10 s of silence are a failure."""
        with trio.fail_after(10):
            message = json.loads(await self.websocket.get_message())
        assert isinstance(message, dict)
        return message

    async def expect(self, type: str, **fields: object) -> None:
        """The next message is this one, and says nothing else."""
        heard = {key: value for key, value in (await self.hear()).items() if value}
        assert heard == {"type": type, **fields}, heard

    async def expect_nothing(self, seconds: float) -> None:
        """Nothing comes for so long."""
        with trio.move_on_after(seconds):
            raise AssertionError(f"expected silence, heard {await self.hear()}")

    async def greet(self, name: str = "Iris", uid: str = "uid-1") -> None:
        """What a server says to a new client, up to its first conversation."""
        await self.introduce(name)
        await self.expect("create-new-history")
        await self.say("new-history-created", history_uid=uid)

    async def introduce(self, name: str = "Iris") -> None:
        """What a server says first."""
        await self.say("group-update", members=[], is_owner=False)
        await self.say("full-text", text="Connection established")
        await self.become(name)
        await self.say("control", text="start-mic")

    async def become(self, name: str) -> None:
        """Be that character."""
        info = {"name": name.lower(), "emotionMap": EMOTIONS}
        await self.say("set-model-and-conf", model_info=info, conf_name=name, conf_uid="1", client_uid="2")

    async def begin_turn(self, text: str) -> None:
        """Wait for ``text``, and begin to answer it."""
        await self.expect("text-input", text=text)
        await self.say("control", text="conversation-chain-start")
        await self.say("full-text", text="Thinking...")

    async def speak(self, text: str, *, seconds: float = 0.0, emotion: str = "", name: str = "Iris") -> None:
        """Send one sentence."""
        await self.say(
            "audio",
            audio=base64.b64encode(wav(seconds)).decode() if seconds else None,
            volumes=[0.5] * round(seconds / 0.02),
            slice_length=20,
            display_text={"text": text, "name": name, "avatar": ""},
            actions={"expressions": [EMOTIONS[emotion]]} if emotion else {},
            forwarded=False,
        )

    async def end_turn(self) -> None:
        """Say that the turn is over."""
        await self.say("force-new-message")
        await self.say("control", text="conversation-chain-end")

    async def answer(self, text: str, *sentences: str) -> None:
        """A whole turn without sound."""
        await self.begin_turn(text)
        for sentence in sentences:
            await self.speak(sentence)
        await self.end_turn()


@attrs.define(eq=False)
class Server:
    """Hands each client to the test."""

    port: int
    _peers: trio.MemorySendChannel[Peer]
    _waiting: trio.MemoryReceiveChannel[Peer]
    refuse_with: int = 0
    """An HTTP status to answer with, instead of a WebSocket."""

    @property
    def address(self) -> ServerAddress:
        """Where it is."""
        return ServerAddress("127.0.0.1", self.port, "/client-ws")

    async def accept(self) -> Peer:
        """The next client."""
        with trio.fail_after(10):
            return await self._waiting.receive()

    async def serve(self, request: WebSocketRequest) -> None:
        """One client, until the test lets it go or it goes."""
        if self.refuse_with:
            await request.reject(self.refuse_with, body=b"no")
            return
        websocket = await request.accept()
        peer = Peer(websocket)
        await self._peers.send(peer)
        await peer.gone.wait()


async def open_server(nursery: trio.Nursery) -> Server:
    """A server that runs until ``nursery`` is cancelled."""
    server = Server(0, *trio.open_memory_channel[Peer](5))

    async def run(*, task_status: trio.TaskStatus[WebSocketServer]) -> None:
        await serve_websocket(server.serve, "127.0.0.1", 0, None, task_status=task_status)

    running: WebSocketServer = await nursery.start(run)
    server.port = running.port
    return server


async def closed(peer: Peer) -> int:
    """Wait until the client has closed; the close code."""

    async def read() -> None:
        while True:
            await peer.hear()

    with pytest.raises(ConnectionClosed) as end:
        await read()
    assert end.value.reason is not None
    return end.value.reason.code


def wav(seconds: float) -> bytes:
    """Silence."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(16_000)
        writer.writeframes(bytes(2 * round(16_000 * seconds)))
    return file.getvalue()
