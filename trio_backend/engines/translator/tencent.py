"""`tencent`: translation by Tencent Cloud's Machine Translation (TMT), action ``TextTranslate``, 2018-03-21.

A request is signed by TC3-HMAC-SHA256, as the service's reference and its SDK for Python (3.1.195) have it,
November 2026. An error has status 200: ``{"Response": {"Error": {"Code": …}}}``.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import attrs
import msgspec
import trio

from ...errors import EngineError, SettingsError
from ...identity import now
from ..base import Llm
from ..facts import EngineFacts
from ..openai.answers import decode_json, json_of, whole_characters
from ..openai.configs import Endpoint, Provider, checked_url, find_key
from ..openai.connection import PAUSES, ModelServer, open_model_server
from ..settings import Environment, between, read_settings

NAMES = ("tencent",)

_PROVIDER = Provider(
    "tencent", "https://tmt.tencentcloudapi.com", ("TENCENTCLOUD_SECRET_KEY",), needs_key=True
)
_ID_VARIABLES = ("TENCENTCLOUD_SECRET_ID",)

FACTS = EngineFacts(
    streams="no",
    cancel="closes the connection",
    tried="a stand-in by its reference",
    needs="Tencent Cloud",
    keys=(*_ID_VARIABLES, *_PROVIDER.key_variables),
)

ACTION, VERSION, SERVICE = "TextTranslate", "2018-03-21", "tmt"
CONTENT_TYPE = "application/json; charset=utf-8"
LONGEST_ANSWER = 2**18
"""Bytes. The service takes at most 6000 characters, and a sentence is shorter."""

_CODE = re.compile(r"[A-Za-z.]{1,80}")
_PASSING = ("RequestLimitExceeded", "InternalError", "FailedOperation.RequestAiLabErr")
_WORDS = {
    "AuthFailure": "does not accept the key; check secret_id and secret_key, and this machine's clock",
    "UnauthorizedOperation": "does not allow this key to translate; look at its permissions",
    "FailedOperation.NoFreeAmount": "has no free characters left this month; look at the account",
    "FailedOperation.ServiceIsolate": "has no credit left; look at the account",
    "FailedOperation.StopUsing": "is stopped for this account; look at its console",
    "FailedOperation.UserNotRegistered": "is not activated for this account; activate it in its console",
    "UnsupportedOperation": "does not translate between these languages; check source_lang and target_lang",
    "InvalidParameter": "refused the request; check source_lang, target_lang and region",
    "RequestLimitExceeded": "was asked too often; it allows five requests a second",
    "LimitExceeded": "was asked for too much; wait a little",
}
"""What the beginnings of codes mean, the longest first that fits."""


def _check_word(_instance: object, _attribute: attrs.Attribute[Any], value: str) -> None:
    if not re.fullmatch(r"[A-Za-z0-9-]{1,40}", value):
        raise ValueError("must be a word such as ja, zh-TW or ap-guangzhou")


@attrs.frozen
class _TencentSettings:
    secret_id: str = ""
    secret_key: str = ""
    region: str = attrs.field(default="ap-guangzhou", validator=_check_word)
    source_lang: str = attrs.field(default="zh", validator=_check_word)
    target_lang: str = attrs.field(default="ja", validator=_check_word)
    base_url: str = _PROVIDER.base_url
    connect_timeout: float = attrs.field(default=2.0, validator=between(0.1, 600))
    timeout: float = attrs.field(default=5.0, validator=between(0.1, 600))


@attrs.frozen
class TencentConfig:
    """The key is that of ``endpoint``, with the public name ``secret_id``. Timeouts are in seconds."""

    endpoint: Endpoint
    secret_id: str = attrs.field(repr=False)
    region: str
    source_lang: str
    target_lang: str
    connect_timeout: float
    timeout: float

    def request(self, text: str) -> bytes:
        """What is asked."""
        languages = {"Source": self.source_lang, "Target": self.target_lang}
        return json_of({"SourceText": text, **languages, "ProjectId": 0})

    def headers(self, body: bytes, at: datetime) -> Mapping[str, str]:
        """Those of a request at that time, which is valid for five minutes."""
        host = urlsplit(self.endpoint.base_url).netloc
        return {
            "Authorization": self._authorization(host, body, at),
            "Content-Type": CONTENT_TYPE,
            "X-TC-Action": ACTION,
            "X-TC-Timestamp": str(int(at.timestamp())),
            "X-TC-Version": VERSION,
            "X-TC-Region": self.region,
        }

    def _authorization(self, host: str, body: bytes, at: datetime) -> str:
        signed = "content-type;host"
        head = f"content-type:{CONTENT_TYPE}\nhost:{host}\n"
        request = f"POST\n/\n\n{head}\n{signed}\n{hashlib.sha256(body).hexdigest()}"
        date = at.strftime("%Y-%m-%d")
        scope = f"{date}/{SERVICE}/tc3_request"
        digest = hashlib.sha256(request.encode()).hexdigest()
        to_sign = f"TC3-HMAC-SHA256\n{int(at.timestamp())}\n{scope}\n{digest}"
        key = f"TC3{self.endpoint.api_key}".encode()
        for part in (date, SERVICE, "tc3_request"):
            key = hmac.digest(key, part.encode(), "sha256")
        signature = hmac.digest(key, to_sign.encode(), "sha256").hex()
        return (
            f"TC3-HMAC-SHA256 Credential={self.secret_id}/{scope}, SignedHeaders={signed}, "
            f"Signature={signature}"
        )


class _TencentError(msgspec.Struct):
    code: str = msgspec.field(name="Code", default="")


class _TencentResponse(msgspec.Struct):
    text: str = msgspec.field(name="TargetText", default="")
    error: _TencentError | None = msgspec.field(name="Error", default=None)


class _TencentAnswer(msgspec.Struct):
    response: _TencentResponse = msgspec.field(name="Response")


_decoder = msgspec.json.Decoder(_TencentAnswer)


def configure(name: str, settings: Mapping[str, object], environment: Environment) -> TencentConfig:
    """The keys of ``translator_config.tencent``."""
    del name
    given = read_settings(_TencentSettings, settings)
    secret_id = _secret("secret_id", given.secret_id, _ID_VARIABLES, environment)
    key = _secret("secret_key", given.secret_key, _PROVIDER.key_variables, environment)
    endpoint = Endpoint(_PROVIDER, checked_url(given.base_url), given.target_lang, "secret_key", key)
    return TencentConfig(
        endpoint,
        secret_id,
        given.region,
        given.source_lang,
        given.target_lang,
        given.connect_timeout,
        given.timeout,
    )


def _secret(setting: str, given: str, variables: tuple[str, ...], environment: Environment) -> str:
    found = find_key(given, variables, environment.environ)
    if not found:
        raise SettingsError(setting, f"is missing: set it here, or {variables[0]} in the environment")
    if not re.fullmatch(r"[!-~]+", found):
        raise SettingsError(setting, "holds characters that no key has")
    return found


@asynccontextmanager
async def open(config: TencentConfig) -> AsyncIterator[TencentTranslator]:
    """Nothing is asked yet."""
    async with open_model_server(config.endpoint, connect=config.connect_timeout, headers={}) as server:
        yield TencentTranslator(config, server)


@attrs.frozen
class TencentTranslator:
    """A `Translator`; its sentences share one pool of connections."""

    config: TencentConfig
    _server: ModelServer

    async def translate(self, text: str, llm: Llm) -> str:
        """See `Translator.translate`. What may pass by itself is asked again, as long as there is time."""
        del llm
        body = self.config.request(text)
        with trio.move_on_after(self.config.timeout):
            for pause in (*PAUSES, None):
                response = await self._ask(body)
                code = response.error.code if response.error else ""
                if pause is None or not code.startswith(_PASSING):
                    return _read(response, code)
                await trio.sleep(pause)
        raise EngineError(f"tencent: no translation within {self.config.timeout:g} s")

    async def _ask(self, body: bytes) -> _TencentResponse:
        answer = await self._server.post("", body, self.config.headers(body, now()))
        data = await self._server.read(answer, most=LONGEST_ANSWER, too_long="the answer is too long")
        try:
            return decode_json(data, _decoder).response
        except ValueError:
            # Not chained: it may hold what was said.
            address = self.config.endpoint.address
            raise EngineError(f"tencent: the answer of {address} is no translation; check base_url") from None


def _read(response: _TencentResponse, code: str) -> str:
    if response.error is not None:
        fitting = sorted((begin for begin in _WORDS if code.startswith(begin)), key=len)
        words = _WORDS[fitting[-1]] if fitting else "failed"
        raise EngineError(f"tencent: the service {words} ({code if _CODE.fullmatch(code) else 'an error'})")
    translated = whole_characters(response.text).strip()
    if not translated:
        raise EngineError("tencent: the answer holds no translation; check target_lang")
    return translated
