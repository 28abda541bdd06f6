"""Answers of a model server: streams of events that are broken in every layer, HTTP, SSE and JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from random import Random
from typing import Any

from .case import Case, mutate
from .messages import NUMBERS, TEXTS, WRONG

ENDS = ("\n\n",) * 10 + ("\r\n\r\n", "\r\r", "\n", "", "\n\n\n\n", "\u2028\u2028")
FIELDS = ("data: ",) * 20 + (
    "data:",
    "data",
    "event: x\ndata: ",
    ": comment\ndata: ",
    "id: \0\ndata: ",
    "retry: 99999999\ndata: ",
    "\ufeffdata: ",
)


def generate(rng: Random, corpus: Sequence[bytes]) -> Case:
    """A whole HTTP answer."""
    if corpus and rng.random() < 0.1:
        return Case(mutate(rng, rng.choice(corpus)))
    body = "".join(_event(rng) for _ in range(rng.choice((0, 1, 3, 10, 40))))
    if rng.random() < 0.7:
        body += "data: [DONE]\n\n"
    sent = body.encode("utf-8", "surrogatepass")
    if rng.random() < 0.2:
        sent = mutate(rng, sent)
    status = rng.choice(("200 OK",) * 25 + ("500 X", "429 X", "401 X", "404 X", "204 X", "100 X", "302 X"))
    fields = [
        f"Content-Type: {rng.choice(('text/event-stream',) * 12 + ('application/json', 'text/html', ''))}"
    ]
    if rng.random() < 0.4:
        fields.append("Transfer-Encoding: chunked")
        sent = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in _parts(rng, sent)) + rng.choice(
            (b"0\r\n\r\n",) * 6 + (b"",)
        )
    elif rng.random() < 0.2:
        fields.append(f"Content-Length: {rng.choice((len(sent), len(sent) + 5, 0, 10**12))}")
    if rng.random() < 0.1:
        fields.append(
            rng.choice(
                ("Content-Encoding: gzip", "Retry-After: nan", "Location: http://[", "X: " + "y" * 70_000)
            )
        )
    head = "\r\n".join([f"HTTP/1.1 {status}", *fields, "Connection: close", "", ""]).encode()
    return Case((mutate(rng, head) if rng.random() < 0.04 else head) + sent)


def _event(rng: Random) -> str:
    delta: dict[str, Any] = {
        rng.choice(("content",) * 9 + ("reasoning_content", "reasoning", "tool_calls")): rng.choice(TEXTS)
    }
    choice: dict[str, Any] = {"index": 0, "delta": delta}
    if rng.random() < 0.05:
        choice["finish_reason"] = rng.choice(
            ("stop", "length", "content_filter", "tool_calls", "", *map(str, NUMBERS))
        )
    chunk: dict[str, Any] = {"id": "x", "object": "chat.completion.chunk", "choices": [choice]}
    odd = rng.random()
    if odd < 0.03:
        chunk[rng.choice(("choices", "error", "usage"))] = rng.choice(WRONG)
    elif odd < 0.06:
        choice[rng.choice(("delta", "index", "finish_reason"))] = rng.choice((*WRONG, *NUMBERS))
    elif odd < 0.08:
        delta["content"] = rng.choice(
            (*WRONG, "x" * 100_000, "a. " * 20_000, "\u200d" * 10_000, "\ufdfa" * 2000)
        )
    data = json.dumps(chunk, ensure_ascii=rng.random() < 0.7)
    if odd > 0.98:
        data = rng.choice(
            ("[" * 5000, "{", "[DONE] ", "null", "[]", '"x"', data[: len(data) // 2], data + data)
        )
    if odd > 0.96:
        data = data.replace("\\n", "\n")
    return rng.choice(FIELDS) + data + rng.choice(ENDS)


def _parts(rng: Random, data: bytes) -> list[bytes]:
    size = rng.choice((7, 100, 1000, 100_000))
    return [data[start : start + size] for start in range(0, len(data), size)]
