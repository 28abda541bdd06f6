"""`espeak_tts`: the embedded speech synthesis, espeak-ng in a child process for each sentence.

The installed program if there is one, else the library of the wheel ``espeakng-loader`` in a small
process of ours. What the process writes is bounded, and so is how long it takes: a broken one costs a
sentence its sound, and nobody anything else.
"""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager

import attrs
import trio
from loguru import logger

from ...audio.pcm import Pcm
from ...errors import EngineError, NoVoice, RequestRefused, SettingsError, UnfitSetting
from ...text.scripts import HAN, HIRAGANA, KATAKANA
from ..facts import EngineFacts
from ..program import ProcessResult, run_program
from ..settings import Environment, between, read_settings
from ..whole import WholeTts
from .espeak_installed import RATE, EspeakLibrary, EspeakProgram, find_espeak

NAMES = ("espeak_tts",)
OPENED_BY_CHECK = True

SENTENCE_TIMEOUT = 20.0
"""Seconds for one sentence, those in the queue for a processor included, so that the sentences behind a
stuck one do not wait anew. espeak-ng is a hundred times faster than speech; only a broken one needs them."""

_AUTO = "auto"
_VOICE = re.compile(r"\w[\w+./()-]*")
_SCRIPTS = (
    (re.compile(f"[{HIRAGANA}{KATAKANA}]"), "ja"),
    (re.compile(f"[{HAN}]"), "cmn"),
)

_READS_HAN = re.compile(r"cmn|yue|hak|ja|sino|zh")

FACTS = EngineFacts(
    streams="no",
    cancel="kills the program",
    tried="the library",
    needs="nothing (embedded); espeak-ng, as a program or by the extra",
    extra="voice",
)


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


def configure(name: str, settings: Mapping[str, object], environment: Environment) -> EspeakConfig:
    """The settings are the fields of `EspeakConfig`, but for ``max_sound``, which is the server's."""
    del name
    return read_settings(EspeakConfig, settings, preset={"max_sound": environment.max_sentence_sound})


def missing(config: EspeakConfig) -> list[str]:
    """espeak-ng, if neither the program nor the library is there."""
    del config
    try:
        find_espeak()
    except NoVoice as error:
        return [str(error)]
    return []


@asynccontextmanager
async def open(config: EspeakConfig) -> AsyncIterator[Espeak | NoVoiceTts]:
    """Find espeak-ng and try the voice. Raises `EngineError` if there is no such voice or variant.

    Where there is no espeak-ng at all, it is a `NoVoiceTts`: better a silent character than none.
    """
    try:
        espeak = await trio.to_thread.run_sync(find_espeak)
    except NoVoice as error:
        logger.warning("{}", error)
        yield NoVoiceTts(str(error))
        return
    tts = Espeak(config, espeak, trio.CapacityLimiter(os.cpu_count() or 1))
    language, plus, variant = config.voice.partition("+")
    if plus:
        _check_variant(variant, await espeak.variants())
        tts = attrs.evolve(tts, aliases={language: await espeak.name_with_variant(language)})
    await tts.run("", config.voice_for(""))
    yield tts


def _check_variant(variant: str, known: Collection[str]) -> None:
    """Raise `EngineError` where espeak-ng would speak without the variant, and not say so."""
    name = variant
    if re.fullmatch(r"[1-9]\d?", variant):
        # Numbers are male voices, and from 10 on female ones.
        name = f"m{variant}" if int(variant) < 10 else f"f{int(variant) - 10}"
    if name not in known:
        # There are a hundred; the short names are those of plain male and female voices.
        some = sorted(known, key=lambda known: (len(known), known))[:20]
        raise UnfitSetting(
            "voice", f"espeak-ng has no variant {variant!r}; it has {', '.join(some)}, and more"
        )


@attrs.frozen
class NoVoiceTts(WholeTts):
    """A `Tts` for a machine that has no espeak-ng: ``why`` says how to install it."""

    why: str

    async def synthesize(self, text: str) -> Pcm:
        """Raises `NoVoice`, unless there is nothing to say."""
        await trio.lowlevel.checkpoint()
        if any(character.isalnum() for character in text):
            raise NoVoice(self.why)
        return Pcm(b"", RATE)


@attrs.frozen
class Espeak(WholeTts):
    """A `Tts` of 22 050 Hz. As many sentences at once as there are processors; each has a process."""

    config: EspeakConfig
    _espeak: EspeakProgram | EspeakLibrary
    _processors: trio.CapacityLimiter = attrs.field(repr=False)
    aliases: Mapping[str, str] = attrs.field(factory=dict, kw_only=True)
    """What espeak-ng calls the voice for a language, where it must be called by that."""

    async def synthesize(self, text: str) -> Pcm:
        """``text`` as sound; a cancel kills the process and waits for its end, a few milliseconds.

        Raises `EngineError` after `SENTENCE_TIMEOUT`, or where there is more sound than ``config.max_sound``.
        """
        if not any(character.isalnum() for character in text):
            await trio.lowlevel.checkpoint()
            return Pcm(b"", RATE)
        # Double brackets would switch to espeak-ng's phoneme letters.
        output = await self.run(text.replace("[[", "["), self.config.voice_for(text))
        try:
            return self._espeak.sound(output)
        except ValueError as error:
            raise EngineError(f"espeak-ng wrote something that cannot be read as sound: {error}") from error

    async def run(self, text: str, voice: str) -> bytes:
        """What espeak-ng writes for ``text``. Raises `EngineError` if it fails, takes or writes too much."""
        language, plus, variant = voice.partition("+")
        command = self._espeak.command(self.config, f"{self.aliases.get(language, language)}{plus}{variant}")
        with trio.move_on_after(SENTENCE_TIMEOUT):
            async with self._processors:
                # 44 bytes are the header of a WAV file.
                most = 44 + 2 * int(self.config.max_sound * RATE)
                ended = await run_program("espeak-ng", command, text.encode("utf-8", "ignore"), most)
                return self._output(ended, voice)
        # Queueing is included, and says the same: sentences that do not end hold the processors then.
        raise EngineError(f"espeak-ng took more than {SENTENCE_TIMEOUT:g} s for a sentence and was stopped")

    def _output(self, ended: ProcessResult | None, voice: str) -> bytes:
        if ended is None:
            raise RequestRefused(
                f"espeak-ng wrote more than {self.config.max_sound:g} s of sound for one sentence "
                "(max_sentence_sound) and was stopped"
            )
        if ended.returncode == 0:
            return ended.output
        if self._espeak.has_no_voice(ended):
            raise UnfitSetting("voice", f"espeak-ng has no voice {voice!r}; {self._espeak.voices(ended)}")
        raise EngineError(f"espeak-ng failed with exit code {ended.returncode}")
