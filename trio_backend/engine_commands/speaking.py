"""The command `speak`: a text spoken by one engine, into a file, to standard output, or aloud."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import attrs
import trio

from ..audio.pcm import Pcm
from ..chat.player import NAMES, PLAYER_GRACE, find_players
from ..engines.base import Tts
from ..engines.whole import can_be_said
from ..errors import ConfigError, EngineError, PlayerFailed
from ..text.lines import lines_of
from .chosen import TriedEngine
from .loading import open_shown

STANDARD_OUTPUT = "-"
DEFAULT_FILE = Path("speech.wav")
NOTHING_TO_SAY = "there is nothing in this text that can be spoken"


@attrs.frozen
class Destination:
    """Where the sound goes: a file or ``-``, and with ``aloud`` to a program that plays it."""

    file: Path | None
    aloud: bool


async def speak(tried: TriedEngine, text: str, destination: Destination) -> None:
    """Speak ``text``; say on standard output where the sound is, and on standard error how long it took.

    Raises `EngineError` if TTS fails or there is nothing to say, `ConfigError` if the file cannot be written.
    A cancel ends the engine and the player, and leaves no half of a file.
    """
    texts = [line.spoken for line in lines_of(text, tried.filters) if line.spoken]
    async with open_shown(tried.config) as loaded:
        made = await _spoken(loaded.engine, texts)
    if made is None:
        sayable = any(map(can_be_said, texts))
        raise EngineError(f"{tried.name} made no sound of this text" if sayable else NOTHING_TO_SAY)
    _tell(f"{tried.name}: loaded in {loaded.loaded_in:.2f} s; {made.told}")
    await _deliver(made.sound, destination)


@attrs.frozen
class _Made:
    sound: Pcm
    first_after: float
    took: float

    @property
    def told(self) -> str:
        """How fast it was, in words."""
        seconds = self.sound.seconds
        return (
            f"first sound after {self.first_after:.2f} s, {seconds:.1f} s of sound in {self.took:.2f} s "
            f"(real-time factor {self.took / seconds:.2f})"
        )


async def _spoken(tts: Tts, texts: Sequence[str]) -> _Made | None:
    """One sentence after the other; None where it is silent. The wait for the first is heard as a pause."""
    chunks: list[Pcm] = []
    began = first_at = trio.current_time()
    for text in texts:
        async with tts.speak(text) as sound:
            async for chunk in sound:
                first_at = first_at if chunks else trio.current_time()
                chunks.append(chunk)
    if not any(chunk.samples for chunk in chunks):
        return None
    rate = chunks[0].rate
    whole = Pcm(b"".join(chunk.resampled(rate).samples for chunk in chunks), rate)
    return _Made(whole, first_at - began, trio.current_time() - began)


async def _deliver(sound: Pcm, destination: Destination) -> None:
    file, wav = destination.file, sound.to_wav()
    if destination.aloud and not await _play(wav, sound.seconds) and file is None:
        _tell(f"it cannot be played: none of {', '.join(NAMES)} works here")
        file = DEFAULT_FILE
    if file is None and not destination.aloud:
        file = DEFAULT_FILE
    if file is None:
        return
    if str(file) == STANDARD_OUTPUT:
        _write_out(wav)
        return
    try:
        await trio.Path(file).write_bytes(wav)
    except OSError as error:
        raise ConfigError(f"{file} cannot be written: {error.strerror}") from error
    print(f"{file}: {sound.seconds:.1f} s")


async def _play(wav: bytes, seconds: float) -> bool:
    """Whether some program of this machine has played it to its end."""
    with tempfile.TemporaryDirectory(prefix="trio-backend-") as folder:
        path = Path(folder, "speech.wav")
        await trio.Path(path).write_bytes(wav)
        for player in find_players():
            try:
                with trio.fail_after(seconds + PLAYER_GRACE):
                    await player.play(path)
                return True
            except PlayerFailed as failed:
                _tell(str(failed))
            except trio.TooSlowError:
                _tell(f"{player.name} did not finish")
    return False


def _write_out(wav: bytes) -> None:
    """Raises `BrokenPipeError` where who should read it has ended, `ConfigError` on a full disk."""
    try:
        sys.stdout.buffer.write(wav)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        # What is left would be written again when Python ends, and fail again, with a traceback.
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
        raise ConfigError(f"standard output cannot be written: {error.strerror}") from error


def _tell(text: str) -> None:
    print(text, file=sys.stderr)
