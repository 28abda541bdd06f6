"""docs/websocket-conformance.md, made from the cases."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tests.conformance.case import Case

PAGE = Path(__file__).parents[2] / "docs" / "websocket-conformance.md"

SECTIONS = {
    "5": "frames one after the other, wherever TCP cuts them",
    "5.1": "clients mask every frame, servers none",
    "5.2": "reserved bits and opcodes, the three forms of a length, each in its shortest",
    "5.3": "masks",
    "5.4": "fragmentation",
    "5.5": "control frames: 125 bytes at most, never fragmented",
    "5.5.1": "closing: nothing is read behind a close, reasons are UTF-8",
    "5.5.2": "pings",
    "5.5.3": "pongs",
    "5.6": "binary messages are bytes, whatever is in them",
    "7.1.7": "failing a connection: what came before counts, what comes behind does not",
    "7.4": "close codes",
    "8.1": "text is UTF-8; it fails at the first byte that no text could hold",
    "10.4": "limits, by what is announced",
}

TEXT = """\
# RFC 6455, case by case

**Answers:** What does the server answer to each kind of WebSocket frame, right and wrong?

What the server answers to frames, right and wrong, is held by {total} cases in `tests/conformance`.
They are written from the RFC's text. Each says which bytes a client sends, and every frame that
must come back, up to the end of the connection. All of them pass, strictly: no case has a second
answer that would do, too. Each short case is also sent byte by byte ({chopped} of them), and every
ninth over a real socket. This page is made by `python -m tests.conformance`, and a test holds it
equal to the cases.

| section | what | cases |
| --- | --- | --- |
{rows}
| | all | {total} |

Where the RFC leaves a choice:

- Everything is answered in the order in which it was sent. What comes behind a message, a close or
  a violation too, is looked at when the message has been taken: so a message right before a
  violation is still answered.
- A frame is refused as soon as its first wrong byte is there (7.1.7 allows that at any time), not
  when it is complete.
- Close codes 1012, 1013 and 1014 were registered after the RFC, and are allowed. The answer to a
  close repeats its payload.
- A close between the fragments of a message is answered like any other (5.4 lets control frames be
  there); the message is lost.
- No extension and no subprotocol is ever agreed on (9), so all reserved bits are errors.
- While a client takes no data, only the newest 64 answers to its pings are kept (5.5.3 asks for the
  newest one only).
- A message larger than `max_message_size` closes 1009, an unfinished one closes 1008 after
  `message_timeout`, and too much memory closes 1009 or 1013.
- The opening handshake (4) is tested in `tests/server/test_handshake.py`.

**Next:** [Protocol](protocol.md) for the messages in these frames; [Fuzzing](fuzzing.md) for random ones.
"""


def page(cases: Sequence[Case]) -> str:
    """The whole page."""
    count = Counter(case.section for case in cases)
    rows = [f"| {section} | {what} | {count.pop(section)} |" for section, what in SECTIONS.items()]
    assert not count, count
    chopped = sum(case.chopped for case in cases)
    return TEXT.format(rows="\n".join(rows), total=len(cases), chopped=chopped)
