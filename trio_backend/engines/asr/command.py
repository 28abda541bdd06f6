"""`command_asr`: recognition by any program: a WAV file in, text out.

The file is the program's standard input, or a file of its own where the command says ``{file}``. What it
writes to its standard output, in UTF-8, is the transcript.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import trio
from loguru import logger

from ...audio.pcm import Pcm
from ...errors import EngineError
from ..facts import EngineFacts
from ..program import ProcessResult, command_of, missing_program, run_program
from ..settings import Environment, between, read_settings
from ..whole import WholeAsr

NAMES = ("command_asr",)

LONGEST_TRANSCRIPT = 1_000_000
"""Bytes of one transcript; an hour of speech has a tenth of it."""

FILE = "{file}"
# Escape sequences with which programs colour what they write to a terminal.
_COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")

FACTS = EngineFacts(
    streams="no",
    cancel="kills the program",
    tried="programs",
    needs="any program: WAV in, text out",
)


@attrs.frozen
class CommandAsrConfig:
    """``command`` is the program and its arguments; no shell reads them. ``sample_rate`` is in Hz.

    At most ``processes`` of it run at once. ``timeout`` is how many seconds one may take.
    """

    command: tuple[str, ...] = attrs.field(repr=False)
    sample_rate: int
    processes: int
    timeout: float


@attrs.frozen
class _CommandAsrSettings:
    command: tuple[str, ...] = ()
    sample_rate: int = attrs.field(default=16_000, validator=between(8_000, 48_000))
    processes: int = attrs.field(default=1, validator=between(1, 64))
    timeout: float = attrs.field(default=60.0, validator=between(0.1, 3600))


def configure(name: str, settings: Mapping[str, object], environment: Environment) -> CommandAsrConfig:
    """The settings are the fields of `CommandAsrConfig`; ``command`` is as `command_of` says."""
    del name
    given = read_settings(_CommandAsrSettings, {**settings, "command": command_of(settings, environment)})
    return CommandAsrConfig(given.command, given.sample_rate, given.processes, given.timeout)


def missing(config: CommandAsrConfig) -> list[str]:
    """The program, if there is none of that name."""
    return missing_program(config.command)


@asynccontextmanager
async def open(config: CommandAsrConfig) -> AsyncIterator[CommandAsr]:
    """Ready at once: each utterance starts the program."""
    yield CommandAsr(config, trio.CapacityLimiter(config.processes))


@attrs.frozen
class CommandAsr(WholeAsr):
    """An `Asr` that runs a program for each utterance."""

    config: CommandAsrConfig
    _processes: trio.CapacityLimiter = attrs.field(repr=False)

    async def transcribe(self, pcm: Pcm) -> str:
        """What the program says; a cancel kills it, and what it has started."""
        if not pcm.samples:
            await trio.lowlevel.checkpoint()
            return ""
        # In a thread: to resample a minute takes longer than the loop has.
        wav = (await trio.to_thread.run_sync(pcm.resampled, self.config.sample_rate)).to_wav()
        async with self._processes:
            with trio.move_on_after(self.config.timeout):
                return _text_of(await self._run(wav))
        raise EngineError(f"command_asr: the program took more than {self.config.timeout:g} s")

    async def _run(self, wav: bytes) -> ProcessResult | None:
        command = self.config.command
        if not any(FILE in word for word in command):
            return await run_program("command_asr: the program", command, wav, LONGEST_TRANSCRIPT)
        # Removed as soon as the program has ended, however it does: nobody's words stay on a disk.
        with tempfile.TemporaryDirectory(prefix="trio-backend-", ignore_cleanup_errors=True) as folder:
            path = Path(folder, "speech.wav")
            await trio.Path(path).write_bytes(wav)
            named = [word.replace(FILE, str(path)) for word in command]
            return await run_program("command_asr: the program", named, b"", LONGEST_TRANSCRIPT)


def _text_of(ended: ProcessResult | None) -> str:
    if ended is None:
        raise EngineError("command_asr: the program writes more than a transcript has")
    if ended.returncode != 0:
        # Not for people: it may hold anything, words that were said included.
        logger.debug("command_asr: {}", ended.complaint.decode("utf-8", "replace"))
        how = f"signal {-ended.returncode}" if ended.returncode < 0 else f"exit code {ended.returncode}"
        raise EngineError(
            f"command_asr: the program failed ({how}); run it yourself with a WAV file to see why"
        )
    text = _COLOUR.sub("", ended.output.decode("utf-8", "replace"))
    return " ".join(text.split())
