"""`ServiceManager`: tells systemd how the server is, for units of ``Type=notify``; see sd_notify(3).

The protocol is a datagram of lines to a socket that the environment names, so it needs no library.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping

import attrs
import trio
from loguru import logger


@attrs.frozen
class ServiceManager:
    """The program that started this process, where it wants to know how the process is.

    ``address`` is a Unix socket, as a path or ``@`` and an abstract name; empty where nobody wants to know.
    ``watchdog`` is the number of seconds without a word after which it takes the process for stuck, and
    starts it anew; 0 where it does not watch.
    """

    address: str = ""
    watchdog: float = 0.0

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> ServiceManager:
        """That of ``environ``. What is not meant for this process, or is malformed, counts as absent."""
        address, period = environ.get("NOTIFY_SOCKET", ""), environ.get("WATCHDOG_USEC", "")
        # systemd may also name a socket of a virtual machine's host ("vsock:…").
        if not address.startswith(("/", "@")):
            return cls()
        # A shell script between systemd and us hands its own environment on.
        ours = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        return cls(address, int(period) / 1_000_000 if ours and period.isdecimal() else 0.0)

    def tell(self, *assignments: str) -> None:
        """Send ``assignments``, such as ``READY=1``, in one datagram. Never waits and never raises.

        What cannot be sent is logged: the server runs as well without anybody who knows of it.
        """
        if not self.address:
            return
        target = f"\0{self.address[1:]}" if self.address.startswith("@") else self.address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.setblocking(False)
                sender.connect(target)
                sender.send("\n".join(assignments).encode())
        except OSError as error:
            logger.warning("the service manager could not be told {}: {}", " ".join(assignments), error)

    async def keep_alive(self) -> None:
        """Tell the watchdog that the event loop runs, until cancelled; returns at once without one."""
        while self.watchdog:
            self.tell("WATCHDOG=1")
            # Half of its period, as sd_watchdog_enabled(3) recommends.
            await trio.sleep(self.watchdog / 2)
