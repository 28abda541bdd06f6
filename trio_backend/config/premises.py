"""What ``system_config`` refers to outside itself: other keys, files and folders that must be there."""

from __future__ import annotations

from pathlib import Path

from .document import Table
from .finding import Findings
from .system import SystemConfig


def check_premises(system: SystemConfig, table: Table, root: Path, findings: Findings) -> None:
    """Find what the server could not start with. ``root`` is the folder of ``conf.yaml``."""

    def error(key: str, message: str, remedy: str) -> None:
        node = table.find(key)
        findings.error(node.place if node else table.place.inside(key, table.place.line), message, remedy)

    if system.pong_timeout <= system.ping_interval:
        error("pong_timeout", "is not longer than ping_interval", "a client must have time to answer a ping")
    if system.frontend_dir and not (root / Path(system.frontend_dir).expanduser()).is_dir():
        error(
            "frontend_dir",
            f"there is no folder {system.frontend_dir!r}",
            f"relative paths start at {root.name}/",
        )
    pair = {"tls_certificate": system.tls_certificate, "tls_key": system.tls_key}
    for key, name in pair.items():
        if name and not all(pair.values()):
            error(key, "is of no use alone", "TLS needs both tls_certificate and tls_key")
        elif name and not (root / Path(name).expanduser()).is_file():
            error(key, f"there is no file {name!r}", "give the path of a PEM file")
