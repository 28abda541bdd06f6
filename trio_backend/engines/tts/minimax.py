"""`minimax_tts`: the voices of MiniMax, over its endpoint “Text to Speech (T2A) HTTP”, version 2.

``POST /v1/t2a_v2``, by the service's reference (https://platform.minimax.io/docs/api-reference/speech-t2a-http
and ``errorcode`` beside it), as of November 2026. Its answer is a stream of events, each JSON with samples in
hexadecimal digits; what went wrong it says with status 200, in ``base_resp``.
"""

from __future__ import annotations

from binascii import unhexlify
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import attrs
import msgspec

from ...errors import AnswerTooLong, EngineError, SettingsError
from ..facts import EngineFacts
from ..open_speech import open_service
from ..openai.answers import Answer, json_of, refusal
from ..openai.configs import Endpoint, Provider, check_key, checked_url, find_key
from ..openai.deltas import EventReader
from ..settings import Environment, read_settings
from ..speech_service import ServiceSettings, SoundReader, SpeechService, SynthesisRequest

NAMES = ("minimax_tts",)

_PROVIDER = Provider("minimax_tts", "https://api.minimax.chat/v1", ("MINIMAX_API_KEY",), needs_key=True)

# Its codes, and the status with which others would answer: it fails, too many requests, the key, the account.
_STATUS = {
    **dict.fromkeys((1000, 1001, 1024, 1033), 500),
    **dict.fromkeys((1002, 1039, 1041, 2045), 429),
    **dict.fromkeys((1004, 2049), 401),
    **dict.fromkeys((1008, 2056), 402),
}
_KINDS = {
    **dict.fromkeys((2042, 2054, 20132), "invalid_voice."),
    **dict.fromkeys((1026, 1027), "content_filter."),
}
LONGEST_PROBLEM = 65_536
"""Bytes of an answer that is no stream of events, and so says what went wrong."""

FACTS = EngineFacts(
    streams="yes",
    cancel="closes the connection",
    tried="a stand-in by its reference",
    needs="MiniMax",
    keys=_PROVIDER.key_variables,
)


@attrs.frozen
class _MinimaxSettings(ServiceSettings):
    base_url: str = _PROVIDER.base_url
    api_key: str = ""
    group_id: str = ""
    model: str = "speech-02-turbo"
    voice_id: str = "male-qn-qingse"
    # JSON, as a text: {"tone": ["omg/oh my god"]}
    pronunciation_dict: str = ""


@attrs.frozen(kw_only=True)
class Minimax(SpeechService):
    """MiniMax, with one of its voices. ``pronunciation`` is JSON."""

    group_id: str
    voice_id: str
    pronunciation: str

    def request(self, text: str) -> SynthesisRequest:
        """See `SpeechService.request`."""
        request: dict[str, object] = {
            "model": self.endpoint.model,
            "text": text,
            "stream": True,
            # Otherwise the last event has the whole sound once more.
            "stream_options": {"exclude_aggregated_audio": True},
            "voice_setting": {"voice_id": self.voice_id, "speed": 1.0, "vol": 1.0, "pitch": 0},
            "audio_setting": {"sample_rate": self.sample_rate, "format": "pcm", "channel": 1},
        }
        if self.pronunciation:
            request["pronunciation_dict"] = msgspec.json.decode(self.pronunciation)
        query = f"?{urlencode({'GroupId': self.group_id})}" if self.group_id else ""
        return SynthesisRequest(f"t2a_v2{query}", json_of(request))

    def is_sound(self, content_type: str) -> bool:
        """See `SpeechService.is_sound`: events, or JSON that says why there are none."""
        return content_type.startswith(("text/event-stream", "application/json"))

    def reader(self) -> SoundReader:
        """See `SpeechService.reader`."""
        return MinimaxReader(self.endpoint)


@attrs.define
class _MinimaxStatus:
    status_code: int = 0


@attrs.define
class _MinimaxSound:
    audio: str = ""
    status: int = 1


@attrs.define
class _MinimaxEvent:
    data: _MinimaxSound | None = None
    base_resp: _MinimaxStatus | None = None


_decoder = msgspec.json.Decoder(_MinimaxEvent)


@attrs.define(eq=False)
class MinimaxReader:
    """A `SoundReader` of one answer."""

    _endpoint: Endpoint
    _events: EventReader = attrs.field(factory=EventReader, init=False)
    _problem: bytearray | None = attrs.field(default=None, init=False)
    _begun: bool = attrs.field(default=False, init=False)
    _error: EngineError | None = attrs.field(default=None, init=False)
    """What went wrong behind sound that came with it: told when that has been handed out."""

    def feed(self, data: bytes) -> bytes:
        """See `SoundReader.feed`."""
        if self._error is not None:
            raise self._error
        if not self._begun and data:
            self._begun = True
            self._problem = bytearray() if data.lstrip()[:1] == b"{" else None
        if self._problem is None:
            try:
                return self._sound_before_error(self._events.feed(data))
            except AnswerTooLong:
                raise EngineError("minimax_tts: the service sends an event without end") from None
        self._problem += data[: LONGEST_PROBLEM - len(self._problem)]
        return b"" if data else self._sound_of(self._problem)

    def _sound_before_error(self, events: list[str]) -> bytes:
        sound = bytearray()
        for event in events:
            try:
                sound += self._sound_of(event)
            except EngineError as error:
                if not sound:
                    raise
                self._error = error
                break
        return bytes(sound)

    def _sound_of(self, event: str | bytes | bytearray) -> bytes:
        try:
            told = _decoder.decode(event)
            self._check(told.base_resp)
            # The last event has no more, or all of it again, where a server knows no `stream_options`.
            if told.data is None or told.data.status == 2:
                return b""
            return unhexlify(told.data.audio)
        except (ValueError, RecursionError):
            # Not chained: it may repeat what was said.
            raise EngineError("minimax_tts: the service sends what is no sound") from None

    def _check(self, answered: _MinimaxStatus | None) -> None:
        code = answered.status_code if answered else 0
        if not code:
            return
        error: dict[str, Any] = {"error": {"code": f"{_KINDS.get(code, '')}{code}"}}
        answer = Answer(_STATUS.get(code, 400), "application/json", json_of(error))
        raise refusal(self._endpoint, answer).error()


def configure(name: str, settings: Mapping[str, object], environment: Environment) -> Minimax:
    """Its settings are the fields of `_MinimaxSettings`."""
    del name
    given = read_settings(_MinimaxSettings, settings)
    key = find_key(given.api_key, _PROVIDER.key_variables, environment.environ)
    pronunciation = given.pronunciation_dict.strip()
    try:
        sound = not pronunciation or isinstance(msgspec.json.decode(pronunciation), dict)
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        sound = False
    if not sound:
        raise SettingsError("pronunciation_dict", """must be JSON such as '{"tone": ["omg/oh my god"]}'""")
    return Minimax(
        endpoint=check_key(Endpoint(_PROVIDER, checked_url(given.base_url), given.model, "api_key", key)),
        group_id=given.group_id.strip(),
        voice_id=given.voice_id,
        pronunciation=pronunciation,
        connect_timeout=given.connect_timeout,
        timeout=given.timeout,
        max_sound=environment.max_sentence_sound,
        streams=True,
    )


open = open_service
