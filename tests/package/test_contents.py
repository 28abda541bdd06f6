"""The wheel and the source distribution have what they should; `nox -s package` installs and starts them."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from .contents import ROOT, files_of_wheel, known_files, links_of_description, problems, problems_of

pytest.importorskip("hatchling", reason="the extra `dev` has it")
pytestmark = pytest.mark.skipif(not (ROOT / ".git").exists(), reason="git says what is in the clone")


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both, made of the clone as it is."""
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-d", str(folder)], cwd=ROOT, check=True, timeout=120
    )
    return folder


@pytest.mark.parametrize("pattern", ["*.whl", "*.tar.gz"])
def test_they_have_the_files_of_the_clone_and_no_others(built: Path, pattern: str) -> None:
    """The shipped characters, the page, py.typed, the licence; no tests, keys or conversations."""
    (archive,) = built.glob(pattern)
    assert problems_of(archive, committed=False) == []


def test_the_wheel_has_what_nobody_would_miss_until_it_runs(built: Path) -> None:
    """By name, should the list of the clone's files be wrong."""
    (wheel,) = built.glob("*.whl")
    for name in (
        "py.typed",
        "web/index.html",
        "web/status/status.js",
        "_conf/conf.yaml",
        "_conf/companion/ja.yaml",
    ):
        assert files_of_wheel(wheel)[f"trio_backend/{name}"] == 0o644


def test_what_is_too_much_missing_or_private_is_named() -> None:
    """One line each."""
    found = {"a.py": 0o644, "conf.yaml": 0o644, "key.pem": 0o600}
    assert problems(found, {"a.py", "b.py", "key.pem"}, "wheel") == [
        "wheel has conf.yaml, which is no file of the clone's",
        "wheel lacks b.py",
        "wheel: key.pem has mode 600",
    ]


def test_what_git_ignores_is_no_file_of_the_clone() -> None:
    """Such as conversations, and caches."""
    known = known_files(committed=False)
    assert "trio_backend/cli.py" in known
    assert not [name for name in known if "__pycache__" in name or name.endswith("history.sqlite3")]


def test_the_index_page_leads_nowhere_wrong(built: Path, tmp_path: Path) -> None:
    """It has no picture and no link of the clone; one that it had would be found."""
    (wheel,) = built.glob("*.whl")
    assert links_of_description(wheel) == []
    with zipfile.ZipFile(tmp_path / "bad.whl", "w") as bad:
        bad.writestr(
            "x.dist-info/METADATA", 'Name: x\n\n![a](docs/page.png) [b](https://b.org) <img src="c.png">'
        )
    assert links_of_description(tmp_path / "bad.whl") == ["docs/page.png", "c.png"]
