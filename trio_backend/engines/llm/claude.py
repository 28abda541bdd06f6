"""`claude_llm`: Anthropic's Claude, by its Messages API.

``POST /v1/messages`` with ``stream``, version 2026-10-21, from https://platform.claude.com/docs and the
source of its client, `anthropic` 2.12.0, as of November 2026. That version knows no temperature.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import msgspec

from ...errors import SettingsError
from ..base import Message, Nudge, Prompt, Tool, ToolRequest, ToolResult
from ..chat_service import ChatService, ChatSettings
from ..facts import EngineFacts
from ..open_chat import open_chat
from ..openai.answers import decode_json
from ..openai.configs import Endpoint, Provider, check_key, checked_url, find_key
from ..settings import Environment, between, one_of, read_settings
from .claude_events import ClaudeReader

NAMES = ("claude_llm",)

WITHOUT_EFFECT = {
    "interrupt_method": "what was not heard of an interrupted reply is left out of the conversation",
}

VERSION = "2026-10-21"

LEAST_THINKING = 1024
"""Tokens: the service takes no smaller budget."""

_PROVIDER = Provider(
    "claude_llm",
    "https://api.anthropic.com",
    ("ANTHROPIC_API_KEY",),
    needs_key=True,
    find_model="https://platform.claude.com/docs/en/about-claude/models/overview lists those",
)

_DATA_URL = re.compile(r"data:([\w.+/-]+);base64,", re.IGNORECASE)
_object = msgspec.json.Decoder(dict[str, Any])

# Up to such a mark the service keeps what it has read, for five minutes from the last use: a prompt that
# begins with the same bytes is read from there, sooner and at a tenth of the price. At most four are allowed.
_KEEP = {"type": "ephemeral"}

FACTS = EngineFacts(
    streams="yes",
    cancel="closes the connection",
    tried="a stand-in by its reference",
    needs="an account there",
    keys=_PROVIDER.key_variables,
)


@attrs.frozen
class _ClaudeSettings(ChatSettings):
    base_url: str = ""
    llm_api_key: str = ""
    model: str = ""
    max_tokens: int = attrs.field(default=4096, validator=between(1, 1_000_000))
    thinking: str = attrs.field(default="", validator=one_of("", "disabled", "adaptive", "enabled"))
    thinking_tokens: int = attrs.field(default=LEAST_THINKING, validator=between(LEAST_THINKING, 1_000_000))


@attrs.frozen(kw_only=True)
class ClaudeConfig(ChatService):
    """``max_tokens`` are those of what is said, and of ``adaptive`` thoughts, too.

    Where thinking is ``enabled``, ``thinking_tokens`` come on top.
    """

    max_tokens: int
    thinking: str
    thinking_tokens: int

    @property
    def path(self) -> str:
        """See `ChatService.path`."""
        return "v1/messages"

    @property
    def headers(self) -> Mapping[str, str]:
        """See `ChatService.headers`."""
        return {**super().headers, "anthropic-version": VERSION}

    def request(self, prompt: Prompt) -> dict[str, object]:
        """See `ChatService.request`. What the next prompt will begin with, too, is marked to be kept."""
        request: dict[str, object] = {
            "model": self.endpoint.model,
            "max_tokens": self.max_tokens,
            "stream": True,
            "messages": _messages(prompt.messages),
        }
        if prompt.system.strip():
            # Tools are read before it, so this mark keeps them, too.
            request["system"] = [{"type": "text", "text": prompt.system, "cache_control": _KEEP}]
        if prompt.tools:
            request["tools"] = [_tool(tool) for tool in prompt.tools]
        # A reply with thoughts that asks for tools has to come back with them, signed, and they are not kept
        # here. The service's own remedy is to go on without thinking.
        if self.thinking and not (prompt.messages and isinstance(prompt.messages[-1], ToolResult)):
            request |= self._thinking()
        return request

    def _thinking(self) -> dict[str, object]:
        match self.thinking:
            case "enabled":
                # Models up to 4.6 know it; later ones refuse it, and are asked for `adaptive`.
                thinking = {"type": "enabled", "budget_tokens": self.thinking_tokens}
                # The service counts both together.
                return {"thinking": thinking, "max_tokens": self.max_tokens + self.thinking_tokens}
            case "adaptive":
                # Some models leave their thoughts out unless they are asked for a summary.
                return {"thinking": {"type": "adaptive", "display": "summarized"}}
            case other:
                return {"thinking": {"type": other}}

    def reader(self) -> ClaudeReader:
        """See `ChatService.reader`."""
        return ClaudeReader()


def configure(name: str, settings: Mapping[str, object], environment: Environment) -> ClaudeConfig:
    """The settings are the fields of `_ClaudeSettings`; ``model`` is the one that must be there."""
    del name
    given = read_settings(_ClaudeSettings, settings, ignored=WITHOUT_EFFECT)
    if not given.model.strip():
        raise SettingsError("model", f"is missing: which Claude should speak? {_PROVIDER.find_model}")
    endpoint = Endpoint(
        provider=_PROVIDER,
        # Its own client appends /v1, and servers in front of it are often written with it.
        base_url=checked_url(given.base_url or _PROVIDER.base_url).removesuffix("/v1"),
        model=given.model.strip(),
        key_setting="llm_api_key",
        api_key=find_key(given.llm_api_key, _PROVIDER.key_variables, environment.environ),
    )
    return ClaudeConfig(
        endpoint=check_key(endpoint),
        max_tokens=given.max_tokens,
        thinking=given.thinking,
        thinking_tokens=given.thinking_tokens,
        **given.timeouts,
    )


open = open_chat


def _messages(messages: Sequence[Message | Nudge | ToolResult]) -> list[dict[str, object]]:
    """They, in turns of user and assistant, the user first, none of them empty; others are refused."""
    turns: list[tuple[str, list[dict[str, object]]]] = []
    stable: dict[str, object] = {}
    for message in messages:
        blocks = _blocks(message)
        if not blocks:
            continue
        role = message.role if isinstance(message, Message) else "user"
        if not turns and role != "user":
            turns.append(("user", [{"type": "text", "text": "…"}]))
        if turns and turns[-1][0] == role:
            turns[-1][1].extend(blocks)
        else:
            turns.append((role, blocks))
        if not isinstance(message, Nudge):
            stable = blocks[-1]
    # A nudge is not remembered; whatever else is last now will be there in the next prompt, too.
    stable["cache_control"] = _KEEP
    return [{"role": role, "content": blocks} for role, blocks in turns]


def _blocks(message: Message | Nudge | ToolResult) -> list[dict[str, object]]:
    if isinstance(message, ToolResult):
        failed = {"is_error": True} if message.failed else {}
        return [{"type": "tool_result", "tool_use_id": message.id, "content": message.content, **failed}]
    blocks: list[dict[str, object]] = []
    if message.content.strip():
        blocks.append({"type": "text", "text": message.content})
    blocks += map(_image, message.images)
    if isinstance(message, Message):
        blocks += map(_tool_use, message.requests)
    return blocks


def _image(url: str) -> dict[str, object]:
    found = _DATA_URL.match(url)
    if found is None:
        return {"type": "image", "source": {"type": "url", "url": url}}
    source = {"type": "base64", "media_type": found[1].lower(), "data": url[found.end() :]}
    return {"type": "image", "source": source}


def _tool_use(request: ToolRequest) -> dict[str, object]:
    # The service takes an object, and refuses the whole prompt where a model has written anything else.
    try:
        arguments = decode_json(request.arguments, _object)
    except ValueError:
        arguments = {}
    return {"type": "tool_use", "id": request.id, "name": request.name, "input": arguments}


def _tool(tool: Tool) -> dict[str, object]:
    # A schema of an object is demanded, and ours may be empty.
    schema = {"type": "object", **tool.parameters}
    return {"name": tool.name, "description": tool.description, "input_schema": schema}
