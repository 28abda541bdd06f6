"""Run by Python at the start of each process with this folder in PYTHONPATH; see `short_idle_threads`.

Trio keeps an idle worker thread for 10 s, and `prove` waits after each scenario until all threads have ended.
With 0.2 s a test waits for the same thing, and not for the clock.
"""

from trio._core import _thread_cache

_thread_cache.IDLE_TIMEOUT = 0.2  # type: ignore[assignment]
