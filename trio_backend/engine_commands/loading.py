"""`open_shown`: an engine that is opened while the terminal shows how far that is."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Any

import attrs
import trio

from ..engines.loading import DownloadStep, download_listener
from ..engines.registry import EngineConfig, open_engine


@attrs.frozen
class LoadedEngine:
    """An open engine, and how many seconds it took to open it."""

    engine: Any
    loaded_in: float


@asynccontextmanager
async def open_shown(config: EngineConfig) -> AsyncIterator[LoadedEngine]:
    """Open the engine, with a progress bar on standard error if that is a terminal. Raises `EngineError`."""
    began = trio.current_time()
    async with AsyncExitStack() as stack:
        with loading_bar(config.name):
            engine = await stack.enter_async_context(open_engine(config))
        yield LoadedEngine(engine, trio.current_time() - began)


@contextmanager
def loading_bar(name: str) -> Iterator[None]:
    """How far a download is, where the library tells it; else a bar that only moves."""
    if not sys.stderr.isatty():
        yield
        return
    # The other commands need not wait for this import.
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn())
    # Gone when it is loaded: what is left on the screen is the result.
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(f"loading {name}", total=None)

        def show(step: DownloadStep) -> None:
            # What is there has to be loaded, which nobody measures.
            done = step.done >= step.total > 0
            what = f"loading {name}" if done else f"downloading {step.what or 'a model'} for {name}"
            bar.update(task, description=what, completed=step.done, total=step.total or None)

        reset = download_listener.set(show)
        try:
            yield
        finally:
            download_listener.reset(reset)
