"""`write_all`: the files of a new configuration, all of them or none; blocking."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import attrs

from ..errors import SetupRefused


@attrs.frozen
class NewFiles:
    """Files by their path below ``folder``. Those of ``ours`` must not be there, unless they are replaced.

    Of the others, which come with the package, those that are there stay as they are. ``secret`` are for
    their owner's eyes alone (mode 0600). The last of ``ours`` is written last of all.
    """

    folder: Path
    ours: Mapping[str, bytes] = attrs.field(repr=False)
    secret: frozenset[str]
    packaged: Mapping[str, bytes] = attrs.field(repr=False)


@attrs.frozen
class WrittenFiles:
    """What was written, in order, and where files that were replaced are now."""

    written: Sequence[str]
    kept: Sequence[str]


def refuse_existing(folder: Path, names: Sequence[str]) -> None:
    """Raise `SetupRefused` if one of these files is there, or ``folder`` is none."""
    if folder.exists() and not folder.is_dir():
        raise SetupRefused(f"{folder} is a file; give a folder")
    for name in names:
        if os.path.lexists(folder / name):
            raise SetupRefused(
                f"{folder / name} is there already, and stays as it is; give another folder "
                "(`trio-backend init FOLDER`), or --force to write a new one and keep the old one as .old"
            )


def write_all(files: NewFiles, *, replace: bool) -> WrittenFiles:
    """Write them. After an error, or a Ctrl-C, there is what there was before.

    With ``replace``, files of ``ours`` that are there get the suffix ``.old`` (``.old2`` if that is taken).
    Raises `SetupRefused` where something is there, or cannot be written.
    """
    undo = _Undo()
    try:
        return _write(files, replace, undo)
    except OSError as error:
        undo.run()
        raise SetupRefused(f"{error.filename or files.folder}: {error.strerror or error}") from error
    except BaseException:
        undo.run()
        raise


def _write(files: NewFiles, replace: bool, undo: _Undo) -> WrittenFiles:
    if not replace:
        refuse_existing(files.folder, list(files.ours))
    _make_folder(files.folder, undo)
    written, kept = list[str](), list[str]()
    for name, data in files.packaged.items():
        if not os.path.lexists(files.folder / name):
            _make_folder((files.folder / name).parent, undo)
            _create(files.folder / name, data, 0o666, undo)
            written.append(name)
    for name, data in files.ours.items():
        path = files.folder / name
        _make_folder(path.parent, undo)
        if replace and os.path.lexists(path):
            old = _free_name(path)
            # As `rename`, but nothing is overwritten.
            os.rename(path, old)
            undo.renamed.append((old, path))
            kept.append(str(old.relative_to(files.folder)))
        _create(path, data, 0o600 if name in files.secret else 0o666, undo)
        written.append(name)
    return WrittenFiles(written, kept)


@attrs.define(eq=False)
class _Undo:
    """What was done so far, to be taken back."""

    created: list[Path] = attrs.field(factory=list)
    renamed: list[tuple[Path, Path]] = attrs.field(factory=list)
    folders: list[Path] = attrs.field(factory=list)

    def run(self) -> None:
        for path in reversed(self.created):
            path.unlink(missing_ok=True)
        for old, path in reversed(self.renamed):
            os.replace(old, path)
        for folder in reversed(self.folders):
            # What somebody else has put there in the meantime stays.
            with suppress(OSError):
                folder.rmdir()


def _make_folder(folder: Path, undo: _Undo) -> None:
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    for each in reversed(missing):
        each.mkdir()
        undo.folders.append(each)


def _create(path: Path, data: bytes, mode: int, undo: _Undo) -> None:
    # O_EXCL: what somebody else makes here in this moment is not overwritten, and a link is not followed.
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), mode)
    undo.created.append(path)
    with open(handle, "wb") as file:
        file.write(data)


def _free_name(path: Path) -> Path:
    names = (path.with_name(f"{path.name}.old{number if number > 1 else ''}") for number in range(1, 1000))
    return next(name for name in names if not os.path.lexists(name))
