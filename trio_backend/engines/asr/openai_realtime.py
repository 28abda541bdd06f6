"""`openai_realtime_asr`: transcription over the Realtime WebSocket of OpenAI, and of servers that speak it.

The events are those of the API reference's Realtime section, and of the types in openai-python 2.x
(``openai/types/realtime``), as they were in August 2026: a session of type ``transcription`` is configured by
``session.update``, sound goes in by ``input_audio_buffer.append``, and transcripts come as
``conversation.item.input_audio_transcription.delta`` and ``.completed``.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

import attrs
import msgspec

from ...errors import EngineError
from ..base import AsrTranscript, EndOfTurn
from ..facts import EngineFacts
from ..openai.answers import Answer, decode_json, refusal, whole_characters
from ..openai.configs import Endpoint, Provider, check_key, checked_socket_url, find_key
from ..service_asr import ServiceAsr
from ..service_format import RecognitionService, closed_early, websocket_service
from ..settings import Environment, between, one_of, read_settings
from ..whole import joined_text

NAMES = ("openai_realtime_asr",)

_PROVIDER = Provider("openai_realtime_asr", "https://api.openai.com/v1", ("OPENAI_API_KEY",))
_OPENAI = attrs.evolve(_PROVIDER, needs_key=True)

# Codes of `error` events, as the status that the same service has for them over HTTP.
_STATUS = {"invalid_api_key": 401, "model_not_found": 404, "rate_limit_exceeded": 429, "server_error": 500}
_TRANSCRIPTION = "conversation.item.input_audio_transcription."

FACTS = EngineFacts(
    streams="yes",
    cancel="closes the connection",
    tried="a stand-in by its reference",
    needs="OpenAI, or a server of its Realtime events",
    keys=_PROVIDER.key_variables,
)


@attrs.frozen
class RealtimeConfig:
    """``session`` is the JSON of the session; ``path`` is below the endpoint's URL, with its query.

    Sound is sent at ``sample_rate``, in Hz. Timeouts are in seconds: to connect, and for the final transcript
    after the end of the sound.
    """

    endpoint: Endpoint
    path: str
    session: bytes = attrs.field(repr=False)
    sample_rate: int
    connect_timeout: float
    timeout: float


@attrs.frozen
class _RealtimeSettings:
    base_url: str = _PROVIDER.base_url
    api_key: str = ""
    model: str = "gpt-live-transcribe"
    language: str = ""
    prompt: str = ""
    # Empty: our own detection says where the utterance ends.
    turn_detection: str = attrs.field(default="", validator=one_of("", "server_vad", "semantic_vad"))
    noise_reduction: str = attrs.field(default="", validator=one_of("", "near_field", "far_field"))
    # OpenAI takes no other rate; servers of other makers do.
    sample_rate: int = attrs.field(default=24_000, validator=between(8_000, 48_000))
    path: str = "realtime?intent=transcription"
    connect_timeout: float = attrs.field(default=5.0, validator=between(0.1, 600))
    timeout: float = attrs.field(default=20.0, validator=between(0.1, 3600))


def configure(name: str, settings: Mapping[str, object], environment: Environment) -> RealtimeConfig:
    """The settings are the fields of `_RealtimeSettings`; what is empty is left to the service."""
    del name
    given = read_settings(_RealtimeSettings, settings)
    url = checked_socket_url(given.base_url)
    endpoint = Endpoint(
        provider=_OPENAI if url == _PROVIDER.base_url else _PROVIDER,
        base_url=url,
        model=given.model.strip(),
        key_setting="api_key",
        api_key=find_key(given.api_key, _PROVIDER.key_variables, environment.environ),
    )
    transcription = {"model": endpoint.model, "language": given.language, "prompt": given.prompt}
    listening: dict[str, object] = {
        "format": {"type": "audio/pcm", "rate": given.sample_rate},
        "transcription": {key: value for key, value in transcription.items() if value},
        "turn_detection": {"type": given.turn_detection} if given.turn_detection else None,
    }
    if given.noise_reduction:
        listening["noise_reduction"] = {"type": given.noise_reduction}
    return RealtimeConfig(
        endpoint=check_key(endpoint),
        path=given.path.lstrip("/"),
        session=msgspec.json.encode({"type": "transcription", "audio": {"input": listening}}),
        sample_rate=given.sample_rate,
        connect_timeout=given.connect_timeout,
        timeout=given.timeout,
    )


@asynccontextmanager
async def open(config: RealtimeConfig) -> AsyncIterator[OpenAiRealtimeAsr]:
    """Ready at once: each utterance has a connection of its own. Raises `EngineError` for a wrong proxy."""
    endpoint = config.endpoint
    headers = {"Authorization": f"Bearer {endpoint.api_key}"} if endpoint.api_key else {}
    connect = await websocket_service(endpoint, config.path, headers, connect_timeout=config.connect_timeout)
    yield OpenAiRealtimeAsr(config, RecognitionService(endpoint, connect, config.sample_rate, config.timeout))


@attrs.frozen
class OpenAiRealtimeAsr(ServiceAsr):
    """An `Asr`. Its judgement of the turn's end is that of the service, where ``turn_detection`` is set."""

    config: RealtimeConfig
    service: RecognitionService = attrs.field(repr=False)

    def recognition(self) -> RealtimeRecognition:
        """See `ServiceAsr.recognition`."""
        return RealtimeRecognition(self.config.endpoint, self.config.session)


@attrs.define
class _RealtimeError:
    code: str | None = None
    type: str | None = None


@attrs.define
class _RealtimeEvent:
    type: str
    item_id: str = ""
    delta: str | None = ""
    transcript: str = ""
    error: _RealtimeError | None = None


_decoder = msgspec.json.Decoder(_RealtimeEvent)


@attrs.define(eq=False)
class RealtimeRecognition:
    """A `UtteranceFormat`: an utterance is one item of the session or, by its turn detection, several."""

    _endpoint: Endpoint
    _session: bytes = attrs.field(repr=False)
    # By the items' ids, in the order in which they were first named.
    _texts: dict[str, str] = attrs.field(factory=dict, init=False, repr=False)
    _transcribed: set[str] = attrs.field(factory=set, init=False)
    _ended: bool = attrs.field(default=False, init=False)
    _all_committed: bool = attrs.field(default=False, init=False)
    _stopped: bool = attrs.field(default=False, init=False)
    """Whether the service has judged that the speaker has finished."""

    def begin(self) -> Sequence[str]:
        return [f'{{"type":"session.update","session":{self._session.decode()}}}']

    def sound(self, samples: bytes) -> Sequence[str]:
        return [f'{{"type":"input_audio_buffer.append","audio":"{b64encode(samples).decode()}"}}']

    def end(self) -> Sequence[str]:
        self._ended = True
        return ['{"type":"input_audio_buffer.commit"}']

    def receive(self, message: str | bytes) -> Sequence[AsrTranscript]:
        event = decode_json(message, _decoder)
        kind = event.type
        match kind:
            case "input_audio_buffer.committed":
                self._texts.setdefault(event.item_id, "")
                self._all_committed = self._ended
            case "input_audio_buffer.speech_stopped":
                self._stopped = True
                return [self._partial("final")]
            case "input_audio_buffer.speech_started" if self._stopped:
                self._stopped = False
                return [self._partial("resumed")]
            case "error":
                self._judge(event.error or _RealtimeError())
            case _ if kind == f"{_TRANSCRIPTION}delta":
                self._texts[event.item_id] = self._texts.get(event.item_id, "") + (event.delta or "")
                return [self._partial()] if event.delta else ()
            case _ if kind == f"{_TRANSCRIPTION}completed":
                self._texts[event.item_id] = event.transcript
                self._transcribed.add(event.item_id)
                if not self._is_complete():
                    return [self._partial()]
            case _ if kind == f"{_TRANSCRIPTION}failed":
                self._judge(event.error or _RealtimeError())
        return [AsrTranscript(self._text(), final=True)] if self._is_complete() else ()

    def closed(self, code: int) -> AsrTranscript:
        raise closed_early(self._endpoint.provider.name, code)

    def _judge(self, error: _RealtimeError) -> None:
        """Raise `EngineError` for ``error``, unless it only says that nothing was left to commit."""
        code = error.code or error.type or ""
        if code == "input_audio_buffer_commit_empty" and self._ended:
            # Less than 0.1 s is not recognised, and by its own turn detection all may be committed already.
            self._all_committed = True
            return
        status = _STATUS.get(code, _STATUS.get(error.type or "", 400))
        body = msgspec.json.encode({"error": {"code": code}})
        raise EngineError(refusal(self._endpoint, Answer(status, "application/json", body)).text)

    def _is_complete(self) -> bool:
        return self._all_committed and self._texts.keys() <= self._transcribed

    def _partial(self, end_of_turn: EndOfTurn | None = None) -> AsrTranscript:
        return AsrTranscript(self._text(), final=False, end_of_turn=end_of_turn)

    def _text(self) -> str:
        return whole_characters(joined_text(self._texts.values()))
