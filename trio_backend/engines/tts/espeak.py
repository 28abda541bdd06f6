"""`espeak_tts`: the embedded voice, espeak-ng in a child process for each sentence.

The installed program if there is one, else the library of the wheel ``espeakng-loader`` in a small
process of ours. What the process writes is bounded, and so is how long it takes: a broken one costs a
sentence its sound, and nobody anything else.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from subprocess import PIPE

import attrs
import trio
from loguru import logger

from ...audio.pcm import Pcm
from ...errors import EngineError, NoVoice, SettingsError
from ..settings import Surroundings, between, read_settings
from .espeak_worker import NO_SUCH_VOICE

NAMES = ("espeak_tts",)

RATE = 22_050
PATIENCE = 20.0
"""Seconds for one sentence, those in the queue for a processor included, so that the sentences behind a
stuck one do not wait anew. espeak-ng is a hundred times faster than speech; only a broken one needs them."""

LONGEST_COMPLAINT = 4_096
"""Bytes of a child's standard error; it writes a line."""

LONGEST_LIST = 2**18
"""Bytes of a list of voices or variants; it takes 12 000."""

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
            field.name, "must be 'auto' or the name of a voice, such as en-us, or en-us+f3 with a variant"
        )


@attrs.frozen
class EspeakConfig:
    """``voice`` is a voice or a language of espeak-ng, or ``auto``: by the script of each sentence.

    ``speed`` is in words a minute, ``pitch`` and ``volume`` on espeak-ng's own scales. ``max_sound`` is how
    many seconds of sound a sentence may become.
    """

    voice: str = attrs.field(default=_AUTO, validator=_is_voice)
    speed: int = attrs.field(default=165, validator=between(80, 450))
    pitch: int = attrs.field(default=50, validator=between(0, 99))
    volume: int = attrs.field(default=100, validator=between(0, 200))
    max_sound: float = 120.0

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
    """The settings are the fields of `EspeakConfig`, but for ``max_sound``, which is the server's."""
    del name
    return read_settings(EspeakConfig, settings, preset={"max_sound": surroundings.max_sentence_sound})


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

    def has_no_voice(self, ended: Ended) -> bool:
        """Whether it ended because it does not know the voice."""
        return b"voice does not exist" in ended.complaint

    def voices(self, _ended: Ended) -> str:
        """Which voices there are, in words."""
        return "`espeak-ng --voices` lists those that it has"

    async def variants(self) -> Sequence[str]:
        """The names that may stand behind a ``+``. Raises `EngineError`."""
        return [file.removeprefix("!v/") for file in await self._files("variant") if file.startswith("!v/")]

    async def name_with_variant(self, language: str) -> str:
        """What to call the voice for ``language``, so that a variant is obeyed. Raises `EngineError`.

        The program falls back from voices to languages, as from ``en-gb`` to ``en``, and then forgets the
        variant.
        """
        if any(file.rpartition("/")[2] == language for file in await self._files("")):
            return language
        # Voices of MBROLA are listed whether they are installed or not.
        speakers = [file for file in await self._files(language) if not file.startswith(("mb/", "!v/"))]
        return speakers[0] if speakers else language

    async def _files(self, language: str) -> Sequence[str]:
        """The files of the voices for ``language``, the best one first; of all voices, if that is empty."""
        option = f"--voices={language}" if language else "--voices"
        listed = await _run([self.path, option], b"", LONGEST_LIST)
        if listed is None:
            raise EngineError("espeak-ng's list of voices has no end")
        rows = [row.split() for row in listed.output.decode("utf-8", "replace").splitlines()[1:]]
        return [row[4] for row in rows if len(row) > 4]


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

    def has_no_voice(self, ended: Ended) -> bool:
        """Whether it ended because it does not know the voice."""
        return ended.returncode == NO_SUCH_VOICE

    def voices(self, ended: Ended) -> str:
        """Which voices there are, in words: the program that would list them may not be installed."""
        return f"it has {ended.output.decode('utf-8', 'replace')}"

    async def variants(self) -> Sequence[str]:
        """The names that may stand behind a ``+``. Raises `EngineError`."""
        try:
            return await trio.to_thread.run_sync(os.listdir, Path(self.data, "voices", "!v"))
        except OSError as error:
            raise EngineError(f"espeak-ng's variants cannot be read: {error.strerror}") from error

    async def name_with_variant(self, language: str) -> str:
        """``language``: our process falls back by itself."""
        await trio.lowlevel.checkpoint()
        return language


@asynccontextmanager
async def open(config: EspeakConfig) -> AsyncIterator[Espeak | Silent]:
    """Find espeak-ng and try the voice. Raises `EngineError` if there is no such voice or variant.

    Where there is no espeak-ng at all, it is a `Silent`: a character without a voice is better than none.
    """
    try:
        espeak = await trio.to_thread.run_sync(find_espeak)
    except NoVoice as error:
        logger.warning("{}", error)
        yield Silent(str(error))
        return
    voice = Espeak(config, espeak, trio.CapacityLimiter(os.cpu_count() or 1))
    language, plus, variant = config.voice.partition("+")
    if plus:
        _check_variant(variant, await espeak.variants())
        voice = attrs.evolve(voice, aliases={language: await espeak.name_with_variant(language)})
    await voice.run("", config.voice_for(""))
    yield voice


def _check_variant(variant: str, known: Collection[str]) -> None:
    """Raise `EngineError` where espeak-ng would speak without the variant, and not say so."""
    name = variant
    if re.fullmatch(r"[1-9]\d?", variant):
        # Numbers are male voices, and from 10 on female ones.
        name = f"m{variant}" if int(variant) < 10 else f"f{int(variant) - 10}"
    if name not in known:
        raise EngineError(f"espeak-ng has no variant {variant!r}; it has {', '.join(sorted(known))}")


def find_espeak() -> Program | Library:
    """What there is on this machine. Looks at the disk; raises `NoVoice` if there is nothing."""
    program = shutil.which("espeak-ng")
    if program is not None:
        return Program(program)
    return find_library()


def find_library() -> Library:
    """The library of the wheel. Raises `NoVoice` if that is not installed."""
    if find_spec("espeakng_loader") is None:
        raise NoVoice(f"there is no voice: espeak-ng is not installed. {_REMEDY}, and start the server again")
    loader = import_module("espeakng_loader")
    return Library(loader.get_library_path(), loader.get_data_path())


_PROGRAM = {
    "darwin": "Install the program (`brew install espeak-ng`), or ",
    "win32": "Install ",
}.get(sys.platform, "Install the program (`apt-get install espeak-ng`), or ")
_REMEDY = _PROGRAM + (
    "the extra `voice` (in a clone: `python3 -m pip --python .venv/bin/python install -e '.[voice]'`; "
    "else `pip install 'trio-backend[voice]'`)"
)


@attrs.frozen
class Silent:
    """A `Tts` for a machine that has no voice: ``why`` says how to get one."""

    why: str

    async def speak(self, text: str) -> Pcm:
        """Raises `NoVoice`, unless there is nothing to say."""
        await trio.lowlevel.checkpoint()
        if any(character.isalnum() for character in text):
            raise NoVoice(self.why)
        return Pcm(b"", RATE)


@attrs.frozen
class Ended:
    """A process that has ended: its exit code, and what it wrote."""

    returncode: int
    output: bytes = attrs.field(repr=False)
    complaint: bytes = attrs.field(repr=False)


@attrs.frozen
class Espeak:
    """A `Tts` of 22 050 Hz. As many sentences at once as there are processors; each has a process."""

    config: EspeakConfig
    _espeak: Program | Library
    _processors: trio.CapacityLimiter = attrs.field(repr=False)
    aliases: Mapping[str, str] = attrs.field(factory=dict, kw_only=True)
    """What espeak-ng calls the voice for a language, where it must be called by that."""

    async def speak(self, text: str) -> Pcm:
        """``text`` as sound; a cancel kills the process and waits for its end, a few milliseconds.

        Raises `EngineError` after `PATIENCE`, or where there is more sound than ``config.max_sound``.
        """
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
        """What espeak-ng writes for ``text``. Raises `EngineError` if it fails, takes or writes too much."""
        language, plus, variant = voice.partition("+")
        command = self._espeak.command(self.config, f"{self.aliases.get(language, language)}{plus}{variant}")
        with trio.move_on_after(PATIENCE):
            async with self._processors:
                # 44 bytes are the header of a WAV file.
                most = 44 + 2 * int(self.config.max_sound * RATE)
                return self._output(await _run(command, text.encode("utf-8", "ignore"), most), voice)
        # Queueing is included, and says the same: sentences that do not end hold the processors then.
        raise EngineError(f"espeak-ng took more than {PATIENCE:g} s for a sentence and was stopped")

    def _output(self, ended: Ended | None, voice: str) -> bytes:
        if ended is None:
            raise EngineError(
                f"espeak-ng wrote more than {self.config.max_sound:g} s of sound for one sentence "
                "(max_sentence_sound) and was stopped"
            )
        if ended.returncode == 0:
            return ended.output
        if self._espeak.has_no_voice(ended):
            raise EngineError(f"espeak-ng has no voice {voice!r}; {self._espeak.voices(ended)}")
        raise EngineError(f"espeak-ng failed with exit code {ended.returncode}")


async def _run(command: Sequence[str], text: bytes, most: int) -> Ended | None:
    """Run ``command`` with ``text`` as its input; None if it wrote more than ``most`` bytes, and was killed.

    Raises `EngineError` if it cannot be started. A cancel kills it, and waits until it is gone.
    """
    start = partial(
        trio.run_process,
        command,
        stdin=text,
        stdout=PIPE,
        stderr=PIPE,
        check=False,
        deliver_cancel=_kill,
        # A Ctrl-C in the terminal is for the backend, which lets its turns end.
        start_new_session=True,
    )
    problem: OSError | None = None
    output, complaint = bytearray(), bytearray()
    async with trio.open_nursery() as nursery:
        try:
            process: trio.Process = await nursery.start(start)
        except OSError as error:
            problem = error  # out of the nursery it comes bare
        else:
            nursery.start_soon(_keep_first, process.stderr, complaint)
            assert process.stdout is not None
            async for piece in process.stdout:
                output += piece
                if len(output) > most:
                    nursery.cancel_scope.cancel("it writes without end")
    if problem is not None:
        raise EngineError(f"espeak-ng cannot be started: {problem.strerror}") from problem
    assert process.returncode is not None
    return Ended(process.returncode, bytes(output), bytes(complaint)) if len(output) <= most else None


async def _keep_first(stream: trio.abc.ReceiveStream | None, into: bytearray) -> None:
    """Read to the end, and keep as much as a complaint may have: who writes more is not held up by that."""
    assert stream is not None
    async for piece in stream:
        into += piece[: LONGEST_COMPLAINT - len(into)]


async def _kill(process: trio.Process) -> None:
    # It holds nothing that would want tidying, and the user has begun to speak.
    process.kill()
