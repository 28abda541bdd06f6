"""The settings that all VAD engines share, by the names that configurations give them."""

from __future__ import annotations

import attrs

from ...audio.endpointing import Rules
from ..settings import between


@attrs.frozen
class Thresholds:
    """See `Rules`. A window is 32 ms."""

    prob_threshold: float = attrs.field(default=0.4, validator=between(0.01, 1))
    db_threshold: float = attrs.field(default=60.0, validator=between(0, 90))
    required_hits: int = attrs.field(default=3, validator=between(1, 100))
    required_misses: int = attrs.field(default=24, validator=between(1, 300))
    smoothing_window: int = attrs.field(default=5, validator=between(1, 50))

    def rules(self) -> Rules:
        """What they mean."""
        return Rules(
            prob_threshold=self.prob_threshold,
            db_threshold=self.db_threshold,
            required_hits=self.required_hits,
            required_misses=self.required_misses,
            smoothing_window=self.smoothing_window,
        )
