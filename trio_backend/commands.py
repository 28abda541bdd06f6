"""What the command `import-history` does."""

from __future__ import annotations

from pathlib import Path

from .history.legacy import import_folder
from .history.opening import open_store

# Seconds. Another program may hold the history file for so long, and the import is not tried again.
BUSY_TIMEOUT = 2.0


async def import_history(folder: Path, history_file: Path) -> None:
    """Import the old backend's conversations in ``folder`` into ``history_file``, and print what came of it.

    Shows its progress on a terminal. A cancel leaves whole conversations only. Raises `HistoryError` where
    either cannot be used.
    """
    # The other commands print one line, and need not wait for this import.
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    async with open_store(str(history_file), busy_timeout=BUSY_TIMEOUT) as history:
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
