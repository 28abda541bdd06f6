"""WAV files that are wrong in some way, and what a voice server may answer instead of sound."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from random import Random

from .case import Case, mutate

SIZES = (0, 1, 2, 15, 16, 17, 18, 40, 2**31, 2**32 - 1)


def wav(rng: Random) -> bytes:
    """A short WAV file, mostly right; its header lies in about a third."""
    tag, bits = rng.choice(((1, 16), (1, 16), (1, 8), (1, 24), (1, 32), (3, 32), (3, 64), (0xFFFE, 16)))
    channels, rate = rng.choice((1, 1, 1, 2, 6)), rng.choice((16_000, 8_000, 22_050, 44_100, 48_000, 1_000))
    if rng.random() < 0.15:
        tag, bits = rng.choice((0, 2, 6, 7, 85, 65535)), rng.choice((0, 1, 12, 16, 65535))
    if rng.random() < 0.1:
        channels, rate = rng.choice((0, 64, 65, 65535)), rng.choice((0, 1, 999, 384_001, 2**32 - 1))
    frames = rng.choice(
        (b"", rng.randbytes(rng.randrange(9)), rng.randbytes(640), b"\0\x40" * 1600, b"\xff\x7f" * 4000)
    )
    form = struct.pack(
        "<HHIIHH", tag, channels, rate, rng.choice((0, rate * channels * bits // 8 % 2**32)), 2, bits
    )
    if tag == 0xFFFE:
        form += (
            struct.pack("<HHI", 22, bits, 3) + struct.pack("<H", rng.choice((1, 3, 7))) + rng.randbytes(14)
        )
    chunks = [(b"fmt ", form), (b"data", frames)]
    if rng.random() < 0.2:
        chunks.insert(
            rng.randrange(3),
            (rng.choice((b"LIST", b"fact", b"\0\0\0\0", b"data", b"fmt ")), rng.randbytes(7)),
        )
    if rng.random() < 0.05:
        rng.shuffle(chunks)
    body = b"".join(
        name
        + struct.pack("<I", rng.choice(SIZES) if rng.random() < 0.05 else len(data))
        + data
        + b"\0" * (len(data) % 2)
        for name, data in chunks
    )
    size = rng.choice((0, 2**32 - 1, 7)) if rng.random() < 0.1 else len(body) + 4
    data = rng.choice((b"RIFF",) * 9 + (b"RF64",)) + struct.pack("<I", size) + b"WAVE" + body
    return mutate(rng, data) if rng.random() < 0.25 else data


def answer(rng: Random, corpus: Sequence[bytes]) -> Case:
    """A whole HTTP answer of a voice server, with WAV, MP3 of the corpus, or something else in it."""
    odd = rng.random()
    if odd < 0.5 or not corpus:
        body = wav(rng)
    else:
        body = rng.choice(corpus).partition(b"\r\n\r\n")[2]
        body = mutate(rng, body, most=10) if rng.random() < 0.9 else body
    kind = rng.choice(
        ("audio/wav", "audio/mpeg", "application/octet-stream", "", "text/html", "application/json")
    )
    status = rng.choice((200,) * 20 + (204, 206, 301, 400, 401, 404, 500))
    fields = [f"Content-Type: {kind}", "Connection: close"]
    if rng.random() < 0.5:
        fields.append(f"Content-Length: {len(body)}")
    elif rng.random() < 0.1:
        fields.append(
            rng.choice(("Content-Encoding: gzip", "Content-Encoding: br", "Transfer-Encoding: chunked"))
        )
    head = "\r\n".join([f"HTTP/1.1 {status} X", *fields, "", ""]).encode()
    if rng.random() < 0.05:
        head = mutate(rng, head)
    return Case(head + body)
