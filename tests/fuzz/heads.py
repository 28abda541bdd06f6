"""Opening handshakes: heads of HTTP requests that ask for a WebSocket, most of them in a wrong way."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from tests.server.raw_client import KEY, PING, TEXT, frame

from .case import Case, mutate

METHODS = ("GET", "POST", "get", "HEAD", "CONNECT", "OPTIONS", "PRI", "", "G\x00T", "GET GET", "A" * 300)
PATHS = ("/client-ws", "/proxy-ws", "/tts-ws", "/proxy-ws?room=fuzz", "/", "/healthz", "/nowhere")
TARGETS = (
    "//[", "//[::zz]/client-ws", "http://[", "http://x/client-ws", "//]", "*", "", "client-ws",
    "/client-ws#f", "//", "/client-ws?token=%ff%fe", "/client-ws?" + "&" * 500, "/%63lient-ws",
    "/client-ws/", "/client-ws%00", "/../client-ws", "http://u:p@[::1]:99999/client-ws", "//x:y/client-ws",
    "http://\uff0fx/", "/proxy-ws?room=" + "r" * 9000, "/proxy-ws?room=%00", "/proxy-ws?room=a&room=b",
    "/client-ws?token", "/\\client-ws", "/client-ws;x=1", "http://[::1", "//\u2100/", "http://[v1.x]/",
    "/" + "a" * 20_000, "/client-ws?" + "a=b&" * 2000, "javascript:alert(1)", "[",
)  # fmt: skip
VERSIONS = ("HTTP/1.1",) * 8 + ("HTTP/1.0", "HTTP/2.0", "HTTP/0.9", "HTTP/1.1 x", "", "http/1.1", "HTTP/11")
HOSTS = (
    "127.0.0.1",
    "localhost:12393",
    "evil.example",
    "[::1]",
    "[",
    "",
    "a b",
    "\xff",
    "x" * 3000,
    "127.0.0.1:99999999",
)
ORIGINS = (
    "http://127.0.0.1", "https://evil.example", "null", "file://", "http://[", "http://localhost@evil",
    "://", "", "\xff", "http://" + "o" * 5000, "capacitor://localhost", "http://localhost:abc",
    "http://[::1]:12393", "HTTP://LOCALHOST",
)  # fmt: skip
KEYS = (
    KEY,
    "",
    "x",
    KEY[:-1],
    KEY + "=",
    "\xff" * 24,
    "dGhlIHNhbXBsZSBub25jZQ",
    KEY + ", " + KEY,
    "A" * 4000,
)
SEPARATORS = (": ",) * 12 + (":", " : ", ":\t", "", "\n", ":\x00", ": \r\n ")
OTHERS = (
    ("Authorization", "Bearer \xff"), ("Authorization", "Basic x"), ("Cookie", "a=" + "b" * 4000),
    ("X", "y" * 15_000), ("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits"),
    ("Sec-WebSocket-Protocol", "a, b,,"), ("Sec-WebSocket-Extensions", '"' + "\\" * 100),
    ("Content-Length", "-1"), ("Content-Length", "9" * 5000), ("Transfer-Encoding", "chunked"),
    ("Expect", "100-continue"), ("Forwarded", "for=[::1"), ("X-Forwarded-For", "x, y"), (" Folded", "x"),
    ("", "x"), ("A\x00B", "c"), ("\xe4", "\xf6"), ("HTTP2-Settings", "AAMAAABkAAQAAP__"),
)  # fmt: skip


def generate(rng: Random, corpus: Sequence[bytes]) -> Case:
    """A head by the grammar, a mutated one, or a mutated one of the corpus; sometimes frames behind it."""
    if corpus and rng.random() < 0.15:
        return Case(mutate(rng, rng.choice(corpus)))
    data = head(rng)
    if rng.random() < 0.4:
        data = mutate(rng, data)
    if rng.random() < 0.15:
        data += frame(rng.choice((TEXT, PING)), b'{"type":"heartbeat"}') + rng.randbytes(
            rng.choice((0, 0, 3))
        )
    return Case(data)


def head(rng: Random) -> bytes:
    """A head that is mostly right, with a few things wrong."""

    def pick(usual: str, unusual: Sequence[str], chance: float = 0.1) -> str:
        return rng.choice(unusual) if rng.random() < chance else usual

    target = pick(rng.choice(PATHS), TARGETS, 0.25)
    line = f"{pick('GET', METHODS, 0.05)} {target} {rng.choice(VERSIONS)}"
    fields = [
        ("Host", pick("127.0.0.1", HOSTS)),
        (
            "Upgrade",
            pick("websocket", ("WebSocket", "h2c", "websocket, h2c", "xwebsocketx", "websocket\x00")),
        ),
        ("Connection", pick("Upgrade", ("keep-alive, Upgrade", "close", "", "upgrade\xff", "," * 4000))),
        ("Sec-WebSocket-Key", pick(KEY, KEYS)),
        ("Sec-WebSocket-Version", pick("13", ("8", "13, 8", "", "-1", "13.0", "\u0661\u0663", "9" * 3000))),
    ]
    if rng.random() < 0.4:
        fields.append(("Origin", rng.choice(ORIGINS)))
    if rng.random() < 0.3:
        fields += rng.choices(OTHERS, k=rng.choice((1, 1, 2, 5)))
    if rng.random() < 0.1:
        fields.append(rng.choice(fields))
    if rng.random() < 0.1:
        fields.pop(rng.randrange(len(fields)))
    if rng.random() < 0.02:
        fields += [(f"X-{number}", "x") for number in range(rng.choice((64, 128, 1000)))]
    if rng.random() < 0.2:
        rng.shuffle(fields)
    lines = [line, *(name + rng.choice(SEPARATORS) + value for name, value in fields)]
    end = "\n" if rng.random() < 0.03 else "\r\n"
    return (end.join([*lines, "", ""])).encode("latin-1" if rng.random() < 0.8 else "utf-8", "replace")
