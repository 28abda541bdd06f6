"""`wyoming_tts`: speech synthesis by a server of Home Assistant's Wyoming protocol (Piper and others).

The events are those of `wyoming.tts` and `wyoming.audio` in the package ``wyoming`` 1.10, July 2026:
``synthesize``; then ``audio-start``, ``audio-chunk``, ``audio-stop``. Each sentence has a connection.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import attrs
import trio
from trio.abc import ReceiveChannel

from ...audio.pcm import Pcm
from ...errors import EngineError, HttpFailed, WireClosed
from ..facts import EngineFacts
from ..openai.answers import whole_characters
from ..openai.configs import Endpoint, Provider
from ..openai.connection import unreachable
from ..settings import Environment, between, read_settings
from ..whole import can_be_said, channel_of
from ..wyoming import WyomingEvent, WyomingLink, WyomingServer, encoded, find_wyoming_server, wyoming_url

NAMES = ("wyoming_tts",)

SHORTEST_CHUNK = 0.05
"""Seconds of sound, all but the last: servers send it in smaller pieces, and each chunk is a message."""

_PROVIDER = Provider(
    "wyoming_tts", "http://127.0.0.1:10200", start="start a Wyoming server there, or correct base_url"
)
_CODE = re.compile(r"[\w.-]{1,48}")

FACTS = EngineFacts(
    streams="yes",
    cancel="closes the connection",
    tried="a server of its package",
    needs="a Wyoming server, as for Home Assistant",
)


@attrs.frozen
class WyomingTtsConfig:
    """``voice``, one of its ``speaker``s and ``language`` are the server's; empty for its own choice.

    Timeouts are in seconds: to connect, and to wait in all for the sound of a sentence, which may be
    ``max_sound`` seconds long.
    """

    endpoint: Endpoint
    voice: str
    speaker: str
    language: str
    connect_timeout: float
    timeout: float
    max_sound: float


@attrs.frozen
class _WyomingTtsSettings:
    base_url: str = "tcp://127.0.0.1:10200"
    voice: str = ""
    speaker: str = ""
    language: str = ""
    connect_timeout: float = attrs.field(default=5.0, validator=between(0.1, 600))
    timeout: float = attrs.field(default=60.0, validator=between(0.1, 3600))


def configure(name: str, settings: Mapping[str, object], environment: Environment) -> WyomingTtsConfig:
    """The settings are the fields of `_WyomingTtsSettings`."""
    del name
    given = read_settings(_WyomingTtsSettings, settings)
    return WyomingTtsConfig(
        endpoint=Endpoint(_PROVIDER, wyoming_url(given.base_url, port=10200), given.voice, key_setting=""),
        voice=given.voice,
        speaker=given.speaker,
        language=given.language,
        connect_timeout=given.connect_timeout,
        timeout=given.timeout,
        max_sound=environment.max_sentence_sound,
    )


@asynccontextmanager
async def open(config: WyomingTtsConfig) -> AsyncIterator[WyomingTts]:
    """Ready at once: each sentence has a connection of its own."""
    server = await find_wyoming_server(config.endpoint.base_url, connect_timeout=config.connect_timeout)
    yield WyomingTts(config, server)


@attrs.frozen
class WyomingTts:
    """A `Tts`. A cancel closes the connection."""

    config: WyomingTtsConfig
    _server: WyomingServer = attrs.field(repr=False)

    def speak(self, text: str) -> AbstractAsyncContextManager[ReceiveChannel[Pcm]]:
        """See `Tts.speak`: in chunks as they come."""
        return channel_of(self._chunks(whole_characters(text)))

    async def _chunks(self, text: str) -> AsyncGenerator[Pcm, None]:
        if not can_be_said(text):
            return
        try:
            async with self._server.open() as link:
                await link.send(encoded(self._synthesize(text)))
                sound = _SpokenSound(self.config, link)
                while (pcm := await sound.next()) is not None:
                    yield pcm
        except HttpFailed as error:
            if error.stage == "malformed":
                raise EngineError("wyoming_tts: the server sends what is no event of Wyoming") from error
            raise EngineError(unreachable(self.config.endpoint, error).text) from error

    def _synthesize(self, text: str) -> WyomingEvent:
        config = self.config
        # A name counts for more than a language, and only with a name there is a speaker.
        if config.voice:
            voice = {"name": config.voice, **({"speaker": config.speaker} if config.speaker else {})}
        else:
            voice = {"language": config.language} if config.language else {}
        return WyomingEvent("synthesize", {"text": text, **({"voice": voice} if voice else {})})


@attrs.define(eq=False)
class _SpokenSound:
    """What a server answers to one sentence."""

    _config: WyomingTtsConfig
    _link: WyomingLink
    _rate: int = attrs.field(default=0, init=False)
    _held: bytearray = attrs.field(factory=bytearray, init=False, repr=False)
    _received: int = attrs.field(default=0, init=False)
    _left: float = attrs.field(init=False)
    """Seconds that the server still has; what the listener takes is not the server's."""
    _problem: Exception | None = attrs.field(default=None, init=False)
    _ended: bool = attrs.field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        self._left = self._config.timeout

    async def next(self) -> Pcm | None:
        """The next chunk; None at the end. What came before an error is handed out, then that is raised."""
        while not self._ended and len(self._held) < max(2, SHORTEST_CHUNK * self._rate * 2):
            try:
                self._take(await self._event())
            except (EngineError, HttpFailed) as problem:
                self._problem, self._ended = problem, True
        # Half a sample waits for its other half; at the end there is none.
        whole = len(self._held) // 2 * 2
        if whole:
            samples = bytes(self._held[:whole])
            del self._held[:whole]
            return Pcm(samples, self._rate)
        if self._problem is not None:
            raise self._problem
        return None

    async def _event(self) -> WyomingEvent:
        began = trio.current_time()
        try:
            with trio.move_on_after(max(0.0, self._left)):
                return await self._link.receive()
        except WireClosed:
            raise EngineError("wyoming_tts: the server closed the connection before its answer") from None
        finally:
            self._left -= trio.current_time() - began
        what = "the sound is not whole" if self._received else "no sound"
        raise EngineError(f"wyoming_tts: {what} within {self._config.timeout:g} s")

    def _take(self, event: WyomingEvent) -> None:
        match event.type:
            case "audio-start":
                self._begin(event.data)
            case "audio-chunk":
                if not self._rate:
                    self._begin(event.data)
                room = int(self._config.max_sound * self._rate) * 2 - self._received
                self._received += len(event.payload)
                self._held += event.payload[:room]
                if len(event.payload) > room:
                    raise EngineError(
                        f"wyoming_tts: the server sent more sound than {self._config.max_sound:g} s can be "
                        "(max_sentence_sound)"
                    )
            case "audio-stop":
                self._ended = True
            case "error":
                code = event.data.get("code")
                told = f" ({code})" if isinstance(code, str) and _CODE.fullmatch(code) else ""
                raise EngineError(f"wyoming_tts: the server failed{told}; its own log says why")

    def _begin(self, form: Mapping[str, Any]) -> None:
        rate = form.get("rate")
        known = isinstance(rate, int) and 8_000 <= rate <= 192_000 and self._rate in (0, rate)
        if not known or form.get("width") != 2 or form.get("channels") != 1:
            raise EngineError("wyoming_tts: the server sends other samples than 16-bit mono ones")
        assert isinstance(rate, int)
        self._rate = rate
