"""The configurations of model servers' clients: address, key, model, and timeouts.

Apart from the clients, so that a configuration can be checked without importing the HTTP library (75 ms).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

import attrs

from ...errors import SettingsError

# What configuration templates have in place of a key.
_PLACEHOLDER = re.compile(
    r"azure[-_]api[-_]key|your\b.*\bkey(\b.*)?|not[-_ ]?needed|none|null|<.*>|sk-\.*|x+", re.IGNORECASE
)


@attrs.frozen
class Provider:
    """One name for an endpoint in configurations, and what is known about it.

    ``key_variables`` are where the environment has its key, the first that is set counts; a provider
    with ``needs_key`` cannot be used without. ``start`` and ``find_model`` are remedies in words, where
    ``{model}`` stands for the model's name. With ``counts_if_asked`` it tells the tokens of a reply only if
    the request says so, in words that other servers may refuse.
    """

    name: str
    base_url: str
    key_variables: tuple[str, ...] = ()
    needs_key: bool = False
    start: str = ""
    find_model: str = ""
    counts_if_asked: bool = False


@attrs.frozen
class Endpoint:
    """A model on a server. ``key_setting`` is what its key is called in the configuration, and so on."""

    provider: Provider
    base_url: str
    model: str
    key_setting: str
    api_key: str = attrs.field(default="", repr=False)
    url_setting: str = "base_url"

    @property
    def host(self) -> str:
        """The server's name."""
        return urlsplit(self.base_url).hostname or ""

    @property
    def address(self) -> str:
        """Where it listens, as host:port."""
        parts = urlsplit(self.base_url)
        return f"{self.host}:{parts.port or (443 if parts.scheme == 'https' else 80)}"

    @property
    def is_local(self) -> bool:
        """Whether it is on this machine, where no proxy is asked."""
        return self.host in {"localhost", "::1"} or self.host.startswith("127.")

    @property
    def where_the_key_is_set(self) -> str:
        """How error texts name it."""
        variables = " or ".join(self.provider.key_variables)
        return f"{self.key_setting} in the configuration" + (
            f", or {variables} in the environment" if variables else ""
        )


def checked_socket_url(url: str, *, setting: str = "base_url") -> str:
    """As `checked_url`, where ws:// and wss:// may be written for http:// and https://, which is returned."""
    scheme, mark, rest = url.strip().partition("://")
    scheme = {"ws": "http", "wss": "https"}.get(scheme.lower(), scheme)
    try:
        return checked_url(f"{scheme}{mark}{rest}")
    except SettingsError:
        raise SettingsError(setting, "must be a URL such as ws://localhost:8000/v1") from None


def checked_url(url: str, *, setting: str = "base_url") -> str:
    """``url`` without a slash at its end. Raises `SettingsError` if it is none."""
    try:
        parts = urlsplit(url)
        sound = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        sound = False
    if not sound:
        raise SettingsError(setting, "must be a URL such as http://localhost:11434/v1")
    return url.rstrip("/")


def split_url(url: str, *, setting: str, path: str) -> tuple[str, str]:
    """A server's address and the path of what is asked there; ``path``, where ``url`` has none.

    Raises `SettingsError` if it is no URL.
    """
    url = checked_url(url, setting=setting)
    if not urlsplit(url).path:
        return url, path
    base, _, last = url.rpartition("/")
    return base, last


def find_key(given: str, variables: tuple[str, ...], environ: Mapping[str, str]) -> str:
    """The key: as given, unless that is a template's placeholder, else from the environment, else empty."""
    if given.strip() and not _PLACEHOLDER.fullmatch(given.strip()):
        return given.strip()
    return next((environ[variable].strip() for variable in variables if environ.get(variable)), "")


def check_key(endpoint: Endpoint) -> Endpoint:
    """``endpoint``, if it has the key that it needs. Raises `SettingsError` otherwise."""
    if endpoint.provider.needs_key and not endpoint.api_key:
        raise SettingsError(endpoint.key_setting, f"is missing: set {endpoint.where_the_key_is_set}")
    if not endpoint.api_key.isascii() or not endpoint.api_key.isprintable():
        raise SettingsError(endpoint.key_setting, "holds characters that no key has")
    return endpoint


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
