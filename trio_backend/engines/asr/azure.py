"""`azure_asr`: recognition by Azure's Speech service, over its REST interfaces.

By Microsoft's documentation of August 2026: one language by “Speech to text REST API for short audio”, which
is the quicker one and takes a minute of sound; several, of which the service finds out which is spoken, and
longer sound, by the “Fast transcription API”, version 2024-11-15. Partial transcripts would need
its own WebSocket protocol, which is not documented.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TypeVar
from urllib.parse import quote

import attrs
import msgspec
import trio

from ...audio.pcm import Pcm
from ...audio.utterance import RATE
from ...errors import EngineError, SettingsError
from ..facts import EngineFacts
from ..openai.answers import decode_json, not_a_stream, whole_characters
from ..openai.configs import Endpoint, Provider, check_key, checked_url, find_key
from ..openai.connection import ModelServer, SoundFile, SoundForm, open_model_server, read_refused
from ..settings import Environment, between, read_settings
from ..whole import WholeAsr

NAMES = ("azure_asr",)

T = TypeVar("T")

LONGEST_SHORT = 59.0
"""Seconds of sound that the interface for short sound takes: it has a minute, headers included."""

MOST = 1_000_000
"""Bytes of one answer; of an hour of speech, an answer has a few times as many as its text."""

_PROVIDER = Provider("azure_asr", "", ("AZURE_SPEECH_KEY", "SPEECH_KEY"), needs_key=True)
_REGION = re.compile(r"[a-z0-9]{2,40}")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_SHORT = "speech/recognition/conversation/cognitiveservices/v1"
_FAST = "speechtotext/transcriptions:transcribe?api-version=2024-11-15"

FACTS = EngineFacts(
    streams="no",
    cancel="closes the connection",
    tried="a stand-in by its reference",
    needs="Azure's Speech service",
    keys=_PROVIDER.key_variables,
)


@attrs.frozen
class AzureAsrConfig:
    """``short`` and ``fast`` are the two interfaces' endpoints. ``languages`` has at least one.

    Timeouts are in seconds: to connect, and for a whole transcript.
    """

    short: Endpoint
    fast: Endpoint
    languages: tuple[str, ...]
    connect_timeout: float
    timeout: float


@attrs.frozen
class _AzureAsrSettings:
    api_key: str = ""
    region: str = "eastus"
    languages: tuple[str, ...] = ("en-US",)
    # Instead of the region: a private endpoint, or a sovereign cloud's.
    base_url: str = ""
    connect_timeout: float = attrs.field(default=5.0, validator=between(0.1, 600))
    timeout: float = attrs.field(default=30.0, validator=between(0.1, 3600))


def configure(name: str, settings: Mapping[str, object], environment: Environment) -> AzureAsrConfig:
    """The settings are the fields of `_AzureAsrSettings`; a region of China is on that cloud's hosts."""
    del name
    given = read_settings(_AzureAsrSettings, settings)
    if not given.languages or not all(map(_LANGUAGE.fullmatch, given.languages)):
        raise SettingsError("languages", "must be a list of codes such as [en-US, zh-CN]")
    region = given.region.strip().lower()
    if not _REGION.fullmatch(region):
        raise SettingsError("region", "must be the name of a region, such as eastus")
    cloud = "azure.cn" if region.startswith("china") else "microsoft.com"
    hosts = (f"https://{region}.stt.speech.{cloud}", f"https://{region}.api.cognitive.{cloud}")
    key = find_key(given.api_key, _PROVIDER.key_variables, environment.environ)
    short, fast = (
        check_key(Endpoint(_PROVIDER, checked_url(given.base_url or host), "", "api_key", key))
        for host in hosts
    )
    return AzureAsrConfig(short, fast, given.languages, given.connect_timeout, given.timeout)


@asynccontextmanager
async def open(config: AzureAsrConfig) -> AsyncIterator[AzureAsr]:
    """Ready at once: the first utterance makes the first connection."""
    headers, within = {"Ocp-Apim-Subscription-Key": config.short.api_key}, config.connect_timeout
    async with (
        open_model_server(config.short, connect=within, headers=headers) as short,
        open_model_server(config.fast, connect=within, headers=headers) as fast,
    ):
        yield AzureAsr(config, short, fast)


@attrs.define
class _ShortAnswer:
    RecognitionStatus: str
    DisplayText: str = ""


@attrs.define
class _CombinedPhrase:
    text: str = ""


@attrs.define
class _FastAnswer:
    combinedPhrases: list[_CombinedPhrase]  # noqa: N815


_short_decoder = msgspec.json.Decoder(_ShortAnswer)
_fast_decoder = msgspec.json.Decoder(_FastAnswer)

# Not understood is no failure: nothing was said, or nothing that is speech.
_NOTHING = {"NoMatch", "InitialSilenceTimeout", "BabbleTimeout", "EndOfDictation"}


@attrs.frozen
class AzureAsr(WholeAsr):
    """An `Asr`. All utterances share one pool of connections for each interface."""

    config: AzureAsrConfig
    _short: ModelServer = attrs.field(repr=False)
    _fast: ModelServer = attrs.field(repr=False)

    async def transcribe(self, pcm: Pcm) -> str:
        """What is said in ``pcm``; a cancel closes the connection."""
        if not pcm.samples:
            await trio.lowlevel.checkpoint()
            return ""
        with trio.move_on_after(self.config.timeout):
            wav = (await trio.to_thread.run_sync(pcm.resampled, RATE)).to_wav()
            if len(self.config.languages) == 1 and pcm.seconds <= LONGEST_SHORT:
                return await self._transcribe_short(wav)
            return await self._transcribe_fast(wav)
        raise EngineError(f"azure_asr: no transcript within {self.config.timeout:g} s")

    async def _transcribe_short(self, wav: bytes) -> str:
        path = f"{_SHORT}?language={quote(self.config.languages[0])}&format=simple"
        answer = await self._asked(self._short, path, SoundFile(wav), _short_decoder)
        if answer.RecognitionStatus == "Success":
            return whole_characters(answer.DisplayText).strip()
        if answer.RecognitionStatus in _NOTHING:
            return ""
        raise EngineError("azure_asr: the service failed to recognise an utterance; try again")

    async def _transcribe_fast(self, wav: bytes) -> str:
        definition = msgspec.json.encode({"locales": self.config.languages}).decode()
        form = SoundForm({"definition": definition}, wav, "audio")
        answer = await self._asked(self._fast, _FAST, form, _fast_decoder)
        return whole_characters(" ".join(phrase.text for phrase in answer.combinedPhrases)).strip()

    @staticmethod
    async def _asked(
        server: ModelServer, path: str, sound: SoundFile | SoundForm, decoder: msgspec.json.Decoder[T]
    ) -> T:
        answer = await server.ask(path, sound, accept="application/json")
        if "json" not in answer.headers.get("content-type", "").lower():
            raise EngineError(not_a_stream(server.endpoint, await read_refused(answer)).text)
        body = await server.read(
            answer, most=MOST, too_long="the service sent an answer that is too long for a transcript"
        )
        try:
            return decode_json(body, decoder)
        except ValueError:
            # Not chained: the error would carry what somebody said.
            raise EngineError("azure_asr: the service sent no transcript") from None
