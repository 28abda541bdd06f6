"""The client beside the fuzzer: ``python -m tests.fuzz.bystander HOST PORT`` sends heartbeats all the time.

A program of its own, so that what it measures is the server's delay and not the fuzzer's. When its standard
input ends it has one whole turn, and prints as JSON what it saw.
"""

from __future__ import annotations

import json
import socket
import sys
import threading
import time
from typing import Any

from tests.server.raw_client import CLOSE, PING, PONG, TEXT, frame, handshake

# 50 heartbeats a second are half of what one client may send.
PAUSE = 0.02
PATIENCE = 60.0


class Left(Exception):
    """The server closed the connection, or did not answer in time."""


class Bystander:
    """A WebSocket that blocks."""

    def __init__(self, host: str, port: int) -> None:
        self._socket = socket.create_connection((host, port), timeout=PATIENCE)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = bytearray()
        self._socket.sendall(handshake("/client-ws"))
        while b"\r\n\r\n" not in self._buffer:
            self._more()
        del self._buffer[: self._buffer.index(b"\r\n\r\n") + 4]

    def say(self, **message: object) -> None:
        self._socket.sendall(frame(TEXT, json.dumps(message).encode()))

    def until(self, **fields: object) -> dict[str, Any]:
        """The next message that has these fields."""
        while True:
            first, payload = self._frame()
            if first & 0xF == CLOSE:
                raise Left(f"close {int.from_bytes(payload[:2], 'big')}")
            if first & 0xF == PING:
                self._socket.sendall(frame(PONG, payload))
            elif first & 0xF == TEXT:
                message: dict[str, Any] = json.loads(payload)
                if all(message.get(key) == value for key, value in fields.items()):
                    return message

    def _frame(self) -> tuple[int, bytes]:
        first, length = self._exactly(2)
        if length >= 126:
            length = int.from_bytes(self._exactly(2 if length == 126 else 8), "big")
        return first, self._exactly(length)

    def _exactly(self, size: int) -> bytes:
        while len(self._buffer) < size:
            self._more()
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        return data

    def _more(self) -> None:
        try:
            data = self._socket.recv(65_536)
        except TimeoutError:
            raise Left(f"no answer within {PATIENCE:g} s") from None
        if not data:
            raise Left("the server closed the connection")
        self._buffer += data


def beat(bystander: Bystander, ended: threading.Event) -> list[float]:
    """The round trips of heartbeats until ``ended``, in seconds."""
    took: list[float] = []
    while not ended.wait(PAUSE):
        before = time.perf_counter()
        bystander.say(type="heartbeat")
        bystander.until(type="heartbeat-ack")
        took.append(time.perf_counter() - before)
    return took


def have_a_turn(bystander: Bystander) -> None:
    """One turn, from the words to the end of playback."""
    bystander.say(type="text-input", text="Are you there?")
    bystander.until(type="backend-synth-complete")
    bystander.say(type="frontend-playback-complete")
    bystander.until(type="control", text="conversation-chain-end")


def main() -> None:
    ended = threading.Event()

    def wait_end() -> None:
        sys.stdin.read()
        ended.set()

    threading.Thread(target=wait_end, daemon=True).start()
    took: list[float] = []
    problem = ""
    try:
        bystander = Bystander(sys.argv[1], int(sys.argv[2]))
        bystander.until(type="control", text="start-mic")
        have_a_turn(bystander)
        print("ready", flush=True)
        took = beat(bystander, ended)
        have_a_turn(bystander)
    except (Left, OSError) as error:
        problem = str(error)
    print(json.dumps({"took": took, "problem": problem}), flush=True)


if __name__ == "__main__":
    main()
