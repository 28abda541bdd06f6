"""Wires without a network, for the tests' clients."""

from trio_backend.client.memory_wire import MemoryWire as MemoryWire
from trio_backend.client.memory_wire import memory_wire_pair as memory_wire_pair
from trio_backend.client.memory_wire import open_in_memory as open_in_memory
