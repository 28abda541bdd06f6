"""`deepgram_tts`: the voices of Deepgram, Aura, over its endpoint “Text to Speech”.

``POST /v1/speak``, by its client ``deepgram-sdk`` 7.17.0 and the page “Errors” of its documentation
(https://developers.deepgram.com/docs/errors), as of November 2026. It sends samples, as it makes them, for at
most 2000 characters; a sentence has no more than 400.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode

import attrs

from ..facts import EngineFacts
from ..open_speech import open_service
from ..openai.answers import json_of
from ..openai.configs import Endpoint, Provider, check_key, checked_url, find_key
from ..settings import Environment, read_settings
from ..speech_service import ServiceSettings, SpeechService, SynthesisRequest

NAMES = ("deepgram_tts",)

_PROVIDER = Provider("deepgram_tts", "https://api.deepgram.com", ("DEEPGRAM_API_KEY",), needs_key=True)

FACTS = EngineFacts(
    streams="yes",
    cancel="closes the connection",
    tried="a stand-in by its reference",
    needs="Deepgram",
    keys=_PROVIDER.key_variables,
)


@attrs.frozen
class _DeepgramTtsSettings(ServiceSettings):
    base_url: str = _PROVIDER.base_url
    api_key: str = ""
    # A model is one voice.
    model: str = "aura-2-thalia-en"


@attrs.frozen(kw_only=True)
class DeepgramSpeech(SpeechService):
    """Deepgram, with one of its voices."""

    def headers(self) -> Mapping[str, str]:
        """See `SpeechService.headers`."""
        return {"Authorization": f"Token {self.endpoint.api_key}"}

    def request(self, text: str) -> SynthesisRequest:
        """See `SpeechService.request`."""
        query = {
            "model": self.endpoint.model,
            "encoding": "linear16",
            "sample_rate": self.sample_rate,
            "container": "none",
        }
        return SynthesisRequest(f"v1/speak?{urlencode(query)}", json_of({"text": text}))


def configure(name: str, settings: Mapping[str, object], environment: Environment) -> DeepgramSpeech:
    """Its settings are the fields of `_DeepgramTtsSettings`."""
    del name
    given = read_settings(_DeepgramTtsSettings, settings)
    key = find_key(given.api_key, _PROVIDER.key_variables, environment.environ)
    return DeepgramSpeech(
        endpoint=check_key(Endpoint(_PROVIDER, checked_url(given.base_url), given.model, "api_key", key)),
        connect_timeout=given.connect_timeout,
        timeout=given.timeout,
        max_sound=environment.max_sentence_sound,
        streams=True,
    )


open = open_service
