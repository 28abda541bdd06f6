"""`MemoryQuota`: how much memory the things that peers sent may take, for each peer and in all."""

from __future__ import annotations

from types import TracebackType

import attrs

from .errors import QuotaExceeded

UNLIMITED = 2**63
# What is smaller need not be counted where something else bounds how much of it there is. So whoever has
# filled the memory of all clients keeps nobody from saying a few words.
UNCOUNTED = 4_096  # bytes


def counted(size: int) -> int:
    """``size`` as it is claimed: nothing for what is small."""
    return size if size >= UNCOUNTED else 0


@attrs.define(eq=False)
class MemoryQuota:
    """Counts the bytes that somebody's data takes. ``used`` never exceeds ``limit``.

    What is claimed of a quota is claimed of its ``parent`` too: a client's quota has that of all clients as
    its parent. Not for use from threads. What is counted is the payload; the objects around it are at most
    as large again.
    """

    limit: int = UNLIMITED  # bytes
    parent: MemoryQuota | None = None
    used: int = attrs.field(default=0, init=False)  # bytes

    def claim(self, size: int = 0) -> Claim:
        """The right to hold ``size`` bytes. Raises `QuotaExceeded`, and then nothing is held."""
        claim = Claim(self)
        claim.resize(size)
        return claim

    def _take(self, size: int) -> None:
        if self.used + size > self.limit:
            raise QuotaExceeded(self.limit, of_all=self.parent is None)
        if self.parent is not None:
            self.parent._take(size)
        self.used += size

    def _give_back(self, size: int) -> None:
        self.used -= size
        if self.parent is not None:
            self.parent._give_back(size)


@attrs.define(eq=False)
class Claim:
    """What one buffer holds of a quota. Released by leaving its block, or by `release`."""

    _quota: MemoryQuota
    size: int = attrs.field(default=0, init=False)  # bytes

    def resize(self, size: int) -> None:
        """Hold ``size`` bytes from now on. Raises `QuotaExceeded`, and then what was held is held still."""
        if size > self.size:
            self._quota._take(size - self.size)
        else:
            self._quota._give_back(self.size - size)
        self.size = size

    def release(self) -> None:
        """Hold nothing any more. Releasing twice is harmless."""
        self.resize(0)

    def __enter__(self) -> Claim:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
