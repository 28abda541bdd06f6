"""`open_service` and `open_gradio`: speech synthesis behind HTTP, opened.

Between `speech_service` and `gradio_speech`, which are read with a configuration, and `http_speech` and
`gradio_tts`, which need the HTTP library. That takes 75 ms to import, too long for the event loop.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module

import trio

from .base import Tts
from .gradio_speech import GradioSpeech
from .speech_service import SpeechService


@asynccontextmanager
async def open_service(config: SpeechService) -> AsyncIterator[Tts]:
    """Ready at once: the service is asked with the first sentence. Raises `EngineError`; see `HttpTts`."""
    await trio.to_thread.run_sync(import_module, ".http_speech", __package__)
    from .http_speech import open_http_speech

    async with open_http_speech(config) as tts:
        yield tts


@asynccontextmanager
async def open_gradio(config: GradioSpeech) -> AsyncIterator[Tts]:
    """Ready when the recordings on this machine are read; the server is asked with the first sentence.

    Raises `EngineError` where one of them cannot be read; see `GradioTts`.
    """
    await trio.to_thread.run_sync(import_module, ".gradio_tts", __package__)
    from .gradio_tts import open_gradio_tts

    async with open_gradio_tts(config) as tts:
        yield tts
