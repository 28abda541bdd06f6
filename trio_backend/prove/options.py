"""The options of `trio-backend prove`; the command line takes its help from these docstrings.

A module of its own, and a small one, since every command of `trio-backend` imports it: 1 ms.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import attrs


@attrs.frozen
class MeasuredServer:
    """The server to measure; without a ``url``, one that prove starts."""

    url: str = ""
    """A running server to test instead, such as http://localhost:12393."""
    token: str = attrs.field(default="", repr=False)
    """The server's access token, if it needs one."""
    pid: int | None = None
    """The server's process id, if it runs on this machine: to measure its threads, files, memory and CPU."""
    engines: Literal["http", "inside"] = "http"
    """Where idle, interrupt, crowd and long have their simulated engines: behind HTTP, or in the server."""
    program: str = ""
    """The program to start and measure instead of this one: "PYTHONPATH=old python -m trio_backend"."""


@attrs.frozen
class RunSize:
    """How much is done."""

    full: bool = False
    """Run all scenarios in full size: 45 minutes."""
    scale: float | None = None
    """Factor for the delays of the simulated engines and the time that clients stay; 1 is the full size."""
    minutes: float | None = None
    """Length of the scenario soak."""


@attrs.frozen
class ReportFiles:
    """Where the figures are written to, besides the terminal."""

    json: Path | None = None
    """File to write all figures to."""
    report: Path | None = None
    """File to write an HTML page with charts to."""
