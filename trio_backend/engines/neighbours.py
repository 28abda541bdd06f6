"""Model servers that already run on this machine, for a hint to who has not configured one."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

import httpx2
import msgspec
import trio

OLLAMA = "http://127.0.0.1:11434"


class _Model(msgspec.Struct):
    name: str


class _Tags(msgspec.Struct):
    models: list[_Model]


async def find_ollama(url: str = OLLAMA, *, within: float = 2.0) -> Sequence[str] | None:
    """The names of the models that an Ollama server at ``url`` has; None where none answers in time."""
    try:
        with trio.fail_after(within):
            return await _ask(url) if await _somebody_listens(url) else None
    except (httpx2.HTTPError, msgspec.DecodeError, trio.TooSlowError):
        return None


async def _somebody_listens(url: str) -> bool:
    # Mostly nobody does, and then a client need not be built: that takes 0.2 s of a start.
    address = urlsplit(url)
    try:
        stream = await trio.open_tcp_stream(address.hostname or "", address.port or 80)
    except OSError:
        return False
    await trio.aclose_forcefully(stream)
    return True


async def _ask(url: str) -> Sequence[str]:
    # Building the client reads the system's certificates: too slow for the event loop.
    client = await trio.to_thread.run_sync(lambda: httpx2.AsyncClient(trust_env=False))
    async with client:
        answer = await client.get(f"{url}/api/tags")
    return [model.name for model in msgspec.json.decode(answer.content, type=_Tags).models]
