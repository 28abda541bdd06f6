"""OpenAI's Whisper as a library: torch is none of our dependencies, so that a stand-in takes its place."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from tests.children import Children
from tests.engines.speech_sounds import noise, opened
from trio_backend.audio.pcm import Pcm
from trio_backend.engines.whole import transcribed
from trio_backend.errors import EngineError

LIBRARY = """
class Model:
    device = "cpu"
    def __init__(self, *said): self.said = said
    def transcribe(self, samples, **options):
        return {"text": f" {self.said} {options} {len(samples)} {samples.dtype}", "language": "en"}

def load_model(name, device=None, download_root=None):
    if name == "huge": raise RuntimeError("Model huge not found; available models = ['tiny']")
    return Model(name, device, download_root)
"""


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the configuration."""
    (tmp_path / "whisper.py").write_text(LIBRARY)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return tmp_path


async def test_the_library_is_given_its_settings(library: Path) -> None:
    """Those of existing files, with folders from that of the configuration."""
    settings = {"name": "medium", "download_root": "models/whisper", "device": "cpu", "prompt": "Mao."}
    async with opened("whisper", settings, library)() as asr:
        assert not asr.streams
        heard = await transcribed(asr, noise(1).resampled(48_000))
        assert await transcribed(asr, Pcm(b"", 16_000)) == ""
    assert heard == (
        f"('medium', 'cpu', '{library / 'models/whisper'}') "
        "{'language': None, 'initial_prompt': 'Mao.', 'fp16': False} 16000 float32"
    )


async def test_a_file_of_ones_own_may_be_named(library: Path) -> None:
    """Relative to the configuration, too; `auto` leaves the device to the library."""
    async with opened("whisper", {"name": "./m.pt", "device": "auto", "language": "de"}, library)() as asr:
        heard = await transcribed(asr, noise(0.1))
    assert f"('{library / 'm.pt'}', None, " in heard
    assert "'language': 'de'" in heard


async def test_a_cancel_leaves_the_model_loaded(library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Utterances are often given up, in pauses that end, and loading it takes long."""
    children = Children()
    monkeypatch.setattr("trio_backend.engines.asr.whisper.INTERRUPTION", 10)
    slow = "if len(samples) > 16_000: time.sleep(3600)"
    text = LIBRARY.replace("        return", f"        {slow}\n        return", 1)
    (library / "whisper.py").write_text(f"import time\n{text}")
    with trio.fail_after(60):
        async with opened("whisper", {}, library)() as asr:
            loaded = children.direct()
            with trio.move_on_after(0.2) as scope:
                await transcribed(asr, noise(2))
            assert scope.cancelled_caught
            assert "16000 float32" in await transcribed(asr, noise(1))
            assert children.direct() == loaded


async def test_a_model_that_does_not_exist_is_told(library: Path) -> None:
    """As the library tells it."""
    with pytest.raises(EngineError, match="'huge' cannot be loaded: Model huge not found"):
        async with opened("whisper", {"name": "huge"}, library)():
            raise AssertionError("never ready")


async def test_a_library_that_is_not_installed_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what is missing, and what needs less."""
    (tmp_path / "whisper.py").write_text("import torch_that_is_missing")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(EngineError, match=r"torch_that_is_missing.*pip install openai-whisper.*whisper_cpp"):
        async with opened("whisper", {})():
            raise AssertionError("never ready")
