"""The cases, section by section. Written from the RFC's text; each says what must come back, to the frame."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from tests.conformance.case import MAX_SIZE, Case, Frames, bad, binary, closed, good, pong, text
from tests.conformance.utf8 import IMPOSSIBLE, UNFINISHED, VALID
from tests.server.raw_client import BINARY, CLOSE, CONT, MASK, PING, PONG, TEXT, announce, close_frame, frame

OPCODES = {"text": TEXT, "binary": BINARY, "continuation": CONT, "close": CLOSE, "ping": PING, "pong": PONG}
DATA = {"text": (TEXT, text), "binary": (BINARY, binary)}
CONTROL = {"close": CLOSE, "ping": PING, "pong": PONG}
FIN = 0x80


def masked_with(mask: bytes, payload: bytes) -> bytes:
    """``payload`` XOR ``mask``."""
    return bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))


def fragments(opcode: int, parts: list[bytes], between: bytes = b"") -> bytes:
    """A message in parts, with ``between`` them."""
    frames = [
        frame(opcode if number == 0 else CONT, part, fin=number == len(parts) - 1)
        for number, part in enumerate(parts)
    ]
    return between.join(frames)


def masking() -> Iterator[Case]:
    """5.1 and 5.3: clients mask every frame, with any key, and servers none."""
    for name, opcode in OPCODES.items():
        for size in (0, 2, 125):
            yield bad(
                "5.1", f"{name} of {size} bytes, not masked", frame(opcode, bytes(size), mask=False), 1002
            )
        yield bad("5.1", f"{name}, only the head, not masked", bytes((FIN | opcode, 2)), 1002)
    for mask in (bytes(4), b"\xff" * 4, b"\x01\x02\x03\x04", b"\x00\x00\x00\xff"):
        for size in (*range(9), 15, 16, 17, 64, 65):
            payload = bytes(65 + number % 26 for number in range(size))
            sent = bytes((FIN | TEXT, 0x80 | size)) + mask + masked_with(mask, payload)
            yield good("5.3", f"{size} bytes, masked with {mask.hex()}", sent, text(payload))


def heads() -> Iterator[Case]:
    """5.2: reserved bits, reserved opcodes, and the three forms of a length."""
    for reserved in range(1, 8):
        for name, opcode in OPCODES.items():
            whole = frame(opcode, b"", reserved=reserved)
            yield bad("5.2", f"{name} with reserved bits {reserved:03b}", whole, 1002)
            yield bad("5.2", f"{name} with reserved bits {reserved:03b}, first byte only", whole[:1], 1002)
    for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15):
        yield bad("5.2", f"opcode {opcode}", frame(opcode), 1002)
        yield bad("5.2", f"opcode {opcode}, with payload", frame(opcode, b"hello"), 1002)
        yield bad("5.2", f"opcode {opcode}, fragmented", frame(opcode, b"hello", fin=False), 1002)
    for name, (opcode, answer) in DATA.items():
        for size in (0, 1, 124, 125, 126, 127, 128, 65_534, 65_535, 65_536, 65_537, 131_072, MAX_SIZE):
            payload = b"x" * size
            yield good("5.2", f"{name} of {size} bytes", frame(opcode, payload), answer(payload))
        for size in (0, 1, 124, 125):
            head = bytes((FIN | opcode, 0x80 | 126)) + size.to_bytes(2, "big")
            yield bad("5.2", f"{name}, {size} in 16 bits", head + MASK + bytes(size), 1002)
        for size in (0, 125, 126, 65_535):
            head = bytes((FIN | opcode, 0x80 | 127)) + size.to_bytes(8, "big")
            yield bad("5.2", f"{name}, {size} in 64 bits", head + MASK + bytes(size), 1002)
        for size in (2**63, 2**63 + 1, 2**64 - 1):
            yield bad("5.2", f"{name}, length {size:x}, highest bit set", announce(FIN | opcode, size), 1002)
    for name, opcode in CONTROL.items():
        for size in (126, 127, 65_536):
            yield bad("5.5", f"{name} of {size} bytes", frame(opcode, bytes(size)), 1002)
            yield bad(
                "5.5", f"{name} of {size} bytes, two bytes of it", announce(FIN | opcode, size)[:2], 1002
            )


def fragmentation() -> Iterator[Case]:
    """5.4: messages in any number of fragments, control frames between them, and what must not be there."""
    for name, (opcode, answer) in DATA.items():
        for count in (2, 3, 4, 5, 10, 64, 65, 200):
            parts = [b"%d," % number for number in range(count)]
            yield good(
                "5.4", f"{name} in {count} fragments", fragments(opcode, parts), answer(b"".join(parts))
            )
            sent = fragments(opcode, parts, frame(PING, b"?"))
            pongs = [pong(b"?")] * (count - 1)
            yield good(
                "5.4", f"{name} in {count} fragments, pings between", sent, *pongs, answer(b"".join(parts))
            )
            sent = fragments(opcode, parts, frame(PONG, b"!"))
            yield good("5.4", f"{name} in {count} fragments, pongs between", sent, answer(b"".join(parts)))
        for parts in (
            [b"", b""],
            [b"", b"a"],
            [b"a", b""],
            [b"", b"a", b""],
            [b"a", b"", b"b"],
            [b"", b"", b""],
        ):
            whole = b"".join(parts)
            yield good("5.4", f"{name} in fragments {parts}", fragments(opcode, parts), answer(whole))
        large = [b"x" * (MAX_SIZE // 4)] * 4
        yield good(
            "5.4", f"{name} of the largest size in four", fragments(opcode, large), answer(b"".join(large))
        )
        begun = frame(opcode, b"begun", fin=False)
        for other, (second, _) in DATA.items():
            for fin in (True, False):
                ending = "whole" if fin else "fragmented"
                yield bad(
                    "5.4", f"{ending} {other} inside {name}", begun + frame(second, b"x", fin=fin), 1002
                )
                wrong = begun + frame(second, b"x", fin=fin)[:1]
                yield bad("5.4", f"{ending} {other} inside {name}, its first byte", wrong, 1002)
        yield bad(
            "5.4", f"{name} inside {name} after a ping", begun + frame(PING) + frame(opcode), 1002, pong()
        )
        yield good("5.4", f"close inside {name}", begun)
        for fin in (True, False):
            sent = frame(opcode, b"x") + frame(CONT, b"y", fin=fin)
            yield bad("5.4", f"continuation, final {fin}, after a whole {name}", sent, 1002, answer(b"x"))
    for payload in (b"", b"x"):
        for fin in (True, False):
            yield bad(
                "5.4",
                f"continuation {payload!r} of nothing, final {fin}",
                frame(CONT, payload, fin=fin),
                1002,
            )
    for name, opcode in CONTROL.items():
        for payload in (b"", b"\x03\xe8"):
            torn = frame(opcode, payload, fin=False)
            yield bad("5.5", f"fragmented {name} {payload!r}", torn, 1002)
            yield bad(
                "5.5",
                f"fragmented {name} {payload!r} in a message",
                frame(TEXT, b"a", fin=False) + torn,
                1002,
            )
            yield bad("5.5", f"fragmented {name} {payload!r}, first byte", torn[:1], 1002)


def closing() -> Iterator[Case]:
    """5.5.1, 7.1 and 7.4: the closing handshake, its codes and its reasons."""
    for code in (1000, 1001, 1002, 1003, *range(1007, 1015), 3000, 3999, 4000, 4999):
        for reason in (b"", b"bye", "tschüß 日本 😀".encode(), b"x" * 123):
            sent, payload = close_frame(code, reason), code.to_bytes(2, "big") + reason
            yield Case("7.4", f"code {code}, {len(reason)} bytes of reason", sent, ((FIN | CLOSE, payload),))
    for code in (0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1099, 1100, 1999, 2000, 2999, 5000, 9999, 65_535):
        for reason in (b"", b"bye"):
            yield bad(
                "7.4", f"code {code} must not be sent, reason {reason!r}", close_frame(code, reason), 1002
            )
    yield Case("5.5.1", "no code", frame(CLOSE), (closed(1005),))
    for byte in (b"\x00", b"\x03", b"\xff"):
        yield bad("5.5.1", f"a close of one byte, {byte.hex()}", frame(CLOSE, byte), 1002)
    for name, wrong in IMPOSSIBLE.items():
        yield bad("5.5.1", f"reason: {name}", close_frame(1000, b"x" + wrong), 1007)
    for name, wrong in UNFINISHED.items():
        yield bad("5.5.1", f"reason: {name}", close_frame(1000, b"x" + wrong), 1007)
    behind = {
        "text": frame(TEXT, b"x"),
        "ping": frame(PING),
        "close": close_frame(1001),
        "garbage": b"\xff" * 50,
    }
    for name, more in behind.items():
        yield Case("5.5.1", f"{name} behind a close", close_frame(1000) + more, (closed(1000),))
        yield Case("5.5.1", f"a message, a close, {name}", frame(TEXT, b"a") + close_frame(1000) + more,
                   (text(b"a"), closed(1000)))  # fmt: skip


def pings() -> Iterator[Case]:
    """5.5.2 and 5.5.3: every ping has its pong while nothing is in the way; pongs have no answer."""
    for size in (0, 1, 2, 3, 4, 5, 7, 8, 16, 64, 100, 124, 125):
        payload = bytes((number * 7) % 256 for number in range(size))
        yield good("5.5.2", f"ping of {size} bytes", frame(PING, payload), pong(payload))
        yield good(
            "5.5.3", f"pong of {size} bytes, unasked", frame(PONG, payload) + frame(TEXT, b"x"), text(b"x")
        )
    for count in (2, 10, 63, 64, 65, 128, 200, 1000):
        numbers = [b"%d" % number for number in range(count)]
        sent = b"".join(frame(PING, number) for number in numbers)
        yield good("5.5.2", f"{count} pings", sent, *(pong(number) for number in numbers))
        yield good("5.5.3", f"{count} pongs", frame(PONG) * count + frame(PING, b"?"), pong(b"?"))
    yield good("5.5.2", "ping, text, ping", frame(PING, b"1") + frame(TEXT, b"a") + frame(PING, b"2"),
               pong(b"1"), text(b"a"), pong(b"2"))  # fmt: skip
    yield good("5.5.2", "text, ping, text", frame(TEXT, b"a") + frame(PING) + frame(TEXT, b"b"),
               text(b"a"), pong(), text(b"b"))  # fmt: skip


def encoding() -> Iterator[Case]:
    """5.6 and 8.1: text is UTF-8, and what is not is refused at its first wrong byte."""
    for name, payload in VALID.items():
        parts = [payload[at : at + 1] for at in range(len(payload))]
        yield good("8.1", f"{name}, whole", frame(TEXT, payload), text(payload))
        yield good("8.1", f"{name}, each byte a fragment", fragments(TEXT, [*parts, b""]), text(payload))
        yield good("5.6", f"{name}, as binary", frame(BINARY, payload), binary(payload))
    for name, wrong in {**IMPOSSIBLE, **UNFINISHED}.items():
        parts = [b"ok ", *(wrong[at : at + 1] for at in range(len(wrong)))]
        yield bad("8.1", f"{name}, whole", frame(TEXT, b"ok " + wrong), 1007)
        yield bad("8.1", f"{name}, each byte a fragment", fragments(TEXT, parts), 1007)
        yield good("5.6", f"{name}, as binary", frame(BINARY, wrong), binary(wrong))
    for name, wrong in IMPOSSIBLE.items():
        yield bad("8.1", f"{name}, in a fragment, and no more", frame(TEXT, b"ok " + wrong, fin=False), 1007)
        begun = frame(TEXT, b"ok " + wrong[:1], fin=False) + frame(CONT, wrong[1:], fin=False)
        yield bad("8.1", f"{name}, over two fragments, and no more", begun, 1007)
        head = announce(FIN | TEXT, 1000) + bytes(4)
        yield bad("8.1", f"{name}, in a frame that is not complete", head + b"ok " + wrong, 1007)
        sent = frame(TEXT, wrong, fin=False)
        yield bad("8.1", f"{name}, after a whole message", frame(TEXT, b"first") + sent, 1007, text(b"first"))


def limits() -> Iterator[Case]:
    """7.4.1 (1009) and 10.4: too much is refused by what is announced, before it comes."""
    for name, (opcode, _) in DATA.items():
        for size in (MAX_SIZE + 1, 2**24, 2**31, 2**32 - 1, 2**32, 2**62, 2**63 - 1):
            yield bad("10.4", f"{name} of {size} bytes is announced", announce(FIN | opcode, size), 1009)
        half = frame(opcode, b"x" * (MAX_SIZE // 2), fin=False)
        more = frame(CONT, b"x" * (MAX_SIZE // 2), fin=False)
        yield bad("10.4", f"{name} in fragments, one byte too much", half + more + frame(CONT, b"x"), 1009)
        yield bad("10.4", f"{name} in fragments, too much announced", half + announce(CONT, MAX_SIZE), 1009)


def failing() -> Iterator[Case]:
    """7.1.7: what came before the violation counts, what comes behind it does not."""
    violations = {
        "not masked": (frame(TEXT, b"x", mask=False), 1002),
        "reserved bit": (frame(TEXT, b"x", reserved=4), 1002),
        "reserved bit in a ping": (frame(PING, b"x", reserved=1), 1002),
        "opcode 3": (frame(3), 1002),
        "opcode 11": (frame(11), 1002),
        "ping of 126 bytes": (frame(PING, bytes(126)), 1002),
        "fragmented ping": (frame(PING, fin=False), 1002),
        "continuation of nothing": (frame(CONT, b"x"), 1002),
        "close of one byte": (frame(CLOSE, b"\x03"), 1002),
        "close code 1005": (close_frame(1005), 1002),
        "length in 64 bits for 16": (bytes((FIN | TEXT, 0xFF)) + bytes(7) + b"\x7e" + bytes(130), 1002),
        "no UTF-8": (frame(TEXT, b"\xff"), 1007),
        "too large": (announce(FIN | BINARY, 2**40), 1009),
    }
    before: dict[str, tuple[bytes, Frames]] = {
        "a message": (frame(TEXT, b"good"), (text(b"good"),)),
        "three messages": (frame(TEXT, b"good") * 3, (text(b"good"),) * 3),
        "a message and a ping": (frame(BINARY, b"good") + frame(PING, b"?"), (binary(b"good"), pong(b"?"))),
        "a fragmented message": (fragments(TEXT, [b"go", b"od"]), (text(b"good"),)),
    }
    for wrong, (sent, code) in violations.items():
        for right, (first, answer) in before.items():
            yield bad("7.1.7", f"{right}, then {wrong}", first + sent, code, *answer)
        yield bad("7.1.7", f"{wrong}, then a message", sent + frame(TEXT, b"ghost") + frame(PING), code)


def streams() -> Iterator[Case]:
    """5: frames follow each other without a gap, wherever TCP cuts them."""
    for count in (2, 10, 65, 300):
        parts = [b"message %d" % number for number in range(count)]
        sent = b"".join(frame(TEXT, part) for part in parts)
        yield good("5", f"{count} messages at once", sent, *(text(part) for part in parts))
    word = "Kätzchen".encode()
    for first, second in pairwise(range(len(word) + 1)):
        sent = fragments(TEXT, [word[:first], word[first:second], word[second:]], frame(PING))
        yield good("5.4", f"a word cut at {first} and {second}", sent, pong(), pong(), text(word))


GROUPS = (masking, heads, fragmentation, closing, pings, encoding, limits, failing, streams)


def all_cases() -> list[Case]:
    """All of them, in the order of the RFC's chapters as far as they have one."""
    return [case for group in GROUPS for case in group()]
