"""Messages and names for the tests of history."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from trio_backend.history.store import ConfUid, HistoryUid, StoredMessage, utc_timestamp

MAO, ANN = ConfUid("mao_001"), ConfUid("ann_001")
FIRST, SECOND = HistoryUid("2026-01-31_12-00-00_1"), HistoryUid("2026-01-31_12-00-00_2")

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def human(content: str = "Hello.", *, second: float = 0) -> StoredMessage:
    """What a person said ``second`` seconds after noon."""
    return StoredMessage("human", utc_timestamp(NOON + timedelta(seconds=second)), content)


def ai(content: str = "Hi!", *, second: float = 0) -> StoredMessage:
    """What the character answered."""
    return StoredMessage("ai", utc_timestamp(NOON + timedelta(seconds=second)), content, "Mao", "mao.png")
