"""Commands that install something into this very installation, for messages that say what to do.

They fit how the program was installed: from a clone (`pip install -e`) or as a package, and by a pip that
installs where this program looks, whether or not its environment is the active one or has a pip of its own.

It imports little, and late: child processes use it, too.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path

PROJECT = "trio-backend"


def extra_remedy(name: str) -> str:
    """What to do where the extra ``name`` is missing: ``install the extra `edge`: `pip install …` ``."""
    return f"install the extra `{name}`: `{install_extras([name])}`"


def install_extras(names: Iterable[str]) -> str:
    """The command that adds these extras to the installation that runs."""
    extras = f"[{','.join(names)}]"
    clone = _clone()
    if clone is None:
        return install(PROJECT + extras)
    here = os.path.isfile("pyproject.toml") and os.path.samefile(clone, os.curdir)
    return install("-e", f"{'.' if here else clone}{extras}")


def install(*requirements: str) -> str:
    """The command that installs ``requirements`` (names of packages, and options of pip) where we look."""
    return " ".join([*_pip(), *map(_quoted, requirements)])


def _pip() -> list[str]:
    """The words of a pip that installs into the environment of this interpreter."""
    beside, found = Path(sys.executable).parent, shutil.which("pip")
    if found and Path(found).parent == beside:
        return ["pip", "install"]
    from importlib.util import find_spec  # 5 ms

    if find_spec("pip") is not None:
        return [_quoted(sys.executable), "-m", "pip", "install"]
    # An environment without pip, as `python3 -m venv --without-pip` and uv make it.
    if shutil.which("uv"):
        return ["uv", "pip", "install", "--python", _quoted(sys.executable)]
    return ["python3", "-m", "pip", "--python", _quoted(sys.executable), "install"]


@cache
def _clone() -> str | None:
    """The folder of the clone that this program runs from; None where it was installed as a package."""
    import json
    from importlib.metadata import PackageNotFoundError, distribution
    from urllib.parse import urlsplit
    from urllib.request import url2pathname

    try:
        # PEP 610: what pip and uv were told to install, where that was no name of a package.
        told = json.loads(distribution(PROJECT).read_text("direct_url.json") or "{}")
        editable = told.get("dir_info", {}).get("editable", False)
        return url2pathname(urlsplit(told["url"]).path) if editable else None
    except (PackageNotFoundError, ValueError, LookupError, AttributeError):
        # It runs from its source, and nothing was installed; or the note is none of theirs.
        return None


def _quoted(word: str) -> str:
    # Of the shells of Windows, cmd knows no single quotes.
    if sys.platform == "win32":
        return f'"{word}"' if set(word) & set(" [],<>=&|^") else word
    return shlex.quote(word)
