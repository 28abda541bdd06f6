"""`espeak_tts`: the embedded voice, espeak-ng in a child process for each sentence.

The installed program if there is one, else the library of the wheel ``espeakng-loader`` in a small
process of ours.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from subprocess import CompletedProcess

import attrs
import trio

from ...audio.pcm import Pcm
from ...errors import EngineError, SettingsError
from ..settings import Surroundings, between, read_settings
from .espeak_worker import NO_SUCH_VOICE

NAMES = ("espeak_tts",)

RATE = 22_050
PATIENCE = 30.0
"""Seconds for one sentence. espeak-ng is a hundred times faster than speech; only a broken one needs them."""

_AUTO = "auto"
_VOICE = re.compile(r"\w[\w+./()-]*")
_SCRIPTS = (
    (re.compile("[\u3040-\u30ff]"), "ja"),
    (re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]"), "cmn"),
)

_READS_HAN = re.compile(r"cmn|yue|hak|ja|sino|zh")


def _is_voice(_instance: object, field: attrs.Attribute[str], value: str) -> None:
    if not _VOICE.fullmatch(value):
        raise SettingsError(
            field.name, "must be 'auto' or the name of a voice, as `espeak-ng --voices` lists"
        )


@attrs.frozen
class EspeakConfig:
    """``voice`` is one of ``espeak-ng --voices``, or ``auto``: by the script of each sentence.

    ``speed`` is in words a minute, ``pitch`` and ``volume`` on espeak-ng's own scales.
    """

    voice: str = attrs.field(default=_AUTO, validator=_is_voice)
    speed: int = attrs.field(default=165, validator=between(80, 450))
    pitch: int = attrs.field(default=50, validator=between(0, 99))
    volume: int = attrs.field(default=100, validator=between(0, 200))

    def voice_for(self, text: str) -> str:
        """Which voice reads ``text``: Japanese where there is kana, Mandarin where there is Han.

        A voice of another language would spell them out. Its variant (the timbre, after ``+``) stays.
        """
        language, plus, variant = self.voice.partition("+")
        script = next((voice for script, voice in _SCRIPTS if script.search(text)), "")
        if self.voice == _AUTO:
            return script or "en"
        return f"{script}{plus}{variant}" if script and not _READS_HAN.match(language) else self.voice


def configure(name: str, settings: Mapping[str, object], surroundings: Surroundings) -> EspeakConfig:
    """The settings are the fields of `EspeakConfig`."""
    del name, surroundings
    return read_settings(EspeakConfig, settings)


@attrs.frozen
class Program:
    """The program ``espeak-ng``, which writes a WAV file."""

    path: str

    def command(self, config: EspeakConfig, voice: str) -> list[str]:
        """What to start; the text goes to its standard input, so nobody reads it in a list of processes."""
        prosody = ["-s", str(config.speed), "-p", str(config.pitch), "-a", str(config.volume)]
        return [self.path, "-b", "1", "-v", voice, *prosody, "--stdin", "--stdout"]

    def sound(self, output: bytes) -> Pcm:
        return Pcm.from_wav(output) if output else Pcm(b"", RATE)


@attrs.frozen
class Library:
    """The library of the wheel, in a process of ours that writes samples."""

    path: str
    data: str

    def command(self, config: EspeakConfig, voice: str) -> list[str]:
        """What to start; the text goes to its standard input."""
        worker = str(Path(__file__).with_name("espeak_worker.py"))
        prosody = [str(config.speed), str(config.pitch), str(config.volume)]
        return [sys.executable, "-I", "-S", worker, self.path, self.data, voice, *prosody]

    def sound(self, output: bytes) -> Pcm:
        return Pcm(output[: len(output) // 2 * 2], RATE)


@asynccontextmanager
async def open(config: EspeakConfig) -> AsyncIterator[Espeak]:
    """Find espeak-ng and try the voice. Raises `EngineError` if either is missing."""
    voice = Espeak(
        config, await trio.to_thread.run_sync(find_espeak), trio.CapacityLimiter(os.cpu_count() or 1)
    )
    await voice.run("", config.voice_for(""))
    yield voice


def find_espeak() -> Program | Library:
    """What there is on this machine. Looks at the disk; raises `EngineError` if there is nothing."""
    program = shutil.which("espeak-ng")
    if program is not None:
        return Program(program)
    return find_library()


def find_library() -> Library:
    """The library of the wheel. Raises `EngineError` if that is not installed."""
    if find_spec("espeakng_loader") is None:
        raise EngineError(
            "there is no voice: espeak-ng is not installed. Install it (`apt-get install espeak-ng`, "
            "`brew install espeak-ng`), or `pip install 'trio-backend[voice]'`"
        )
    loader = import_module("espeakng_loader")
    return Library(loader.get_library_path(), loader.get_data_path())


@attrs.frozen
class Espeak:
    """A `Tts` of 22 050 Hz. As many sentences at once as there are processors; each has a process."""

    config: EspeakConfig
    _espeak: Program | Library
    _processors: trio.CapacityLimiter = attrs.field(repr=False)

    async def speak(self, text: str) -> Pcm:
        """``text`` as sound; a cancel kills the process and waits for its end, a few milliseconds."""
        if not any(character.isalnum() for character in text):
            await trio.lowlevel.checkpoint()
            return Pcm(b"", RATE)
        # Double brackets would switch to espeak-ng's phoneme letters.
        output = await self.run(text.replace("[[", "["), self.config.voice_for(text))
        try:
            return self._espeak.sound(output)
        except ValueError as error:
            raise EngineError(f"espeak-ng wrote something that is no sound: {error}") from error

    async def run(self, text: str, voice: str) -> bytes:
        """What espeak-ng writes for ``text``. Raises `EngineError` if it fails or takes too long."""
        async with self._processors:
            with trio.move_on_after(PATIENCE):
                return _output(await self._run(text, voice), voice)
        raise EngineError(f"espeak-ng took more than {PATIENCE:g} s for a sentence and was stopped")

    async def _run(self, text: str, voice: str) -> CompletedProcess[bytes]:
        try:
            return await trio.run_process(
                self._espeak.command(self.config, voice),
                stdin=text.encode("utf-8", "ignore"),
                capture_stdout=True,
                capture_stderr=True,
                check=False,
                deliver_cancel=_kill,
                # A Ctrl-C in the terminal is for the backend, which lets its turns end.
                start_new_session=True,
            )
        except OSError as error:
            raise EngineError(f"espeak-ng cannot be started: {error.strerror}") from error


async def _kill(process: trio.Process) -> None:
    # It holds nothing that would want tidying, and the user has begun to speak.
    process.kill()


def _output(ended: CompletedProcess[bytes], voice: str) -> bytes:
    if ended.returncode == 0:
        return ended.stdout
    if ended.returncode == NO_SUCH_VOICE or b"voice does not exist" in ended.stderr:
        raise EngineError(f"espeak-ng has no voice {voice!r}; `espeak-ng --voices` lists those that it has")
    raise EngineError(f"espeak-ng failed with exit code {ended.returncode}")
