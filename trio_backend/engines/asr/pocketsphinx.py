"""`pocketsphinx_asr`: the embedded ASR. English; sure of phrases that it was told, poor on free speech."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import attrs

from ...audio.pcm import Pcm
from ...audio.utterance import RATE
from ...errors import SettingsError
from ..facts import EngineFacts
from ..settings import Environment, between, read_settings
from ..whole import WholeAsr
from ..worker import Worker, WorkerJob, open_worker
from .sherpa_onnx_models import DOWNLOAD_BEST

NAMES = ("pocketsphinx_asr",)

# They go to the process in one environment variable, of which Linux allows 128 KiB: 65 characters for each.
MOST_PHRASES = 2_000
_WORD = re.compile(r"[a-z][a-z'.-]*")
_PHONES = re.compile(r"[A-Z]+( [A-Z]+)*")

FACTS = EngineFacts(
    streams="no",
    cancel="ends its process",
    tried="the library",
    needs="nothing (embedded); English",
    extra="voice",
    modules=("pocketsphinx",),
    # Measured by benchmarks/word_errors.py.
    limits="it understands English only, and misunderstands 48 of 100 words of free speech",
    better=f"`{DOWNLOAD_BEST}` gets a better one",
    languages=("en",),
)


@attrs.frozen
class PocketsphinxConfig:
    """``phrases`` are all that it listens for, one or several of them in an utterance; none: any English.

    ``pronunciations`` are of words that its dictionary lacks, in the phones of CMUdict. ``patience`` is how
    many seconds one utterance may take.
    """

    phrases: tuple[str, ...] = ()
    pronunciations: tuple[tuple[str, str], ...] = ()
    patience: float = 60.0


@attrs.frozen
class _PocketsphinxSettings:
    phrases: tuple[str, ...] = ()
    pronunciations: Mapping[str, str] = attrs.field(factory=dict)
    patience: float = attrs.field(default=60.0, validator=between(1, 3600))


def configure(name: str, settings: Mapping[str, object], environment: Environment) -> PocketsphinxConfig:
    """The settings are the fields of `PocketsphinxConfig`; ``pronunciations`` is a mapping in the file."""
    del name, environment
    given = read_settings(_PocketsphinxSettings, settings)
    phrases = tuple(_words_of(phrase) for phrase in given.phrases)
    if len(phrases) > MOST_PHRASES:
        raise SettingsError("phrases", f"must be at most {MOST_PHRASES}")
    for word, phones in given.pronunciations.items():
        if not _PHONES.fullmatch(phones):
            raise SettingsError("pronunciations", f"that of {word!r} must be phones such as 'K IY T OW'")
    known = sorted((word.lower(), phones) for word, phones in given.pronunciations.items())
    return PocketsphinxConfig(phrases, tuple(known), given.patience)


def _words_of(phrase: str) -> str:
    """``phrase`` as the dictionary spells it. Raises `SettingsError` if it is not made of English words."""
    words = phrase.lower().replace(",", " ").replace("?", " ").replace("!", " ").split()
    if not words or not all(_WORD.fullmatch(word) for word in words):
        raise SettingsError("phrases", f"{phrase!r} must be English words, numbers written out")
    return " ".join(word.strip(".") for word in words)


@asynccontextmanager
async def open(config: PocketsphinxConfig) -> AsyncIterator[Pocketsphinx]:
    """Load it in its own process: 0.3 s and 60 MB with phrases, 0.5 s and 150 MB for any English."""
    job = WorkerJob(
        f"{__package__}.pocketsphinx_process",
        "pocketsphinx_asr",
        {"phrases": list(config.phrases), "pronunciations": dict(config.pronunciations)},
        config.patience,
    )
    async with open_worker(job) as worker:
        yield Pocketsphinx(worker)


@attrs.frozen
class Pocketsphinx(WholeAsr):
    """An `Asr` in one child process, for which its sessions queue."""

    _worker: Worker = attrs.field(repr=False)

    async def transcribe(self, pcm: Pcm) -> str:
        """What is said in ``pcm``, in lower case; a cancel ends the process, and another is started."""
        return await self._worker.ask(pcm.resampled(RATE).samples)
