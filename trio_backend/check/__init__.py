"""What is wrong with a configuration: its files, its engines, and what this machine has of both."""

from .findings import check, engine_findings, examine, look_at
from .report import CheckReport

__all__ = ["CheckReport", "check", "engine_findings", "examine", "look_at"]
