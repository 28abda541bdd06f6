"""`openai_tts`: speech synthesis behind an OpenAI-compatible server, local ones such as Kokoro among them."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

import attrs

from ..facts import EngineFacts
from ..open_speech import open_service
from ..openai.answers import json_of
from ..openai.configs import Endpoint, Provider, check_key, checked_url, find_key
from ..settings import Environment, between, one_of, read_settings
from ..speech_service import ServiceSettings, SpeechService, SynthesisRequest

NAMES = ("openai_tts",)

_LOCAL = Provider("openai_tts", "http://localhost:8880/v1")
_OPENAI = Provider("openai_tts", "https://api.openai.com/v1", ("OPENAI_API_KEY",), needs_key=True)

FACTS = EngineFacts(
    streams="with `file_extension: pcm`",
    cancel="closes the connection",
    tried="a stand-in by its reference",
    needs="any `/v1/audio/speech`; OpenAI's own wants the key",
    keys=_OPENAI.key_variables,
)


@attrs.frozen
class _OpenAiTtsSettings(ServiceSettings):
    base_url: str = _LOCAL.base_url
    api_key: str = ""
    model: str = "kokoro"
    voice: str = "af_sky"
    file_extension: str = attrs.field(default="wav", validator=one_of("wav", "mp3", "pcm"))
    response_format: str = attrs.field(default="", validator=one_of("", "wav", "mp3", "pcm"))
    # What OpenAI sends, and Kokoro; only the format ``pcm`` does not say it itself.
    sample_rate: int = attrs.field(default=24_000, validator=between(8_000, 192_000, "Hz"))
    speed: float | None = attrs.field(default=None, validator=attrs.validators.optional(between(0.25, 4)))


@attrs.frozen(kw_only=True)
class OpenAiSpeech(SpeechService):
    """A server that has ``/audio/speech``."""

    voice: str
    file_extension: str
    speed: float | None

    @property
    def compressed(self) -> str:
        """See `SpeechService.compressed`."""
        return "file_extension" if self.file_extension == "mp3" else ""

    def request(self, text: str) -> SynthesisRequest:
        """See `SpeechService.request`."""
        request: dict[str, object] = {
            "model": self.endpoint.model,
            "voice": self.voice,
            "input": text,
            "response_format": self.file_extension,
        }
        if self.speed is not None:
            request["speed"] = self.speed
        return SynthesisRequest("audio/speech", json_of(request))


def configure(name: str, settings: Mapping[str, object], environment: Environment) -> OpenAiSpeech:
    """Its settings are the fields of `_OpenAiTtsSettings`; ``response_format`` also means ``file_extension``.

    With ``file_extension: pcm`` the sound is handed out as it comes, else once it is whole. The environment's
    OPENAI_API_KEY is for OpenAI's own server only.
    """
    del name
    given = read_settings(_OpenAiTtsSettings, settings)
    url = checked_url(given.base_url)
    provider = _OPENAI if urlsplit(url).hostname == "api.openai.com" else _LOCAL
    key = find_key(given.api_key, provider.key_variables, environment.environ)
    extension = given.response_format or given.file_extension
    return OpenAiSpeech(
        endpoint=check_key(Endpoint(provider, url, given.model, "api_key", key)),
        voice=given.voice,
        file_extension=extension,
        streams=extension == "pcm",
        speed=given.speed,
        connect_timeout=given.connect_timeout,
        timeout=given.timeout,
        max_sound=environment.max_sentence_sound,
        sample_rate=given.sample_rate,
    )


open = open_service
