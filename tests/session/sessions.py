"""What the tests of a session share: other engines for its character, and what to look at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
import trio

from tests.client import Client
from tests.conftest import GREETING
from tests.memory_wire import memory_wire_pair
from trio_backend.backend import Backend, BackendOptions
from trio_backend.config.catalog import MemoryCatalog
from trio_backend.config.character import EngineChoice
from trio_backend.history.store import Owner

START = {"type": "control", "text": "conversation-chain-start"}
END = {"type": "control", "text": "conversation-chain-end"}
THREE = "One two three. Four five six. Seven eight nine."


def types(messages: list[dict[str, Any]]) -> list[str]:
    """The messages' types."""
    return [message["type"] for message in messages]


def shown(messages: list[dict[str, Any]]) -> list[str]:
    """The sentences among the messages."""
    return [message["display_text"]["text"] for message in messages if message["type"] == "audio"]


async def stored(backend: Backend, conf_uid: str = "mao_001") -> list[tuple[str, str]]:
    """Role and content of the newest conversation's messages."""
    history = backend.services.history
    conversations = await history.conversations(Owner(conf_uid))
    if not conversations:
        return []
    messages = await history.messages(Owner(conf_uid), conversations[0].uid)
    return [(message.role, message.content) for message in messages]


def with_llm(options: BackendOptions, settings: Mapping[str, object]) -> BackendOptions:
    """The options with other settings of the echo model for the base character, who is alone."""
    base = attrs.evolve(options.catalog.base, llm=EngineChoice("llm", "echo_llm", settings))
    return attrs.evolve(options, catalog=MemoryCatalog(base))


def with_tts(options: BackendOptions, settings: Mapping[str, object]) -> BackendOptions:
    """The options with other settings of `tone_tts` for the base character, who is alone."""
    base = attrs.evolve(options.catalog.base, tts=EngineChoice("tts", "tone_tts", settings))
    return attrs.evolve(options, catalog=MemoryCatalog(base))


async def connect_greeted(backend: Backend, nursery: trio.Nursery) -> Client:
    """Connect to ``backend`` and read the greeting."""
    ours, theirs = memory_wire_pair()
    nursery.start_soon(backend.serve_client, theirs)
    client = Client(ours)
    assert types([await client.hear() for _ in GREETING]) == GREETING
    return client
