"""`RoomsOptions`: what rooms take of a system's configuration."""

from __future__ import annotations

import attrs

from ..config.system import SystemConfig
from ..protocol.rate import RateLimit


@attrs.frozen(kw_only=True)
class RoomLimits:
    """How much may wait in one room, and how long its turns may take; times in seconds.

    ``queue`` messages wait, of ``queue_size`` bytes of frames together, ``per_sender`` of one sender, for
    ``max_age`` at most; 0 is for ever. The last sound of a turn is to be sent within ``turn_deadline``, and
    played within ``playback_grace`` more than it lasts.
    """

    queue: int
    queue_size: int
    per_sender: int
    max_age: float
    turn_deadline: float
    playback_grace: float


@attrs.frozen(kw_only=True)
class RoomsOptions:
    """How many rooms there may be, with ``limits`` each; ``forwarders`` turns are in synthesis at once.

    A client may have ``outbox`` messages on their way to it, and send what a rate limit made by `rate` lets
    through. Where not ``enabled``, every client is refused.
    """

    enabled: bool
    max_rooms: int
    forwarders: int
    outbox: int
    limits: RoomLimits
    _per_second: float
    _burst: int
    _bytes_per_second: float
    _byte_burst: float

    @classmethod
    def of(cls, system: SystemConfig) -> RoomsOptions:
        """Those of ``system``."""
        return cls(
            enabled=system.enable_proxy,
            max_rooms=system.max_rooms,
            forwarders=system.forwarders,
            outbox=system.client_outbox,
            limits=RoomLimits(
                queue=system.room_queue,
                queue_size=system.room_queue_size,
                per_sender=system.max_per_sender,
                max_age=system.max_age,
                turn_deadline=system.turn_deadline,
                playback_grace=system.playback_grace,
            ),
            per_second=system.messages_per_second,
            burst=system.message_burst,
            bytes_per_second=system.bytes_per_second,
            byte_burst=system.byte_burst,
        )

    def rate(self) -> RateLimit:
        """A new client's."""
        return RateLimit(self._per_second, self._burst, self._bytes_per_second, self._byte_burst)
