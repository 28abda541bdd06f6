"""The import of the old backend's conversations, with its progress on the terminal."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from .history.legacy import import_folder
from .history.opening import open_store

# Nobody tries again here: another program may hold the file for so long; seconds.
PATIENCE = 2.0


async def import_history(folder: Path, history_file: Path) -> None:
    """Import ``folder`` into ``history_file``, and say what came of it.

    Raises `HistoryError` where either cannot be used.
    """
    console = Console(stderr=True)
    async with open_store(str(history_file), busy_timeout=PATIENCE) as history:
        with Progress(console=console, transient=True) as bar:
            task = bar.add_task("importing", total=None)
            report = await import_folder(
                history, folder, progress=lambda done, total, _: bar.update(task, completed=done, total=total)
            )
    for refused in report.refused:
        console.print(f"left out: {refused.file}: {refused.reason}", markup=False, soft_wrap=True)
    console.print(
        f"{report.conversations} conversations with {report.messages} messages imported into {history_file}; "
        f"{report.already_there} were there already, {report.empty} were empty, "
        f"{len(report.refused)} files left out",
        markup=False,
        soft_wrap=True,
    )
