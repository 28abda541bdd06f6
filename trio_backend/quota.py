"""`MemoryQuota`: limits the memory for what peers sent, for each peer and in all."""

from __future__ import annotations

from types import TracebackType

import attrs

from .errors import QuotaExceeded

UNLIMITED = 2**63  # bytes
# Bytes. Smaller things are not counted where something else limits their number: so short messages still pass
# when other clients have used up the memory of all.
UNCOUNTED = 4_096


def counted(size: int) -> int:
    """The bytes to claim for ``size`` bytes: 0 below `UNCOUNTED`."""
    return size if size >= UNCOUNTED else 0


@attrs.define(eq=False)
class MemoryQuota:
    """Counts bytes of data; ``used`` never exceeds ``limit``. Not for use from threads.

    A claim of a quota is a claim of its ``parent`` too: a client's quota has that of all clients as its
    parent. Only payload is counted; the objects around it take at most as much again.
    """

    limit: int = UNLIMITED  # bytes
    parent: MemoryQuota | None = None
    used: int = attrs.field(default=0, init=False)  # bytes

    def claim(self, size: int = 0) -> Claim:
        """Claim ``size`` bytes. Raises `QuotaExceeded`, and then nothing is claimed."""
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
    """The bytes of a quota that one buffer has. Released by leaving its block, or by `release`."""

    _quota: MemoryQuota
    size: int = attrs.field(default=0, init=False)  # bytes

    def resize(self, size: int) -> None:
        """Change the claim to ``size`` bytes. Raises `QuotaExceeded`, and then nothing changes."""
        if size > self.size:
            self._quota._take(size - self.size)
        elif size < self.size:
            self._quota._give_back(self.size - size)
        self.size = size

    def release(self) -> None:
        """Give all bytes back. Releasing twice is harmless."""
        self.resize(0)

    def __enter__(self) -> Claim:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
