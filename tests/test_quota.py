"""A quota counts what is held of it, and of what it is a part; what would be too much is not held."""

from __future__ import annotations

import pytest

from trio_backend.errors import QuotaExceeded
from trio_backend.observe.resources import memory_of_machine
from trio_backend.quota import MemoryQuota


def test_what_is_claimed_is_counted_until_it_is_released() -> None:
    """In the client's quota and in that of all clients."""
    everybody = MemoryQuota(100)
    one, other = MemoryQuota(60, parent=everybody), MemoryQuota(60, parent=everybody)
    with one.claim(30) as claim:
        claim.resize(50)
        other.claim(40)
        assert (one.used, other.used, everybody.used) == (50, 40, 90)
        claim.resize(10)
        assert everybody.used == 50
    assert (one.used, everybody.used) == (0, 40)
    claim.release()
    assert everybody.used == 40


def test_what_would_be_too_much_is_not_held() -> None:
    """The error says whose limit it is, and nothing is counted anywhere."""
    everybody = MemoryQuota(100 * 2**20)
    one, other = (MemoryQuota(60 * 2**20, parent=everybody) for _ in range(2))
    with pytest.raises(QuotaExceeded, match=r"this client .* 60 MiB \(max_memory_per_client\)") as mine:
        one.claim(61 * 2**20)
    assert not mine.value.of_all
    assert everybody.used == one.used == 0
    one.claim(60 * 2**20)
    claim = other.claim(40 * 2**20)
    with pytest.raises(QuotaExceeded, match=r"all clients .* 100 MiB \(max_memory_share\)") as all_of_them:
        claim.resize(41 * 2**20)
    assert all_of_them.value.of_all
    assert (claim.size, other.used, everybody.used) == (40 * 2**20, 40 * 2**20, 100 * 2**20)


def test_there_is_as_much_memory_as_the_machine_or_the_container_has() -> None:
    """At least enough for a server, and no more than a number that a machine could have."""
    assert 2**26 <= memory_of_machine() < 2**50
