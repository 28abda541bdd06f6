"""`wyoming_asr`: recognition by a server of Home Assistant's Wyoming protocol (Whisper, Vosk and others).

The events are those of `wyoming.asr` and `wyoming.audio` in the package ``wyoming`` 1.10, July 2026:
``transcribe``, ``audio-start``, ``audio-chunk``, ``audio-stop``; then ``transcript``, and before it, from
servers that stream, ``transcript-chunk``.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

import attrs

from ...audio.utterance import RATE
from ...errors import EngineError
from ..base import AsrTranscript
from ..facts import EngineFacts
from ..openai.answers import whole_characters
from ..openai.configs import Endpoint, Provider
from ..service_asr import ServiceAsr
from ..service_format import RecognitionService, closed_early
from ..settings import Environment, between, read_settings
from ..wyoming import WyomingEvent, encoded, find_wyoming_server, wyoming_url

NAMES = ("wyoming_asr",)

_PROVIDER = Provider(
    "wyoming_asr", "http://127.0.0.1:10300", start="start a Wyoming server there, or correct base_url"
)
_SOUND = {"rate": RATE, "width": 2, "channels": 1}
_CODE = re.compile(r"[\w.-]{1,48}")

FACTS = EngineFacts(
    streams="if the server does: `streams: true`",
    cancel="closes the connection",
    tried="a server of its package",
    needs="a Wyoming server, as for Home Assistant",
)


@attrs.frozen
class WyomingAsrConfig:
    """``streams`` says whether the server recognises while one speaks. ``model`` is one of the server's.

    Timeouts are in seconds: to connect, and for the final transcript after the end of the sound.
    """

    endpoint: Endpoint
    language: str
    streams: bool
    connect_timeout: float
    timeout: float


@attrs.frozen
class _WyomingAsrSettings:
    base_url: str = "tcp://127.0.0.1:10300"
    model: str = ""
    language: str = ""
    # Most servers recognise the whole utterance at its end, and then are asked early, on what there is.
    streams: bool = False
    connect_timeout: float = attrs.field(default=5.0, validator=between(0.1, 600))
    timeout: float = attrs.field(default=60.0, validator=between(0.1, 3600))


def configure(name: str, settings: Mapping[str, object], environment: Environment) -> WyomingAsrConfig:
    """The settings are the fields of `_WyomingAsrSettings`."""
    del name, environment
    given = read_settings(_WyomingAsrSettings, settings)
    return WyomingAsrConfig(
        endpoint=Endpoint(_PROVIDER, wyoming_url(given.base_url, port=10300), given.model, key_setting=""),
        language=given.language,
        streams=given.streams,
        connect_timeout=given.connect_timeout,
        timeout=given.timeout,
    )


@asynccontextmanager
async def open(config: WyomingAsrConfig) -> AsyncIterator[WyomingAsr]:
    """Ready at once: each utterance has a connection of its own."""
    endpoint = config.endpoint
    server = await find_wyoming_server(endpoint.base_url, connect_timeout=config.connect_timeout)
    yield WyomingAsr(config, RecognitionService(endpoint, server.open, RATE, config.timeout))


@attrs.frozen
class WyomingAsr(ServiceAsr):
    """An `Asr`. Sound is sent while one speaks, whether the server makes use of that or not."""

    config: WyomingAsrConfig
    service: RecognitionService = attrs.field(repr=False)

    @property
    def streams(self) -> bool:
        """See `Asr.streams`: as it is configured."""
        return self.config.streams

    def recognition(self) -> WyomingRecognition:
        """See `ServiceAsr.recognition`."""
        return WyomingRecognition(self.config.endpoint.model, self.config.language)


@attrs.define(eq=False)
class WyomingRecognition:
    """A `UtteranceFormat`: one utterance in Wyoming's events."""

    _model: str
    _language: str
    _text: str = attrs.field(default="", init=False, repr=False)

    def begin(self) -> Sequence[bytes]:
        asked = {"name": self._model, "language": self._language}
        transcribe = WyomingEvent("transcribe", {key: value for key, value in asked.items() if value})
        return [encoded(transcribe) + encoded(WyomingEvent("audio-start", _SOUND))]

    def sound(self, samples: bytes) -> Sequence[bytes]:
        return [encoded(WyomingEvent("audio-chunk", _SOUND, samples))]

    def end(self) -> Sequence[bytes]:
        return [encoded(WyomingEvent("audio-stop"))]

    def receive(self, message: WyomingEvent) -> Sequence[AsrTranscript]:
        match message.type:
            case "transcript":
                # Also where it comes before the end of the sound, by the server's own detection of that:
                # the connection has nothing more to say.
                return [AsrTranscript(_text_of(message).strip(), final=True)]
            case "transcript-chunk":
                self._text += _text_of(message)
                return [AsrTranscript(self._text.strip(), final=False)]
            case "error":
                code = message.data.get("code")
                told = f" ({code})" if isinstance(code, str) and _CODE.fullmatch(code) else ""
                raise EngineError(f"wyoming_asr: the server failed{told}; its own log says why")
        return ()

    def closed(self, code: int) -> AsrTranscript:
        raise closed_early("wyoming_asr", code)


def _text_of(event: WyomingEvent) -> str:
    text = event.data.get("text")
    if not isinstance(text, str):
        raise ValueError("a transcript without text")
    return whole_characters(text)
