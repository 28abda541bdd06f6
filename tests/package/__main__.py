"""``python -m tests.package``, which is ``nox -s package``: build, look, install, start; 0 if all is well."""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from .contents import ROOT, links_of_description, problems_of
from .trial import Failed, Installation, expect, pythons, try_with_voice, try_without_voice


def main() -> None:
    parser = argparse.ArgumentParser(prog="nox -s package --", description=__doc__)
    parser.add_argument(
        "--keep", type=Path, help="put the wheel and the source distribution into this folder"
    )
    parser.add_argument("--all", action="store_true", help="try the wheel with every Python that is found")
    parser.add_argument(
        "--uncommitted", action="store_true", help="files that git does not know yet may be in"
    )
    wanted = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory(prefix="trio-backend-package-") as folder:
            _run(Path(folder), wanted)
    except Failed as failed:
        sys.exit(f"package: {failed}")


def _run(folder: Path, wanted: argparse.Namespace) -> None:
    sdist, wheel = _build(folder / "dist")
    for built in (sdist, wheel):
        found = problems_of(built, committed=not wanted.uncommitted)
        expect(not found, f"{built.name}:", *found)
        _say(f"{built.name}: {built.stat().st_size:,} bytes, {_digest(built)[:16]}")
    expect(not links_of_description(wheel), "links of the index page:", *links_of_description(wheel))
    _see_that_it_is_reproducible(folder, sdist, wheel)
    subprocess.run([sys.executable, "-m", "twine", "check", "--strict", str(sdist), str(wheel)], check=True)
    if wanted.keep:
        wanted.keep.mkdir(parents=True, exist_ok=True)
        for built in (sdist, wheel):
            (wanted.keep / built.name).write_bytes(built.read_bytes())
    version = wheel.name.split("-")[1]
    known = pythons()
    chosen = known if wanted.all else {name: known[name] for name in list(known)[:1]}
    for name, python in chosen.items():
        _try(
            f"the wheel, [voice], Python {name}",
            try_with_voice,
            (python, wheel, "[voice]", folder / name),
            version,
        )
    python = next(iter(known.values()))
    _try("the wheel alone", try_without_voice, (python, wheel, "", folder / "plain"), version)
    _try("the sdist, [voice]", try_with_voice, (python, sdist, "[voice]", folder / "sdist"), version)


def _try(
    what: str,
    trial: Callable[[Installation, str], str],
    made_of: tuple[str, Path, str, Path],
    version: str,
) -> None:
    started = time.monotonic()
    try:
        here = Installation(*made_of)
        installed = time.monotonic()
        seen = trial(here, version)
    except (Failed, subprocess.SubprocessError, OSError) as error:
        raise Failed(f"{what}: {error}") from error
    took = f"installed in {installed - started:.0f} s, tried in {time.monotonic() - installed:.0f} s"
    _say(f"{what}: {took}: {seen}")


def _build(folder: Path) -> tuple[Path, Path]:
    """The source distribution, and the wheel that is made of it."""
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=_environment())
    (sdist,), (wheel,) = folder.glob("*.tar.gz"), folder.glob("*.whl")
    return sdist, wheel


def _see_that_it_is_reproducible(folder: Path, sdist: Path, wheel: Path) -> None:
    """Another time, another umask and straight from the clone the same bytes come out."""
    again, before = folder / "again", os.umask(0o077)
    try:
        command = [
            sys.executable,
            "-m",
            "build",
            "--no-isolation",
            "--sdist",
            "--wheel",
            "--outdir",
            str(again),
        ]
        environ = {**_environment(), "TZ": "Asia/Tokyo"}
        subprocess.run([*command, str(ROOT)], check=True, stdout=subprocess.DEVNULL, env=environ)
    finally:
        os.umask(before)
    for built in (sdist, wheel):
        expect(_digest(built) == _digest(again / built.name), f"{built.name} differs when it is built again")
    _say("built again, with another umask and in another time zone: the same bytes")


def _environment() -> dict[str, str]:
    """With the time of the last commit, as reproducible-builds.org asks for."""
    last = ["git", "-C", str(ROOT), "log", "-1", "--format=%ct"]
    when = subprocess.run(last, capture_output=True, text=True, check=True).stdout.strip()
    return {**os.environ, "SOURCE_DATE_EPOCH": when}


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    main()
