"""The persona first and unchanged: what a service has read of a conversation, its cache can have again."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import attrs
import pytest
import trio

from tests.client import Client
from tests.conftest import GREETING
from tests.engines import claude_stand_in
from tests.engines.completion_stand_in import completing
from tests.engines.model_server import Asked, Behaviour, ModelServer, open_model_server, streaming
from tests.memory_wire import memory_wire_pair
from trio_backend.backend import Backend, BackendOptions, open_backend
from trio_backend.config.catalog import MemoryCatalog
from trio_backend.config.character import EngineChoice

PERSONA = "You are Mao, “überall” at home.\nShow feelings with [joy]."


def openai_messages(asked: Asked) -> tuple[bytes, list[bytes]]:
    """The persona as it was sent, and the messages behind it."""
    persona, *messages = asked.body["messages"]
    assert persona["role"] == "system"
    # As bytes: nothing before the messages changes, either.
    return asked.raw.partition(b'{"role":"user"')[0], [encoded(message) for message in messages]


def claude_messages(asked: Asked) -> tuple[bytes, list[bytes]]:
    """As `openai_messages`; the mark of what is to be kept moves on, and is no part of what is read."""
    for message in asked.body["messages"]:
        for block in message["content"]:
            block.pop("cache_control", None)
    return encoded(asked.body["system"]), [encoded(message) for message in asked.body["messages"]]


def completed_text(asked: Asked) -> tuple[bytes, list[bytes]]:
    """As `openai_messages`: one text, cut where a turn begins; the last is what the reply goes on from."""
    persona, *turns = asked.body["prompt"].split("<|im_start|>user")
    return persona.encode(), [turn.encode() for turn in turns]


def encoded(value: Any) -> bytes:
    return json.dumps(value).encode()


READERS: dict[str, tuple[Behaviour, Callable[[Asked], tuple[bytes, list[bytes]]]]] = {
    "openai_compatible_llm": (streaming("Well ", "said."), openai_messages),
    "claude_llm": (claude_stand_in.replying("Well ", "said."), claude_messages),
    "stateless_llm_with_template": (completing("Well ", "said."), completed_text),
}


@pytest.fixture(params=READERS)
def name(request: pytest.FixtureRequest) -> str:
    """Each kind of service in turn."""
    return str(request.param)


@pytest.fixture
async def server(name: str) -> AsyncIterator[ModelServer]:
    """The service."""
    async with open_model_server() as server:
        server.behaviour = READERS[name][0]
        yield server


@pytest.fixture
async def backend(options: BackendOptions, name: str, server: ModelServer) -> AsyncIterator[Backend]:
    """A backend whose character has that model, and no voice."""
    settings = {"base_url": server.url, "model": "m", "llm_api_key": "k"}
    base = attrs.evolve(
        options.catalog.base,
        system_prompt=PERSONA,
        llm=EngineChoice("llm", name, settings),
        tts=EngineChoice("tts", "none_tts"),
    )
    async with open_backend(attrs.evolve(options, catalog=MemoryCatalog(base))) as backend:
        yield backend


async def test_a_prompt_begins_with_the_one_before(
    backend: Backend, nursery: trio.Nursery, server: ModelServer, name: str
) -> None:
    """In every turn, after a nudge, and for another client: the same bytes, and only more behind them."""
    read = READERS[name][1]

    async def connect() -> Client:
        ours, theirs = memory_wire_pair()
        nursery.start_soon(backend.serve_client, theirs)
        client = Client(ours)
        for _ in GREETING:
            await client.hear()
        return client

    with trio.fail_after(30):
        client = await connect()
        for text in ("One.", "Two.", "Three."):
            await client.turn(text)
        await client.say("ai-speak-signal")
        await client.until("control", text="conversation-chain-end")
        await client.turn("Four.")
        await (await connect()).turn("One.")

    prompts = [read(asked) for asked in server.asked]
    assert len(prompts) == 6
    first, second, third, nudge, fourth, other = prompts
    assert len({persona for persona, _ in prompts}) == 1
    for (_, before), (_, after) in ((first, second), (second, third), (third, nudge), (third, fourth)):
        assert len(after) > len(before)
        assert after[: len(before) - 1] == before[:-1]
        # Of a text, the last turn of the one before is the begin of that turn now.
        assert after[len(before) - 1].startswith(before[-1])
    assert other == first
