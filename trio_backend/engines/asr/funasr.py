"""`fun_asr`: FunASR, by a WebSocket server of it or, without an address, by the library that the user has.

The server's format is that of ``runtime/docs/websocket_protocol.md`` and of the Python server beside it, as
they were in August 2026: a message of JSON, bytes of sound, and ``is_speaking: false``; the first pass writes
on, and the second (``2pass-offline``) rewrites each sentence. The library brings torch, so it is none of
ours: it runs in a child process, which imports what is installed.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from importlib.util import find_spec

import attrs
import msgspec

from ...audio.pcm import Pcm
from ...audio.utterance import RATE
from ...errors import EngineError
from ...installation import install
from ..base import Asr, AsrTranscript
from ..facts import EngineFacts
from ..openai.answers import decode_json, whole_characters
from ..openai.configs import Endpoint, Provider, checked_socket_url
from ..service_asr import ServiceAsr
from ..service_format import RecognitionService, closed_early, websocket_service
from ..settings import Environment, between, one_of, read_settings
from ..whole import WholeAsr, joined_text
from ..worker import INTERRUPTION, Worker, WorkerJob, open_worker

NAMES = ("fun_asr",)

_PROVIDER = Provider(
    "fun_asr", "http://127.0.0.1:10095", start="start funasr_wss_server.py there, or correct base_url"
)
# What SenseVoice writes of language, mood and sounds: <|zh|><|NEUTRAL|><|Speech|>.
_MARKS = re.compile(r"<\|[^|<>]*\|>")

_LIBRARY = ("funasr", "torch", "torchaudio")

FACTS = EngineFacts(
    streams="with a server",
    cancel="closes the connection",
    tried="a stand-in by its code",
    needs="a FunASR server, or the library and torch",
    packages=_LIBRARY,
)


@attrs.frozen
class FunAsrServerConfig:
    """A server. ``first`` is its first message. With ``acknowledged``, it says when it has sent all.

    Timeouts are in seconds: to connect, and for the final transcript after the end of the sound.
    """

    endpoint: Endpoint
    first: str = attrs.field(repr=False)
    acknowledged: bool
    streams: bool
    connect_timeout: float
    timeout: float


@attrs.frozen
class FunAsrConfig:
    """The library: ``model`` and ``options`` are what its own classes are given.

    ``patience`` is how many seconds loading, and then one utterance, may take.
    """

    model: tuple[tuple[str, str | int | bool], ...]
    options: tuple[tuple[str, str | bool], ...]
    patience: float


@attrs.frozen
class _FunAsrSettings:
    base_url: str = ""
    mode: str = attrs.field(default="2pass", validator=one_of("2pass", "online", "offline"))
    hotwords: str = attrs.field(default="", repr=False)
    # The Python server does so since July 2026; others send a final result, and nothing behind it.
    acknowledged: bool = False
    connect_timeout: float = attrs.field(default=5.0, validator=between(0.1, 600))
    timeout: float = attrs.field(default=20.0, validator=between(0.1, 3600))
    # Of the library. A server has been given its own.
    model_name: str = "iic/SenseVoiceSmall"
    vad_model: str = "fsmn-vad"
    punc_model: str = "ct-punc"
    device: str = "cpu"
    disable_update: bool = True
    ncpu: int = attrs.field(default=4, validator=between(1, 256))
    hub: str = attrs.field(default="ms", validator=one_of("ms", "hf"))
    language: str = "auto"
    patience: float = attrs.field(default=600.0, validator=between(1, 36_000))
    # Of both.
    use_itn: bool = False


def configure(
    name: str, settings: Mapping[str, object], environment: Environment
) -> FunAsrServerConfig | FunAsrConfig:
    """The settings are those of existing files, and those of a server, if ``base_url`` is its address."""
    del name, environment
    given = read_settings(_FunAsrSettings, settings)
    if not given.base_url.strip():
        names = ("model", "vad_model", "punc_model", "device", "disable_update", "ncpu", "hub")
        values = [getattr(given, {"model": "model_name"}.get(name, name)) for name in names]
        model = tuple((name, value) for name, value in zip(names, values, strict=True) if value != "")
        options = (("language", given.language or "auto"), ("use_itn", given.use_itn))
        return FunAsrConfig(model, options, given.patience)
    first = {
        "mode": given.mode,
        # Sixtieths of a second: results every 0.6 s, with 0.3 s of look-ahead, as the documentation has it.
        "chunk_size": [5, 10, 5],
        "chunk_interval": 10,
        "wav_name": "speech",
        "wav_format": "pcm",
        "audio_fs": RATE,
        "is_speaking": True,
        "hotwords": given.hotwords,
        "itn": given.use_itn,
    }
    return FunAsrServerConfig(
        endpoint=Endpoint(_PROVIDER, checked_socket_url(given.base_url), given.mode, key_setting=""),
        first=msgspec.json.encode(first).decode(),
        acknowledged=given.acknowledged,
        streams=given.mode != "offline",
        connect_timeout=given.connect_timeout,
        timeout=given.timeout,
    )


def missing(config: FunAsrServerConfig | FunAsrConfig) -> list[str]:
    """The library, unless there is a server."""
    absent = [name for name in _LIBRARY if find_spec(name) is None]
    if isinstance(config, FunAsrServerConfig) or not absent:
        return []
    remedy = "set base_url to the address of a FunASR server"
    return [f"{', '.join(absent)} missing: `{install(*FACTS.packages)}`, or {remedy}"]


@asynccontextmanager
async def open(config: FunAsrServerConfig | FunAsrConfig) -> AsyncIterator[Asr]:
    """A server is ready at once; the library loads its models, and downloads them if they are not there."""
    if isinstance(config, FunAsrServerConfig):
        endpoint = config.endpoint
        connect = await websocket_service(endpoint, "", {}, connect_timeout=config.connect_timeout)
        yield FunAsrServer(config, RecognitionService(endpoint, connect, RATE, config.timeout))
        return
    settings = {"model": dict(config.model), "options": dict(config.options)}
    module = f"{__package__}.funasr_process"
    job = WorkerJob(module, "fun_asr", settings, config.patience, interruption=INTERRUPTION)
    async with open_worker(job) as worker:
        yield FunAsr(worker)


@attrs.frozen
class FunAsr(WholeAsr):
    """An `Asr`: the library in one child process, for which its sessions queue."""

    _worker: Worker = attrs.field(repr=False)

    async def transcribe(self, pcm: Pcm) -> str:
        """What is said in ``pcm``; a cancel stops it, or ends the process if it does not stop."""
        return _plain(await self._worker.ask(pcm.resampled(RATE).samples))


@attrs.frozen
class FunAsrServer(ServiceAsr):
    """An `Asr` behind a WebSocket server of FunASR."""

    config: FunAsrServerConfig
    service: RecognitionService = attrs.field(repr=False)

    @property
    def streams(self) -> bool:
        """See `Asr.streams`: not in the mode ``offline``."""
        return self.config.streams

    def recognition(self) -> FunAsrFormat:
        """See `ServiceAsr.recognition`."""
        return FunAsrFormat(self.config.first, self.config.acknowledged)


@attrs.define
class _FunAsrResult:
    mode: str = ""
    text: str = ""
    is_final: bool = False
    is_end: bool = False


_decoder = msgspec.json.Decoder(_FunAsrResult)


@attrs.define(eq=False)
class FunAsrFormat:
    """An `UtteranceFormat`: sentences that are settled, and what the first pass has of the next one."""

    _first: str = attrs.field(repr=False)
    _acknowledged: bool
    _settled: list[str] = attrs.field(factory=list, init=False, repr=False)
    _draft: str = attrs.field(default="", init=False, repr=False)
    _ended: bool = attrs.field(default=False, init=False)

    def begin(self) -> Sequence[str]:
        return [self._first]

    def sound(self, samples: bytes) -> Sequence[bytes]:
        return [samples]

    def end(self) -> Sequence[str]:
        self._ended = True
        # `is_end` asks for the acknowledgement, and means nothing to servers that have none.
        return ['{"is_speaking":false,"is_end":true}']

    def receive(self, message: str | bytes) -> Sequence[AsrTranscript]:
        result = decode_json(message, _decoder)
        if result.is_end:
            if not result.is_final:
                raise EngineError("fun_asr: the server failed amid an utterance; its own log says why")
            return [AsrTranscript(self._text(), final=True)]
        before = self._text()
        if result.mode.endswith("offline"):
            self._settled.append(result.text)
            self._draft = ""
        else:
            self._draft += result.text
        # The first pass of two calls its last piece final, too; what counts is the second's.
        over = self._ended and result.is_final and result.mode != "2pass-online" and not self._acknowledged
        if over:
            return [AsrTranscript(self._text(), final=True)]
        return [AsrTranscript(self._text(), final=False)] if self._text() != before else ()

    def closed(self, code: int) -> AsrTranscript:
        raise closed_early("fun_asr", code)

    def _text(self) -> str:
        return _plain(joined_text([*self._settled, self._draft]))


def _plain(text: str) -> str:
    return whole_characters(_MARKS.sub("", text)).strip()
