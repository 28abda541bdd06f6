"""`command_tts`: speech synthesis by any program: text in, sound out.

The text, in UTF-8, is the program's standard input, or an argument of its own where the command says
``{text}``; ``--`` before that keeps a text from being taken for an option. What it writes to its standard
output is a WAV file, another one that the extra `voice` decodes, or samples; or it writes a file, where the
command says ``{file}``.
"""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import trio
from loguru import logger

from ...audio.pcm import Pcm
from ...errors import EngineError
from ..facts import EngineFacts
from ..openai.answers import whole_characters
from ..program import command_of, missing_program, run_program
from ..settings import Environment, between, read_settings
from ..sound_file import BYTES_PER_SECOND, HEADER, decode
from ..whole import NO_SOUND, WholeTts, can_be_said

NAMES = ("command_tts",)

TEXT, FILE = "{text}", "{file}"

FACTS = EngineFacts(
    streams="no",
    cancel="kills the program",
    tried="programs",
    needs="any program: text in, WAV or samples out",
)


@attrs.frozen
class CommandTtsConfig:
    """``command`` is the program and its arguments; no shell reads them.

    With a ``sample_rate``, in Hz, it writes 16-bit little-endian mono samples, otherwise a file. At most
    ``processes`` of it run at once; ``timeout`` is how many seconds one may take, and ``max_sound`` how many
    a sentence may last.
    """

    command: tuple[str, ...] = attrs.field(repr=False)
    sample_rate: int | None
    processes: int
    timeout: float
    max_sound: float


@attrs.frozen
class _CommandTtsSettings:
    command: tuple[str, ...] = ()
    sample_rate: int | None = attrs.field(
        default=None, validator=attrs.validators.optional(between(8_000, 192_000, "Hz"))
    )
    processes: int = attrs.field(default=2, validator=between(1, 64))
    timeout: float = attrs.field(default=60.0, validator=between(0.1, 3600))


def configure(name: str, settings: Mapping[str, object], environment: Environment) -> CommandTtsConfig:
    """The settings are the fields of `CommandTtsConfig` but the last; ``command`` is as `command_of` says."""
    del name
    given = read_settings(_CommandTtsSettings, {**settings, "command": command_of(settings, environment)})
    return CommandTtsConfig(
        given.command, given.sample_rate, given.processes, given.timeout, environment.max_sentence_sound
    )


def missing(config: CommandTtsConfig) -> list[str]:
    """The program, if there is none of that name."""
    return missing_program(config.command)


@asynccontextmanager
async def open(config: CommandTtsConfig) -> AsyncIterator[CommandTts]:
    """Ready at once: each sentence starts the program."""
    yield CommandTts(config, trio.CapacityLimiter(config.processes))


@attrs.frozen
class CommandTts(WholeTts):
    """A `Tts` that runs a program for each sentence."""

    config: CommandTtsConfig
    _processes: trio.CapacityLimiter = attrs.field(repr=False)

    async def synthesize(self, text: str) -> Pcm:
        """``text`` as sound; a cancel kills the program, and what it has started."""
        if not can_be_said(text):
            await trio.lowlevel.checkpoint()
            return NO_SOUND
        async with self._processes:
            with trio.move_on_after(self.config.timeout):
                sound = await self._run(whole_characters(text).replace("\0", " "))
                return await trio.to_thread.run_sync(self._decoded, sound)
        raise EngineError(f"command_tts: the program took more than {self.config.timeout:g} s")

    async def _run(self, text: str) -> bytes:
        command = self.config.command
        if not any(FILE in word for word in command):
            return await self._ended(command, text)
        # Removed as soon as the program has ended, however it does: nobody's words stay on a disk.
        with tempfile.TemporaryDirectory(prefix="trio-backend-", ignore_cleanup_errors=True) as folder:
            path = Path(folder, "speech.wav")
            await self._ended([word.replace(FILE, str(path)) for word in command], text)
            try:
                async with await trio.open_file(path, "rb") as file:
                    return await file.read(self._most + 1)
            except OSError as error:
                raise EngineError(f"command_tts: the program wrote no file: {error.strerror}") from None

    async def _ended(self, command: Sequence[str], text: str) -> bytes:
        """What the program writes to its standard output."""
        said, given = [word.replace(TEXT, text) for word in command], text.encode()
        if said != list(command):
            given = b""
        ended = await run_program("command_tts: the program", said, given, self._most)
        if ended is None:
            raise self._too_long()
        if ended.returncode != 0:
            # Not for people: it may hold anything, words that were said included.
            logger.debug("command_tts: {}", ended.complaint.decode("utf-8", "replace"))
            code = ended.returncode
            how = f"signal {-code}" if code < 0 else f"exit code {code}"
            raise EngineError(f"command_tts: the program failed ({how}); run it yourself to see why")
        return ended.output

    @property
    def _most(self) -> int:
        """Bytes that the sound of a sentence may have."""
        return int(self.config.max_sound * BYTES_PER_SECOND) + HEADER

    def _too_long(self) -> EngineError:
        return EngineError(
            f"command_tts: more sound than {self.config.max_sound:g} s can be (max_sentence_sound)"
        )

    def _decoded(self, sound: bytes) -> Pcm:
        rate = self.config.sample_rate
        if rate is None:
            try:
                return decode(sound, longest=self.config.max_sound)
            except ValueError as error:
                raise EngineError(f"command_tts: the program's sound cannot be used: {error}") from error
        if len(sound) > int(self.config.max_sound * rate) * 2:
            raise self._too_long()
        # Half a sample at the end is none.
        return Pcm(sound[: len(sound) // 2 * 2], rate)
