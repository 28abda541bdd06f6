"""Messages and names for the tests of history."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from trio_backend.history.store import HistoryUid, Owner, StoredMessage, utc_timestamp
from trio_backend.user import UserId

MAO, ANN = Owner("mao_001"), Owner("ann_001")
EVES_MAO, BOBS_MAO = Owner("mao_001", UserId("eve")), Owner("mao_001", UserId("bob"))
FIRST, SECOND = HistoryUid("2026-01-31_12-00-00_1"), HistoryUid("2026-01-31_12-00-00_2")

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def human(content: str = "Hello.", *, second: float = 0) -> StoredMessage:
    """What a person said ``second`` seconds after noon."""
    return StoredMessage("human", utc_timestamp(NOON + timedelta(seconds=second)), content)


def ai(content: str = "Hi!", *, second: float = 0) -> StoredMessage:
    """What the character answered."""
    return StoredMessage("ai", utc_timestamp(NOON + timedelta(seconds=second)), content, "Mao", "mao.png")
