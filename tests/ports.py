"""Ports for servers that come back to where they were, or whose address is told before they start."""

from __future__ import annotations

import os
import random
import socket

# The system takes from 32768 on for the connections and listeners that name no port, of any program; so
# nobody gets one of these by chance while nobody listens there.
_PORTS = range(20_000, 32_000)
# Of two processes that test beside each other each has its own half of them, in whatever order.
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 2
_left = list(_PORTS[_WORKER::2])
# The system's chance: every process that tests seeds its own alike.
random.SystemRandom().shuffle(_left)


def unused_port() -> int:
    """A port on which nobody listens, and which nobody gets who asks for any. Each only once."""
    while True:
        port = _left.pop()
        with socket.socket() as one:
            try:
                one.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
