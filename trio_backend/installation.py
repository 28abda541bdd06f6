"""Commands that install something into this very installation, for messages that say what to do.

They fit how the program was installed: from a clone (`pip install -e`) or as a package, and by a pip that
installs where this program looks, whether or not its environment is the active one or has a pip of its own.
In a container nothing can be installed that would stay, so there it is a new image that has the extras.

It imports little, and late: child processes use it, too.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path

PROJECT = "trio-backend"
# The extras of the image that this program runs in, as its Dockerfile sets them; absent elsewhere.
IMAGE_EXTRAS = "TRIO_BACKEND_IMAGE_EXTRAS"


def extra_remedy(name: str) -> str:
    """What to do where the extra ``name`` is missing: ``install the extra `edge`: `pip install …` ``."""
    return f"install the extra `{name}`: `{install_extras([name])}`"


def install_extras(names: Iterable[str]) -> str:
    """The command that adds these extras to the installation that runs."""
    if (image := os.environ.get(IMAGE_EXTRAS)) is not None:
        wanted = dict.fromkeys([*filter(None, image.split(",")), *names])
        return f"docker build --build-arg EXTRAS={','.join(wanted)} -t {PROJECT} ."
    extras = f"[{','.join(names)}]"
    clone = _clone()
    if clone is None:
        return install(PROJECT + extras)
    return install("-e", f"{'.' if clone == Path.cwd() else clone}{extras}")


def install(*requirements: str) -> str:
    """The command that installs ``requirements`` (names of packages, and options of pip) where we look."""
    return " ".join([*_pip(), *map(_quoted, requirements)])


def _pip() -> list[str]:
    """The words of a pip that installs into the environment of this interpreter."""
    import shutil
    from importlib.util import find_spec

    beside, found = Path(sys.executable).parent, shutil.which("pip")
    if found and Path(found).parent == beside:
        return ["pip", "install"]
    if find_spec("pip") is not None:
        return [_python(), "-m", "pip", "install"]
    # An environment without pip, as `python3 -m venv --without-pip` and uv make it.
    if shutil.which("uv"):
        return ["uv", "pip", "install", "--python", _python()]
    return ["python3", "-m", "pip", "--python", _python(), "install"]


def _python() -> str:
    """This interpreter, relative to the folder of the clone as in README's commands, where that is ours."""
    path, here = Path(sys.executable), Path.cwd()
    return _quoted(str(path.relative_to(here) if path.is_relative_to(here) else path))


def _clone() -> Path | None:
    """The folder of the clone that this program runs from; None where it was installed as a package."""
    folder = Path(__file__).absolute().parents[1]
    # The folder that packages are installed to has none.
    return folder if (folder / "pyproject.toml").is_file() else None


def _quoted(word: str) -> str:
    import shlex

    # Of the shells of Windows, cmd knows no single quotes.
    if sys.platform == "win32":
        return f'"{word}"' if set(word) & set(" [],<>=&|^") else word
    return shlex.quote(word)
