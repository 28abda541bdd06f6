"""`piper_tts`: the real library, on the smallest voice that it loads."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from tests.children import Children
from tests.promptness import PROMPTLY
from trio_backend.audio.pcm import Pcm
from trio_backend.engines.base import Tts
from trio_backend.engines.registry import configure, open_engine
from trio_backend.engines.settings import Environment
from trio_backend.engines.whole import spoken
from trio_backend.errors import EngineError, SettingsError

pytest.importorskip("onnx")
pytest.importorskip("piper", reason="the extra piper is not installed")

from .tiny_piper import LETTER, RATE, write_voice


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One with a voice."""
    write_voice(tmp_path / "v.onnx")
    return tmp_path


@asynccontextmanager
async def opened(folder: Path, longest: float = 10, /, **settings: object) -> AsyncIterator[Tts]:
    """The adapter; a sentence may last ``longest`` seconds."""
    given = {"model_path": "v.onnx", **settings}
    config = configure("tts", "piper_tts", given, environment=Environment(folder, {}, longest))
    async with open_engine(config) as tts:
        yield tts


async def test_a_sentence_becomes_sound(folder: Path) -> None:
    """At the voice's rate, and as loud as is set; four sentences at once are each whole."""
    sounds: dict[int, Pcm] = {}

    async def say(tts: Tts, count: int) -> None:
        sounds[count] = await spoken(tts, "a" * count)

    with trio.fail_after(60):
        async with opened(folder, volume=0.5) as tts, trio.open_nursery() as nursery:
            for count in (1, 2, 3, 4):
                nursery.start_soon(say, tts, count)
    for count, pcm in sounds.items():
        assert pcm.rate == RATE
        assert len(pcm.samples) == 2 * LETTER * (2 * count + 3)
        assert 16_000 < int(abs(pcm.floats()).max() * 32_768) < 16_700


@pytest.mark.parametrize("text", ["", "…", "-v nosuch", "a\0b", "\ud800 cut", "🎈", "[[h@l'oU]]", "<b>"])
async def test_any_text_can_be_said(folder: Path, text: str) -> None:
    """What is between brackets is no phonemes."""
    with trio.fail_after(60):
        async with opened(folder) as tts:
            pcm = await spoken(tts, text)
            assert bool(pcm.samples) == any(map(str.isalnum, text))
            assert (await spoken(tts, "a")).samples


async def test_what_a_model_writes_is_no_phonemes(folder: Path) -> None:
    """Piper would take what is between double brackets for such, where its phonemes are espeak-ng's."""
    described = json.loads((folder / "v.onnx.json").read_text("utf-8"))
    (folder / "v.onnx.json").write_text(json.dumps({**described, "phoneme_type": "espeak"}))
    with trio.fail_after(60):
        async with opened(folder) as tts:
            pcm = await spoken(tts, "[[bbbbbbbbbb]]")
    assert pcm.samples
    assert len(pcm.samples) != 2 * LETTER * (2 * 10 + 3)


async def test_a_cancel_stops_it_at_once(folder: Path) -> None:
    """And the next sentence is whole, by another process; none is left at the end."""
    children = Children()
    with trio.fail_after(60):
        async with opened(folder, 3600) as tts:
            await spoken(tts, "a")
            with trio.move_on_after(0.01) as scope:
                await spoken(tts, "a" * 80_000)
            assert scope.cancelled_caught
            assert trio.current_time() - scope.deadline < PROMPTLY
            assert (await spoken(tts, "a")).samples
    assert children.all() == []


async def test_a_sentence_has_a_bound(folder: Path) -> None:
    """It says which, and the next one is said."""
    with trio.fail_after(60):
        async with opened(folder, 1) as tts:
            with pytest.raises(EngineError, match=r"more sound than 1 s .*max_sentence_sound"):
                await spoken(tts, "a" * 100)
            assert (await spoken(tts, "a")).samples


async def test_what_is_missing_is_told_when_it_is_loaded(folder: Path) -> None:
    """A file, or its description; a file that is no voice; a speaker that it does not have."""
    with trio.fail_after(60):
        await refused(folder, r"there is no file .*w\.onnx; get a voice", model_path="w.onnx")
        described = json.loads((folder / "v.onnx.json").read_text("utf-8"))
        (folder / "v.onnx.json").write_text(json.dumps({**described, "num_speakers": 2}))
        await refused(folder, "speaker_id: the voice has the speakers 0 to 1", speaker_id=2)
        (folder / "v.onnx.json").write_text("{}")
        await refused(folder, "cannot be loaded")
        (folder / "v.onnx.json").write_text(json.dumps(described))
        (folder / "v.onnx").write_bytes(b"<surprise>")
        await refused(folder, "cannot be loaded")
        (folder / "v.onnx.json").unlink()
        await refused(folder, r"there is no file .*v\.onnx\.json; get a voice, both its files")


async def refused(folder: Path, words: str, **settings: object) -> None:
    """It cannot be opened, and says why."""
    with pytest.raises(EngineError, match=f"piper_tts: .*{words}"):
        async with opened(folder, **settings):
            raise AssertionError("it cannot be opened")


def test_the_settings_of_the_older_backend_are_read() -> None:
    """All of them; and a wrong one is named."""
    old = {
        "model_path": "models/piper/zh_CN-huayan-medium.onnx",
        "speaker_id": 0,
        "length_scale": 1.0,
        "noise_scale": 0.667,
        "noise_w": 0.8,
        "volume": 1.0,
        "normalize_audio": True,
        "use_cuda": False,
    }
    configure("tts", "piper_tts", old, environment=Environment(Path(), {}))
    with pytest.raises(SettingsError, match="length_scale"):
        configure("tts", "piper_tts", {**old, "length_scale": 0}, environment=Environment(Path(), {}))
