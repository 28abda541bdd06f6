"""`Inspection`: what a running server answers when it is asked about itself."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

import attrs
import msgspec
import trio

from ..backend import Backend
from .metrics import Reading
from .snapshot import take_snapshot
from .watch import Watch


@attrs.frozen
class Inspection:
    """A backend under `Watch`; ``connections`` says how many are open, of all kinds.

    ``first_audio`` holds the times to the first sound of the last turns.
    """

    backend: Backend
    watch: Watch
    connections: Callable[[], int]
    first_audio: Collection[float]

    async def tasks(self, limit: int) -> bytes:
        """A `Snapshot` as JSON."""
        snapshot = await take_snapshot(
            self.backend,
            self.watch,
            connections=self.connections(),
            first_audio=self.first_audio,
            limit=limit,
        )
        return msgspec.json.encode(snapshot)

    def readings(self) -> Iterator[Reading]:
        """What there is at this moment, for `Metrics`."""
        sessions = self.backend.services.sessions
        yield Reading("connections", "Open connections, of all kinds.", self.connections())
        yield Reading("sessions_open", "Clients that are connected.", len(sessions))
        speaking = sum(session.turn_running for session in sessions)
        yield Reading("turns_running", "Turns that are running.", speaking)
        rooms = self.backend.rooms.statistics()
        yield Reading("rooms_open", "Rooms that somebody is in.", rooms.rooms)
        yield Reading("room_messages_waiting", "Messages that wait in all rooms.", rooms.waiting)
        yield Reading("room_turns_running", "Turns that the forwarders carry.", rooms.turns)
        tasks = trio.lowlevel.current_statistics().tasks_living
        yield Reading("tasks", "Tasks that live.", tasks)
        for engine in self.backend.leases.statistics().engines:
            labels = {"kind": engine.kind, "name": engine.name, "state": engine.state}
            yield Reading("leases", "Leases of each engine.", engine.leases, labels)
        passes = self.watch.passes
        yield Reading("loop_busy_seconds", "Time that the event loop was not waiting.", passes.busy)
        yield Reading(
            "loop_longest_pass_seconds", "The longest time lately between two looks at the network.",
            passes.longest.value[0],
        )  # fmt: skip
