"""What the clients of a model server are told: where it is, what to ask for, and how long to wait.

Apart from the clients, so that a configuration can be checked without importing the HTTP library (75 ms).
"""

from __future__ import annotations

import attrs

from .endpoint import Endpoint


@attrs.frozen
class ChatConfig:
    """Timeouts are in seconds: to connect, from the request to the first token, from token to token."""

    endpoint: Endpoint
    temperature: float | None
    max_tokens: int | None
    connect_timeout: float
    first_token_timeout: float
    token_timeout: float

    @property
    def provider(self) -> str:
        """The name that configurations use."""
        return self.endpoint.provider.name


@attrs.frozen
class SpeechConfig:
    """Timeouts are in seconds: to connect, and for the whole sound of a sentence.

    ``max_sound`` is how many seconds of sound a sentence may become.
    """

    endpoint: Endpoint
    voice: str
    file_extension: str
    speed: float | None
    connect_timeout: float
    timeout: float
    max_sound: float

    @property
    def provider(self) -> str:
        """The name that configurations use."""
        return self.endpoint.provider.name


@attrs.frozen
class TranscriptionConfig:
    """``language`` is a code such as ``en``, or empty: the server finds out.

    Timeouts are in seconds: to connect, and for a whole transcript.
    """

    endpoint: Endpoint
    language: str
    prompt: str = attrs.field(repr=False)
    temperature: float
    connect_timeout: float
    timeout: float

    @property
    def provider(self) -> str:
        """The name that configurations use."""
        return self.endpoint.provider.name

    @property
    def fields(self) -> dict[str, str]:
        """The fields of the request besides the sound; what is not set is left to the server."""
        fields = {
            "model": self.endpoint.model,
            "response_format": "json",
            "temperature": f"{self.temperature:g}",
            "language": self.language,
            "prompt": self.prompt,
        }
        return {name: value for name, value in fields.items() if value}
