"""`Case`: bytes to send, the same for the same target, seed and number; and how bytes are mutated."""

from __future__ import annotations

from random import Random
from zlib import crc32

import attrs

# Numbers and signs at which parsers stumble.
_TOKENS = (
    b"\0", b"\n", b"\r", b"\r\n", b"\r\n\r\n", b"\t", b" ", b":", b";", b",", b"%", b"%00", b"%2e", b"//",
    b"[", b"]", b"{", b"}", b'"', b"\\", b"&", b"*", b"<", b"#", b"?", b"@", b"\x7f", b"\x80", b"\xff",
    b"\xed\xa0\xbd", b"\xc0\xaf", b"\xef\xbb\xbf", b"-1", b"0", b"65536", b"4294967295",
    b"9223372036854775808", b"1e400", b"NaN", b"\xe2\x80\x8d",
)  # fmt: skip


@attrs.frozen
class Case:
    """``units`` are what is counted: heads, frames, messages or requests in ``data``."""

    data: bytes = attrs.field(repr=False)
    units: int = 1


def random_of(target: str, seed: int, number: int) -> Random:
    """The generator of case ``number``; seeded with a text, it is the same in every process."""
    return Random(f"{target}/{seed}/{number}")


def mutate(rng: Random, data: bytes, *, most: int = 4) -> bytes:
    """``data`` with one to ``most`` changes: bytes flipped, dropped, doubled, put in, or cut off."""
    changed = bytearray(data)
    for _ in range(rng.randint(1, most)):
        at = rng.randrange(len(changed) + 1)
        match rng.randrange(7):
            case 0 if changed:
                changed[at % len(changed)] ^= 1 << rng.randrange(8)
            case 1:
                del changed[at : at + rng.choice((1, 1, 2, 8, 64))]
            case 2:
                changed[at:at] = changed[at : at + rng.choice((1, 4, 16, 256))] * rng.choice((1, 1, 2, 16))
            case 3:
                changed[at:at] = rng.choice(_TOKENS)
            case 4:
                changed[at : at + 1] = rng.choice(_TOKENS)
            case 5:
                changed[at:at] = rng.randbytes(rng.choice((1, 2, 4, 32)))
            case _ if rng.random() < 0.3:
                del changed[at:]
    return bytes(changed)


def pieces(data: bytes) -> list[bytes]:
    """``data`` as it is sent: half of all cases at once, the others in two to six parts."""
    rng = Random(crc32(data))
    if len(data) < 2 or rng.random() < 0.5:
        return [data]
    cuts = sorted(rng.sample(range(1, len(data)), min(len(data) - 1, rng.choice((1, 1, 2, 5)))))
    return [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]
