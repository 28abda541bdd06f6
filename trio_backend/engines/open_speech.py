"""`open_service`: a voice behind HTTP, opened.

Between `speech_service`, which is read with a configuration, and `http_speech`, which needs the HTTP library.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module

import trio

from .base import Tts
from .speech_service import SpeechService


@asynccontextmanager
async def open_service(config: SpeechService) -> AsyncIterator[Tts]:
    """Ready at once: the service is asked with the first sentence. Raises `EngineError`; see `HttpTts`."""
    # The HTTP library takes 75 ms to import, too long for the event loop.
    await trio.to_thread.run_sync(import_module, ".http_speech", __package__)
    from .http_speech import open_http_speech

    async with open_http_speech(config) as tts:
        yield tts
