"""A stand-in for Anthropic's Messages API: the events of its documentation, byte for byte, on a real socket.

https://platform.claude.com/docs/en/build-with-claude/streaming, as of November 2026. Where its own client is
installed (`anthropic`, which is no dependency of ours), test_claude.py asks the stand-in with it.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from trio_backend.engines.base import Llm
from trio_backend.engines.registry import configure, open_engine
from trio_backend.engines.settings import Environment

from .model_server import Answering, Behaviour, open_model_server

START = {
    "type": "message_start",
    "message": {
        "id": "msg_1nZdL29xx5MUA1yADyHTEsnR8uuvGzszyY",
        "type": "message",
        "role": "assistant",
        "content": [],
        "model": "claude-opus-4-8",
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {
            "input_tokens": 25,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 1800,
            "output_tokens": 1,
        },
    },
}
PING = {"type": "ping"}
STOP = {"type": "message_stop"}


def begun(index: int, **block: object) -> Mapping[str, object]:
    """The event that begins a block."""
    return {"type": "content_block_start", "index": index, "content_block": block}


def delta(index: int, kind: str, **piece: object) -> Mapping[str, object]:
    """The event with the next piece of a block."""
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **piece}}


def ended(index: int) -> Mapping[str, object]:
    """The event that ends a block."""
    return {"type": "content_block_stop", "index": index}


def done(reason: str, **details: object) -> Mapping[str, object]:
    """The event with the reason why the model stopped."""
    stopped = {"stop_reason": reason, "stop_sequence": None, **details}
    return {"type": "message_delta", "delta": stopped, "usage": {"output_tokens": 15}}


def said(*tokens: str, index: int = 0) -> Sequence[Mapping[str, object]]:
    """A block of text."""
    pieces = [delta(index, "text_delta", text=token) for token in tokens]
    return [begun(index, type="text", text=""), PING, *pieces, ended(index)]


def thought(*tokens: str, index: int = 0) -> Sequence[Mapping[str, object]]:
    """A block of thoughts, signed."""
    pieces = [delta(index, "thinking_delta", thinking=token) for token in tokens]
    signature = delta(index, "signature_delta", signature="EqQBCgIYAhIM1gbcDa9GJwZA2b3hGgxBdjrkzLoky3dl1pk")
    return [begun(index, type="thinking", thinking="", signature=""), *pieces, signature, ended(index)]


def asked(call_id: str, name: str, *arguments: str, index: int) -> Sequence[Mapping[str, object]]:
    """A block that asks for a tool, with its arguments in pieces."""
    pieces = [delta(index, "input_json_delta", partial_json=piece) for piece in arguments]
    return [begun(index, type="tool_use", id=call_id, name=name, input={}), *pieces, ended(index)]


def answering_with(*events: Mapping[str, object], delay: float = 0.0) -> Behaviour:
    """Answer with these events, ``delay`` seconds before each piece of a block."""

    async def answer(answering: Answering) -> None:
        await answering.head(
            200, ["Content-Type: text/event-stream; charset=utf-8", "Transfer-Encoding: chunked"]
        )
        for event in events:
            if event["type"] == "content_block_delta":
                await trio.sleep(delay)
            await answering.chunk(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())
        await answering.stream.send_all(b"0\r\n\r\n")

    return answer


def replying(*tokens: str, delay: float = 0.0) -> Behaviour:
    """Answer with these tokens."""
    return answering_with(START, *said(*tokens), done("end_turn"), STOP, delay=delay)


@asynccontextmanager
async def open_claude() -> AsyncIterator[Llm]:
    """The adapter, and a service that is as fast as the others of the conformance suite."""
    async with open_model_server() as server:
        server.behaviour = replying("Hello ", "there, ", "my ", "friend.", delay=0.01)
        settings = {"base_url": server.url, "llm_api_key": "sk-ant-1", "model": "claude-opus-4-8"}
        config = configure("llm", "claude_llm", settings, environment=Environment(Path(), {}))
        async with open_engine(config) as llm:
            yield llm
