"""espeak-ng as it is installed: the program, or the library of the wheel."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

import attrs
import trio

from ...audio.pcm import Pcm
from ...errors import EngineError, NoVoice
from ...installation import extra_remedy
from ..program import ProcessResult, run_program
from .espeak_worker import NO_SUCH_VOICE

RATE = 22_050
"""Samples a second of everything that espeak-ng speaks."""

LONGEST_LIST = 2**18
"""Bytes of a list of voices or variants; it takes 12 000."""


class Prosody(Protocol):
    """How to speak: words a minute, and the two on espeak-ng's own scales."""

    @property
    def speed(self) -> int: ...
    @property
    def pitch(self) -> int: ...
    @property
    def volume(self) -> int: ...


@attrs.frozen
class EspeakProgram:
    """The program ``espeak-ng``, which writes a WAV file."""

    path: str

    def command(self, prosody: Prosody, voice: str) -> list[str]:
        """What to start; the text goes to its standard input, so nobody reads it in a list of processes."""
        options = ["-s", str(prosody.speed), "-p", str(prosody.pitch), "-a", str(prosody.volume)]
        return [self.path, "-b", "1", "-v", voice, *options, "--stdin", "--stdout"]

    def sound(self, output: bytes) -> Pcm:
        """What it wrote, as sound. Raises `ValueError` if that is no WAV file."""
        return Pcm.from_wav(output) if output else Pcm(b"", RATE)

    def has_no_voice(self, ended: ProcessResult) -> bool:
        """Whether it ended because it does not know the voice."""
        return b"voice does not exist" in ended.complaint

    def voices(self, _ended: ProcessResult) -> str:
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
        listed = await run_program("espeak-ng", [self.path, option], b"", LONGEST_LIST)
        if listed is None:
            raise EngineError("espeak-ng's list of voices is too long")
        rows = [row.split() for row in listed.output.decode("utf-8", "replace").splitlines()[1:]]
        return [row[4] for row in rows if len(row) > 4]


@attrs.frozen
class EspeakLibrary:
    """The library of the wheel, in a process of ours that writes samples."""

    path: str
    data: str

    def command(self, prosody: Prosody, voice: str) -> list[str]:
        """What to start; the text goes to its standard input."""
        worker = str(Path(__file__).with_name("espeak_worker.py"))
        options = [str(prosody.speed), str(prosody.pitch), str(prosody.volume)]
        return [sys.executable, "-I", "-S", worker, self.path, self.data, voice, *options]

    def sound(self, output: bytes) -> Pcm:
        """What it wrote, as sound; half a sample at the end is dropped."""
        return Pcm(output[: len(output) // 2 * 2], RATE)

    def has_no_voice(self, ended: ProcessResult) -> bool:
        """Whether it ended because it does not know the voice."""
        return ended.returncode == NO_SUCH_VOICE

    def voices(self, ended: ProcessResult) -> str:
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


def find_espeak() -> EspeakProgram | EspeakLibrary:
    """What there is on this machine. Looks at the disk; raises `NoVoice` if there is nothing."""
    program = shutil.which("espeak-ng")
    if program is not None:
        return EspeakProgram(program)
    return find_library()


def find_library() -> EspeakLibrary:
    """The library of the wheel. Raises `NoVoice` if that is not installed."""
    if find_spec("espeakng_loader") is None:
        raise NoVoice(
            f"there is no voice: espeak-ng is not installed. {_remedy()}, and start the server again"
        )
    loader = import_module("espeakng_loader")
    return EspeakLibrary(loader.get_library_path(), loader.get_data_path())


_PROGRAM = {
    "darwin": "Install the program (`brew install espeak-ng`), or ",
    "win32": "To speak, ",
}.get(sys.platform, "Install the program (`apt-get install espeak-ng`), or ")


def _remedy() -> str:
    return f"{_PROGRAM}{extra_remedy('voice')}"
