"""`sherpa_onnx_tts`: the real library, on the smallest model that it loads."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import pytest
import trio

from tests.children import Children
from tests.promptness import PROMPTLY
from trio_backend.audio.pcm import Pcm
from trio_backend.engines.base import Tts
from trio_backend.engines.registry import configure, open_engine
from trio_backend.engines.settings import Environment
from trio_backend.engines.speech_process import int16
from trio_backend.engines.tts import sherpa_onnx_process
from trio_backend.engines.tts.sherpa_onnx import SherpaTtsConfig
from trio_backend.engines.whole import spoken
from trio_backend.errors import EngineError, SettingsError

pytest.importorskip("onnx")
pytest.importorskip("sherpa_onnx", reason="the extra sherpa is not installed")

from .tiny_vits import LETTER, RATE, write_model


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One with a model."""
    write_model(tmp_path)
    return tmp_path


@asynccontextmanager
async def opened(folder: Path, longest: float = 10, /, **settings: object) -> AsyncIterator[Tts]:
    """The adapter; a sentence may last ``longest`` seconds."""
    given = {"vits_model": "model.onnx", "vits_tokens": "tokens.txt", **settings}
    config = configure("tts", "sherpa_onnx_tts", given, environment=Environment(folder, {}, longest))
    with trio.fail_after(60):
        async with open_engine(config) as tts:
            yield tts


def loudest(pcm: Pcm) -> float:
    """In [0, 1]."""
    return round(float(abs(pcm.floats()).max()), 2)


async def test_a_sentence_becomes_sound(folder: Path) -> None:
    """At the model's rate; four sentences at once are each whole."""
    sounds: dict[int, Pcm] = {}

    async def say(tts: Tts, count: int) -> None:
        sounds[count] = await spoken(tts, "a" * count)

    async with opened(folder) as tts, trio.open_nursery() as nursery:
        for count in (2, 3, 4, 5):
            nursery.start_soon(say, tts, count)
    for count, pcm in sounds.items():
        assert pcm.rate == RATE
        assert len(pcm.samples) == 2 * LETTER * count


async def test_speaker_and_speed_are_those_of_the_settings(folder: Path) -> None:
    """A speaker that the model does not have is its first: the older backend's template has such a number."""
    for settings, length, loudness in (
        ({"sid": 0}, LETTER, 0.8),
        ({"sid": 1, "speed": 2.0}, LETTER // 2, 0.4),
        ({"sid": 7, "speed": "0.5"}, LETTER * 2, 0.8),
    ):
        async with opened(folder, **settings) as tts:
            pcm = await spoken(tts, "Hello.")
            assert len(pcm.samples) == 2 * 6 * length
            assert loudest(pcm) == loudness


async def test_a_dictionary_that_is_not_there_is_not_missed(folder: Path) -> None:
    """The older backend's template names one, which newer models and libraries do without."""
    async with opened(folder, vits_dict_dir="nosuch") as tts:
        assert (await spoken(tts, "Hello.")).samples


@pytest.mark.parametrize("count", [1, 2, -1])
async def test_the_parts_of_a_text_make_one_sound(folder: Path, count: int) -> None:
    """However many of them the library computes at once."""
    async with opened(folder, max_num_sentences=count) as tts:
        pcm = await spoken(tts, "aa. bb. cc.")
    assert len(pcm.samples) == 2 * LETTER * len("aa. bb. cc.")


@pytest.mark.parametrize("text", ["", "…", "-v nosuch", "ab\0cd", "\ud800 cut", "🎈", "[[h@l'oU]]", "你好"])
async def test_any_text_can_be_said(folder: Path, text: str, capfd: pytest.CaptureFixture[str]) -> None:
    """What the model has no tokens for is left out, and the library's words about that are not printed."""
    async with opened(folder) as tts:
        pcm = await spoken(tts, text)
        assert bool(pcm.samples) == any(character.isascii() and character.isalnum() for character in text)
        assert (await spoken(tts, "aa")).samples
    if "\0" in text:
        assert len(pcm.samples) == 2 * LETTER * len(text)
    assert not "".join(capfd.readouterr())


async def test_a_cancel_stops_it_at_once(folder: Path) -> None:
    """And the next sentence is whole, by another process; none is left at the end."""
    children = Children()
    async with opened(folder, 3600, max_num_sentences=-1) as tts:
        await spoken(tts, "aa")
        with trio.move_on_after(0.01) as scope:
            await spoken(tts, "a" * 80_000)
        assert scope.cancelled_caught
        assert trio.current_time() - scope.deadline < PROMPTLY
        assert (await spoken(tts, "aa")).samples
    assert not children.all()


async def test_a_sentence_has_a_bound(folder: Path) -> None:
    """It says which, and the next one is said."""
    children = Children()
    async with opened(folder, 1) as tts:
        (child,) = children.direct()
        with pytest.raises(EngineError, match=r"more sound than 1 s .*max_sentence_sound"):
            await spoken(tts, "a" * 51)
        assert (await spoken(tts, "a" * 50)).samples
        assert children.direct() == [child]


def test_no_more_is_made_than_the_bound(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a text in a thousand parts, each of 80 ms."""
    made: list[int] = []

    def count(samples: Sequence[float]) -> bytes:
        made.append(len(samples))
        return int16(samples)

    monkeypatch.setattr(sherpa_onnx_process, "int16", count)
    given = {"vits_model": "model.onnx", "vits_tokens": "tokens.txt", "max_num_sentences": 1}
    config = configure("tts", "sherpa_onnx_tts", given, environment=Environment(folder, {}, 1))
    assert isinstance(config.settings, SherpaTtsConfig)
    speak = sherpa_onnx_process.load(attrs.asdict(config.settings))
    with pytest.raises(EngineError, match="more sound than 1 s"):
        speak(b"aaa." * 1_000)
    assert 10 < len(made) < 20


async def test_what_is_missing_is_told_when_it_is_loaded(folder: Path) -> None:
    """A file or a folder; a file that is no model. Where the library ends the process, that is told."""
    for key in ("vits_model", "vits_tokens", "vits_lexicon", "vits_data_dir"):
        await refused(folder, r"there is no file .*nosuch; get a model", **{key: "nosuch"})
    (folder / "a.fst").write_bytes(b"")
    await refused(folder, r"there is no file [^,]*b.fst; get a model", tts_rule_fsts="a.fst, b.fst")
    (folder / "model.onnx").write_bytes(b"<surprise>")
    await refused(folder, "the model cannot be loaded")
    (folder / "model.onnx").unlink()
    # What a model does that calls for another frontend depends on the library's version.
    write_model(folder, frontend="")
    await refused(folder, "(its process ended unexpectedly|the model says nothing without a vits_lexicon)")


async def refused(folder: Path, words: str, **settings: object) -> None:
    """It cannot be opened, and says why."""
    with pytest.raises(EngineError, match=f"sherpa_onnx_tts: .*{words}"):
        async with opened(folder, **settings):
            raise AssertionError("it cannot be opened")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"vits_tokens": "t"}, "vits_model: is missing: every model needs that file; get one at https"),
        ({"vits_model": "m"}, "vits_tokens: is missing"),
        ({"vits_model": "m", "vits_tokens": "t", "provider": "tpu"}, "provider: must be one of cpu, cuda"),
        ({"vits_model": "m", "vits_tokens": "t", "speed": 0}, "speed"),
    ],
)
def test_a_wrong_setting_is_named(settings: Mapping[str, object], words: str) -> None:
    """Before anything is loaded."""
    with pytest.raises(SettingsError, match=words):
        configure("tts", "sherpa_onnx_tts", settings, environment=Environment(Path(), {}))
