"""`fish_api_tts`: the voices of Fish Audio, over its endpoint “Text to Speech”.

``POST /v1/tts``, by its client ``fish-audio-sdk`` 1.3.0 and the service's documentation
(https://docs.fish.audio/features/text-to-speech), as of November 2026. It sends samples, as it makes them.
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from ..facts import EngineFacts
from ..open_speech import open_service
from ..openai.answers import json_of
from ..openai.configs import Endpoint, Provider, check_key, checked_url, find_key
from ..settings import Environment, one_of, read_settings
from ..speech_service import ServiceSettings, SpeechService, SynthesisRequest

NAMES = ("fish_api_tts",)

_PROVIDER = Provider(
    "fish_api_tts", "https://api.fish.audio", ("FISH_API_KEY", "FISH_AUDIO_API_KEY"), needs_key=True
)

FACTS = EngineFacts(
    streams="yes",
    cancel="closes the connection",
    tried="a stand-in by its reference",
    needs="Fish Audio",
    keys=_PROVIDER.key_variables,
)


@attrs.frozen
class _FishSettings(ServiceSettings):
    base_url: str = _PROVIDER.base_url
    api_key: str = ""
    # A voice; without one, the service takes its own.
    reference_id: str = ""
    latency: str = attrs.field(default="balanced", validator=one_of("normal", "balanced", "low"))
    # s1, s2-pro, s2.1-pro or s2.1-pro-free; without one, the service takes s2.1-pro.
    model: str = ""


@attrs.frozen(kw_only=True)
class FishAudio(SpeechService):
    """Fish Audio, with one of its voices."""

    reference_id: str
    latency: str

    def request(self, text: str) -> SynthesisRequest:
        """See `SpeechService.request`."""
        request: dict[str, object] = {
            "text": text,
            "format": "pcm",
            "sample_rate": self.sample_rate,
            "latency": self.latency,
        }
        if self.reference_id:
            request["reference_id"] = self.reference_id
        model = self.endpoint.model
        return SynthesisRequest("v1/tts", json_of(request), {"model": model} if model else {})


def configure(name: str, settings: Mapping[str, object], environment: Environment) -> FishAudio:
    """Its settings are the fields of `_FishSettings`; a voice's ID is the end of its page's address."""
    del name
    given = read_settings(_FishSettings, settings)
    key = find_key(given.api_key, _PROVIDER.key_variables, environment.environ)
    return FishAudio(
        endpoint=check_key(Endpoint(_PROVIDER, checked_url(given.base_url), given.model, "api_key", key)),
        reference_id=given.reference_id,
        latency=given.latency,
        connect_timeout=given.connect_timeout,
        timeout=given.timeout,
        max_sound=environment.max_sentence_sound,
        streams=True,
    )


open = open_service
