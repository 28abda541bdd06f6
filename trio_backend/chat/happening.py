"""What can happen in a conversation, apart from what the server says. No I/O."""

from __future__ import annotations

from typing import TypeAlias

import attrs
import trio

from .link import LinkNews
from .turn import Heard


@attrs.frozen
class LineEntered:
    """The user entered a line; ``settled`` is set when all that came of it is over."""

    text: str
    settled: trio.Event


@attrs.frozen
class Interrupted:
    """The user pressed Ctrl-C."""


@attrs.frozen
class InputEnded:
    """The user has no more to say; ``code`` is what the program shall end with."""

    code: int = 0


Happening: TypeAlias = LinkNews | LineEntered | Interrupted | InputEnded | Heard
