"""`TurnLimits`: how much of a turn runs at once, and how long it may take."""

from __future__ import annotations

import attrs


@attrs.frozen
class TurnLimits:
    """``ahead`` sentences in synthesis at once; the last audio comes within ``deadline`` seconds of the
    input; the end of playback is awaited ``playback_grace`` seconds longer than the sound lasts."""

    ahead: int
    deadline: float
    playback_grace: float
