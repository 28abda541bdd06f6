"""What is found in the folders that clients show."""

from __future__ import annotations

from pathlib import Path

from trio_backend.assets import Live2dModel, find_backgrounds, live2d_info


def touch(folder: Path, *names: str) -> None:
    """Empty files in ``folder``, with the folders they need."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def test_models_are_folders_with_a_model_file(tmp_path: Path) -> None:
    """The file named like the folder wins; others are found deeper; a portrait comes along."""
    touch(tmp_path, "mao/mao.model3.json", "mao/a.model3.json", "mao/mao.jpg", "mao/mao.png")
    touch(tmp_path, "eve/runtime/v2.model3.json", "eve/runtime/v1.model3.json", "eve/other.png")
    touch(
        tmp_path,
        "empty/readme.txt",
        ".hidden/hidden.model3.json",
        "loose.model3.json",
        "w/x/y/z/d.model3.json",
    )

    info = live2d_info(tmp_path)

    assert info.characters == (
        Live2dModel("eve", None, "live2d-models/eve/runtime/v1.model3.json"),
        Live2dModel("mao", "live2d-models/mao/mao.png", "live2d-models/mao/mao.model3.json"),
    )
    assert (info.type, info.count) == ("live2d-models/info", 2)


def test_backgrounds_are_images_by_their_path(tmp_path: Path) -> None:
    """Any case of the suffix, folders too; nothing that is hidden or no image."""
    touch(tmp_path, "b.PNG", "a.svg", "c.webp", "night/d.jpeg", "notes.txt", ".e.png", "folder.png/f.gif")

    assert find_backgrounds(tmp_path) == ["a.svg", "b.PNG", "c.webp", "folder.png/f.gif", "night/d.jpeg"]


def test_a_link_back_up_ends_the_search(tmp_path: Path) -> None:
    """A folder that contains itself is listed once."""
    touch(tmp_path, "a.png")
    (tmp_path / "loop").symlink_to(tmp_path)

    assert find_backgrounds(tmp_path) == ["a.png"]


def test_a_missing_folder_holds_nothing(tmp_path: Path) -> None:
    """Models and backgrounds are optional."""
    assert find_backgrounds(tmp_path / "none") == []
    assert live2d_info(tmp_path / "none").count == 0
