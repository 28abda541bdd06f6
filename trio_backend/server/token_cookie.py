"""`TokenCookie`: a page that was opened with ``?token=…`` need not add the token to each of its requests.

The official front end of Open-LLM-VTuber adds it to none: neither to those for its Live2D models nor to its
WebSocket.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping

import attrs
from starlette.requests import cookie_parser

_PREFIX = "trio_backend_"


@attrs.frozen
class TokenCookie:
    """The cookie that stands for ``token``, which cannot be read from it. Browsers forget it when they end.

    Two servers on one machine share their cookies, whatever their ports, so its name depends on the token.
    """

    token: str = attrs.field(repr=False)

    @property
    def name(self) -> str:
        """Its name; it tells whether two tokens are the same, and nothing else of them."""
        return _PREFIX + self._digest("name")[:8]

    def header(self, *, secure: bool) -> str:
        """The ``Set-Cookie`` header that gives it to a browser; ``secure``: over HTTPS, and only there."""
        return f"{self.name}={self._digest('value')}; Path=/; HttpOnly; SameSite=Strict" + "; Secure" * secure

    def allows(self, headers: Mapping[str, str]) -> bool:
        """Whether a request with ``headers`` (names in lower case) brings it, and comes from a page of ours.

        Browsers send it with requests of other ports' pages, too: to them the host is the same site.
        """
        # As browsers write them: `http.cookies` reads none of them where one, of another server of this
        # machine, holds a bracket or a blank.
        offered = cookie_parser(headers.get("cookie", "")).get(self.name, "")
        known = hmac.compare_digest(offered.encode(), self._digest("value").encode())
        return known and _from_same_origin(headers)

    def _digest(self, purpose: str) -> str:
        return hmac.new(self.token.encode(), f"trio-backend {purpose}".encode(), "sha256").hexdigest()


def _from_same_origin(headers: Mapping[str, str]) -> bool:
    # Over plain HTTP browsers send `Sec-Fetch-Site` to this machine alone, so the origin must do elsewhere.
    if headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
        return False
    origin, host = headers.get("origin"), headers.get("host", "")
    return origin is None or origin.lower().partition("://")[2] == host.lower()
