"""What a session keeps of what its client sent counts once, for as long as it is kept."""

from __future__ import annotations

from trio_backend.conversation.memory import Memory
from trio_backend.conversation.user_input import UserInput
from trio_backend.quota import MemoryQuota
from trio_backend.session.holdings import Holdings


def test_the_message_in_hand_is_not_counted_twice() -> None:
    """A text that takes more than half of the quota is kept: what its message holds goes over to it."""
    quota = MemoryQuota(20_000)
    holdings = Holdings(quota, Memory(1000, quota), 8)
    given = UserInput("a" * 15_000)
    claim = quota.claim(15_100)
    holdings.take(claim)
    kept = holdings.keep(given)
    assert quota.used == given.size
    holdings.put_down()
    assert quota.used == given.size
    kept.release()
    assert quota.used == 0
