"""A stand-in for servers that complete a text: the common interface, and llama.cpp's own.

https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md, as of November 2026.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from trio_backend.engines.base import Llm
from trio_backend.engines.registry import configure, open_engine
from trio_backend.engines.settings import Environment

from .model_server import Answering, Behaviour, open_model_server


def completing(*tokens: str, delay: float = 0.0, native: bool = False) -> Behaviour:
    """Answer with these tokens, as the common interface or llama.cpp's own has them."""

    def event(token: str, *, last: bool) -> str:
        if native:
            return json.dumps({"content": token, "stop": last, "tokens_predicted": 3})
        return json.dumps(
            {"choices": [{"index": 0, "text": token, "finish_reason": "stop" if last else None}]}
        )

    async def answer(answering: Answering) -> None:
        await answering.begin_events()
        for token in tokens:
            await trio.sleep(delay)
            await answering.event(event(token, last=False))
        await answering.event(event("", last=True))
        if not native:
            await answering.event("[DONE]")
        await answering.stream.send_all(b"0\r\n\r\n")

    return answer


@asynccontextmanager
async def open_template(url: str, **settings: object) -> AsyncIterator[Llm]:
    """The adapter."""
    given = {"base_url": url, "model": "m", "llm_api_key": "k", **settings}
    chosen = configure("llm", "stateless_llm_with_template", given, environment=Environment(Path(), {}))
    async with open_engine(chosen) as llm:
        yield llm


@asynccontextmanager
async def open_completions() -> AsyncIterator[Llm]:
    """The adapter, and a server that is as fast as the others of the conformance suite."""
    async with open_model_server() as server:
        server.behaviour = completing("Hello ", "there, ", "my ", "friend.", delay=0.01)
        async with open_template(server.url) as llm:
            yield llm
