"""`vllm_realtime_asr`: vLLM's ``/v1/realtime``, by which it serves models that recognise while one speaks.

Voxtral Realtime and Qwen3-ASR are such models. Path and sound are those of OpenAI's interface, the events are
not: those of vLLM's ``entrypoints/…/realtime/connection.py``, in July 2026. The model is named by
``session.update``, a first ``input_audio_buffer.commit`` begins, one with ``final`` ends; text comes as
``transcription.delta``, and all of it as ``transcription.done``.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

import attrs
import msgspec

from ...audio.utterance import RATE
from ...errors import EngineError, SettingsError
from ..base import AsrTranscript
from ..facts import EngineFacts
from ..openai.answers import Answer, Halves, decode_json, refusal, whole_characters
from ..openai.configs import Endpoint, Provider, check_key, checked_socket_url, find_key
from ..service_asr import ServiceAsr
from ..service_format import RecognitionService, closed_early, websocket_service
from ..settings import Environment, between, read_settings

NAMES = ("vllm_realtime_asr",)

_PROVIDER = Provider(
    "vllm_realtime_asr",
    "http://localhost:8000/v1",
    ("VLLM_API_KEY",),
    start="start `vllm serve` with a model for real time, or correct base_url",
)
# Codes of `error` events, as statuses of HTTP; all others are faults of the request.
_STATUS = {"model_not_found": 404, "processing_error": 500}

FACTS = EngineFacts(
    streams="yes",
    cancel="closes the connection",
    tried="a stand-in by its code",
    needs="`vllm serve` with a model for real time",
    keys=_PROVIDER.key_variables,
)


@attrs.frozen
class VllmRealtimeConfig:
    """Timeouts are in seconds: to connect, and for the final transcript after the end of the sound."""

    endpoint: Endpoint
    connect_timeout: float
    timeout: float


@attrs.frozen
class _VllmRealtimeSettings:
    base_url: str = _PROVIDER.base_url
    api_key: str = ""
    model: str = ""
    connect_timeout: float = attrs.field(default=5.0, validator=between(0.1, 600))
    timeout: float = attrs.field(default=20.0, validator=between(0.1, 3600))


def configure(name: str, settings: Mapping[str, object], environment: Environment) -> VllmRealtimeConfig:
    """The settings are the fields of `_VllmRealtimeSettings`; the server wants the model's name."""
    del name
    given = read_settings(_VllmRealtimeSettings, settings)
    if not given.model.strip():
        raise SettingsError("model", "is missing: write the one that `vllm serve` was started with")
    endpoint = Endpoint(
        provider=_PROVIDER,
        base_url=checked_socket_url(given.base_url),
        model=given.model.strip(),
        key_setting="api_key",
        api_key=find_key(given.api_key, _PROVIDER.key_variables, environment.environ),
    )
    return VllmRealtimeConfig(check_key(endpoint), given.connect_timeout, given.timeout)


@asynccontextmanager
async def open(config: VllmRealtimeConfig) -> AsyncIterator[VllmRealtimeAsr]:
    """Ready at once: each utterance has a connection of its own. Raises `EngineError` for a wrong proxy."""
    endpoint = config.endpoint
    headers = {"Authorization": f"Bearer {endpoint.api_key}"} if endpoint.api_key else {}
    connect = await websocket_service(endpoint, "realtime", headers, connect_timeout=config.connect_timeout)
    yield VllmRealtimeAsr(config, RecognitionService(endpoint, connect, RATE, config.timeout))


@attrs.frozen
class VllmRealtimeAsr(ServiceAsr):
    """An `Asr`. The server has no judgement of the turn's end."""

    config: VllmRealtimeConfig
    service: RecognitionService = attrs.field(repr=False)

    def recognition(self) -> VllmRealtimeFormat:
        """See `ServiceAsr.recognition`."""
        return VllmRealtimeFormat(self.config.endpoint)


@attrs.define
class _VllmEvent:
    type: str
    delta: str = ""
    text: str = ""
    code: str | None = None


_decoder = msgspec.json.Decoder(_VllmEvent)


@attrs.define(eq=False)
class VllmRealtimeFormat:
    """An `UtteranceFormat`: one generation of the model's, from its first token to its last."""

    _endpoint: Endpoint
    _text: str = attrs.field(default="", init=False, repr=False)
    # A character may come in the tokens of two events.
    _halves: Halves = attrs.field(factory=Halves, init=False, repr=False)
    _ended: bool = attrs.field(default=False, init=False)

    def begin(self) -> Sequence[str]:
        model = msgspec.json.encode({"type": "session.update", "model": self._endpoint.model})
        return [model.decode(), '{"type":"input_audio_buffer.commit"}']

    def sound(self, samples: bytes) -> Sequence[str]:
        return [f'{{"type":"input_audio_buffer.append","audio":"{b64encode(samples).decode()}"}}']

    def end(self) -> Sequence[str]:
        self._ended = True
        return ['{"type":"input_audio_buffer.commit","final":true}']

    def receive(self, message: str | bytes) -> Sequence[AsrTranscript]:
        event = decode_json(message, _decoder)
        match event.type:
            case "transcription.delta":
                before, self._text = self._text.strip(), self._text + self._halves.feed(event.delta)
                text = self._text.strip()
                return [AsrTranscript(text, final=False)] if text != before else ()
            case "transcription.done" if self._ended:
                return [AsrTranscript(whole_characters(event.text).strip(), final=True)]
            case "transcription.done":
                # The model has come to the limit of its tokens, with somebody still speaking.
                raise EngineError("vllm_realtime_asr: the model stopped amid an utterance; make it shorter")
            case "error":
                code = event.code or ""
                body = msgspec.json.encode({"error": {"code": code}})
                answer = Answer(_STATUS.get(code, 400), "application/json", body)
                raise EngineError(refusal(self._endpoint, answer).text)
        return ()

    def closed(self, code: int) -> AsrTranscript:
        raise closed_early("vllm_realtime_asr", code)
