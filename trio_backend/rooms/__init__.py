"""Rooms: many clients share one session. A bounded queue each, and a fixed pool of forwarders for all."""

from .local import open_local_session as open_local_session
from .options import RoomsOptions as RoomsOptions
from .rooms import DEFAULT_ROOM as DEFAULT_ROOM
from .rooms import Rooms as Rooms
from .rooms import RoomStatistics as RoomStatistics
from .rooms import open_rooms as open_rooms
from .session import SessionSource as SessionSource
from .upstream import open_session_on as open_session_on
from .upstream import open_upstream as open_upstream
