"""`open_chat`: a language model behind HTTP, opened.

Between `chat_service`, which is read with a configuration, and `http_chat`, which needs the HTTP library.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module

import trio

from .base import Llm
from .chat_service import ChatService


@asynccontextmanager
async def open_chat(config: ChatService) -> AsyncIterator[Llm]:
    """Ready at once: the server is asked with the first reply, so one that starts later serves too."""
    # The HTTP library takes 75 ms to import, too long for the event loop.
    await trio.to_thread.run_sync(import_module, ".http_chat", __package__)
    from .http_chat import open_http_chat

    async with open_http_chat(config) as chat:
        yield chat
