"""What has to be in the wheel and in the source distribution, and what must not be."""

from __future__ import annotations

import subprocess
import tarfile
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).parents[2]

# The folders that the source distribution has as they are, and its files beside them.
SDIST_FOLDERS = ("conf", "docs", "packaging", "trio_backend")
SDIST_FILES = (
    ".dockerignore",
    ".gitignore",
    "CHANGELOG.md",
    "Dockerfile",
    "LICENSE",
    "README.md",
    "SECURITY.md",
    "compose.yaml",
    "pyproject.toml",
)
# What hatchling adds.
WHEEL_METADATA = ("METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE")


def known_files(*, committed: bool) -> list[str]:
    """The clone's files: those that git knows, and unless they must be ``committed``, those it would add."""
    # Whoever owns the clone: git otherwise refuses one that was mounted or unpacked by somebody else.
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached"]
    command += [] if committed else ["--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def wanted_in_wheel(known: Iterable[str], stem: str) -> set[str]:
    """The names in the wheel ``stem`` (name and version): the package, with ``conf`` inside it."""
    package = {name for name in known if name.startswith("trio_backend/")}
    conf = {f"trio_backend/_{name}" for name in known if name.startswith("conf/")}
    return package | conf | {f"{stem}.dist-info/{name}" for name in WHEEL_METADATA}


def wanted_in_sdist(known: Iterable[str], stem: str) -> set[str]:
    """The names in the source distribution ``stem``: what the wheel is made of, and what is to be read."""
    chosen = {name for name in known if name.split("/")[0] in SDIST_FOLDERS or name in SDIST_FILES}
    return {f"{stem}/{name}" for name in chosen | {"PKG-INFO"}}


def files_of_wheel(wheel: Path) -> dict[str, int]:
    """Its files, and the rights that they get where it is installed."""
    with zipfile.ZipFile(wheel) as archive:
        return {each.filename: each.external_attr >> 16 & 0o777 for each in archive.infolist()}


def files_of_sdist(sdist: Path) -> dict[str, int]:
    """Its files, and their rights."""
    with tarfile.open(sdist) as archive:
        return {each.name: each.mode & 0o777 for each in archive.getmembers() if each.isfile()}


def problems(found: Mapping[str, int], wanted: set[str], archive: str) -> list[str]:
    """What is too much, what is missing, and what not everybody could read; one line each."""
    return [
        *(f"{archive} has {name}, which is no file of the clone's" for name in sorted(found.keys() - wanted)),
        *(f"{archive} lacks {name}" for name in sorted(wanted - found.keys())),
        *(
            f"{archive}: {name} has mode {mode:o}"
            for name, mode in sorted(found.items())
            if mode not in (0o644, 0o755)
        ),
    ]


def problems_of(built: Path, *, committed: bool) -> list[str]:
    """What is wrong with the wheel or source distribution ``built``; empty if nothing is."""
    known = known_files(committed=committed)
    if built.suffix == ".whl":
        stem = "-".join(built.name.split("-")[:2])
        return problems(files_of_wheel(built), wanted_in_wheel(known, stem), built.name)
    stem = built.name.removesuffix(".tar.gz")
    return problems(files_of_sdist(built), wanted_in_sdist(known, stem), built.name)


def links_of_description(wheel: Path) -> list[str]:
    """Links and pictures of the index page that would lead nowhere there: those without a host."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if PurePosixPath(name).name == "METADATA")
        description = archive.read(name).decode().partition("\n\n")[2]
    targets = [part.split(")")[0] for part in description.split("](")[1:]]
    targets += [part.split('"')[0] for key in ('src="', 'href="') for part in description.split(key)[1:]]
    return [target for target in targets if "://" not in target]
