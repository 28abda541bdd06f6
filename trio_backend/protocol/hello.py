"""`Hello`: the additions to the protocol, and which of them clients accept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal, TypeAlias, get_args

import attrs
from attrs import validators

Addition: TypeAlias = Literal[
    "pieces",
    "bytes",
    "partial-transcription",
    "latency",
    "wake-word-state",
    "wake-words",
    "titles",
    "history-renamed",
    "speech-recognition",
    "engines",
]

ADDITIONS: tuple[Addition, ...] = get_args(Addition)
"""What a client may accept, by its `hello`, beyond what every client gets.

``pieces``: a sentence may come as several `AudioPiece`. ``bytes``: its sound comes as an `AudioStream` and
`SoundFrame`. ``titles``: each conversation in a `HistoryList` has a title. ``engines``: the requests and
answers of `protocol.engines`; it is agreed only with clients that may choose engines. The others are the
types of messages that are sent only to clients that accept them, but for ``wake-word-state``, which clients
without a `hello` know too, and get.
"""


Accepts: TypeAlias = frozenset[Addition] | None
"""The additions that a client accepts; None as long as it has said no `hello`."""


@attrs.frozen
class Hello:
    """Which additions to the protocol the client understands; the last one counts.

    Names that we do not know are passed over: the client may be newer. ``resume`` is the token of the
    client's last session; none can be resumed yet, and so a new one goes on.
    """

    type: ClassVar = "hello"
    # There are ten. Who names hundreds means something else.
    accepts: list[str] = attrs.field(validator=validators.max_len(100))
    resume: str | None = None

    @property
    def agreed(self) -> tuple[Addition, ...]:
        """The additions among ``accepts``, but for ``engines``: most clients may not choose them."""
        return tuple(addition for addition in self.agreed_with_engines if addition != "engines")

    @property
    def agreed_with_engines(self) -> tuple[Addition, ...]:
        """The additions among ``accepts``, for a client that may choose engines."""
        return tuple(addition for addition in ADDITIONS if addition in self.accepts)


@attrs.frozen
class HelloAnswer:
    """``accepts`` are the additions that the client named, and that we know too. Sent as an answer only."""

    type: ClassVar = "hello"
    accepts: Sequence[Addition]
    server: str = "trio-backend"


@attrs.define(eq=False)
class Accepted:
    """The additions to the protocol that a session's clients accept.

    ``each`` has what each kind of client accepts: of a client on a wire one, of a room all different ones.
    """

    each: frozenset[Accepts] = frozenset({None})

    @property
    def by_any(self) -> frozenset[Addition]:
        """What at least one client accepts."""
        return frozenset(addition for accepts in self.each for addition in accepts or ())

    @property
    def by_all(self) -> frozenset[Addition]:
        """What every client accepts: for what is added to a message that all of them get."""
        return frozenset(ADDITIONS).intersection(*(accepts or () for accepts in self.each))
