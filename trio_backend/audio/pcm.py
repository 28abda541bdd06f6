"""Sound as samples: `Pcm`, and its way to and from WAV files."""

from __future__ import annotations

import attrs


@attrs.frozen
class Pcm:
    """Mono sound: ``samples`` are signed 16-bit little-endian, ``rate`` of them a second."""

    samples: bytes = attrs.field(repr=lambda samples: f"<{len(samples)} bytes>")
    rate: int

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return len(self.samples) / 2 / self.rate
