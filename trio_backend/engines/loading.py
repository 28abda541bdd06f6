"""How far a library's download is: told by a child process, shown by whoever opens the engine.

Libraries show their downloads with tqdm, on a terminal. In a child process whose parent listens, each step
of such a bar goes to the parent instead. Imports only the standard library, as child processes must.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, NamedTuple

WANTED = "TRIO_BACKEND_ENGINE_DOWNLOADS"
"""The environment variable by which a parent says that it listens."""

INTERVAL = 0.1
"""Seconds from step to step; libraries count every few kilobytes."""

LONGEST_NAME = 60
_STEP = struct.Struct("<QQ")


class DownloadStep(NamedTuple):
    """``done`` of ``total`` are there, mostly bytes; a ``total`` of 0 is not known. ``what`` may be empty."""

    what: str
    done: int
    total: int

    def encode(self) -> bytes:
        """As it goes through a pipe."""
        return _STEP.pack(max(0, self.done), max(0, self.total)) + self.what.encode("utf-8", "replace")

    @classmethod
    def decode(cls, data: bytes) -> DownloadStep:
        """The step that `encode` made ``data`` of. Raises `ValueError` if it is none."""
        if len(data) < _STEP.size:
            raise ValueError("this is no step of a download")
        return cls(data[_STEP.size :].decode("utf-8", "replace"), *_STEP.unpack_from(data))


download_listener: ContextVar[Callable[[DownloadStep], None] | None] = ContextVar(
    "download_listener", default=None
)
"""Who wants to know of the downloads of engines that this task opens; nobody, unless it is set."""


def tell_downloads(tell: Callable[[DownloadStep], None]) -> None:
    """Hand every step of a bar of tqdm to ``tell``, and show no bar. Without tqdm there is nothing to do.

    ``tell`` is called in the threads that download.
    """
    try:
        from tqdm import std
    except ImportError:
        return
    begin, update = std.tqdm.__init__, std.tqdm.update

    def quiet(bar: Any, *args: Any, **options: Any) -> None:
        begin(bar, *args, **{**options, "disable": True})
        # A bar that is disabled forgets both.
        bar.told_what = str(options.get("desc") or "").strip(" :")[:LONGEST_NAME]
        bar.told_total = options.get("total") or getattr(bar, "total", None) or 0
        bar.told_done, bar.told_at = options.get("initial") or 0, 0.0

    def told(bar: Any, n: float | None = 1) -> Any:
        bar.told_done += n or 0
        now = time.monotonic()
        if now - bar.told_at >= INTERVAL or bar.told_done >= bar.told_total > 0:
            bar.told_at = now
            tell(DownloadStep(bar.told_what, int(bar.told_done), int(bar.told_total)))
        return update(bar, n)

    std.tqdm.__init__, std.tqdm.update = quiet, told
    # Its own threads would look after bars on a screen.
    std.tqdm.monitor_interval = 0
