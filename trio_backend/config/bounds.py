"""The validators of settings, for ``conf.yaml`` and for engines; and `bound`, a row of the README's table.

Each raises `ValueError` with what is allowed. Only where a list is wrong does it name the item: the whole
list may be long, and an item that is an address is no secret.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import ip_network
from typing import Any

import attrs

ORIGIN_WORDS = ("same-host", "localhost", "file", "null", "*")

_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/\s@?#;,'\"]+", re.IGNORECASE)
_UPSTREAM = re.compile(r"(ws|http)s?://[^/\s]+(/\S*)?", re.IGNORECASE)


@attrs.frozen
class Bound:
    """One row of the table of bounds: the key, its default and range, and what happens when it is full."""

    key: str
    default: float
    low: float
    high: float
    unit: str
    help: str
    when_full: str


@attrs.frozen
class Within:
    """An attrs validator: a number from ``low`` to ``high``, both included. Refuses NaN.

    Raises `ValueError` with what is allowed, and not with the value, which may have come from a variable.
    """

    low: float
    high: float
    unit: str

    def __call__(self, _instance: object, _attribute: attrs.Attribute[Any], value: float) -> None:
        # Not `value < low or …`: NaN would pass.
        if not self.low <= value <= self.high:
            raise ValueError(f"must be a number from {self}")

    def __str__(self) -> str:
        # 65 535, not 65,535: a comma separates decimals in half of the world.
        return f"{self.low:,} to {self.high:,} {self.unit}".replace(",", " ").rstrip()


@attrs.frozen
class OneOf:
    """An attrs validator: one of ``words``, of which an empty one is told as such."""

    words: tuple[str, ...]

    def __call__(self, _instance: object, _attribute: attrs.Attribute[Any], value: object) -> None:
        if value not in self.words:
            empty = "empty, or " if "" in self.words else ""
            raise ValueError(f"must be {empty}one of {', '.join(filter(None, self.words))}")


def bound(default: float, inside: Within, help: str, *, when_full: str) -> Any:
    """An attrs field that holds a number ``inside`` its range; the metadata tells the table the rest."""
    metadata = {"help": help, "when_full": when_full, "unit": inside.unit}
    return attrs.field(default=default, validator=inside, metadata=metadata)


def option(default: object, help: str, **more: Any) -> Any:
    """An attrs field that is not a row of the table, with its ``help``; ``more`` goes to `attrs.field`."""
    return attrs.field(default=default, metadata={"help": help}, **more)


def bounds_of(cls: type[attrs.AttrsInstance]) -> Iterator[Bound]:
    """The fields of ``cls`` that were made with `bound`, in their order; those of its sections, too."""
    for field in attrs.fields(cls):
        if section := field.metadata.get("section"):
            for inner in bounds_of(section):
                yield attrs.evolve(inner, key=f"{field.name}.{inner.key}")
        if isinstance(field.validator, Within) and field.metadata.get("when_full"):
            yield Bound(
                field.name,
                field.default,
                field.validator.low,
                field.validator.high,
                field.validator.unit,
                field.metadata["help"],
                field.metadata["when_full"],
            )


def check_origins(_instance: object, _attribute: attrs.Attribute[Any], value: tuple[str, ...]) -> None:
    """An attrs validator: each is one of `ORIGIN_WORDS`, or an origin as browsers send it."""
    for origin in value:
        if origin not in ORIGIN_WORDS and not _ORIGIN.fullmatch(origin):
            raise ValueError(
                f"{origin!r} must be one of {', '.join(ORIGIN_WORDS)}, or an origin such as https://example.org:8443"
            )


def check_proxies(_instance: object, _attribute: attrs.Attribute[Any], value: tuple[str, ...]) -> None:
    """An attrs validator: each is an IP address or a network; a name could come to mean another machine."""
    for proxy in value:
        try:
            ip_network(proxy, strict=False)
        except ValueError:
            raise ValueError(f"{proxy!r} must be an IP address, or a network such as 10.0.0.0/8") from None


def check_upstream(_instance: object, _attribute: attrs.Attribute[Any], value: str) -> None:
    """An attrs validator: empty, or the URL of a server."""
    if value and not _UPSTREAM.fullmatch(value):
        raise ValueError("must be empty, or a URL such as ws://192.168.1.20:12393/client-ws")


def check_folder(_instance: object, _attribute: attrs.Attribute[Any], value: str) -> None:
    """An attrs validator: a folder's name, and not empty, which would be the working directory."""
    if not value.strip():
        raise ValueError("must name a folder")
