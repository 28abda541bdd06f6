"""Rooms: many clients share one session. A bounded queue each, and a fixed pool of forwarders for all."""

from .link import SessionSource as SessionSource
from .local import open_local_session as open_local_session
from .rooms import DEFAULT_ROOM as DEFAULT_ROOM
from .rooms import Rooms as Rooms
from .rooms import RoomStatistics as RoomStatistics
from .rooms import open_rooms as open_rooms
from .upstream import UpstreamSession as UpstreamSession
from .upstream import open_upstream as open_upstream
