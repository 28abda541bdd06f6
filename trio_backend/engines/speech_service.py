"""`SpeechService`: what is configured of speech synthesis behind HTTP, and what it is asked for a sentence.

Apart from the client, `http_speech`, so that a configuration can be checked without the HTTP library.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Protocol

import attrs

from ..errors import SettingsError
from .openai.configs import Endpoint, Provider, check_key, checked_url, find_key
from .settings import Environment, between


@attrs.frozen
class SynthesisRequest:
    """What is POSTed to ``path``, below the service's address, for one sentence."""

    path: str
    body: bytes = attrs.field(repr=False)
    headers: Mapping[str, str] = attrs.field(factory=dict)
    content_type: str = "application/json"


class SoundReader(Protocol):
    """Takes the sound out of an answer's body, of which it gets each part once."""

    def feed(self, data: bytes) -> bytes:
        """The bytes of sound in the next part of the body; at its end ``data`` is empty.

        Raises `EngineError` where the body says that something went wrong.
        """
        ...


class Plain:
    """A `SoundReader` of a body that is nothing but sound."""

    def feed(self, data: bytes) -> bytes:
        """As it came."""
        return data


@attrs.frozen(kw_only=True)
class SpeechService(ABC):
    """The configuration of one. Equal ones share their connections.

    Timeouts are in seconds: to connect, and to wait in all for the sound of a sentence. ``max_sound`` is how
    many seconds of sound a sentence may become. With ``streams`` the answer is 16-bit little-endian mono
    samples, ``sample_rate`` of them a second, that are handed out as they come; otherwise it is a file.
    """

    endpoint: Endpoint
    connect_timeout: float
    timeout: float
    max_sound: float
    streams: bool
    sample_rate: int = 24_000

    @property
    def provider(self) -> str:
        """The name that configurations use."""
        return self.endpoint.provider.name

    @property
    def compressed(self) -> str:
        """The setting by which a file is asked for that needs a decoder; empty where none is."""
        return ""

    @abstractmethod
    def request(self, text: str) -> SynthesisRequest:
        """What is asked for the sound of ``text``, in which there is a letter or a digit."""

    def headers(self) -> Mapping[str, str]:
        """What goes with each request: the key."""
        key = self.endpoint.api_key
        return {"Authorization": f"Bearer {key}"} if key else {}

    def is_sound(self, content_type: str) -> bool:
        """Whether an answer of this type, in lower case, is one; a wrong address gives pages and JSON."""
        return not content_type.startswith(("text/", "application/json"))

    def reader(self) -> SoundReader:
        """For one answer."""
        return Plain()


@attrs.frozen
class ServiceSettings:
    """What the configuration of every service may set, in seconds: see `SpeechService`."""

    connect_timeout: float = attrs.field(default=5.0, validator=between(0.1, 600), kw_only=True)
    timeout: float = attrs.field(default=60.0, validator=between(0.1, 3600), kw_only=True)


@attrs.frozen(kw_only=True)
class VoiceIdSettings(ServiceSettings):
    """What a service with a key sets whose voices have ids, which its users copy from its page."""

    base_url: str
    api_key: str = ""
    voice_id: str = ""
    model_id: str

    def endpoint(self, provider: Provider, environment: Environment, voices: str) -> Endpoint:
        """The service, with the key from here or from the environment; ``voices`` is the page with the ids.

        Raises `SettingsError` where the key or the voice is missing.
        """
        key = find_key(self.api_key, provider.key_variables, environment.environ)
        endpoint = check_key(Endpoint(provider, checked_url(self.base_url), self.model_id, "api_key", key))
        if not self.voice_id.strip():
            raise SettingsError("voice_id", f"is missing: copy one from {voices}")
        return endpoint
