"""A server that leaks on purpose, as the one that this project replaces does: work without an owner.

``python -m tests.prove.leaking_server`` is one that keeps a file open for each visit; it logs its address.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import TypeAlias

import attrs
import trio
import trio_websocket

Serve: TypeAlias = Callable[[trio_websocket.WebSocketRequest], Awaitable[None]]

SOUND = {"audio": "UklGRg==", "volumes": [1.0], "slice_length": 20, "actions": {}}


@attrs.define(eq=False)
class LeakingServer:
    """Speaks as much of the protocol as a turn needs. Each sentence takes ``seconds``, one after the other.

    If it ``leaks``, what a client asked for is spoken to the end whether or not the client is there, and all
    ``characters`` that were once chosen are loaded, each in ten times as many seconds.
    """

    seconds: float
    leaks: bool
    _nursery: trio.Nursery
    characters: Sequence[str] = ()
    _tts: trio.CapacityLimiter = attrs.field(factory=partial(trio.CapacityLimiter, 1))

    async def serve(self, request: trio_websocket.WebSocketRequest) -> None:
        """One client, until it leaves; there are no rooms."""
        if request.path != "/client-ws":
            await request.reject(404)
            return
        connection = await request.accept()
        await say(connection, type="set-model-and-conf", model_info={}, conf_name="leaky")
        async with trio.open_nursery() as session:
            load = trio.CancelScope()
            try:
                while True:
                    message = json.loads(await connection.get_message())
                    match message:
                        case {"type": "text-input", "text": text}:
                            nursery = self._nursery if self.leaks else session
                            nursery.start_soon(self._answer, connection, text)
                        case {"type": "fetch-configs"} if self.characters:
                            configs = [{"filename": f"{name}.yaml", "name": name} for name in self.characters]
                            await say(connection, type="config-files", configs=configs)
                        case {"type": "switch-config", "file": file}:
                            if not self.leaks:
                                load.cancel()
                            load = trio.CancelScope()
                            session.start_soon(self._switch, connection, file, load)
            except trio_websocket.ConnectionClosed:
                session.cancel_scope.cancel()

    async def _switch(
        self, connection: trio_websocket.WebSocketConnection, file: str, load: trio.CancelScope
    ) -> None:
        with load:
            async with self._tts:
                await trio.sleep(10 * self.seconds)
            name = file.removesuffix(".yaml")
            await say_if_connected(connection, type="set-model-and-conf", model_info={}, conf_name=name)
            await say_if_connected(connection, type="config-switched", message=name)

    async def _answer(self, connection: trio_websocket.WebSocketConnection, text: str) -> None:
        try:
            await say(connection, type="control", text="conversation-chain-start")
        except trio_websocket.ConnectionClosed:
            return
        sentences = text.removesuffix(".").split(".")
        async with trio.open_nursery() as nursery:
            for sentence in sentences:
                nursery.start_soon(self._speak, connection, sentence)
        await say_if_connected(connection, type="control", text="conversation-chain-end")

    async def _speak(self, connection: trio_websocket.WebSocketConnection, sentence: str) -> None:
        async with self._tts:
            await trio.sleep(self.seconds)
        await say_if_connected(connection, type="audio", display_text={"text": sentence}, **SOUND)


async def say(connection: trio_websocket.WebSocketConnection, **message: object) -> None:
    """Send one message."""
    await connection.send_message(json.dumps(message))


async def say_if_connected(connection: trio_websocket.WebSocketConnection, **message: object) -> None:
    """Send one message; what a client that has left would have got is dropped."""
    with suppress(trio_websocket.ConnectionClosed):
        await say(connection, **message)


@asynccontextmanager
async def open_leaking_server(
    seconds: float, *, leaks: bool, characters: Sequence[str] = ()
) -> AsyncIterator[str]:
    """Such a server; its address."""
    async with trio.open_nursery() as nursery:
        server = LeakingServer(seconds, leaks, nursery, characters)
        yield await open_socket(nursery, server.serve)
        nursery.cancel_scope.cancel()


async def open_socket(nursery: trio.Nursery, serve: Serve) -> str:
    """Run ``serve`` for each client of a free port; the address."""
    run = partial(trio_websocket.serve_websocket, serve, "127.0.0.1", 0, ssl_context=None)
    listener: trio_websocket.WebSocketServer = await nursery.start(run)
    return f"http://127.0.0.1:{listener.port}"


async def serve_and_keep_files() -> None:
    """Serve until killed; the work is orderly, but each visit leaves a file open."""
    async with trio.open_nursery() as nursery:
        server = LeakingServer(0.02, False, nursery)

        async def serve(request: trio_websocket.WebSocketRequest) -> None:
            os.open(os.devnull, os.O_RDONLY)
            await server.serve(request)

        print(f"is at {await open_socket(nursery, serve)}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    trio.run(serve_and_keep_files)
