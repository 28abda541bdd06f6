"""`deeplx`: translation by a DeepLX server, or by DeepL's own API, whose format is the same.

``POST /v2/translate`` with ``{"text": ["…"], "target_lang": "JA"}``, answered by
``{"translations": [{"text": "…"}]}``: after DeepL's API reference, and what Open-LLM-VTuber asks of DeepLX,
November 2026. DeepLX has another format at ``/translate`` and ``/v1/translate``: there ``text`` is a text,
and so is ``data`` of the answer.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import attrs
import msgspec
import trio

from ...errors import EngineError
from ..base import Llm
from ..facts import EngineFacts
from ..openai.answers import decode_json, json_of, whole_characters
from ..openai.configs import Endpoint, Provider, check_key, find_key, split_url
from ..openai.connection import ModelServer, open_model_server
from ..settings import Environment, between, read_settings

NAMES = ("deeplx",)

_PROVIDER = Provider(
    "deeplx",
    "http://localhost:1188/v2",
    ("DEEPL_AUTH_KEY",),
    start="start DeepLX, or set deeplx_api_endpoint to where it listens",
)

FACTS = EngineFacts(
    streams="no",
    cancel="closes the connection",
    tried="a stand-in by its reference",
    needs="a DeepLX server, or an account at DeepL",
    keys=_PROVIDER.key_variables,
)

LONGEST_ANSWER = 2**18
"""Bytes: of a sentence, with what DeepLX adds of alternatives."""


def _check_language(_instance: object, _attribute: attrs.Attribute[Any], value: str) -> None:
    if not value.strip():
        raise ValueError("must be a language such as JA or EN-GB")


@attrs.frozen
class _DeeplxSettings:
    deeplx_target_lang: str = attrs.field(validator=_check_language)
    deeplx_api_endpoint: str = "http://localhost:1188/v2/translate"
    deeplx_api_key: str = ""
    connect_timeout: float = attrs.field(default=2.0, validator=between(0.1, 600))
    timeout: float = attrs.field(default=5.0, validator=between(0.1, 600))


@attrs.frozen
class DeeplxConfig:
    """``lists``: whether texts are asked for in lists, as DeepL has it. Timeouts are in seconds."""

    endpoint: Endpoint
    path: str
    target_lang: str
    lists: bool
    connect_timeout: float
    timeout: float

    @property
    def headers(self) -> Mapping[str, str]:
        """The key, as DeepL and DeepLX want it."""
        key, host = self.endpoint.api_key, self.endpoint.host
        scheme = "DeepL-Auth-Key" if host == "deepl.com" or host.endswith(".deepl.com") else "Bearer"
        return {"Authorization": f"{scheme} {key}"} if key else {}

    def request(self, text: str) -> bytes:
        """What is asked."""
        if self.lists:
            return json_of({"text": [text], "target_lang": self.target_lang})
        return json_of({"text": text, "source_lang": "auto", "target_lang": self.target_lang})


class _Translation(msgspec.Struct):
    text: str


class _DeeplxAnswer(msgspec.Struct):
    translations: list[_Translation] = []
    data: str | None = None


_decoder = msgspec.json.Decoder(_DeeplxAnswer)


def configure(name: str, settings: Mapping[str, object], environment: Environment) -> DeeplxConfig:
    """The keys of ``translator_config.deeplx``, and a key where the server wants one."""
    del name
    given = read_settings(_DeeplxSettings, settings)
    setting = "deeplx_api_endpoint"
    url, path = split_url(given.deeplx_api_endpoint, setting=setting, path="v2/translate")
    key = find_key(given.deeplx_api_key, _PROVIDER.key_variables, environment.environ)
    endpoint = Endpoint(_PROVIDER, url, given.deeplx_target_lang, "deeplx_api_key", key, setting)
    lists = urlsplit(f"{url}/{path}").path not in ("/translate", "/v1/translate")
    return DeeplxConfig(
        check_key(endpoint), path, given.deeplx_target_lang, lists, given.connect_timeout, given.timeout
    )


@asynccontextmanager
async def open(config: DeeplxConfig) -> AsyncIterator[DeeplxTranslator]:
    """Nothing is asked yet."""
    connect, headers = config.connect_timeout, config.headers
    async with open_model_server(config.endpoint, connect=connect, headers=headers) as server:
        yield DeeplxTranslator(config, server)


@attrs.frozen
class DeeplxTranslator:
    """A `Translator`; its sentences share one pool of connections."""

    config: DeeplxConfig
    _server: ModelServer

    async def translate(self, text: str, llm: Llm) -> str:
        """See `Translator.translate`. What may pass by itself is asked again, as long as there is time."""
        del llm
        with trio.move_on_after(self.config.timeout):
            answer = await self._server.ask(
                self.config.path, self.config.request(text), accept="application/json"
            )
            body = await self._server.read(answer, most=LONGEST_ANSWER, too_long="the answer is too long")
            return self._read(body)
        raise EngineError(f"deeplx: no translation within {self.config.timeout:g} s")

    def _read(self, body: bytes) -> str:
        try:
            answer = decode_json(body, _decoder)
        except ValueError:
            # Not chained: it may hold what was said.
            raise EngineError(
                f"deeplx: the answer of {self.config.endpoint.address} is no translation; "
                "check deeplx_api_endpoint"
            ) from None
        texts = [one.text for one in answer.translations] or [answer.data or ""]
        translated = whole_characters(" ".join(texts)).strip()
        if not translated:
            raise EngineError("deeplx: the answer holds no translation; check deeplx_target_lang")
        return translated
