"""`stateless_llm_with_template`: a model that completes a text, which a template makes of the conversation.

``POST /v1/completions`` with ``stream``, as llama.cpp's server, vLLM and others have it, or llama.cpp's own
``/completion``. The templates are those that Open-LLM-VTuber has names for, written out after the models'
own descriptions: a template engine would be a dependency for three of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import attrs
import msgspec

from ...errors import EngineError, SettingsError
from ..base import Prompt
from ..chat_service import Part, ReplyReader, TokenUsage
from ..facts import EngineFacts
from ..open_chat import open_chat
from ..openai.answers import Halves, decode_json
from ..openai.completions import ChatConfig
from ..openai.configs import Endpoint, Provider, check_key, checked_url, find_key
from ..openai.deltas import usage_of
from ..plain_messages import plain_messages
from ..settings import Environment, read_settings
from .openai_compatible import OpenAiLlmSettings

NAMES = ("stateless_llm_with_template",)

MOST_TOKENS = 1024
"""Of a reply, where ``max_tokens`` is not set: many servers would end after 16, which is half a sentence."""

WITHOUT_EFFECT = {
    "interrupt_method": "what was not heard of an interrupted reply is left out of the conversation",
}

_PROVIDER = Provider(
    "stateless_llm_with_template",
    "http://localhost:8080/v1",
    start="start the server (`llama-server -m model.gguf`, for instance), or check base_url",
)

FACTS = EngineFacts(
    streams="yes",
    cancel="closes the connection",
    tried="a stand-in by its reference",
    needs="a server of completions, and a model on it",
)


@attrs.frozen
class _ChatTemplate:
    """How a model was taught to read a conversation.

    ``turns`` are what is written around a message, by its role; ``reply`` is what the model goes on from, and
    ``stop`` what it writes when it is done. ``marks`` mean something to it, so nobody may say them. The mark
    of a text's beginning is not there: servers write it themselves.
    """

    turns: Mapping[str, tuple[str, str]]
    reply: str
    stop: str
    marks: tuple[str, ...]

    def text(self, messages: list[dict[str, str]]) -> str:
        """The conversation, as far as the begin of the reply."""
        said = ""
        for message in messages:
            before, behind = self.turns[message["role"]]
            said += f"{before}{self._plain(message['content'])}{behind}"
        return said + self.reply

    def _plain(self, content: str) -> str:
        # No mark has a blank, so with one in its place what is around it makes no other. To take marks out
        # until none is left held the event loop up for 3 s, where they were as deep as a text may be long.
        return re.sub("|".join(map(re.escape, self.marks)), " ", content).strip()


_ROLES = ("system", "user", "assistant")
_TEMPLATES = {
    # https://huggingface.co/docs/transformers/chat_templating; Qwen, Yi, many fine-tuned models.
    "CHATML": _ChatTemplate(
        {role: (f"<|im_start|>{role}\n", "<|im_end|>\n") for role in _ROLES},
        reply="<|im_start|>assistant\n",
        stop="<|im_end|>",
        marks=("<|im_start|>", "<|im_end|>", "<|endoftext|>"),
    ),
    # https://www.llama.com/docs/model-cards-and-prompt-formats/meta-llama-3/
    "LLAMA3": _ChatTemplate(
        {role: (f"<|start_header_id|>{role}<|end_header_id|>\n\n", "<|eot_id|>") for role in _ROLES},
        reply="<|start_header_id|>assistant<|end_header_id|>\n\n",
        stop="<|eot_id|>",
        marks=(
            "<|start_header_id|>",
            "<|end_header_id|>",
            "<|eot_id|>",
            "<|begin_of_text|>",
            "<|end_of_text|>",
        ),
    ),
    # https://github.com/tatsu-lab/stanford_alpaca#data-release
    "ALPACA": _ChatTemplate(
        {
            "system": ("", "\n\n"),
            "user": ("### Instruction:\n", "\n\n"),
            "assistant": ("### Response:\n", "\n\n"),
        },
        reply="### Response:\n",
        stop="###",
        marks=("###",),
    ),
}


@attrs.frozen
class _TemplateSettings(OpenAiLlmSettings):
    template: str = "CHATML"


@attrs.frozen(kw_only=True)
class TemplateConfig(ChatConfig):
    """``template`` is one of `_TEMPLATES`; ``completions`` is the path of the endpoint."""

    template: str
    completions: str

    @property
    def path(self) -> str:
        """See `ChatService.path`."""
        return self.completions

    def request(self, prompt: Prompt) -> dict[str, object]:
        """See `ChatService.request`. Pictures and tools are left out."""
        template = _TEMPLATES[self.template]
        request: dict[str, object] = {
            "model": self.endpoint.model,
            "prompt": template.text(plain_messages(prompt)),
            "stream": True,
            "stop": [template.stop],
            "max_tokens": self.max_tokens or MOST_TOKENS,
        }
        if self.temperature is not None:
            request["temperature"] = self.temperature
        return request

    def reader(self) -> ReplyReader:
        """See `ChatService.reader`."""
        return CompletionReader(_TEMPLATES[self.template].stop)


def configure(name: str, settings: Mapping[str, object], environment: Environment) -> TemplateConfig:
    """The settings are the fields of `_TemplateSettings`; ``model`` is the one that must be there."""
    del name
    given = read_settings(_TemplateSettings, settings, ignored=WITHOUT_EFFECT)
    if not given.model.strip():
        raise SettingsError("model", "is missing: which model of the server should speak?")
    if given.template.upper() not in _TEMPLATES:
        raise SettingsError("template", f"must be one of {', '.join(_TEMPLATES)}")
    url = checked_url(given.base_url or _PROVIDER.base_url)
    # Open-LLM-VTuber asks at base_url itself, so existing files may name the endpoint there.
    base, named = (found[1], found[2]) if (found := _NAMED.fullmatch(url)) else (url, "completions")
    endpoint = Endpoint(
        provider=_PROVIDER,
        base_url=base,
        model=given.model.strip(),
        key_setting="llm_api_key",
        api_key=find_key(given.llm_api_key, (), environment.environ),
    )
    return TemplateConfig(
        endpoint=check_key(endpoint),
        temperature=given.temperature,
        max_tokens=given.max_tokens,
        organization=given.organization_id.strip(),
        project=given.project_id.strip(),
        template=given.template.upper(),
        completions=named,
        **given.timeouts,
    )


open = open_chat

_NAMED = re.compile(r"(.+)/(completions?)")


@attrs.define
class _CompletionChoice:
    text: str | None = None
    finish_reason: str | None = None


@attrs.define
class _Completion:
    """An event of the common interface, or of llama.cpp's own, which has ``content`` and ``stop``."""

    choices: list[_CompletionChoice] = attrs.field(factory=list)
    content: str | None = None
    stop: bool = False
    error: Any = None
    usage: Any = None


_decoder = msgspec.json.Decoder(_Completion)


@attrs.define(eq=False)
class CompletionReader:
    """A `ReplyReader` of a completed text, which ends where ``stop`` is, if the server lets that through."""

    _stop: str
    finished: bool = attrs.field(default=False, init=False)
    usage: TokenUsage | None = attrs.field(default=None, init=False)
    _halves: Halves = attrs.field(factory=Halves, init=False)
    _held: str = attrs.field(default="", init=False)  # what may be the begin of `_stop`

    def feed(self, data: str) -> list[Part]:
        """See `ReplyReader.feed`."""
        if data.strip() == "[DONE]":
            return self._finish()
        event = self._decode(data)
        if event.error:
            raise EngineError("the model server broke off its answer with an error; its own log says why")
        self.usage = usage_of(event.usage) or self.usage
        choice = event.choices[0] if event.choices else _CompletionChoice(event.content)
        parts = self._read(choice.text or "")
        return [*parts, *self._finish()] if choice.finish_reason or event.stop else parts

    def _read(self, text: str) -> list[Part]:
        if self.finished:
            return []
        text, found, _ = (self._held + self._halves.feed(text)).partition(self._stop)
        kept = 0 if found else _begun(text, self._stop)
        self._held = text[len(text) - kept :]
        self.finished = bool(found)
        text = text[: len(text) - kept]
        return [text] if text else []

    def _finish(self) -> list[Part]:
        rest = "" if self.finished else self._held + self._halves.flush()
        self.finished = True
        return [rest] if rest else []

    @staticmethod
    def _decode(data: str) -> _Completion:
        try:
            return decode_json(data, _decoder)
        except ValueError:
            # Not chained: the error would carry what the model said.
            raise EngineError("the model server sent something that is not a completion") from None


def _begun(text: str, mark: str) -> int:
    """How many characters at the end of ``text`` may be the begin of ``mark``."""
    return next((size for size in range(len(mark) - 1, 0, -1) if text.endswith(mark[:size])), 0)
