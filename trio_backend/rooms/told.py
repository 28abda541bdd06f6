"""What the sender of a message is told of a turn that came to no good end."""

from __future__ import annotations

from ..protocol import Error
from .floor import Outcome

TOLD = {
    Outcome.REFUSED: Error(
        "your message could not be answered: see the error before this one", "turn-failed"
    ),
    Outcome.LOST: Error(
        "the room lost its session while your message was being answered; it is not asked again",
        "upstream-lost",
    ),
    Outcome.INTERRUPTED: Error("somebody interrupted before your message was answered", "turn-interrupted"),
    Outcome.LATE: Error(
        "the answer to your message took longer than turn_deadline, and was ended", "turn-failed"
    ),
}
EXPIRED = Error("your message has waited longer than max_age, and was dropped", "message-expired")
