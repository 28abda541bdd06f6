"""Writing is all or nothing, and overwrites nothing without being told."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from trio_backend.errors import SetupRefused
from trio_backend.setup import writing
from trio_backend.setup.writing import NewFiles, write_all


def files(folder: Path, secret: bool = False) -> NewFiles:
    return NewFiles(
        folder,
        {"characters/ann.yaml": b"new ann", "conf.yaml": b"new conf"},
        frozenset({"conf.yaml"} if secret else ()),
        {"model_dict.json": b"[]", "avatars/a.svg": b"<svg/>"},
    )


def content(folder: Path) -> dict[str, bytes]:
    """All that is in the folder; folders have no bytes."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else b""
        for path in sorted(folder.rglob("*"))
    }


NEW = {
    "avatars": b"",
    "avatars/a.svg": b"<svg/>",
    "characters": b"",
    "characters/ann.yaml": b"new ann",
    "conf.yaml": b"new conf",
    "model_dict.json": b"[]",
}


def test_a_new_folder_is_made(tmp_path: Path) -> None:
    """With those above it."""
    written = write_all(files(tmp_path / "a" / "b"), replace=False)
    assert content(tmp_path / "a" / "b") == NEW
    assert written.written[-1] == "conf.yaml"
    assert not written.kept


@pytest.mark.parametrize("name", ["conf.yaml", "characters/ann.yaml"])
@pytest.mark.parametrize("kind", ["file", "folder", "dead link"])
def test_what_is_there_stays_as_it_is(tmp_path: Path, name: str, kind: str) -> None:
    """Whatever it is; and nothing else is written either."""
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    if kind == "file":
        path.write_bytes(b"mine")
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("nowhere")
    before = content(tmp_path)
    with pytest.raises(SetupRefused, match=r"is there already.*--force"):
        write_all(files(tmp_path), replace=False)
    assert content(tmp_path) == before


def test_faces_and_prompts_that_are_there_stay(tmp_path: Path) -> None:
    """Theirs may be better."""
    (tmp_path / "model_dict.json").write_bytes(b"[1]")
    assert "model_dict.json" not in write_all(files(tmp_path), replace=False).written
    assert content(tmp_path)["model_dict.json"] == b"[1]"


def test_force_keeps_the_old_files(tmp_path: Path) -> None:
    """Each time under another name."""
    for number in range(3):
        write_all(files(tmp_path), replace=number > 0)
        (tmp_path / "conf.yaml").write_bytes(b"mine %d" % number)
    found = content(tmp_path)
    assert found["conf.yaml.old"] == b"mine 0"
    assert found["conf.yaml.old2"] == b"mine 1"
    # The list of characters has none of them.
    assert [name for name in found if name.endswith(".yaml")] == ["characters/ann.yaml", "conf.yaml"]


@pytest.mark.parametrize("replace", [False, True])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
@pytest.mark.parametrize("at", range(4))
def test_after_an_error_all_is_as_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, replace: bool, error: BaseException, at: int
) -> None:
    """At whichever file it comes; a full disk is told in words."""
    folder = tmp_path / "new"
    if replace:
        write_all(files(folder), replace=False)
        (folder / "conf.yaml").write_bytes(b"mine")
        (folder / "model_dict.json").unlink()
        (folder / "avatars" / "a.svg").unlink()
    before = content(tmp_path)
    monkeypatch.setattr(writing, "_create", failing(writing._create, error, at))
    with pytest.raises(SetupRefused if isinstance(error, OSError) else KeyboardInterrupt):
        write_all(files(folder), replace=replace)
    assert content(tmp_path) == before


def failing(create: Callable[..., None], error: BaseException, at: int) -> Callable[..., None]:
    """``create``, but the file of that number is begun, and then there is ``error``."""
    left = [at]

    def fail(path: Path, data: bytes, mode: int, undo: object) -> None:
        left[0] -= 1
        create(path, data[:1] if left[0] < 0 else data, mode, undo)
        if left[0] < 0:
            raise error

    return fail


def test_secrets_are_for_their_owner_from_the_first_byte(tmp_path: Path) -> None:
    """Whatever the umask allows others."""
    old = os.umask(0)
    try:
        write_all(files(tmp_path, secret=True), replace=False)
    finally:
        os.umask(old)
    assert (tmp_path / "conf.yaml").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "model_dict.json").stat().st_mode & 0o777 == 0o666


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    """And is not touched."""
    (tmp_path / "x").write_bytes(b"mine")
    for folder in (tmp_path / "x", tmp_path / "x" / "y"):
        with pytest.raises(SetupRefused):
            write_all(files(folder), replace=True)
    assert content(tmp_path) == {"x": b"mine"}
