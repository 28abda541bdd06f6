"""What model servers answer: JSON as values, and refusals as what a person should do about them.

A server that cuts its text into tokens may cut an emoji into the two halves that JSON writes it in,
``"\\ud83d"`` and ``"\\ude00"``, and send them in two messages. Neither is a character, so neither can be
encoded; Python's strings hold them all the same, and that is how they come out of `decode_json`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, TypeVar

import attrs
import msgspec

from ...errors import EngineError, RequestRefused
from .configs import Endpoint

T = TypeVar("T")

_HALF = re.compile("[\ud800-\udfff]")


def decode_json(data: str | bytes, decoder: msgspec.json.Decoder[T]) -> T:
    """``data`` as what ``decoder`` makes. Raises `ValueError` for whatever is none.

    Texts may hold halves of characters: put them through `Halves` or `whole_characters`. The error must not
    be chained where people's words are in ``data``.
    """
    try:
        return decoder.decode(data)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from None
    except msgspec.DecodeError as error:
        # The fast decoder refuses half surrogate pairs, which models do send. Any other error is an error.
        if not _names_half(data):
            raise ValueError(str(error)) from None
    except RecursionError:
        raise ValueError("too deep") from None
    try:
        value: T = msgspec.convert(json.loads(data), decoder.type)
    except (msgspec.ValidationError, RecursionError) as error:
        raise ValueError(str(error)) from None
    return value


def json_of(request: Mapping[str, object]) -> bytes:
    """The body of a request. Half a character, which a client cut from an emoji, becomes a question mark."""
    try:
        return msgspec.json.encode(request)
    except UnicodeEncodeError:
        return json.dumps(request, ensure_ascii=False).encode("utf-8", "replace")


def _names_half(data: str | bytes) -> bool:
    """Whether there is an escape that may be half of a surrogate pair."""
    lower = data.lower()
    return "\\ud" in lower if isinstance(lower, str) else b"\\ud" in lower


def whole_characters(text: str) -> str:
    """``text`` with its surrogate pairs joined; a half without the other becomes U+FFFD."""
    if not _HALF.search(text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


@attrs.define(eq=False)
class Halves:
    """Joins surrogate pairs whose halves come in two pieces of a text."""

    _half: str = attrs.field(default="", init=False)

    def feed(self, text: str) -> str:
        """``text``, after the half that was kept; a first half at its end is kept for the next time."""
        if not text or not (self._half or _HALF.search(text)):
            return text
        text, self._half = self._half + text, ""
        if "\ud800" <= text[-1] <= "\udbff":
            text, self._half = text[:-1], text[-1]
        return whole_characters(text)

    def flush(self) -> str:
        """U+FFFD where a half was kept, whose other half never came; else nothing."""
        half, self._half = self._half, ""
        return whole_characters(half)


_WORD = re.compile(r"[\w.-]{1,48}")
_QUOTA = {
    "insufficient_quota",
    "quota_exceeded",
    "insufficient_balance",
    "billing_hard_limit_reached",
    "billing_not_active",
}
_CONTEXT = re.compile(
    rb"context[ _](length|size|window)|maximum context|too many tokens|prompt is too long", re.IGNORECASE
)
# Anthropic tells it with the status and the type of any request that is wrong.
_CREDIT = re.compile(rb"credit balance is too low", re.IGNORECASE)


@attrs.frozen
class Answer:
    """The beginning of an HTTP answer that is an error, or of the wrong kind."""

    status: int
    content_type: str = ""
    body: bytes = b""
    retry_after: str = ""

    @property
    def is_page(self) -> bool:
        """Whether it is meant for a browser."""
        return "html" in self.content_type.lower() or self.body.lstrip()[:1] == b"<"

    @property
    def error(self) -> Any:
        """The ``error`` of the JSON that servers of this kind send, else None."""
        return self._json.get("error")

    @property
    def _json(self) -> dict[str, Any]:
        try:
            body = msgspec.json.decode(self.body)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            return {}
        return body if isinstance(body, dict) else {}

    @property
    def code(self) -> str:
        """The error's code or type. Nothing else of a body is ever repeated: it may quote prompt or key."""
        error = self.error if isinstance(self.error, dict) else {}
        words = [error.get("code"), error.get("type")]
        if self.error is None:
            # Services that speak: ElevenLabs has it in `detail`, Deepgram (two ways) and Cartesia beside the
            # message.
            detail = self._json.get("detail")
            words += [detail.get(key) for key in ("code", "status")] if isinstance(detail, dict) else []
            words += [self._json.get(key) for key in ("err_code", "category", "error_code", "code")]
        return next((word for word in words if isinstance(word, str) and _WORD.fullmatch(word)), "")


@attrs.frozen
class ApiRefusal:
    """Why there is no answer, in words for a person.

    ``passing`` says that asking again may help, ``after`` how many seconds the server wants to be left alone.
    ``of_request``: the server works, but did not like what was in the request; or else its settings.
    """

    text: str
    passing: bool = False
    after: float = 0.0
    of_request: bool = False

    def error(self) -> EngineError:
        """What to raise."""
        return RequestRefused(self.text) if self.of_request else EngineError(self.text)


def refusal(endpoint: Endpoint, answer: Answer) -> ApiRefusal:
    """What ``answer`` means, and what the user of ``endpoint`` should do about it."""
    told = f"{answer.status}, {answer.code}" if answer.code else f"{answer.status}"
    name, status = endpoint.provider.name, answer.status
    # Before the key: ElevenLabs tells it with the same status. DeepL has one of its own for it, 456.
    if status in {402, 456} or answer.code in _QUOTA or (status == 400 and _CREDIT.search(answer.body)):
        return ApiRefusal(f"{name}: the account has no credit left ({told}); look at its plan and billing")
    if status in {401, 403}:
        return ApiRefusal(_wrong_key(endpoint, told))
    # With 503 and this text Gradio refuses a call when too many wait.
    if status == 429 or (status == 503 and b"Queue is full" in answer.body):
        return _too_many(name, told, answer.retry_after)
    if status == 529 or answer.code == "overloaded_error":
        text = f"{name}: the service is overloaded ({told}); try again soon, or use another model"
        return ApiRefusal(text, passing=True, after=_seconds(answer.retry_after))
    if status in {408, 425} or status >= 500:
        text = f"{name}: the server at {endpoint.address} failed ({told}); its own log says why"
        return ApiRefusal(text, passing=True, after=_seconds(answer.retry_after))
    # A model or a voice that is not there is missed by all requests.
    of_request = status in {400, 413, 422} and answer.code != "model_not_found" and "voice" not in answer.code
    text = _wrong_request(endpoint, answer, told)
    return ApiRefusal(text, of_request=of_request and not answer.is_page)


def not_a_stream(endpoint: Endpoint, answer: Answer) -> ApiRefusal:
    """The refusal of an answer with status 200 whose content type no model server sends."""
    if answer.is_page:
        return ApiRefusal(_wrong_url(endpoint, "a web page"))
    kind = answer.content_type.partition(";")[0] or "something of no type"
    return ApiRefusal(_wrong_url(endpoint, kind if re.fullmatch(r"[\w.+/-]+", kind) else "something else"))


def compressed(endpoint: Endpoint) -> ApiRefusal:
    """The refusal of an answer that is compressed although the request forbids it."""
    return ApiRefusal(
        f"{endpoint.provider.name}: the server at {endpoint.address} compresses its answers, though it was "
        "asked not to; switch compression off there, or in the proxy before it"
    )


def _wrong_request(endpoint: Endpoint, answer: Answer, told: str) -> str:
    name, model = endpoint.provider.name, endpoint.model
    if "voice" in answer.code:
        return f"{name}: the server refused the request ({told}); check the voice in the configuration"
    if answer.code == "model_not_found" or (answer.status == 404 and answer.error is not None):
        remedy = endpoint.provider.find_model.format(model=model) or f"{endpoint.base_url}/models lists those"
        return f"{name}: the server has no model {model!r} ({told}); {remedy}"
    if answer.is_page or answer.status == 404 or answer.status < 400 or answer.status == 405:
        return _wrong_url(endpoint, f"no model's answer ({told})")
    speaks = name.endswith("_tts")
    if answer.status == 413 or answer.code == "context_length_exceeded" or _CONTEXT.search(answer.body):
        what = "the sentence is too long" if speaks else f"the conversation is too long for {model!r}"
        return f"{name}: {what} ({told})" + ("" if speaks else "; start a new one")
    if "content" in answer.code and ("filter" in answer.code or "policy" in answer.code):
        what = "what was to be said" if speaks else "the conversation"
        return f"{name}: the provider's content filter refused {what} ({told})"
    if speaks:
        return f"{name}: the server refused the request ({told}); check its settings in the configuration"
    return (
        f"{name}: the server refused the request ({told}); "
        f"check the settings of {model!r}, and whether it can take what was sent (images, for instance)"
    )


def _wrong_key(endpoint: Endpoint, told: str) -> str:
    verb = "does not accept the API key" if endpoint.api_key else "wants an API key"
    return f"{endpoint.provider.name} {verb} ({told}); set {endpoint.where_the_key_is_set}"


def _wrong_url(endpoint: Endpoint, what: str) -> str:
    usual = endpoint.provider.base_url
    known = re.search(r"/v\d", endpoint.base_url) or (usual and not re.search(r"/v\d", usual))
    hint = "" if known else ", which usually ends in /v1"
    return f"{endpoint.provider.name}: {endpoint.base_url} gives {what}; check {endpoint.url_setting}{hint}"


def _too_many(name: str, told: str, retry_after: str) -> ApiRefusal:
    seconds = _seconds(retry_after)
    wait = f"wait {seconds:.0f} s" if seconds else "wait a little"
    return ApiRefusal(f"{name}: too many requests ({told}); {wait}, or use another model", True, seconds)


def _seconds(retry_after: str) -> float:
    """The seconds of a Retry-After header; 0 where there is none, or it is a date."""
    return float(retry_after) if re.fullmatch(r"\d{1,6}(\.\d{1,6})?", retry_after) else 0.0
