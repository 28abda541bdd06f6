"""`cartesia_tts`: the voices of Cartesia, over its endpoint “Text to Speech (Bytes)”.

``POST /tts/bytes``, by the service's reference (https://docs.cartesia.ai/api-reference/tts/bytes), its pages
“API Errors” and “API Changes”, and its client ``cartesia`` 4.2.0, as of November 2026. It sends samples, as
it makes them.
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from ..facts import EngineFacts
from ..open_speech import open_service
from ..openai.answers import json_of
from ..openai.configs import Provider
from ..settings import Environment, between, read_settings
from ..speech_service import SpeechService, SynthesisRequest, VoiceIdSettings

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


@attrs.frozen(kw_only=True)
class _CartesiaSettings(VoiceIdSettings):
    base_url: str = _PROVIDER.base_url
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
        # The first version whose errors have codes; before, they are text alone.
        return {**super().headers(), "Cartesia-Version": "2026-03-01"}

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
            # Models before sonic-3 knew none of these; since June 2026 there are none of them.
            "generation_config": {
                "volume": given.volume,
                "speed": given.speed,
                "emotion": given.emotion,
            },
        }
        return SynthesisRequest("tts/bytes", json_of(request))


def configure(name: str, settings: Mapping[str, object], environment: Environment) -> Cartesia:
    """Its settings are the fields of `_CartesiaSettings`; a voice's ID is found on its page there."""
    del name
    given = read_settings(_CartesiaSettings, settings, ignored=WITHOUT_EFFECT)
    return Cartesia(
        endpoint=given.endpoint(_PROVIDER, environment, "https://play.cartesia.ai/voices"),
        settings=attrs.evolve(given, api_key=""),
        connect_timeout=given.connect_timeout,
        timeout=given.timeout,
        max_sound=environment.max_sentence_sound,
        streams=True,
    )


open = open_service
