"""JSON of every message, made from its class: valid, at the edges, of wrong types, incomplete, huge, deep."""

from __future__ import annotations

import json
import math
import types
from collections.abc import Sequence
from random import Random
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import attrs

from trio_backend.protocol.incoming import Incoming

from .case import Case, mutate

CLASSES: tuple[type, ...] = get_args(Incoming)
PER_CASE = 10

TEXTS = (
    "", " ", "Hello.", "Who are you? Tell me!", "你好。今天怎么样？", "[joy] (no) *x* <think>a</think>", "\0",
    "\x1b[2J", "\u202e", "\ud83d", "\ude00\ud83d", "👨‍👩‍👧‍👦", "\u200d" * 50, "\ufdfa" * 30, "e\u0301" * 40,
    "a.b.c..!?…", "../../etc/passwd", "conf.yaml", "%s%n{}{0}", "'; DROP TABLE message; --", "\n" * 30,
    "1" * 400, "\ufeff", "\uffff", "mia.yaml", "..", "/", "C:\\",
)  # fmt: skip
NUMBERS: tuple[object, ...] = (
    0, -1, 1, 0.0, -0.0, 0.5, 1e308, -1e308, 5e-324, math.nan, math.inf, -math.inf, 2**31, 2**63, 2**64,
    -(2**63) - 1, 10**400,
)  # fmt: skip
WRONG: tuple[object, ...] = (
    None,
    True,
    0,
    1.5,
    "x",
    [],
    {},
    [[]],
    [None],
    {"a": 1},
    {"type": "heartbeat"},
    -1,
    "1",
)
IMAGES = (
    "data:image/png;base64,iVBORw0KGgo=", "data:image/jpeg;base64,", "data:image/;base64,!!!!",
    "data:image/x", "http://x/y.png", "data:text/html;base64,PGI+", "data:image/png;base64," + "A" * 50_000,
    "DATA:IMAGE/PNG;BASE64,AAAA",
)  # fmt: skip


def generate(rng: Random, corpus: Sequence[bytes]) -> Case:
    """Some messages, one a line."""
    if corpus and rng.random() < 0.05:
        lines = mutate(rng, rng.choice(corpus)).split(b"\n")
    else:
        lines = [message(rng) for _ in range(PER_CASE)]
    return Case(b"\n".join(lines), len(lines))


def message(rng: Random) -> bytes:
    """One message of any class, without a new line in it."""
    fields = valid(rng, rng.choice(CLASSES))
    names = [name for name in fields if name != "type"]
    odd = rng.random()
    if odd < 0.15 and names:
        fields[rng.choice(names)] = rng.choice(WRONG)
    elif odd < 0.2 and names:
        fields.pop(rng.choice(names))
    elif odd < 0.25:
        fields[rng.choice(TEXTS)] = rng.choice(WRONG)
    elif odd < 0.28 and names:
        fields[rng.choice(names)] = huge(rng)
    elif odd < 0.31:
        fields["type"] = rng.choice((*TEXTS, *WRONG, "x" * 5000))
    data = json.dumps(fields, ensure_ascii=rng.random() < 0.7).encode("utf-8", "surrogatepass")
    if 0.31 <= odd < 0.35 and names:
        data = deep(rng, fields, rng.choice(names))
    elif 0.35 <= odd < 0.42:
        data = mutate(rng, data)
    elif odd > 0.99:
        data = rng.randbytes(rng.randrange(200))
    return data.replace(b"\n", b" ")


def valid(rng: Random, cls: type) -> dict[str, Any]:
    """The fields of one message of ``cls`` with values of their types, often at the edge of these."""
    hints = get_type_hints(cls)
    fields: dict[str, Any] = {"type": cls.type} if hasattr(cls, "type") else {}
    for field in attrs.fields(cls):
        if field.default is attrs.NOTHING or rng.random() < 0.6:
            # The only text that has a form: see `Image`.
            is_url = field.name == "data"
            fields[field.name] = rng.choice(IMAGES) if is_url else value(rng, hints[field.name])
    return fields


def value(rng: Random, hint: Any) -> Any:
    """A value of the type ``hint``."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Literal:
        return rng.choice(arguments)
    if origin in (Union, types.UnionType):
        return value(rng, rng.choice(arguments))
    if origin is list:
        if arguments == (float,):
            return samples(rng)
        return [value(rng, arguments[0]) for _ in range(rng.choice((0, 1, 1, 2, 5)))]
    if attrs.has(hint):
        return valid(rng, hint)
    if hint is types.NoneType:
        return None
    if hint is bool:
        return rng.random() < 0.5
    if hint in (int, float):
        return rng.choice(NUMBERS)
    assert hint is str, f"say how to make a {hint}"
    return text(rng)


def text(rng: Random) -> str:
    """A text: mostly short, with signs that parsers stumble over."""
    if rng.random() < 0.03:
        return rng.choice(TEXTS) * rng.choice((100, 1000))
    return " ".join(rng.choices(TEXTS, k=rng.choice((1, 1, 1, 2, 4))))


def samples(rng: Random) -> list[Any]:
    """Sound: a window, silence, noise, or numbers that are none."""
    size = rng.choice((0, 1, 160, 511, 512, 513, 4096))
    if rng.random() < 0.3:
        return [rng.choice(NUMBERS) for _ in range(min(size, 50))]
    return [round(rng.uniform(-1, 1), 4)] * size


def huge(rng: Random) -> object:
    """Far more than anybody says: up to some megabytes."""
    size = rng.choice((10_000, 100_000, 300_000))
    return rng.choice(
        ("x" * size, "a. " * (size // 3), [0.5] * (size // 4), "\u200d" * (size // 6), {"k": "v" * size})
    )


def deep(rng: Random, fields: dict[str, Any], name: str) -> bytes:
    """The message with a value nested so deep that a reader that recurses falls over."""
    depth = rng.choice((50, 500, 5_000, 100_000))
    opening, closing = rng.choice((("[", "]"), ('{"a":', "}")))
    nested = opening * depth + ("1" + closing * depth if rng.random() < 0.7 else "")
    return json.dumps({**fields, name: "HERE"}).replace('"HERE"', nested).encode()
