"""`ChatConfig`: a language model behind ``/chat/completions``, and the JSON that it is asked with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
import msgspec

from ..base import Message, Nudge, Prompt, Tool, ToolRequest, ToolResult
from ..chat_service import ChatService, ReplyReader
from .answers import decode_json
from .deltas import DeltaReader

_object = msgspec.json.Decoder(dict[str, Any])


@attrs.frozen(kw_only=True)
class ChatConfig(ChatService):
    """A model behind OpenAI's interface. ``organization`` and ``project`` are accounts within one key's."""

    temperature: float | None = None
    max_tokens: int | None = None
    organization: str = ""
    project: str = ""

    @property
    def provider(self) -> str:
        """The name that configurations use."""
        return self.endpoint.provider.name

    @property
    def path(self) -> str:
        """See `ChatService.path`."""
        return "chat/completions"

    @property
    def headers(self) -> Mapping[str, str]:
        """See `ChatService.headers`."""
        accounts = {"OpenAI-Organization": self.organization, "OpenAI-Project": self.project}
        return {**super().headers, **{name: value for name, value in accounts.items() if value}}

    def request(self, prompt: Prompt) -> dict[str, object]:
        """See `ChatService.request`. The system prompt is first, so that a cache can begin with it."""
        system = [{"role": "system", "content": prompt.system}] if prompt.system else []
        request: dict[str, object] = {
            "model": self.endpoint.model,
            "messages": [*system, *map(_message, prompt.messages)],
            "stream": True,
        }
        if self.endpoint.provider.counts_if_asked:
            request["stream_options"] = {"include_usage": True}
        if prompt.tools:
            request["tools"] = [_tool(tool) for tool in prompt.tools]
        if self.temperature is not None:
            request["temperature"] = self.temperature
        if self.max_tokens is not None:
            request["max_tokens"] = self.max_tokens
        return request

    def reader(self) -> ReplyReader:
        """See `ChatService.reader`."""
        return DeltaReader()


def _tool(tool: Tool) -> dict[str, object]:
    function = {"name": tool.name, "description": tool.description, "parameters": dict(tool.parameters)}
    return {"type": "function", "function": function}


def _tool_call(request: ToolRequest) -> dict[str, object]:
    # Servers read the arguments again, and refuse the whole prompt where a model has written no JSON.
    try:
        decode_json(request.arguments, _object)
    except ValueError:
        arguments = "{}"
    else:
        arguments = request.arguments
    return {"id": request.id, "type": "function", "function": {"name": request.name, "arguments": arguments}}


def _message(message: Message | Nudge | ToolResult) -> dict[str, object]:
    if isinstance(message, ToolResult):
        return {"role": "tool", "tool_call_id": message.id, "content": message.content}
    if isinstance(message, Message) and message.requests:
        calls = [_tool_call(request) for request in message.requests]
        return {"role": message.role, "content": message.content or None, "tool_calls": calls}
    # The interface knows no instruction in mid-conversation that all models heed, but the user's words.
    role = "user" if isinstance(message, Nudge) else message.role
    if not message.images:
        return {"role": role, "content": message.content}
    images = [{"type": "image_url", "image_url": {"url": url}} for url in message.images]
    return {"role": role, "content": [{"type": "text", "text": message.content}, *images]}
