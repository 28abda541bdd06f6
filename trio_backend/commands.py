"""What the commands `transcribe`, `speak` and `import-history` do: those that end with one answer."""

from __future__ import annotations

import os
from pathlib import Path

import trio

from .audio.pcm import Pcm
from .config.folder import Config
from .conversation.character import engine_config
from .engines.registry import embedded, open_engine
from .engines.settings import Environment
from .engines.whole import spoken, transcribed
from .errors import ConfigError, EngineError
from .history.legacy import import_folder
from .history.opening import open_store
from .text.lines import lines_of

# Seconds. Another program may hold the history file for so long, and the import is not tried again.
BUSY_TIMEOUT = 2.0


async def transcribe(config: Config, file: Path) -> str:
    """What is said in the WAV file. Raises `ConfigError` if it is none, `EngineError` if ASR fails."""
    try:
        pcm = Pcm.from_wav(await trio.Path(file).read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigError(f"{file}: {getattr(error, 'strerror', None) or error}") from error
    choice = config.character.asr or embedded("asr")
    async with open_engine(engine_config(choice, _environment(config))) as engine:
        return await transcribed(engine, pcm)


async def speak(config: Config, text: str, file: Path) -> float:
    """Speak ``text`` into a WAV file; how many seconds it is long.

    Raises `EngineError` if TTS fails or there is nothing to say, `ConfigError` if the file cannot be written.
    """
    lines = [line for line in lines_of(text, config.character.speech_filters) if line.spoken]
    async with open_engine(engine_config(config.character.tts, _environment(config))) as engine:
        sounds = [await spoken(engine, line.spoken) for line in lines]
    if not any(sound.samples for sound in sounds):
        raise EngineError("there is nothing in this text that can be spoken")
    rate = sounds[0].rate
    whole = Pcm(b"".join(sound.resampled(rate).samples for sound in sounds), rate)
    try:
        await trio.Path(file).write_bytes(whole.to_wav())
    except OSError as error:
        raise ConfigError(f"{file} cannot be written: {error.strerror}") from error
    return whole.seconds


async def import_history(folder: Path, history_file: Path) -> None:
    """Import the old backend's conversations in ``folder`` into ``history_file``, and print what came of it.

    Shows its progress on a terminal. A cancel leaves whole conversations only. Raises `HistoryError` where
    either cannot be used.
    """
    # The other commands print one line, and need not wait for this import.
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    async with open_store(str(history_file), busy_timeout=BUSY_TIMEOUT) as history:
        with Progress(console=console, transient=True) as bar:
            task = bar.add_task("importing", total=None)
            report = await import_folder(
                history, folder, progress=lambda done, total, _: bar.update(task, completed=done, total=total)
            )
    for refused in report.refused:
        console.print(f"left out: {refused.file}: {refused.reason}", markup=False, soft_wrap=True)
    console.print(
        f"{report.conversations} conversations with {report.messages} messages imported into {history_file}; "
        f"{report.already_there} were there already, {report.empty} were empty, "
        f"{len(report.refused)} files left out",
        markup=False,
        soft_wrap=True,
    )


def _environment(config: Config) -> Environment:
    return Environment.of(config, os.environ)
