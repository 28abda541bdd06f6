"""Plain HTTP: methods, headers, bodies, chunks, ranges, forms, several requests at once, and half ones."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from . import sounds
from .case import Case, mutate

METHODS = ("GET",) * 12 + (
    "HEAD",
    "HEAD",
    "POST",
    "POST",
    "OPTIONS",
    "PUT",
    "DELETE",
    "TRACE",
    "PATCH",
    "FOO",
    "get",
    "CONNECT",
)
PATHS = (
    "/", "/healthz", "/readyz", "/status/", "/status", "/metrics", "/debug/tasks", "/debug/tasks?limit=9",
    "/icon.svg", "/index.html", "/live2d-models/info", "/live2d-models/x/y.json", "/bg/soft-hills.svg",
    "/bg/", "/avatars/iris.svg", "/cache/x.wav", "/asr", "/client-ws", "/tts-ws", "/nowhere",
    "/debug/tasks?limit=x", "/debug/tasks?limit=-1", "/debug/tasks?limit=" + "9" * 5000,
)  # fmt: skip
ODD_PATHS = (
    "//", "//[", "http://[", "http://x/healthz", "*", "/../conf.yaml", "/bg/../../conf.yaml",
    "/bg/%2e%2e/conf.yaml", "/bg/%252e%252e/x", "/bg/%00", "/bg/\\..\\conf.yaml", "/%ff",
    "/avatars/" + "a" * 5000, "/" + "a" * 15_000, "/bg/.git/config", "/.env", "/?" + "a=b&" * 1000,
    "/avatars/iris.svg%20", "/avatars//iris.svg", "/healthz\x00", "/\u2028", "/cache/..%5c..%5cconf.yaml",
    "/status/..;/healthz",
)  # fmt: skip
FIELDS = (
    ("Range", "bytes=0-10"), ("Range", "bytes=-1"), ("Range", "bytes=5-2"), ("Range", "bytes=0-,1-,2-,3-"),
    ("Range", "bytes=" + ",".join(f"{n}-{n}" for n in range(500))),
    ("Range", "bytes=99999999999999999999-"), ("Range", "x=1"), ("Range", "bytes=\xb2-"),
    ("If-None-Match", "*"), ("If-None-Match", '"' * 500), ("If-Modified-Since", "Mon, 99 Foo 0000"),
    ("If-Modified-Since", "Thu, 01 Jan 1970 00:00:00 GMT"), ("If-Range", "x"), ("Connection", "close"),
    ("Connection", "keep-alive"), ("Connection", "Upgrade, HTTP2-Settings"), ("Upgrade", "h2c"),
    ("HTTP2-Settings", "AAMAAABkAAQAAP__"), ("Expect", "100-continue"), ("Expect", "x"),
    ("Origin", "https://evil.example"), ("Origin", "http://["), ("Origin", "null"),
    ("Host", "evil.example"), ("Host", "["), ("Host", "a, b"), ("Accept-Encoding", "gzip, br;q=0, *"),
    ("Cookie", "a" * 5000), ("X-Forwarded-For", "1.2.3.4"), ("Forwarded", 'for="[::1'),
    ("Access-Control-Request-Method", "POST"), ("Access-Control-Request-Private-Network", "true"),
    ("Authorization", "Bearer \xe9"), ("Content-Type", "text/plain"), ("Accept", "\xff" * 100),
    ("Te", "trailers"),
)  # fmt: skip
TYPES = (
    'multipart/form-data; boundary=b', 'multipart/form-data; boundary="b"', "multipart/form-data",
    "multipart/form-data; boundary=", "multipart/form-data; boundary=" + "b" * 300,
    "application/x-www-form-urlencoded", "application/json", "multipart/mixed; boundary=b",
    "multipart/form-data; boundary=\xe9", "multipart/form-data; charset=utf-7; boundary=b",
)  # fmt: skip


def generate(rng: Random, corpus: Sequence[bytes]) -> Case:
    """One to four requests on one connection, the last sometimes cut off."""
    if corpus and rng.random() < 0.1:
        return Case(mutate(rng, rng.choice(corpus)))
    requests = [one(rng) for _ in range(rng.choice((1, 1, 1, 2, 4)))]
    data = b"".join(requests)
    if rng.random() < 0.15:
        data = mutate(rng, data)
    if rng.random() < 0.1:
        data = data[: rng.randrange(len(data) + 1)]
    return Case(data, len(requests))


def one(rng: Random) -> bytes:
    """One request."""
    if rng.random() < 0.2:
        return upload(rng, sounds.wav(rng))
    method = rng.choice(METHODS)
    path = rng.choice(ODD_PATHS) if rng.random() < 0.2 else rng.choice(PATHS)
    fields = [("Host", "127.0.0.1"), *rng.choices(FIELDS, k=rng.choice((0, 0, 1, 2, 4)))]
    body = b""
    if method in ("POST", "PUT", "PATCH") or rng.random() < 0.05:
        more, body = _body(rng, rng.randbytes(rng.choice((0, 1, 100, 5000))))
        fields += [("Content-Type", rng.choice(TYPES)), *more]
    return _request(rng, f"{method} {path}", fields, body)


def upload(rng: Random, sound: bytes) -> bytes:
    """``POST /asr`` with ``sound`` in a form that is mostly right."""
    name = rng.choice(("file",) * 8 + ("", "File", 'fi"le', "\xff", "x" * 2000))
    disposition = f'Content-Disposition: form-data; name="{name}"; filename="a.wav"'
    part = f"--b\r\n{disposition}\r\nContent-Type: audio/wav\r\n\r\n"
    end = rng.choice((b"\r\n--b--\r\n",) * 9 + (b"", b"\r\n--b", b"\r\n--b--", b"\r\n--b\r\n\r\n"))
    form = part.encode("latin-1") * rng.choice((1, 1, 1, 1, 2, 9)) + sound + end
    if rng.random() < 0.1:
        form = mutate(rng, form)
    kind = TYPES[0] if rng.random() < 0.85 else rng.choice(TYPES)
    more, body = _body(rng, form)
    return _request(rng, "POST /asr", [("Host", "127.0.0.1"), ("Content-Type", kind), *more], body)


def _body(rng: Random, body: bytes) -> tuple[list[tuple[str, str]], bytes]:
    """The headers that frame ``body``, and how it then goes over the wire."""
    odd = rng.random()
    if odd < 0.7:
        return [("Content-Length", str(len(body)))], body
    if odd < 0.9:
        return [("Transfer-Encoding", "chunked")], _chunked(rng, body)
    lie = rng.choice(("0", "-1", "1e3", str(len(body) + 10), "9" * 400, "+5", "\xb2", "1, 1", str(10**9)))
    if odd < 0.95:
        return [("Content-Length", lie)], body
    both = [
        ("Content-Length", str(len(body))),
        ("Transfer-Encoding", rng.choice(("chunked", "gzip, chunked", "x"))),
    ]
    return both, _chunked(rng, body)


def _chunked(rng: Random, body: bytes) -> bytes:
    size = max(1, rng.choice((1000, len(body) // 3 + 1, 100_000)))
    sent = b"".join(
        f"{len(part):x}{rng.choice(('', '', ';a=b', ' '))}\r\n".encode() + part + b"\r\n"
        for part in (body[start : start + size] for start in range(0, len(body), size))
    )
    return sent + rng.choice(
        (b"0\r\n\r\n",) * 6 + (b"", b"0\r\nX: y\r\n\r\n", b"-1\r\n", b"fffffffffffffffff\r\n", b"zz\r\n")
    )


def _request(rng: Random, start: str, fields: list[tuple[str, str]], body: bytes) -> bytes:
    version = "HTTP/1.1" if rng.random() < 0.95 else rng.choice(("HTTP/1.0", "HTTP/2", "HTTP/1.1 ", ""))
    if rng.random() < 0.03:
        fields = [*fields, *[(f"X-{number}", "x" * 50) for number in range(rng.choice((50, 300)))]]
    lines = [f"{start} {version}", *(f"{name}: {value}" for name, value in fields), "", ""]
    return "\r\n".join(lines).encode("latin-1", "replace") + body
