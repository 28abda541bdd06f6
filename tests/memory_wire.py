"""The wire without a network that rooms have, for the tests' clients."""

from trio_backend.rooms.memory_wire import MemoryWire as MemoryWire
from trio_backend.rooms.memory_wire import memory_wire_pair as memory_wire_pair
