"""`elevenlabs_tts`: the voices of ElevenLabs, over its endpoint “Stream speech”.

``POST /v1/text-to-speech/{voice_id}/stream``, by its client ``elevenlabs`` 2.78.0 and the page “Errors” of
its documentation (https://elevenlabs.io/docs/eleven-api/resources/errors), as of November 2026. It sends
samples, as it makes them; a whole sentence is asked for at once, which needs no WebSocket.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

import attrs

from ..facts import EngineFacts
from ..open_speech import open_service
from ..openai.answers import json_of
from ..openai.configs import Provider
from ..settings import Environment, between, read_settings
from ..speech_service import SpeechService, SynthesisRequest, VoiceIdSettings

NAMES = ("elevenlabs_tts",)

WITHOUT_EFFECT = {"output_format": "samples are asked for, which are played while they come"}

_PROVIDER = Provider(
    "elevenlabs_tts",
    "https://api.elevenlabs.io",
    ("ELEVENLABS_API_KEY", "XI_API_KEY"),
    needs_key=True,
)

FACTS = EngineFacts(
    streams="yes",
    cancel="closes the connection",
    tried="a stand-in by its reference",
    needs="ElevenLabs, and a `voice_id`",
    keys=_PROVIDER.key_variables,
)


@attrs.frozen(kw_only=True)
class _ElevenLabsSettings(VoiceIdSettings):
    base_url: str = _PROVIDER.base_url
    model_id: str = "eleven_multilingual_v2"
    stability: float = attrs.field(default=0.5, validator=between(0, 1))
    similarity_boost: float = attrs.field(default=0.5, validator=between(0, 1))
    style: float = attrs.field(default=0.0, validator=between(0, 1))
    use_speaker_boost: bool = True


@attrs.frozen(kw_only=True)
class ElevenLabs(SpeechService):
    """ElevenLabs, with one of its voices."""

    settings: _ElevenLabsSettings = attrs.field(repr=False)

    def headers(self) -> Mapping[str, str]:
        """See `SpeechService.headers`."""
        return {"xi-api-key": self.endpoint.api_key}

    def request(self, text: str) -> SynthesisRequest:
        """See `SpeechService.request`."""
        given = self.settings
        voice = {
            "stability": given.stability,
            "similarity_boost": given.similarity_boost,
            "style": given.style,
            "use_speaker_boost": given.use_speaker_boost,
        }
        path = f"v1/text-to-speech/{quote(given.voice_id, safe='')}/stream?output_format=pcm_24000"
        return SynthesisRequest(
            path, json_of({"text": text, "model_id": given.model_id, "voice_settings": voice})
        )


def configure(name: str, settings: Mapping[str, object], environment: Environment) -> ElevenLabs:
    """Its settings are the fields of `_ElevenLabsSettings`; a voice's ID is found on its page there."""
    del name
    given = read_settings(_ElevenLabsSettings, settings, ignored=WITHOUT_EFFECT)
    return ElevenLabs(
        endpoint=given.endpoint(_PROVIDER, environment, "https://elevenlabs.io/app/voice-library"),
        settings=attrs.evolve(given, api_key=""),
        connect_timeout=given.connect_timeout,
        timeout=given.timeout,
        max_sound=environment.max_sentence_sound,
        streams=True,
    )


open = open_service
