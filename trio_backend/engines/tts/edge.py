"""`edge_tts`: the voices that Microsoft's browser reads pages with; free, without a key, over the internet.

By the library ``edge-tts`` 7.3, which follows the changes of a service that has no documentation.
It takes a connection for each sentence. What comes is MP3, which is decoded when it is whole.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import attrs
import trio

from ...audio.pcm import Pcm
from ...errors import EngineError, RequestRefused, SettingsError, UnknownEngine
from ...installation import extra_remedy, install
from ..asyncio_thread import AsyncioThread, open_asyncio_thread
from ..facts import EngineFacts
from ..openai.answers import whole_characters
from ..settings import Environment, between, read_settings
from ..sound_file import decode, has_mp3_decoder
from ..whole import NO_SOUND, WholeTts, can_be_said

NAMES = ("edge_tts",)

BYTES_PER_SECOND = 6_000
"""Of the only format that the service sends: MP3 of 48 kbit/s."""

_VOICE = re.compile(r"[A-Za-z]{2,}-[A-Za-z]{2,}-[\w-]*Neural")

FACTS = EngineFacts(
    streams="no",
    cancel="closes the connection",
    tried="the library, with a stand-in of its service",
    needs="the internet; no key",
    extra="edge",
    modules=("edge_tts", "soundfile"),
    fallback="espeak_tts",
)


@attrs.frozen
class EdgeConfig:
    """``voice`` is a name that ``edge-tts --list-voices`` lists; the others change it, as ``+10%``, ``-5Hz``.

    Timeouts are in seconds: to connect, and for the whole sound of a sentence, which may be ``max_sound``
    seconds long.
    """

    max_sound: float
    voice: str = "en-US-AvaMultilingualNeural"
    rate: str = "+0%"
    volume: str = "+0%"
    pitch: str = "+0Hz"
    connect_timeout: int = attrs.field(default=10, validator=between(1, 600))
    timeout: float = attrs.field(default=60.0, validator=between(0.1, 3600))


def configure(name: str, settings: Mapping[str, object], environment: Environment) -> EdgeConfig:
    """The settings are the fields of `EdgeConfig`, but ``max_sound``.

    Raises `UnknownEngine` where the library is missing: this is the voice that folders of the older backend
    choose, and their characters are to speak, by another one.
    """
    config = read_settings(EdgeConfig, settings, preset={"max_sound": environment.max_sentence_sound})
    if not _VOICE.fullmatch(config.voice):
        raise SettingsError("voice", "must be a name such as en-US-AvaMultilingualNeural")
    for key, example in (("rate", "+10%"), ("volume", "-10%"), ("pitch", "+5Hz")):
        if not re.fullmatch(r"[+-]\d{1,3}" + example.lstrip("+-0123456789"), getattr(config, key)):
            raise SettingsError(key, f"must be a change such as {example}")
    if not _is_installed():
        raise UnknownEngine(
            f"edge_tts is not installed: {extra_remedy('edge')}; espeak_tts is used instead",
            kind="tts",
            name=name,
            instead="espeak_tts",
        )
    return config


@asynccontextmanager
async def open(config: EdgeConfig) -> AsyncIterator[EdgeTts]:
    """Ready when the library is imported: the first sentence makes the first connection."""
    library = await trio.to_thread.run_sync(import_module, "edge_tts")  # 0.3 s
    async with open_asyncio_thread() as thread:
        yield EdgeTts(config, library, thread, trio.CapacityLimiter(2))


def _is_installed() -> bool:
    return find_spec("edge_tts") is not None and has_mp3_decoder()


@attrs.frozen
class EdgeTts(WholeTts):
    """A `Tts`. Two sentences at a time are decoded, in threads."""

    config: EdgeConfig
    _library: Any = attrs.field(repr=False)
    _thread: AsyncioThread = attrs.field(repr=False)
    _decoders: trio.CapacityLimiter = attrs.field(repr=False)

    async def synthesize(self, text: str) -> Pcm:
        """``text`` as sound; a cancel closes the connection."""
        if not can_be_said(text):
            await trio.lowlevel.checkpoint()
            return NO_SOUND
        with trio.move_on_after(self.config.timeout):
            work = partial(decode, await self._ask(text), longest=self.config.max_sound)
            try:
                return await trio.to_thread.run_sync(work, limiter=self._decoders)
            except ValueError as error:
                raise EngineError(f"edge_tts: the service's sound cannot be used: {error}") from error
        raise EngineError(f"edge_tts: no sound within {self.config.timeout:g} s")

    async def _ask(self, text: str) -> bytes:
        """The MP3 of ``text``. Raises `EngineError`."""
        aiohttp = self._library.communicate.aiohttp
        of_http: type[Exception] = aiohttp.ClientError
        of_library: type[Exception] = self._library.exceptions.EdgeTTSException
        nothing: type[Exception] = self._library.exceptions.NoAudioReceived
        try:
            return await self._thread.run(partial(self._receive, whole_characters(text)))
        except nothing:
            voice = self.config.voice
            raise EngineError(
                f"edge_tts: the service says nothing; is {voice!r} among what `edge-tts --list-voices` lists?"
            ) from None
        # The last four are of connections, and of messages that the library cannot read.
        except (of_library, of_http, OSError, ValueError, LookupError, TypeError) as error:
            lost = isinstance(error, (OSError, aiohttp.ClientConnectionError))
            raise EngineError(_told(error, lost)) from error

    async def _receive(self, text: str) -> bytes:
        """Runs in asyncio."""
        config, mp3 = self.config, bytearray()
        communicate = self._library.Communicate(
            text,
            config.voice,
            rate=config.rate,
            volume=config.volume,
            pitch=config.pitch,
            connect_timeout=config.connect_timeout,
        )
        async for piece in communicate.stream():
            if piece["type"] == "audio":
                mp3 += piece["data"]
            if len(mp3) > config.max_sound * BYTES_PER_SECOND:
                raise RequestRefused(
                    f"edge_tts: more sound than {config.max_sound:g} s can be (max_sentence_sound)"
                )
        return bytes(mp3)


def _told(error: Exception, lost: bool) -> str:
    """What happened, for a person. Of the service's own words nothing is repeated."""
    status = getattr(error, "status", 0)
    if status == 403 or type(error).__name__ == "SkewAdjustmentError":
        return (
            "edge_tts: the service refuses us (403); set this machine's clock, update the library "
            f"(`{install('-U', 'edge-tts')}`), or use another speech synthesis: some countries have no access"
        )
    if status == 429:
        return "edge_tts: too many requests (429); wait a little, or use another speech synthesis"
    if status:
        return f"edge_tts: the service failed ({status}); try again, or use another speech synthesis"
    if lost:
        return "edge_tts: the service cannot be reached; check the network, and the proxy if there is one"
    return (
        f"edge_tts: the service answers what the library does not understand ({type(error).__name__}); "
        f"update it: `{install('-U', 'edge-tts')}`"
    )
