"""whisper.cpp: the real library on the smallest model that it loads, and what is said where it cannot."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

import pytest
import trio

from tests.children import Children
from tests.engines.speech_sounds import noise, opened, silence
from tests.engines.tiny_whisper import TRANSCRIPT, write_model
from tests.promptness import PROMPTLY
from trio_backend.audio.pcm import Pcm
from trio_backend.engines.asr.whisper_cpp import WhisperCppConfig
from trio_backend.engines.registry import configure, without_effect
from trio_backend.engines.settings import Environment
from trio_backend.engines.whole import transcribed
from trio_backend.errors import EngineError

needs_library = pytest.mark.skipif(
    find_spec("pywhispercpp") is None, reason="the extra whisper-cpp is not installed"
)
TEXT = TRANSCRIPT.strip()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of 1 MB."""
    path = tmp_path_factory.mktemp("whisper") / "ggml-tiny.bin"
    write_model(path)
    return path


@needs_library
@pytest.mark.parametrize("language", ["auto", "en", ""])
async def test_the_real_library_says_what_its_model_says(model: Path, language: str) -> None:
    """By a file's path; of more than half a minute, all windows are one text."""
    settings = {"model_name": "./ggml-tiny.bin", "language": language, "prompt": "Hello."}
    async with opened("whisper_cpp", settings, model.parent)() as asr:
        assert not asr.streams
        with trio.fail_after(60):
            assert await transcribed(asr, noise(1)) == TEXT
            assert await transcribed(asr, noise(1).resampled(44_100)) == TEXT
            assert await transcribed(asr, noise(31)) == f"{TEXT} {TEXT}"
            for sound in (Pcm(b"", 16_000), silence(0.05)):
                assert await transcribed(asr, sound) == ""


@needs_library
async def test_a_size_is_looked_for_in_its_folder(model: Path) -> None:
    """Where an earlier download has put it, by the name that it has there."""
    async with opened("whisper_cpp", {"model_name": "tiny", "model_dir": "."}, model.parent)() as asr:
        with trio.fail_after(60):
            assert await transcribed(asr, noise(1)) == TEXT


@needs_library
async def test_a_cancelled_utterance_ends_its_process(model: Path) -> None:
    """At once, wherever the library is; another one is loaded, and in the end none is left."""
    children = Children()
    async with opened("whisper_cpp", {"model_name": f"{model}"})() as asr:
        for after in (0.0, 0.05):
            with trio.move_on_after(after) as scope:
                await transcribed(asr, noise(59))
            assert trio.current_time() - scope.deadline < PROMPTLY
            with trio.fail_after(60):
                assert await transcribed(asr, noise(1)) == TEXT
    assert children.all() == []


@needs_library
async def test_a_file_that_is_no_model_is_told(tmp_path: Path) -> None:
    """Instead of a crash at the first utterance."""
    (tmp_path / "m.bin").write_bytes(b"<html>" * 1000)
    with pytest.raises(EngineError, match=r"m.bin' cannot be loaded: it is no model of whisper\.cpp"):
        async with opened("whisper_cpp", {"model_name": "./m.bin"}, tmp_path)():
            raise AssertionError("never ready")


@needs_library
async def test_a_model_that_is_cut_off_harms_nobody_else(model: Path, tmp_path: Path) -> None:
    """The library crashes; its process is replaced, and the server goes on."""
    (tmp_path / "m.bin").write_bytes(model.read_bytes()[:500_000])
    async with opened("whisper_cpp", {"model_name": "./m.bin"}, tmp_path)() as asr:
        for _ in range(2):
            with pytest.raises(EngineError, match=r"whisper_cpp: its process ended unexpectedly"):
                await transcribed(asr, noise(1))


async def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    """Before a process is started."""
    with pytest.raises(EngineError, match=r"there is no file .*m\.bin; get a model at https"):
        async with opened("whisper_cpp", {"model_name": "./models/m.bin"}, tmp_path)():
            raise AssertionError("never ready")


STAND_IN = """
def resolve_model_path(name, folder=None): raise ValueError(f"no size {name}")
class Model: pass
"""


async def test_a_size_that_does_not_exist_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the library tells it."""
    folder = tmp_path / "pywhispercpp"
    folder.mkdir()
    for name in ("__init__", "model", "utils"):
        (folder / f"{name}.py").write_text(STAND_IN)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    with pytest.raises(EngineError, match="the model 'smal' cannot be loaded: no size smal"):
        async with opened("whisper_cpp", {"model_name": "smal"})():
            raise AssertionError("never ready")


async def test_a_library_that_is_not_installed_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what installs it."""
    (tmp_path / "pywhispercpp.py").write_text("raise ImportError")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(EngineError, match="install the extra `whisper-cpp`"):
        async with opened("whisper_cpp", {})():
            raise AssertionError("never ready")


def test_settings_of_existing_files_are_understood(tmp_path: Path) -> None:
    """Each of them is read, or named with a reason."""
    settings = {
        "model_name": "small",
        "model_dir": "models/whisper",
        "print_realtime": False,
        "print_progress": False,
        "language": "auto",
        "prompt": "",
    }
    config = configure("asr", "whisper_cpp", settings, environment=Environment(tmp_path, {}))
    folder = str(tmp_path / "models/whisper")
    assert config.settings == WhisperCppConfig("small", folder, "auto", "", 4, 600.0)
    named = dict(without_effect("asr", "whisper_cpp", settings))
    assert named.keys() == {"print_realtime", "print_progress"}
    assert "not to the terminal" in named["print_progress"]
