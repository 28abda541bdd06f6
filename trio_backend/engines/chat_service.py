"""`ChatService`: what is configured of a language model behind HTTP, what it is asked, and how it answers.

Apart from the client, `http_chat`, so that a configuration can be checked without the HTTP library.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Protocol, TypeAlias

import attrs

from .base import Prompt, Thought, ToolRequest
from .openai.configs import Endpoint
from .settings import between

Part: TypeAlias = str | Thought | ToolRequest
"""``str`` is what the model wrote, in which thoughts may stand between tags."""


@attrs.frozen
class TokenUsage:
    """What a reply cost: tokens of the prompt, those of them that were in a cache, tokens of the reply."""

    prompt: int
    cached: int
    reply: int


class ReplyReader(Protocol):
    """Fed the data of one server-sent event after the other."""

    @property
    def finished(self) -> bool:
        """Whether the model has said that it is done."""
        ...

    @property
    def usage(self) -> TokenUsage | None:
        """What the service has counted so far; None where it says nothing. May come after the end."""
        ...

    def feed(self, data: str) -> list[Part]:
        """The next parts of the reply, often none. Raises `EngineError` where the model stopped in error."""
        ...


@attrs.frozen(kw_only=True)
class ChatService(ABC):
    """The configuration of one. Equal ones share their connections.

    Timeouts are in seconds: to connect, from the request to the first token, from token to token.
    """

    endpoint: Endpoint
    connect_timeout: float
    first_token_timeout: float
    token_timeout: float

    @property
    @abstractmethod
    def path(self) -> str:
        """Where replies are asked for, below the endpoint's address."""

    @property
    def headers(self) -> Mapping[str, str]:
        """What goes with each request; the key is among it."""
        key = self.endpoint.api_key
        return {"Authorization": f"Bearer {key}"} if key else {}

    @abstractmethod
    def request(self, prompt: Prompt) -> dict[str, object]:
        """The JSON of the request; what is not set is left to the server."""

    @abstractmethod
    def reader(self) -> ReplyReader:
        """What reads one answer."""


@attrs.frozen
class ChatSettings:
    """The settings that all of them have."""

    connect_timeout: float = attrs.field(default=5.0, validator=between(0.1, 600))
    first_token_timeout: float = attrs.field(default=60.0, validator=between(0.1, 3600))
    token_timeout: float = attrs.field(default=30.0, validator=between(0.1, 3600))

    @property
    def timeouts(self) -> Mapping[str, float]:
        """They, by the names that `ChatService` has for them."""
        return {
            "connect_timeout": self.connect_timeout,
            "first_token_timeout": self.first_token_timeout,
            "token_timeout": self.token_timeout,
        }
