"""A pytest plugin: notes in the coverage data which test executes a line, and how long each test takes.

Tests that fail have no duration: they would fail with any mutant.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Generator
from pathlib import Path

import coverage
import pytest

SECONDS = "MUTANTS_SECONDS"
"""The environment variable with the path of the file for the tests' durations."""

_seconds: dict[str, float] = {}
_failed: set[str] = set()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Around each test, its fixtures included."""
    running = coverage.Coverage.current()
    if running is not None:
        running.switch_context(item.nodeid)
    began = time.perf_counter()
    try:
        return (yield)
    finally:
        _seconds[item.nodeid] = time.perf_counter() - began
        if running is not None:
            running.switch_context("")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """One for each test's set-up, call and tear-down."""
    if report.failed:
        _failed.add(report.nodeid)


def pytest_sessionfinish() -> None:
    """Keep the durations."""
    kept = {name: seconds for name, seconds in _seconds.items() if name not in _failed}
    Path(os.environ[SECONDS]).write_text(json.dumps(kept), "utf-8")
