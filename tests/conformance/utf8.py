"""Byte sequences that are UTF-8, and such that are not: RFC 3629, sections 3 and 4."""

from __future__ import annotations

_BOUNDARIES = (
    0x00, 0x01, 0x7F, 0x80, 0x7FF, 0x800, 0xFFF, 0x1000, 0xCFFF, 0xD000, 0xD7FF, 0xE000, 0xFDD0, 0xFFFD,
    0xFFFE, 0xFFFF, 0x10000, 0x1FFFF, 0x3FFFF, 0x40000, 0xFFFFF, 0x100000, 0x10FFFE, 0x10FFFF,
)  # fmt: skip

VALID = {
    **{f"U+{point:04X}": chr(point).encode() for point in _BOUNDARIES},
    "Greek": "κόσμε".encode(),
    "mixed": "Grüße, 日本, 😀!".encode(),
    "combining": "e\u0301\u200d".encode(),
}

IMPOSSIBLE = {
    "a lone continuation byte 80": b"\x80",
    "a lone continuation byte bf": b"\xbf",
    "two lone continuation bytes": b"\x80\xbf",
    **{
        f"the byte {byte:02x}": bytes((byte,)) + b"\x80"
        for byte in (0xC0, 0xC1, 0xF5, 0xF8, 0xFC, 0xFE, 0xFF)
    },
    "two bytes, the second a letter": b"\xc3a",
    "two bytes, the second a lead": b"\xc3\xc3",
    "three bytes, the second a letter": b"\xe2a\x80",
    "three bytes, the third a letter": b"\xe2\x82a",
    "four bytes, the second a letter": b"\xf0a\x80\x80",
    "four bytes, the third a letter": b"\xf0\x9fa\x80",
    "four bytes, the fourth a letter": b"\xf0\x9f\x98a",
    "overlong in two": b"\xc0\xaf",
    "overlong in three": b"\xe0\x80\xaf",
    "overlong in three, the greatest": b"\xe0\x9f\xbf",
    "overlong in four": b"\xf0\x80\x80\xaf",
    "overlong in four, the greatest": b"\xf0\x8f\xbf\xbf",
    "overlong in five": b"\xf8\x80\x80\x80\xaf",
    "overlong in six": b"\xfc\x80\x80\x80\x80\xaf",
    "the first surrogate": b"\xed\xa0\x80",
    "the last surrogate": b"\xed\xbf\xbf",
    "a pair of surrogates": b"\xed\xa0\x80\xed\xb0\x80",
    "U+110000": b"\xf4\x90\x80\x80",
    "beyond Unicode": b"\xf7\xbf\xbf\xbf",
}

UNFINISHED = {
    "one byte of two": b"\xc3",
    "one byte of three": b"\xe2",
    "two bytes of three": b"\xe2\x82",
    "one byte of four": b"\xf0",
    "two bytes of four": b"\xf0\x9f",
    "three bytes of four": b"\xf0\x9f\x98",
}
