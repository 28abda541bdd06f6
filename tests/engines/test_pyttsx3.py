"""`pyttsx3_tts`: the real library with the system's espeak-ng, where both are; and one that misbehaves."""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from tests.children import Children
from tests.promptness import PROMPTLY
from trio_backend.engines.base import Tts
from trio_backend.engines.registry import configure, open_engine
from trio_backend.engines.settings import Environment
from trio_backend.engines.whole import spoken
from trio_backend.errors import EngineError, SettingsError, UnknownEngine

from .system_speech import skip_without_system_speech


@asynccontextmanager
async def opened(longest: float = 30, /, **settings: object) -> AsyncIterator[Tts]:
    """The adapter; a sentence may last ``longest`` seconds."""
    config = configure("tts", "pyttsx3_tts", settings, environment=Environment(Path(), {}, longest))
    with trio.fail_after(60):
        async with open_engine(config) as tts:
            yield tts


@pytest.fixture
def _real() -> None:
    """The library, and something that it can load."""
    skip_without_system_speech()


def test_without_its_library_another_voice_speaks(monkeypatch: pytest.MonkeyPatch) -> None:
    """What to do is said; but wrong settings before that."""
    monkeypatch.setattr("trio_backend.engines.tts.pyttsx3.find_spec", lambda _name: None)
    with pytest.raises(UnknownEngine, match=r"the extra `pyttsx3`.*espeak_tts is used instead") as told:
        configure("tts", "pyttsx3_tts", {}, environment=Environment(Path(), {}))
    assert told.value.instead == "espeak_tts"
    with pytest.raises(SettingsError, match="rate"):
        configure("tts", "pyttsx3_tts", {"rate": 0}, environment=Environment(Path(), {}))


@pytest.mark.usefixtures("_real")
async def test_a_sentence_becomes_sound(capfd: pytest.CaptureFixture[str]) -> None:
    """One after the other, as long as they are and as fast as is set; nothing is printed of them."""
    lengths = {}
    for rate in (100, 300):
        async with opened(rate=rate) as tts:
            lengths[rate] = [(await spoken(tts, text)).seconds for text in ("Hello.", "Hello there, friend.")]
    assert lengths[100][0] < lengths[100][1]
    assert all(slow > 1.5 * fast for slow, fast in zip(lengths[100], lengths[300], strict=True))
    assert not "".join(capfd.readouterr())


@pytest.mark.usefixtures("_real")
@pytest.mark.parametrize("text", ["", "…", "-v nosuch", "\ud800 cut", "🎈", "[[h@l'oU]]", "<b>", "你好"])
async def test_any_text_can_be_said(text: str) -> None:
    """And the next one."""
    async with opened() as tts:
        assert bool((await spoken(tts, text)).samples) == any(map(str.isalnum, text))
        assert (await spoken(tts, "Hello.")).samples


@pytest.mark.usefixtures("_real")
async def test_a_nul_does_not_end_a_text() -> None:
    """As in the languages that the library is written in."""
    async with opened() as tts:
        whole = await spoken(tts, "Hello there, my friend.")
        assert (await spoken(tts, "Hello\0there, my friend.")).seconds == pytest.approx(
            whole.seconds, abs=0.1
        )


@pytest.mark.usefixtures("_real")
async def test_a_long_text_does_not_crash_it() -> None:
    """Of which its driver tells espeak-ng ten times the length."""
    children = Children()
    async with opened(3600) as tts:
        (child,) = children.direct()
        assert (await spoken(tts, "a" * 20_000)).samples
        assert children.direct() == [child]


@pytest.mark.usefixtures("_real")
async def test_a_voice_is_one_that_the_system_has() -> None:
    """Another is refused, with those that there are."""
    with pytest.raises(EngineError, match=r"pyttsx3_tts: voice: the system has no 'nosuch'; it has .*\w"):
        async with opened(voice="nosuch"):
            raise AssertionError("it cannot be opened")


# The interface of pyttsx3 that is used, with a driver that does as the text says; by its documentation:
# https://pyttsx3.readthedocs.io/en/latest/engine.html
STAND_IN = """
import os, sys, time, wave
SILENT = int(os.environ.get("SILENT_TEXTS", "0"))
if SILENT:  # as the driver for espeak-ng, which is known by its module
    sys.modules["pyttsx3.drivers.espeak"] = sys
class Voice:
    id = "sam"
class Engine:
    def getProperty(self, name): return [Voice()]
    def setProperty(self, name, value): pass
    written = 0
    def connect(self, topic, callback): self.finished = callback
    def save_to_file(self, text, filename): self.text, self.path = text, filename
    def runAndWait(self):
        print("Audio saved of", self.text)
        if "hang" in self.text: time.sleep(3600)
        if "crash" in self.text: os.abort()
        if "nothing" in self.text: return
        with wave.open(self.path, "wb") as file:
            file.setnchannels(1); file.setsampwidth(2); file.setframerate(16000)
            self.written += 1
            file.writeframes(b"\\0\\x20" * 320 * len(self.text) * (self.written > SILENT))
        self.finished()
        if "garbage" in self.text: open(self.path, "wb").write(b"<surprise>")
        if "slow" in self.text: time.sleep(3600)
def init(driverName=None, debug=False):
    if "NO_SPEECH" in os.environ: raise RuntimeError("you probably do not have eSpeak installed!")
    return Engine()
"""


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What there is of temporary files, besides the library."""
    (tmp_path / "library").mkdir()
    (tmp_path / "library" / "pyttsx3.py").write_text(STAND_IN)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "library"))
    monkeypatch.setattr("trio_backend.engines.tts.pyttsx3.find_spec", lambda _name: "there")
    (tmp_path / "files").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "files"))
    return tmp_path / "files"


async def test_a_driver_that_never_ends_is_ended(stand_in: Path) -> None:
    """And one that crashes takes only its process along; the next sentence is said."""
    async with opened(patience=1) as tts:
        for text, words in (
            ("hang", "no answer within 1 s"),
            ("crash", "its process ended unexpectedly .signal 6"),
            ("nothing", "the system's speech failed at a sentence .FileNotFoundError"),
            ("garbage", "the system's sound cannot be used: it is neither WAV nor MP3"),
            ("a" * 1_501, "the system's sound cannot be used: it is longer than 30 s"),
            ("a" * 40_000, "more sound than 30 s can be .max_sentence_sound"),
        ):
            with pytest.raises(EngineError, match=f"^pyttsx3_tts: {words}"):
                await spoken(tts, text)
            assert (await spoken(tts, "Hello.")).seconds == pytest.approx(6 / 50)


async def test_a_text_that_espeak_passed_over_is_said_again(
    stand_in: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It tells the end at once and no error, now and then; but not for ever."""
    monkeypatch.setenv("SILENT_TEXTS", "3")
    async with opened() as tts:
        assert (await spoken(tts, "Hello.")).seconds == pytest.approx(6 / 50)
    monkeypatch.setenv("SILENT_TEXTS", "4")
    async with opened() as tts:
        assert not (await spoken(tts, "Hello.")).samples
        assert (await spoken(tts, "Hello.")).samples


async def test_no_file_is_left(stand_in: Path) -> None:
    """Neither behind a sentence nor behind one that was cancelled, when the engine is closed."""
    children = Children()
    async with opened() as tts:
        await spoken(tts, "Hello.")
        assert [files for _, _, files in os.walk(stand_in) if files] == []
        with trio.move_on_after(0.2) as scope:
            await spoken(tts, "slow")
        assert scope.cancelled_caught
        assert trio.current_time() - scope.deadline < PROMPTLY
        assert (await spoken(tts, "Hello.")).samples
    assert not list(stand_in.iterdir())
    assert not children.all()


async def test_nobody_hears_the_sentence_that_was_cancelled(stand_in: Path) -> None:
    """Not even where the system makes no sound of the next one: it may be another person's."""
    async with opened() as tts:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(spoken, tts, "slow")
            while not [files for _, _, files in os.walk(stand_in) if files]:
                await trio.sleep(0.01)
            nursery.cancel_scope.cancel()
        assert [files for _, _, files in os.walk(stand_in) if files]
        with pytest.raises(EngineError, match="FileNotFoundError"):
            await spoken(tts, "nothing")


async def test_what_is_missing_is_told_when_it_is_loaded(
    stand_in: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system's speech, or what the library needs of it."""
    monkeypatch.setenv("NO_SPEECH", "1")
    with pytest.raises(EngineError, match=r"probably do not have eSpeak.*apt-get install espeak-ng"):
        async with opened():
            raise AssertionError("it cannot be opened")
    (tmp_path / "library" / "pyttsx3.py").write_text("import comtypes_that_is_missing")
    with pytest.raises(EngineError, match=r"comtypes_that_is_missing.*install the extra `pyttsx3`: `.*pip"):
        async with opened():
            raise AssertionError("it cannot be opened")
    assert not list(stand_in.iterdir())
