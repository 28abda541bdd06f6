"""Configuration and character files: YAML that is nearly right, wrong, or meant to explode."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from random import Random
from typing import Any

import yaml

from trio_backend.config.load import packaged_conf

from .case import Case, mutate
from .messages import NUMBERS, TEXTS, WRONG

MARK = b"# base\n"
"""The first line of a case that is a base file; the others are characters."""

VALUES = (
    "&a [*a]", "*nobody", "<<: *a", "!!python/object/apply:os.system [x]", "!!binary x", "2024-13-45",
    "0x_", "1:60:60", "~", ".nan", ".inf", "0o777", "1_000_000", "[" * 60, "{" * 60, "? x", "|+2\n  x",
    ">-\n x", "'", '"\\x', "%YAML 9.9", "--- a", "...", "\t- x", "@x", "`x", "!!float x", "!!int ''",
    "!!timestamp 99999-99-99", "=", "!!set {a, b}", "!!omap [a: 1]", "${HOME}", "${X:-${Y}}", "${" * 50,
    "1e999", "9" * 5000, "-0x" + "f" * 3000, "\ufeff", "\x85", "\u2028", "!!null x", "yes", "!!str &x *x",
    "2001-12-14t21:59:43.10-05:00",
)  # fmt: skip


def _texts() -> list[str]:
    conf = packaged_conf()
    return [
        path.read_text("utf-8")
        for path in (conf / "conf.yaml", *sorted((conf / "characters").glob("*.yaml")))
    ]


def generate(rng: Random, corpus: Sequence[bytes]) -> Case:
    """One file: a base file or a character, changed as data or as text, or an old finding changed."""
    if corpus and rng.random() < 0.15:
        return Case(mutate(rng, rng.choice(corpus)))
    texts = _texts()
    is_base = rng.random() < 0.4
    text = texts[0] if is_base else rng.choice(texts[1:])
    if rng.random() < 0.5:
        data = yaml.safe_dump(_changed(rng, yaml.safe_load(text)), allow_unicode=True).encode(
            "utf-8", "replace"
        )
    else:
        data = _edited(rng, text).encode("utf-8", "surrogatepass")
    if rng.random() < 0.15:
        data = mutate(rng, data)
    return Case(MARK * is_base + data)


def _changed(rng: Random, tree: Any) -> Any:
    """``tree`` with one to three of its values exchanged, dropped or doubled."""
    for _ in range(rng.randint(1, 3)):
        at = tree
        while isinstance(at, dict) and at:
            key = rng.choice(list(at))
            if not isinstance(at[key], dict) or not at[key] or rng.random() < 0.2:
                _change(rng, at, key)
                break
            at = at[key]
    return tree


def _change(rng: Random, at: dict[Any, Any], key: Any) -> None:
    match rng.randrange(5):
        case 0:
            del at[key]
        case 1:
            at[rng.choice(("", 1, None, True, "x", str(key) + "s", 1.5))] = deepcopy(at[key])
        case 2:
            at[key] = {str(key): at[key]}
        case 3:
            at[key] = rng.choice((*TEXTS, "x" * 50_000))
        case _:
            # A copy: what is changed in it later must not change the next case.
            at[key] = deepcopy(rng.choice((*WRONG, *NUMBERS)))


def _edited(rng: Random, text: str) -> str:
    """``text`` with lines dropped, doubled, shifted, or with other values."""
    lines = text.split("\n")
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(lines))
        match rng.randrange(6):
            case 0:
                del lines[at]
                lines = lines or [""]
            case 1:
                lines.insert(at, lines[at])
            case 2:
                lines[at] = " " * rng.randrange(9) + lines[at].lstrip()
            case 3:
                lines[at] = lines[at].partition(":")[0] + ": " + rng.choice(VALUES)
            case 4:
                lines.insert(at, " " * rng.randrange(5) + rng.choice(VALUES))
            case _:
                lines[at] += " &a" if rng.random() < 0.5 else "\n  <<: *a"
    return "\n".join(lines)
