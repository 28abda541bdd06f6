"""Where `HttpClient` connects to: the server's address, the proxy before it, and what is trusted."""

from __future__ import annotations

import ssl
from base64 import b64encode
from collections.abc import Mapping
from importlib import import_module
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

import attrs

from ..errors import HttpFailed

_PORTS = {"http": 80, "https": 443}


@attrs.frozen
class HttpTarget:
    """``base_url`` begins with http:// or https://. ``headers`` go with each request. With ``use_proxy`` the
    environment may name a proxy."""

    base_url: str
    headers: Mapping[str, str] = attrs.field(repr=False)
    use_proxy: bool = True


@attrs.frozen
class HttpAddress:
    """Who is meant, and who is to be connected to: ``proxy``, where there is one."""

    url: SplitResult
    proxy: SplitResult | None

    @property
    def tls(self) -> bool:
        return self.url.scheme == "https"

    @property
    def host(self) -> str:
        """As it stands in a request: without a port that goes without saying, in brackets if it is IPv6."""
        name = bracketed(hostname(self.url))
        number = port(self.url)
        return name if number == _PORTS[self.url.scheme] else f"{name}:{number}"

    def target(self, path: str) -> str:
        """What the request line names: the path, and for a proxy that reads requests the whole URL."""
        whole = f"{self.url.path.rstrip('/')}/{path}"
        return f"http://{self.host}{whole}" if self.proxy is not None and not self.tls else whole


def hostname(url: SplitResult) -> str:
    return (
        (url.hostname or "").encode("idna").decode()
        if not (url.hostname or "").isascii()
        else url.hostname or ""
    )


def bracketed(name: str) -> str:
    return f"[{name}]" if ":" in name else name


def port(url: SplitResult) -> int:
    return url.port or _PORTS[url.scheme]


def proxy_for(url: SplitResult) -> SplitResult | None:
    """The proxy that the environment names for ``url``, as ``HTTPS_PROXY`` does, unless ``NO_PROXY`` has it.

    May ask the system where that keeps such settings: not for the event loop. Raises `HttpFailed` if it is of
    a kind that is not spoken here.
    """
    found = getproxies()
    given = found.get(url.scheme) or found.get("all")
    if not given or proxy_bypass(hostname(url)):
        return None
    proxy = urlsplit(given if "//" in given else f"http://{given}")
    if proxy.scheme not in _PORTS or not proxy.hostname:
        raise HttpFailed("proxy", f"proxies of the kind {proxy.scheme!r} are not supported")
    return proxy


def trusted() -> ssl.SSLContext:
    """What httpx2 trusts, too: the certificates of ``SSL_CERT_FILE``, or those that come with it.

    Imported here: it takes 0.1 s, and who uses servers on this machine needs none of it.
    """
    httpx2 = import_module("httpx2")
    context = httpx2.create_ssl_context()
    assert isinstance(context, ssl.SSLContext)
    context.set_alpn_protocols(["http/1.1"])
    return context


def authorization(proxy: SplitResult) -> str:
    if proxy.username is None:
        return ""
    pair = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return f"Proxy-Authorization: Basic {b64encode(pair.encode()).decode()}\r\n"
