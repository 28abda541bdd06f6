"""Rules files on disk: where they are, and reading each once as long as it does not change."""

from __future__ import annotations

from pathlib import Path

import attrs

from ....errors import EngineError
from .reading import read_companion
from .rules import Companion

DELIVERED = "companion.yaml"
"""The rules that come with the package, used where the configuration's folder has none of its own."""

# Bytes of a file. The largest delivered has some 150 kB; what is larger was named by mistake.
_LARGEST = 4_000_000
# Rules files that are kept; servers have one or two.
_MOST_KEPT = 4


def rules_file(folder: Path, name: str) -> Path | None:
    """The file ``name`` of ``folder``; of the delivered ones the package's, where the folder has none."""
    own = folder / name
    package = Path(__file__).parents[3]
    candidates = [own]
    if name == DELIVERED or name.startswith("companion/"):
        candidates += [package / "_conf" / name, package.parent / "conf" / name]
    return next((path for path in candidates if path.is_file()), None)


@attrs.frozen
class _Read:
    """What was read, of which files, each with its time of change and its size."""

    companion: Companion
    versions: tuple[tuple[Path, tuple[int, int]], ...]


_kept: dict[Path, _Read] = {}


def load_companion(rules: Path) -> Companion:
    """The companion of the file ``rules``; blocking. Raises `EngineError`, which names the wrong file.

    Characters that differ in manner alone share it, and load at once.
    """
    kept = _kept.get(rules)
    if kept and all(_version(path) == version for path, version in kept.versions):
        return kept.companion
    files = _OpenedFiles(rules)
    read = _Read(
        read_companion(files.text_of(rules), str(rules), files.open_named),
        tuple(files.versions.items()),
    )
    # Threads may load two at once: then one of them is kept.
    if len(_kept) >= _MOST_KEPT:
        _kept.pop(next(iter(_kept)), None)
    _kept[rules] = read
    return read.companion


@attrs.define(eq=False)
class _OpenedFiles:
    """The files of one companion."""

    _rules: Path
    versions: dict[Path, tuple[int, int]] = attrs.field(factory=dict, init=False)

    def open_named(self, name: str) -> str:
        """The text of a file that the rules file names."""
        found = rules_file(self._rules.parent, name)
        if found is None:
            raise FileNotFoundError(name)
        return self.text_of(found)

    def text_of(self, path: Path) -> str:
        try:
            version = _version(path)
            if version and version[1] > _LARGEST:
                raise EngineError(f"{path}: this is too large to be a rules file")
            text = path.read_text(encoding="utf-8")
        except OSError as error:
            raise EngineError(f"{path}: {error.strerror or error}") from error
        except UnicodeDecodeError as error:
            raise EngineError(f"{path}: the file must be UTF-8 text") from error
        if version:
            self.versions[path] = version
        return text


def _version(path: Path) -> tuple[int, int] | None:
    try:
        state = path.stat()
    except OSError:
        return None
    return state.st_mtime_ns, state.st_size
