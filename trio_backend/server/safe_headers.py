"""What every HTTP answer carries, whoever gives it: a page, a file, JSON, an error, a refusal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias

Fields: TypeAlias = list[tuple[bytes, bytes]]

# No browser is to take one of our files for a script, and the token in a page's address is for no other site.
PLAIN = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}

_POLICY = b"content-security-policy"


def framing(allowed_origins: Sequence[str]) -> str:
    """Which pages may show ours in a frame, as a directive of Content-Security-Policy.

    Our own, and the origins that are listed in ``allowed_origins`` one by one: they may talk to the server
    anyway. None of the words there lets a page in: who clicks in a frame does not see whose it is.
    """
    listed = [entry.rstrip("/") for entry in allowed_origins if "://" in entry]
    return " ".join(["frame-ancestors 'self'", *listed])


def safe_headers(given: Iterable[tuple[bytes, bytes]], frames: str) -> Fields:
    """The header fields ``given``, and those of ours that are not among them. Names are lower case.

    ``frames`` comes from `framing`.
    """
    fields = [(name.lower(), value) for name, value in given]
    names = {name for name, _ in fields}
    ours = [(name.lower().encode(), value.encode()) for name, value in PLAIN.items()]
    fields += [(name, value) for name, value in ours if name not in names]
    if frames == framing(()):
        # For browsers that do not know the directive; it has no word for other origins.
        fields.append((b"x-frame-options", b"SAMEORIGIN"))
    if _POLICY not in names:
        return [*fields, (_POLICY, frames.encode())]
    return [(name, _with(value, frames) if name == _POLICY else value) for name, value in fields]


def _with(policy: bytes, frames: str) -> bytes:
    return policy if b"frame-ancestors" in policy else policy + f"; {frames}".encode()
