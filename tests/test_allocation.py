"""Long sentences leave no holes: what they took goes back to the system."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

# A large block is freed, as long speech is, whereupon glibc would keep all such blocks; then comes another
# one, with a small one behind it that stays. Prints how many bytes there are more once the other is freed.
PROGRAM = """
import psutil
from trio_backend.allocation import LARGE, give_back_large_blocks
assert give_back_large_blocks()
def resident(): return psutil.Process().memory_info().rss
bytearray(20 * LARGE)
before = resident()
large = bytearray(b"x" * 10 * LARGE)
small = [bytearray(1000) for _ in range(100)]
del large
print(resident() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the other C libraries are left as they are")
def test_a_large_block_is_given_back() -> None:
    """Although a small one came behind it."""
    grown = subprocess.check_output([sys.executable, "-c", PROGRAM], text=True, timeout=60)
    assert int(grown) < 1_000_000


# Blocks too small to be given back at once are freed, all but one in a thousand of them, which stays.
HOLES = """
import psutil
from trio_backend.allocation import give_back_free_pages
def resident(): return psutil.Process().memory_info().rss
before = resident()
blocks = [bytearray(b"x" * 5000) for _ in range(20_000)]
blocks = blocks[::1000]
kept = resident() - before
give_back_free_pages()
print(kept - (resident() - before))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the other C libraries are left as they are")
def test_pages_between_what_stays_are_given_back() -> None:
    """Of a hundred megabytes that crowds held, little is left."""
    given_back = subprocess.check_output([sys.executable, "-c", HOLES], text=True, timeout=60)
    assert int(given_back) > 50_000_000


@pytest.mark.skipif(sys.platform.startswith("linux"), reason="that is where it works")
def test_elsewhere_nothing_is_done() -> None:
    """And it is no error."""
    from trio_backend.allocation import give_back_large_blocks

    assert not give_back_large_blocks()
