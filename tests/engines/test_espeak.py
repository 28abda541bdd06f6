"""The embedded voice, with the real espeak-ng: the program, and the library of the wheel."""

from __future__ import annotations

import importlib.util
import re
import shutil
from collections.abc import Callable
from contextlib import suppress
from importlib.machinery import ModuleSpec
from pathlib import Path

import attrs
import psutil
import pytest
import trio

from tests.children import Children
from trio_backend.config.load import packaged_conf
from trio_backend.engines.registry import configure, open_engine
from trio_backend.engines.settings import Environment
from trio_backend.engines.tts import espeak, espeak_installed
from trio_backend.engines.tts.espeak import Espeak, EspeakConfig
from trio_backend.engines.whole import spoken
from trio_backend.errors import EngineError, NoVoice, RequestRefused, SettingsError

ROOT = Path(__file__).parents[2]
DOCUMENTS = (ROOT / "README.md", *(ROOT / "docs").glob("*.md"))
VOICE = re.compile(r"espeak_tts:[\s{]*voice: *([\w+-]+)")
HELLO = "Hello there, my friend."
Voice = Callable[..., Espeak]


@pytest.fixture(params=["program", "library"])
def voice(request: pytest.FixtureRequest) -> Voice:
    """A voice with some settings, spoken either way."""
    if request.param == "program" and shutil.which("espeak-ng") is None:
        pytest.skip("the program espeak-ng is not installed")
    found = espeak_installed.find_espeak() if request.param == "program" else espeak_installed.find_library()

    def make(*, at_once: int = 2, **settings: object) -> Espeak:
        config = configure("tts", "espeak_tts", settings, environment=Environment(Path(), {})).settings
        assert isinstance(config, EspeakConfig)
        return Espeak(config, found, trio.CapacityLimiter(at_once))

    return make


async def test_speed_and_volume_are_heard(voice: Voice) -> None:
    """Half as fast is longer; without volume there is silence."""
    slow, fast = await spoken(voice(speed=100), HELLO), await spoken(voice(speed=300), HELLO)
    assert slow.seconds > 1.5 * fast.seconds
    assert abs((await spoken(voice(volume=0), HELLO)).floats()).max() == 0


@pytest.mark.parametrize(
    ("text", "name"), [("你好，世界。", "cmn"), ("こんにちは世界", "ja"), ("Hello", "en")]
)
async def test_the_voice_follows_the_script(voice: Voice, text: str, name: str) -> None:
    """As if the right voice had been set."""
    assert EspeakConfig().voice_for(text) == name
    assert (await spoken(voice(), text)).samples == (await spoken(voice(voice=name), text)).samples


@pytest.mark.parametrize(
    ("voice", "text", "reads"),
    [
        ("en-us+f3", "Hello", "en-us+f3"),
        ("en-us+f3", "你好", "cmn+f3"),
        ("de", "こんにちは", "ja"),
        ("cmn", "你好", "cmn"),
        ("cmn+f2", "hello", "cmn+f2"),
        ("yue", "你好", "yue"),
    ],
)
def test_a_voice_that_cannot_read_a_script_gives_way_to_one_that_can(
    voice: str, text: str, reads: str
) -> None:
    """A companion that is spoken to in Chinese answers in Chinese; its timbre stays."""
    assert EspeakConfig(voice=voice).voice_for(text) == reads


async def test_an_unknown_voice_is_told_by_name(voice: Voice) -> None:
    """And with those that exist, or a program that is there to list them."""
    tts = voice(voice="nosuch")
    remedy = (
        "`espeak-ng --voices` lists"
        if isinstance(tts._espeak, espeak_installed.EspeakProgram)
        else "it has .*cmn, .*en, "
    )
    with pytest.raises(EngineError, match=f"no voice 'nosuch'; {remedy}"):
        await spoken(tts, HELLO)


def shipped_voices() -> list[str]:
    """Those of the shipped characters, of the documents, and those that `auto` chooses."""
    conf = packaged_conf()
    documents = [*(conf / "characters").glob("*.yaml"), conf / "conf.yaml", *DOCUMENTS]
    written = {name for file in documents for name in VOICE.findall(file.read_text("utf-8"))}
    assert len(written) >= 4, written
    return sorted({*written, "auto", "en", "cmn", "ja"})


@pytest.fixture(params=["program", "library"])
def machine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """A machine with the program espeak-ng, or with the wheel alone."""
    if request.param == "library":
        monkeypatch.setattr(shutil, "which", lambda _name: None)
    elif shutil.which("espeak-ng") is None:
        pytest.skip("the program espeak-ng is not installed")
    return str(request.param)


@pytest.mark.parametrize("name", shipped_voices())
async def test_every_shipped_voice_speaks_on_every_machine(machine: str, name: str) -> None:
    """A character that we ship comes wherever one of the two is installed."""
    settings = {"voice": name}
    config = configure("tts", "espeak_tts", settings, environment=Environment(Path(), {}))
    async with open_engine(config) as tts:
        assert isinstance(tts, Espeak)
        assert isinstance(
            tts._espeak,
            espeak_installed.EspeakProgram if machine == "program" else espeak_installed.EspeakLibrary,
        )
        assert (await spoken(tts, HELLO)).seconds > 0.5


def test_every_shipped_character_is_among_them() -> None:
    """Each of the four files names one voice of espeak-ng."""
    conf = packaged_conf()
    for file in (conf / "conf.yaml", *(conf / "characters").glob("*.yaml")):
        assert len(VOICE.findall(file.read_text("utf-8"))) == 1, file


async def test_a_language_has_its_variant(machine: str) -> None:
    """`en-gb` is no voice but a language; with a variant it still sounds another way than without."""

    async def samples(name: str) -> bytes:
        async with espeak.open(EspeakConfig(voice=name)) as tts:
            return (await spoken(tts, HELLO)).samples

    assert await samples("en-gb") == await samples("en")
    assert await samples("en-gb+m3") == await samples("en+m3") != await samples("en")
    assert await samples("en+3") == await samples("en+m3")


@pytest.mark.parametrize("name", ["en-us+zz", "en-gb+zz", "en+../m3", "en+", "en+f3+m3", "en+99"])
async def test_an_unknown_variant_is_told(machine: str, name: str) -> None:
    """With those that exist; espeak-ng would say nothing, and speak without."""
    with pytest.raises(EngineError, match=r"no variant '.*'; it has .*\bf3, .*\bm3, .*and more"):
        async with espeak.open(EspeakConfig(voice=name)):
            raise AssertionError("it cannot be opened")


async def test_an_unknown_voice_is_told_when_it_is_opened() -> None:
    """Not with the first sentence."""
    with pytest.raises(EngineError, match="no voice 'nosuch'"):
        async with espeak.open(EspeakConfig(voice="nosuch")):
            raise AssertionError("it cannot be opened")


@pytest.mark.parametrize("name", ["", "-q", "a b", "a\0b"])
def test_what_is_no_name_of_a_voice_is_a_wrong_setting(name: str) -> None:
    """Nothing that could be taken for an option reaches the command line."""
    with pytest.raises(SettingsError, match=r"name of a voice, such as en-us"):
        EspeakConfig(voice=name)


async def test_the_text_is_on_no_command_line(voice: Voice) -> None:
    """What people talk about is not for a list of processes; a dash at its begin is no option."""
    commands: list[list[str]] = []
    children = Children()

    async def look() -> None:
        # A child that has not begun to be espeak-ng is still a copy of this process.
        while "espeak" not in str(commands):
            await trio.sleep(0.001)
            for child in children.direct():
                with suppress(psutil.Error):
                    commands.append(child.cmdline())

    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(look)
            await spoken(voice(), "--secret wishes, " * 60)
    assert "secret" not in str(commands)


async def test_no_more_processes_than_processors(voice: Voice) -> None:
    """The other sentences wait for their turn."""
    tts, most, children = voice(at_once=2), 0, Children()

    async def watch() -> None:
        nonlocal most
        while True:
            most = max(most, len(children.direct()))
            await trio.sleep(0.002)

    with trio.fail_after(30):
        async with trio.open_nursery() as watching:
            watching.start_soon(watch)
            async with trio.open_nursery() as nursery:
                for _ in range(8):
                    nursery.start_soon(spoken, tts, HELLO * 20)
            watching.cancel_scope.cancel()
    assert 1 <= most <= 2


async def test_a_sentence_with_too_much_sound_is_refused_alone(voice: Voice) -> None:
    """Hundreds of digits are one: of a list, nobody takes the voice from all others with them."""
    tts = voice()
    short = attrs.evolve(tts, config=attrs.evolve(tts.config, max_sound=1))
    with pytest.raises(RequestRefused, match="max_sentence_sound"):
        await spoken(short, "9" * 100)


async def test_a_sentence_that_takes_too_long_is_stopped(
    voice: Voice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its process is gone, and the turn goes on."""
    monkeypatch.setattr(espeak, "SENTENCE_TIMEOUT", 0.1)
    tts, children = voice(), Children()
    endless = attrs.evolve(tts, config=attrs.evolve(tts.config, max_sound=1e6))
    with trio.fail_after(5):
        with pytest.raises(EngineError, match=r"more than 0\.1 s"):
            await spoken(endless, "A sentence without end. " * 5000)
    assert children.all() == []


async def test_a_machine_without_espeak_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither program nor wheel."""
    find = importlib.util.find_spec

    def find_all_but(name: str, package: str | None = None) -> ModuleSpec | None:
        return None if name == "espeakng_loader" else find(name, package)

    monkeypatch.setattr(espeak_installed, "find_spec", find_all_but)
    monkeypatch.setenv("PATH", "")
    async with espeak.open(EspeakConfig()) as tts:
        with pytest.raises(NoVoice, match=r"espeak-ng is not installed.* the extra `voice`: `.+\[voice\]"):
            await spoken(tts, HELLO)
        assert not (await spoken(tts, "…")).samples


async def test_a_program_that_fails_is_told_without_the_text(tmp_path: Path) -> None:
    """Its exit code is all that is said; what cannot be started, and what is no sound, are told too."""
    for script, words in {"exit 9": "exit code 9", "echo noise": "cannot be read as sound"}.items():
        program = tmp_path / "espeak-ng"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        tts = Espeak(EspeakConfig(), espeak_installed.EspeakProgram(str(program)), trio.CapacityLimiter(1))
        with pytest.raises(EngineError, match=words) as caught:
            await spoken(tts, "my secret")
        assert "secret" not in str(caught.value)
    gone = Espeak(
        EspeakConfig(), espeak_installed.EspeakProgram(str(tmp_path / "gone")), trio.CapacityLimiter(1)
    )
    with pytest.raises(EngineError, match="cannot be started"):
        await spoken(gone, "Hello")
