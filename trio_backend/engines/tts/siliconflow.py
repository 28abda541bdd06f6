"""`siliconflow_tts`: the voices of SiliconFlow, over its endpoint “Create Speech”.

``POST /v1/audio/speech``, by the service's reference
(https://docs.siliconflow.cn/cn/api-reference/audio/create-speech); path and format were checked in November
2026 by what others write of it. It sends samples, as it makes them.
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from ...errors import SettingsError
from ..facts import EngineFacts
from ..open_speech import open_service
from ..openai.answers import json_of
from ..openai.configs import Endpoint, Provider, check_key, find_key, split_url
from ..settings import Environment, between, read_settings
from ..speech_service import ServiceSettings, SpeechService, SynthesisRequest

NAMES = ("siliconflow_tts",)

WITHOUT_EFFECT = {
    "response_format": "samples are asked for, which are played while they come",
    "stream": "samples are asked for, which are played while they come",
}

_PROVIDER = Provider(
    "siliconflow_tts", "https://api.siliconflow.cn/v1", ("SILICONFLOW_API_KEY",), needs_key=True
)

FACTS = EngineFacts(
    streams="yes",
    cancel="closes the connection",
    tried="a stand-in by its reference",
    needs="SiliconFlow, and a `default_voice`",
    keys=_PROVIDER.key_variables,
)


@attrs.frozen
class _SiliconFlowSettings(ServiceSettings):
    api_url: str = f"{_PROVIDER.base_url}/audio/speech"
    api_key: str = ""
    default_model: str = "FunAudioLLM/CosyVoice2-0.5B"
    default_voice: str = ""
    sample_rate: int = attrs.field(
        default=24_000, validator=attrs.validators.in_([8_000, 16_000, 24_000, 32_000, 44_100])
    )
    speed: float = attrs.field(default=1.0, validator=between(0.25, 4))
    gain: float = attrs.field(default=0.0, validator=between(-10, 10, "dB"))


@attrs.frozen(kw_only=True)
class SiliconFlow(SpeechService):
    """SiliconFlow, with one of its voices."""

    path: str
    voice: str
    speed: float
    gain: float

    def request(self, text: str) -> SynthesisRequest:
        """See `SpeechService.request`."""
        request = {
            "model": self.endpoint.model,
            "input": text,
            "voice": self.voice,
            "response_format": "pcm",
            "sample_rate": self.sample_rate,
            "stream": True,
            "speed": self.speed,
            "gain": self.gain,
        }
        return SynthesisRequest(self.path, json_of(request))


def configure(name: str, settings: Mapping[str, object], environment: Environment) -> SiliconFlow:
    """Its settings are the fields of `_SiliconFlowSettings`; a voice is ``MODEL:NAME``, or one's own."""
    del name
    given = read_settings(_SiliconFlowSettings, settings, ignored=WITHOUT_EFFECT)
    url, path = split_url(given.api_url, setting="api_url", path="v1/audio/speech")
    key = find_key(given.api_key, _PROVIDER.key_variables, environment.environ)
    endpoint = check_key(Endpoint(_PROVIDER, url, given.default_model, "api_key", key, "api_url"))
    voice = given.default_voice.strip()
    # What the older backend's template has: somebody's own voice, with a note behind it.
    if not voice or voice.endswith("your voice name"):
        raise SettingsError(
            "default_voice", f"is missing: set one such as {given.default_model}:anna, or your own"
        )
    return SiliconFlow(
        endpoint=endpoint,
        path=path,
        voice=voice,
        speed=given.speed,
        gain=given.gain,
        sample_rate=given.sample_rate,
        connect_timeout=given.connect_timeout,
        timeout=given.timeout,
        max_sound=environment.max_sentence_sound,
        streams=True,
    )


open = open_service
