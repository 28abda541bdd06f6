"""Commands that install something: they fit the installation, and a shell takes them as they are meant."""

from __future__ import annotations

import importlib.util
import shlex
import shutil
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from trio_backend import installation


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An environment that is not the active one, with a pip, of which the package is a part."""
    python = tmp_path / "my venv" / "bin" / "python"
    monkeypatch.setattr(sys, "executable", str(python))
    monkeypatch.setattr(shutil, "which", lambda _: None)
    packages = tmp_path / "lib" / "trio_backend"
    monkeypatch.setattr(installation, "__file__", str(packages / "installation.py"))
    return python


def without_pip(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec

    def find_all_but(name: str) -> ModuleSpec | None:
        return None if name == "pip" else find(name)

    monkeypatch.setattr(importlib.util, "find_spec", find_all_but)


def with_pip(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: ModuleSpec(name, None))


def test_the_pip_of_the_active_environment(environment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is called by its name where the shell would find that one, and no other."""
    with_pip(monkeypatch)
    monkeypatch.setattr(shutil, "which", {"pip": str(environment.parent / "pip")}.get)
    assert installation.install_extras(["edge"]) == "pip install 'trio-backend[edge]'"
    monkeypatch.setattr(shutil, "which", {"pip": "/usr/bin/pip"}.get)
    assert shlex.split(installation.install("funasr", "torch")) == [
        str(environment),
        "-m",
        "pip",
        "install",
        "funasr",
        "torch",
    ]


@pytest.mark.parametrize(
    ("program", "words"), [("uv", "uv pip install --python"), ("", "python3 -m pip --python")]
)
def test_an_environment_without_pip(
    environment: Path, monkeypatch: pytest.MonkeyPatch, program: str, words: str
) -> None:
    """Another pip, or uv, is told where to install."""
    without_pip(monkeypatch)
    monkeypatch.setattr(shutil, "which", {program: f"/usr/bin/{program}"}.get)
    command = shlex.split(installation.install_extras(["edge", "voice"]))
    assert command[:5] == [*words.split(), str(environment)]
    assert command[-1] == "trio-backend[edge,voice]"
    assert command.count("install") == 1


def test_a_clone_is_installed_from_where_it_is(
    environment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `.` in its own folder; a package of that name need not exist anywhere."""
    with_pip(monkeypatch)
    clone = tmp_path / "my clone"
    clone.mkdir()
    (clone / "pyproject.toml").touch()
    monkeypatch.setattr(installation, "__file__", str(clone / "trio_backend" / "installation.py"))
    monkeypatch.chdir(tmp_path)
    assert shlex.split(installation.install_extras(["edge"]))[-2:] == ["-e", f"{clone}[edge]"]
    monkeypatch.chdir(clone)
    assert installation.extra_remedy("edge").startswith("install the extra `edge`: `")
    assert installation.extra_remedy("edge").endswith(" -m pip install -e '.[edge]'`")


def test_an_image_is_built_anew(environment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what it has, and what is wanted: in its containers nothing that pip installs would stay."""
    built = "docker build --build-arg EXTRAS={} -t trio-backend ."
    monkeypatch.setenv(installation.IMAGE_EXTRAS, "voice,whisper")
    assert installation.install_extras(["edge", "voice"]) == built.format("voice,whisper,edge")
    monkeypatch.setenv(installation.IMAGE_EXTRAS, "")
    assert installation.install_extras(["voice"]) == built.format("voice")
    dockerfile = Path(__file__).parents[1] / "Dockerfile"
    assert f"{installation.IMAGE_EXTRAS}=$EXTRAS" in dockerfile.read_text("utf-8")


def test_windows_quotes_as_its_shells_do(environment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of which one knows no single quotes."""
    with_pip(monkeypatch)
    monkeypatch.setattr(sys, "platform", "win32")
    assert installation.install_extras(["edge"]).endswith('" -m pip install "trio-backend[edge]"')
