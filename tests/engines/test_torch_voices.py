"""`coqui_tts`, `melo_tts`, `bark_tts`: what their libraries are asked, and what becomes of their errors."""

from __future__ import annotations

import shutil
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

from .torch_voices import TORCH_VOICES, write_libraries

XTTS = "tts_models/multilingual/multi-dataset/xtts_v2"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the libraries are."""
    write_libraries(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.delenv("COQUI_TOS_AGREED", raising=False)
    return tmp_path


@asynccontextmanager
async def opened(name: str, folder: Path = Path(), /, **settings: object) -> AsyncIterator[Tts]:
    """The adapter; a sentence may last ten seconds."""
    config = configure("tts", name, settings, environment=Environment(folder, {}, 10))
    with trio.fail_after(60):
        async with open_engine(config) as tts:
            yield tts


async def refused(words: str, name: str, folder: Path = Path(), /, **settings: object) -> None:
    """It cannot be opened, and says why."""
    with pytest.raises(EngineError, match=f"^{name}: .*{words}"):
        async with opened(name, folder, **settings):
            raise AssertionError("it cannot be opened")


def loudest(pcm: Pcm) -> float:
    """In [0, 1]."""
    return round(float(abs(pcm.floats()).max()), 2)


@pytest.mark.parametrize("name", TORCH_VOICES)
async def test_a_sentence_becomes_sound(folder: Path, name: str, capfd: pytest.CaptureFixture[str]) -> None:
    """At the model's rate; what the library prints of it is not printed."""
    async with opened(name) as tts:
        pcm = await spoken(tts, "secret words")
    assert pcm.rate == TORCH_VOICES[name]
    assert pcm.seconds == pytest.approx(11 / 50, abs=0.001)
    assert loudest(pcm) == 0.8
    assert "secret" not in "".join(capfd.readouterr())


@pytest.mark.parametrize("name", TORCH_VOICES)
async def test_a_sentence_that_fails_is_only_that(folder: Path, name: str) -> None:
    """The model stays loaded, and the text is in no error."""
    children = Children()
    async with opened(name) as tts:
        (child,) = children.direct()
        with pytest.raises(EngineError, match=f"{name}: the library failed at a sentence .RuntimeError.$"):
            await spoken(tts, "fail at a secret")
        assert (await spoken(tts, "Hello.")).samples
        with pytest.raises(EngineError, match=f"{name}: more sound than 10 s .*max_sentence_sound"):
            await spoken(tts, "a" * 501)
        assert (await spoken(tts, "a" * 500)).samples
        assert children.direct() == [child]


async def test_where_cuda_fails_there_is_another_process(folder: Path) -> None:
    """In the one where it did, it would fail for ever."""
    children = Children()
    async with opened("coqui_tts") as tts:
        (child,) = children.direct()
        with pytest.raises(EngineError, match="coqui_tts: its process ended unexpectedly"):
            await spoken(tts, "cuda")
        assert (await spoken(tts, "Hello.")).samples
        assert child not in children.direct()


@pytest.mark.parametrize("name", TORCH_VOICES)
async def test_a_cancel_stops_it_at_once(folder: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the next sentence is whole, without the model being loaded again; no process is left."""
    children = Children()
    # What is promised here is that an interrupt suffices; how long it may take on this machine is not.
    monkeypatch.setattr(f"trio_backend.engines.tts.{name.removesuffix('_tts')}.INTERRUPTION", 10)
    async with opened(name) as tts:
        await spoken(tts, "a")
        loaded = children.direct()
        with trio.move_on_after(0.05) as scope:
            await spoken(tts, "a" + "." * 10_000)
        assert scope.cancelled_caught
        assert trio.current_time() - scope.deadline < PROMPTLY
        assert (await spoken(tts, "a")).seconds == pytest.approx(1 / 50, abs=0.001)
        assert children.direct() == loaded
    assert not children.all()


@pytest.mark.parametrize(
    ("name", "package", "install"),
    [
        ("coqui_tts", "TTS", "install coqui-tts"),
        ("melo_tts", "melo", "install git.https://github.com/myshell-ai/MeloTTS.git"),
        ("bark_tts", "bark", "suno-ai/bark.git 'torch<2.6'"),
    ],
)
async def test_a_library_that_is_missing_is_told(folder: Path, name: str, package: str, install: str) -> None:
    """Or one that it needs; with what to do."""
    (folder / package / "__init__.py").write_text("import torch_that_is_missing")
    (folder / package / "api.py").write_text("import torch_that_is_missing")
    await refused(f"torch_that_is_missing.*{install}.*or choose piper_tts", name)
    shutil.rmtree(folder / package)
    (folder / f"{package}.py").write_text("raise OSError('libcudart.so.12: cannot open shared object file')")
    await refused(f"libcudart.*{install}", name)


async def test_coqui_asks_each_model_for_what_it_has(folder: Path) -> None:
    """Language and speaker only where there is a choice: the library refuses them elsewhere."""
    one = {"model_name": "tts_models/en/ljspeech/tacotron2-DDC", "language": "en", "device": ""}
    (folder / "mao.wav").write_bytes(b"")
    for settings, loudness in (
        ({}, 0.8),
        (one, 0.8),
        ({**one, "speaker": "ben", "speaker_wav": "mao.wav"}, 0.8),
        ({"model_name": "tts_models/en/vctk/vits"}, 0.8),
        ({"model_name": "tts_models/en/vctk/vits", "speaker": "ben"}, 0.4),
        ({"model_name": XTTS, "speaker_wav": "mao.wav"}, 0.2),
        ({"model_name": "  "}, 0.8),
    ):
        async with opened("coqui_tts", folder, **settings) as tts:
            assert loudest(await spoken(tts, "Hello.")) == loudness


async def test_what_coqui_lacks_is_told_when_it_is_loaded(folder: Path) -> None:
    """A model, a device, a recording, a speaker; and that it asks for an agreement, which nobody can type."""
    await refused("'a/b/c/nosuch' cannot be loaded: KeyError", "coqui_tts", model_name="a/b/c/nosuch")
    await refused("cannot be loaded: RuntimeError: Expected one of cpu", "coqui_tts", device="tpu")
    await refused("there is no file .*mao.wav; correct speaker_wav", "coqui_tts", speaker_wav="mao.wav")
    await refused("speaker: the model has ann, ben", "coqui_tts", model_name=XTTS, speaker="cat")
    clones = XTTS.replace("xtts_v2", "clones")
    await refused("speaker_wav: the model needs a recording", "coqui_tts", model_name=clones)
    asks = XTTS.replace("xtts_v2", "asks")
    await refused("agree to its licence.*COQUI_TOS_AGREED=1", "coqui_tts", model_name=asks)


async def test_melo_is_asked_for_its_speaker_and_speed(folder: Path) -> None:
    """And what it lacks is told: language and speaker when it is loaded, a tagger at the first sentence."""
    async with opened("melo_tts", speaker="EN-US", speed=2) as tts:
        pcm = await spoken(tts, "Hello.")
        assert pcm.seconds == pytest.approx(5 / 100, abs=0.001)
        assert loudest(pcm) == 0.4
        with pytest.raises(EngineError, match=r"melo_tts: the data of NLTK are missing; .*nltk.downloader"):
            await spoken(tts, "the tagger is missing")
        with pytest.raises(EngineError, match=r"melo_tts: the library failed at a sentence .KeyError.$"):
            await spoken(tts, "the shelf is empty")
    await refused(
        "the language 'XX' cannot be loaded .AssertionError.*there are EN", "melo_tts", language="XX"
    )
    await refused("speaker: the language EN has EN-Default, EN-US", "melo_tts", speaker="ZH")


async def test_bark_has_a_voice_of_its_own_or_of_a_file(folder: Path) -> None:
    """And a name that is neither is refused before anything is loaded."""
    (folder / "mao.npz").write_bytes(b"")
    for settings, loudness in (({}, 0.8), ({"voice": ""}, 0.2), ({"voice": "mao.npz"}, 0.4)):
        async with opened("bark_tts", folder, **settings) as tts:
            assert loudest(await spoken(tts, "Hello.")) == loudness
    await refused("there is no file .*nosuch.npz; correct voice", "bark_tts", folder, voice="nosuch.npz")
    for voice in ("v2/xx_speaker_1", "mao", "v2/en_speaker_10"):
        with pytest.raises(SettingsError, match="voice: must be a name such as v2/en_speaker_1"):
            configure("tts", "bark_tts", {"voice": voice}, environment=Environment(folder, {}))


async def test_what_bark_lacks_is_told_when_it_is_loaded(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network for its models; or a torch that loads them."""
    monkeypatch.setenv("NO_NETWORK", "1")
    await refused("the models cannot be loaded: OSError: suno/bark cannot be reached", "bark_tts")
    monkeypatch.setenv("NEWER_TORCH", "1")
    await refused("this torch refuses Bark's models.*install 'torch<2.6'", "bark_tts")
