"""The workshop: ``nox`` runs lint, types and tests; ``nox -s bench`` measures."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import nox

nox.needs_version = ">=2024.10.9"
nox.options.sessions = ["lint", "types", "tests"]
nox.options.error_on_missing_interpreters = False

# All engines that run on any machine; without one of these libraries its tests would be skipped.
EVERYTHING = ".[voice,edge,piper,pyttsx3,dev]"
# Many tests wait for another process, a browser or a socket most of the time, on one core too.
WORKERS = "2"
# One random order for all who judge a change; `-- --randomly-seed=N` takes another one.
SEED = 20261122

# What some tests need that pip cannot bring: the program, and Debian's package of it.
PROGRAMS = {"espeak-ng": "espeak-ng", "chromium": "chromium"}


@nox.session
def lint(session: nox.Session) -> None:
    """Style and likely mistakes, Trio's own among them."""
    session.install("ruff>=0.12")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """mypy, strict, for the package and its tests."""
    session.install("-e", EVERYTHING)
    session.run("mypy")


@nox.session
def tests(session: nox.Session) -> None:
    """All tests in random order, warnings as errors, with branch coverage. Arguments go to pytest.

    ``-- --randomly-seed=N`` takes another order, ``-- -n 0`` needs no other process.
    """
    _install_programs(session)
    session.install("-e", EVERYTHING)
    # Whoever has nothing left to do takes over tests of the other.
    split = ("--numprocesses", WORKERS, "--dist", "worksteal", f"--randomly-seed={SEED}")
    session.run("python", "-m", "pytest", "--cov", "--cov-report=term", *split, *session.posargs)


@nox.session
def simulate(session: nox.Session) -> None:
    """The whole backend on a virtual clock, as chance has it. ``-- --seeds N``, or ``-- --scenarios``."""
    session.install("-e", ".[dev]")
    session.run("python", "-m", "tests.simulation", *session.posargs)


@nox.session
def mutants(session: nox.Session) -> None:
    """Break each listed promise, and see that a test notices. ``-- conversation``: one package's."""
    _install_programs(session)
    session.install("-e", EVERYTHING)
    session.run("python", "-m", "tests.mutants", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """What `prove` finds, kept in benchmarks/latest.json. ``-- --full`` does the whole.

    ``-- NAME`` runs benchmarks/NAME.py instead, such as ``strategies``.
    """
    name, *rest = session.posargs or [""]
    # The embedded recogniser is what runs everywhere.
    session.install("-e", ".[voice]" if name == "word_errors" else ".")
    if Path("benchmarks", f"{name}.py").is_file():
        session.run("python", f"benchmarks/{name}.py", *rest)
    else:
        session.run("trio-backend", "prove", "--json", "benchmarks/latest.json", *session.posargs)


@nox.session
def fuzz(session: nox.Session) -> None:
    """Random input against running servers, far more than in the tests; see docs/fuzzing.md.

    ``-- --cases N --seed S --target NAME`` says how much; ``-- --full`` is what a release is tried with.
    """
    session.install("-e", ".[voice,dev]")
    session.run("python", "-m", "tests.fuzz", *session.posargs)


@nox.session
def package(session: nox.Session) -> None:
    """Build what people install, look into it, install it elsewhere, and start it; takes two minutes.

    ``-- --all`` tries every Python from 3.11 on that is there, ``-- --keep DIR`` keeps what was built.
    """
    # Not the project: the installations that are tried must not find it.
    session.install("build>=1.2", "hatchling>=1.27", "twine>=6")
    session.run("python", "-m", "tests.package", *session.posargs)


def _install_programs(session: nox.Session) -> None:
    """Install missing programs where that is allowed; elsewhere say which tests will be skipped."""
    missing = {name: package for name, package in PROGRAMS.items() if shutil.which(name) is None}
    if not missing:
        return
    if shutil.which("apt-get") and hasattr(os, "geteuid") and os.geteuid() == 0:
        session.run("apt-get", "update", "-qq", external=True)
        session.run(
            "apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing.values(),
            external=True, env={"DEBIAN_FRONTEND": "noninteractive"},
        )  # fmt: skip
    else:
        session.warn(f"skipped are the tests that need {', '.join(missing)}: install them to run all")
