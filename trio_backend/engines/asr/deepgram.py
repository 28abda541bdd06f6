"""`deepgram_asr`: Deepgram while one speaks: Nova models, and Flux, which judges the turn's end as well.

The formats are those of Deepgram's documentation and of its Python SDK 5 (``listen/v1`` and ``listen/v2``),
as they were in July 2026: sound goes in as messages of bytes; ``Results`` (v1) and ``TurnInfo`` (v2) come
back; after ``CloseStream`` the service sends what is left, and closes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from urllib.parse import urlencode

import attrs
import msgspec

from ...audio.utterance import RATE
from ...errors import EngineError
from ..base import AsrTranscript, EndOfTurn
from ..facts import EngineFacts
from ..openai.answers import Answer, decode_json, refusal, whole_characters
from ..openai.configs import Endpoint, Provider, check_key, checked_socket_url, find_key
from ..service_asr import ServiceAsr
from ..service_format import RecognitionService, closed_early, websocket_service
from ..settings import Environment, between, read_settings
from ..whole import joined_text

NAMES = ("deepgram_asr",)

_PROVIDER = Provider("deepgram_asr", "https://api.deepgram.com", ("DEEPGRAM_API_KEY",))
_DEEPGRAM = attrs.evolve(_PROVIDER, needs_key=True)

_JUDGEMENTS: Mapping[str, EndOfTurn] = {
    "EagerEndOfTurn": "eager",
    "TurnResumed": "resumed",
    "EndOfTurn": "final",
}
# 1000 and 1005 are ordinary ends of the connection; the others that it uses (1008, 1011) are failures.
_ORDINARY = (1000, 1005)

FACTS = EngineFacts(
    streams="yes",
    cancel="closes the connection",
    tried="a stand-in by its reference",
    needs="Deepgram, Nova or Flux, which judges the end of the turn",
    keys=_PROVIDER.key_variables,
)


@attrs.frozen
class DeepgramConfig:
    """``path`` has the model and all that is set. With ``flux``, the service judges the turn's end.

    Timeouts are in seconds: to connect, and for the final transcript after the end of the sound.
    """

    endpoint: Endpoint
    path: str = attrs.field(repr=False)
    flux: bool
    connect_timeout: float
    timeout: float


@attrs.frozen
class _DeepgramSettings:
    base_url: str = _PROVIDER.base_url
    api_key: str = ""
    model: str = "nova-3"
    # Nova: a code such as `en`, or `multi`; Flux: a hint for flux-general-multi.
    language: str = ""
    keyterms: tuple[str, ...] = ()
    smart_format: bool = True
    # Flux tells of a probable end only where this is set; 0 switches that off.
    eager_eot_threshold: float = attrs.field(default=0.5, validator=between(0, 0.9))
    eot_threshold: float = attrs.field(default=0.7, validator=between(0.5, 1))
    eot_timeout_ms: int = attrs.field(default=5000, validator=between(500, 60_000))
    connect_timeout: float = attrs.field(default=5.0, validator=between(0.1, 600))
    timeout: float = attrs.field(default=20.0, validator=between(0.1, 3600))


def configure(name: str, settings: Mapping[str, object], environment: Environment) -> DeepgramConfig:
    """The settings are the fields of `_DeepgramSettings`; a model whose name begins with ``flux`` is Flux."""
    del name
    given = read_settings(_DeepgramSettings, settings)
    url, model = checked_socket_url(given.base_url), given.model.strip()
    flux = model.startswith("flux")
    endpoint = Endpoint(
        provider=_DEEPGRAM if url == _PROVIDER.base_url else _PROVIDER,
        base_url=url,
        model=model,
        key_setting="api_key",
        api_key=find_key(given.api_key, _PROVIDER.key_variables, environment.environ),
    )
    return DeepgramConfig(
        endpoint=check_key(endpoint),
        path=_flux_path(model, given) if flux else _nova_path(model, given),
        flux=flux,
        connect_timeout=given.connect_timeout,
        timeout=given.timeout,
    )


def _nova_path(model: str, given: _DeepgramSettings) -> str:
    query = [
        *_sound(model),
        ("interim_results", "true"),
        ("smart_format", str(given.smart_format).lower()),
        *[("language", given.language)] * bool(given.language),
        *[("keyterm", term) for term in given.keyterms],
    ]
    return f"v1/listen?{urlencode(query)}"


def _flux_path(model: str, given: _DeepgramSettings) -> str:
    eager = given.eager_eot_threshold
    query = [
        *_sound(model),
        *[("eager_eot_threshold", f"{max(0.3, eager):g}")] * bool(eager),
        ("eot_threshold", f"{given.eot_threshold:g}"),
        ("eot_timeout_ms", f"{given.eot_timeout_ms}"),
        *[("language_hint", given.language)] * bool(given.language),
        *[("keyterm", term) for term in given.keyterms],
    ]
    return f"v2/listen?{urlencode(query)}"


def _sound(model: str) -> list[tuple[str, str]]:
    return [("model", model), ("encoding", "linear16"), ("sample_rate", f"{RATE}")]


@asynccontextmanager
async def open(config: DeepgramConfig) -> AsyncIterator[DeepgramAsr]:
    """Ready at once: each utterance has a connection of its own. Raises `EngineError` for a wrong proxy."""
    endpoint = config.endpoint
    headers = {"Authorization": f"Token {endpoint.api_key}"} if endpoint.api_key else {}
    connect = await websocket_service(endpoint, config.path, headers, connect_timeout=config.connect_timeout)
    yield DeepgramAsr(config, RecognitionService(endpoint, connect, RATE, config.timeout))


@attrs.frozen
class DeepgramAsr(ServiceAsr):
    """An `Asr`. Its judgement of the turn's end is that of Flux; Nova has none."""

    config: DeepgramConfig
    service: RecognitionService = attrs.field(repr=False)

    def recognition(self) -> NovaRecognition | FluxRecognition:
        """See `ServiceAsr.recognition`."""
        endpoint = self.config.endpoint
        return FluxRecognition(endpoint) if self.config.flux else NovaRecognition(endpoint)


@attrs.define
class _Alternative:
    transcript: str = ""


@attrs.define
class _Channel:
    alternatives: list[_Alternative] = attrs.field(factory=list)


@attrs.define
class _Results:
    channel: _Channel = attrs.field(factory=_Channel)
    is_final: bool = False


@attrs.define
class _ListenMessage:
    """Any message. `_Results` have a decoder of their own: the ``channel`` of others is something else."""

    type: str
    # Of an error.
    code: str = ""
    # Of `TurnInfo`.
    event: str = ""
    turn_index: int = 0
    transcript: str = ""


_decoder = msgspec.json.Decoder(_ListenMessage)
_results_decoder = msgspec.json.Decoder(_Results)


@attrs.define(eq=False)
class _DeepgramRecognition(ABC):
    """What both formats share: bytes of sound, the end of it, and errors."""

    _endpoint: Endpoint
    _ended: bool = attrs.field(default=False, init=False)

    def begin(self) -> Sequence[str]:
        return []

    def sound(self, samples: bytes) -> Sequence[bytes]:
        return [samples]

    def end(self) -> Sequence[str]:
        self._ended = True
        return ['{"type":"CloseStream"}']

    def closed(self, code: int) -> AsrTranscript:
        if self._ended and code in _ORDINARY:
            return AsrTranscript(self._text(), final=True)
        raise closed_early(self._endpoint.provider.name, code)

    @abstractmethod
    def _text(self) -> str:
        """What was understood, all in all."""

    def _refused(self, code: str) -> EngineError:
        status = 500 if "INTERNAL" in code.upper() else 400
        body = msgspec.json.encode({"error": {"code": code}})
        return EngineError(refusal(self._endpoint, Answer(status, "application/json", body)).text)


@attrs.define(eq=False)
class NovaRecognition(_DeepgramRecognition):
    """The `UtteranceFormat` of ``/v1/listen``: settled pieces, and behind them one that may change."""

    _settled: list[str] = attrs.field(factory=list, init=False, repr=False)
    _interim: str = attrs.field(default="", init=False, repr=False)

    def receive(self, message: str | bytes) -> Sequence[AsrTranscript]:
        told = decode_json(message, _decoder)
        match told.type:
            case "Results":
                return self._results(decode_json(message, _results_decoder))
            case "Metadata" if self._ended:
                # The summary, behind all results: nothing more comes but the close.
                return [AsrTranscript(self._text(), final=True)]
            case "Error":
                raise self._refused(told.code)
        return ()

    def _results(self, result: _Results) -> Sequence[AsrTranscript]:
        alternatives = result.channel.alternatives
        text, before = alternatives[0].transcript if alternatives else "", self._text()
        self._interim = "" if result.is_final else text
        if result.is_final and text:
            self._settled.append(text)
        return [AsrTranscript(self._text(), final=False)] if self._text() != before else ()

    def _text(self) -> str:
        return whole_characters(joined_text([*self._settled, self._interim]))


@attrs.define(eq=False)
class FluxRecognition(_DeepgramRecognition):
    """The `UtteranceFormat` of ``/v2/listen``: turns, their transcripts so far, judgements of their end.

    What our own detection takes for one utterance may be several turns of the service.
    """

    _turns: dict[int, str] = attrs.field(factory=dict, init=False, repr=False)
    _turn_over: bool = attrs.field(default=False, init=False)

    def receive(self, message: str | bytes) -> Sequence[AsrTranscript]:
        info = decode_json(message, _decoder)
        if info.type == "Error":
            raise self._refused(info.code)
        if info.type != "TurnInfo":
            return ()
        before = self._text()
        self._turns[info.turn_index] = info.transcript
        judgement = _JUDGEMENTS.get(info.event)
        if info.event == "StartOfTurn" and self._turn_over:
            judgement = "resumed"
        if judgement is not None:
            self._turn_over = judgement == "final"
        # It says four times a second how things are, whether anything is new or not.
        if judgement is None and self._text() == before:
            return ()
        return [AsrTranscript(self._text(), final=False, end_of_turn=judgement)]

    def _text(self) -> str:
        return whole_characters(joined_text(self._turns.values()))
