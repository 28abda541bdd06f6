"""The command `transcribe`: what one engine understands of a WAV file."""

from __future__ import annotations

import sys
from pathlib import Path

import attrs
import trio

from ..audio.pcm import Pcm
from ..engines.base import Asr
from ..engines.registry import facts_of
from ..errors import ConfigError
from .chosen import TriedEngine
from .loading import open_shown

PIECE = 0.1
"""Seconds of sound that the engine gets at once, as from a microphone."""


async def transcribe(tried: TriedEngine, file: Path, *, live: bool) -> None:
    """Print what is said in the WAV file, and on standard error how long it took.

    What is understood before the end goes to standard error, too, if that is a terminal or with ``live``.
    Raises `ConfigError` if it is no WAV file, `EngineError` if ASR fails. A cancel ends the engine.
    """
    try:
        pcm = Pcm.from_wav(await trio.Path(file).read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigError(f"{file}: {getattr(error, 'strerror', None) or error}") from error
    async with open_shown(tried.config) as loaded:
        partials = live or sys.stderr.isatty()
        heard = await _heard(loaded.engine, _FedSound(pcm, live), partials=partials)
    print(heard.text)
    told = heard.told(pcm.seconds, live)
    print(f"{tried.name}: loaded in {loaded.loaded_in:.2f} s; {told}", file=sys.stderr)
    facts = facts_of("asr", tried.name)
    if facts is not None and facts.limits:
        print(f"{tried.name}: {facts.honestly}", file=sys.stderr)


@attrs.frozen
class _Heard:
    """A final transcript; times are in seconds. ``after_end`` counts from the last of the sound."""

    text: str
    first_after: float | None
    took: float
    after_end: float

    def told(self, seconds: float, live: bool) -> str:
        """How fast it was, in words; the sound lasted ``seconds``."""
        first = "" if self.first_after is None else f"first words after {self.first_after:.2f} s, "
        if live:
            return f"{first}the last {self.after_end:.2f} s after the end of {seconds:.1f} s of sound"
        share = f" (real-time factor {self.took / seconds:.2f})" if seconds else ""
        return f"{first}{seconds:.1f} s of sound in {self.took:.2f} s{share}"


@attrs.define(eq=False)
class _FedSound:
    """What is fed to an engine, with ``live`` as fast as it was spoken, else as fast as it is taken."""

    pcm: Pcm
    live: bool
    ended_at: float = attrs.field(default=0.0, init=False)

    async def feed(self, send: trio.MemorySendChannel[Pcm]) -> None:
        """Send all of it, and close ``send``."""
        size = int(PIECE * self.pcm.rate) * 2
        async with send:
            for start in range(0, len(self.pcm.samples), size):
                if self.live:
                    await trio.sleep(PIECE)
                await send.send(Pcm(self.pcm.samples[start : start + size], self.pcm.rate))
            self.ended_at = trio.current_time()


async def _heard(asr: Asr, source: _FedSound, *, partials: bool) -> _Heard:
    began, text = trio.current_time(), ""
    first_at: float | None = None
    async with trio.open_nursery() as nursery:
        # Nothing waits between the two: the engine takes sound as fast as it can.
        send, sound = trio.open_memory_channel[Pcm](0)
        nursery.start_soon(source.feed, send, name="sound")
        async with asr.listen(sound) as transcripts:
            async for transcript in transcripts:
                if transcript.text and first_at is None and not transcript.final:
                    first_at = trio.current_time()
                if partials and not transcript.final and transcript.text != text:
                    print(f"… {transcript.text}", file=sys.stderr)
                text = transcript.text
        nursery.cancel_scope.cancel("the transcript is final")
    ended = trio.current_time()
    return _Heard(
        text, None if first_at is None else first_at - began, ended - began, ended - source.ended_at
    )
