"""`cartesia_tts`: the voices of Cartesia, over its endpoint “Text to Speech (Bytes)”.

``POST /tts/bytes``, by the service's reference of October 2026, in the version 2025-04-16, which has the
settings of the model ``sonic-3``. It sends samples, as it makes them.
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from ...errors import SettingsError
from ..facts import EngineFacts
from ..open_speech import open_service
from ..openai.answers import json_of
from ..openai.configs import Endpoint, Provider, check_key, checked_url, find_key
from ..settings import Environment, between, read_settings
from ..speech_service import ServiceSettings, SpeechService, SynthesisRequest

NAMES = ("cartesia_tts",)

WITHOUT_EFFECT = {"output_format": "samples are asked for, which are played while they come"}

_PROVIDER = Provider("cartesia_tts", "https://api.cartesia.ai", ("CARTESIA_API_KEY",), needs_key=True)

FACTS = EngineFacts(
    streams="yes",
    cancel="closes the connection",
    tried="a stand-in by its reference",
    needs="Cartesia, and a `voice_id`",
    keys=_PROVIDER.key_variables,
)


@attrs.frozen
class _CartesiaSettings(ServiceSettings):
    base_url: str = _PROVIDER.base_url
    api_key: str = ""
    voice_id: str = ""
    model_id: str = "sonic-3"
    language: str = "en"
    emotion: str = "neutral"
    volume: float = attrs.field(default=1.0, validator=between(0.5, 2.0))
    speed: float = attrs.field(default=1.0, validator=between(0.6, 1.5))


@attrs.frozen(kw_only=True)
class Cartesia(SpeechService):
    """Cartesia, with one of its voices."""

    settings: _CartesiaSettings = attrs.field(repr=False)

    def headers(self) -> Mapping[str, str]:
        """See `SpeechService.headers`."""
        return {"X-API-Key": self.endpoint.api_key, "Cartesia-Version": "2025-04-16"}

    def request(self, text: str) -> SynthesisRequest:
        """See `SpeechService.request`."""
        given = self.settings
        request: dict[str, object] = {
            "model_id": given.model_id,
            "transcript": text,
            "voice": {"mode": "id", "id": given.voice_id},
            "language": given.language,
            "output_format": {
                "container": "raw",
                "encoding": "pcm_s16le",
                "sample_rate": self.sample_rate,
            },
        }
        # Older models have other ways to say this, and take these for a mistake or for nothing.
        if given.model_id.startswith("sonic-3"):
            request["generation_config"] = {
                "volume": given.volume,
                "speed": given.speed,
                "emotion": given.emotion,
            }
        return SynthesisRequest("tts/bytes", json_of(request))


def configure(name: str, settings: Mapping[str, object], environment: Environment) -> Cartesia:
    """Its settings are the fields of `_CartesiaSettings`; the last three are for ``sonic-3`` and later."""
    del name
    given = read_settings(_CartesiaSettings, settings, ignored=WITHOUT_EFFECT)
    key = find_key(given.api_key, _PROVIDER.key_variables, environment.environ)
    endpoint = check_key(Endpoint(_PROVIDER, checked_url(given.base_url), given.model_id, "api_key", key))
    if not given.voice_id.strip():
        raise SettingsError("voice_id", "is missing: copy one from https://play.cartesia.ai/voices")
    return Cartesia(
        endpoint=endpoint,
        settings=attrs.evolve(given, api_key=""),
        connect_timeout=given.connect_timeout,
        timeout=given.timeout,
        max_sound=environment.max_sentence_sound,
        streams=True,
    )


open = open_service
