"""`look_around`: which servers of models, voices and recognition answer on a machine, and what they have.

Any program of any local user may listen on these ports, so an answer may be anything: it is bounded in time
and size, no redirect is followed, no key is sent, and only what is plainly a name is shown or written.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from ipaddress import ip_address
from typing import Literal, TypeAlias, TypeVar

import attrs
import msgspec
import trio

from ..engines.http import open_http_client
from ..engines.http_target import HttpTarget
from ..engines.wyoming import WyomingEvent, encoded, find_wyoming_server
from ..errors import AnswerTooLong, HttpFailed, WireClosed

WITHIN = 1.0
"""Seconds that a server may take for all that it is asked. All are asked at once: this is the whole wait."""

LONGEST_ANSWER = 2**20
"""Bytes. A hundred models take 40 000."""

MOST_NAMES = 200
"""Names that are kept of one server. More than anybody reads; who knows the name can give it."""

LookOutcome: TypeAlias = Literal["found", "closed", "other", "locked", "silent"]
"""`closed`: nobody listens. `other`: what answers is no such server. `locked`: it wants a key."""

# `namespace/model:tag` and the like, and speakers in any script. No control character, and no blank at the
# ends: these names go to a terminal and into a file.
_NAME = re.compile(r"\w(?:[\w .:/@+()-]{0,98}[\w)])?")
# What of a list of models does something else than chat. Of servers that say it, their word counts.
_HEARS = re.compile(r"whisper|transcri|parakeet|sense-?voice|moonshine|voxtral|\b(asr|stt)\b", re.IGNORECASE)
_SPEAKS = re.compile(r"tts|kokoro|piper|speech|orpheus|\bbark\b|chatterbox", re.IGNORECASE)
_NEITHER = re.compile(r"embed|rerank|\bbge\b|minilm|diffusion|flux|dall-e", re.IGNORECASE)

_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?")

T = TypeVar("T")


@attrs.frozen
class FoundNames:
    """What a server has: names of models that chat, of voices, of models that hear, of models that speak."""

    models: tuple[str, ...] = ()
    voices: tuple[str, ...] = ()
    recognisers: tuple[str, ...] = ()
    speakers: tuple[str, ...] = ()


@attrs.frozen
class ServerProbe:
    """One kind of server: where it listens, and how it is asked. ``source`` is its word in options."""

    source: str
    title: str
    port: int
    ask: Callable[[str, int], Awaitable[FoundNames]]


@attrs.frozen
class LookedAt:
    """What came of one probe."""

    source: str
    title: str
    port: int
    outcome: LookOutcome
    found: FoundNames = attrs.field(factory=FoundNames)


class _NotOfThatKind(Exception):
    """What answers is something else."""


class _WantsAKey(Exception):
    """The server answers only those who have a key."""


class _OllamaModel(msgspec.Struct):
    name: str


class _OllamaModels(msgspec.Struct):
    models: list[_OllamaModel]


class _OpenAiModel(msgspec.Struct):
    id: str
    task: object = None


class _OpenAiModels(msgspec.Struct):
    data: list[_OpenAiModel]


class _NamedVoice(msgspec.Struct):
    id: str


class _Voices(msgspec.Struct):
    voices: list[str | _NamedVoice]


class _OpenApi(msgspec.Struct):
    paths: dict[str, object]


class _WyomingModel(msgspec.Struct):
    name: str


class _WyomingProgram(msgspec.Struct):
    voices: list[_WyomingModel] = []
    models: list[_WyomingModel] = []


class _WyomingInfo(msgspec.Struct):
    tts: list[_WyomingProgram] = []
    asr: list[_WyomingProgram] = []


def is_host(text: str) -> bool:
    """Whether ``text`` is a name or an address of a machine, without a port and without brackets."""
    try:
        ip_address(text)
    except ValueError:
        return len(text) < 254 and _HOST.fullmatch(text) is not None
    return True


async def look_around(host: str) -> list[LookedAt]:
    """What answers on ``host``, in the order of `PROBES`; after `WITHIN` seconds at the latest.

    Whatever answers there, this raises nothing, if `is_host` allows the name.
    """
    results: dict[str, LookedAt] = {}

    async def look(probe: ServerProbe) -> None:
        outcome, found = await _outcome(probe, host)
        results[probe.source] = LookedAt(probe.source, probe.title, probe.port, outcome, found)

    async with trio.open_nursery() as nursery:
        for probe in PROBES:
            nursery.start_soon(look, probe, name=f"is {probe.title} there?")
    return [results[probe.source] for probe in PROBES]


async def _outcome(probe: ServerProbe, host: str) -> tuple[LookOutcome, FoundNames]:
    outcome: LookOutcome = "silent"
    found = FoundNames()
    with trio.move_on_after(WITHIN):
        try:
            found = await probe.ask(host, probe.port)
            outcome = "found"
        # From inside a client's nursery they come in groups.
        except* HttpFailed as group:
            outcome = "closed" if _not_connected(group) else "other"
        except* _WantsAKey:
            outcome = "locked"
        except* (_NotOfThatKind, AnswerTooLong, WireClosed):
            outcome = "other"
    return outcome, found


def _not_connected(group: BaseExceptionGroup[HttpFailed]) -> bool:
    return all(
        _not_connected(each) if isinstance(each, BaseExceptionGroup) else each.stage in ("connect", "timeout")
        for each in group.exceptions
    )


async def _get(host: str, port: int, path: str, kind: type[T]) -> T:
    """What the server answers to GET ``path``, read as ``kind``."""
    name = f"[{host}]" if ":" in host else host
    target = HttpTarget(f"http://{name}:{port}", {"Accept-Encoding": "identity"}, use_proxy=False)
    async with open_http_client(target, connect_timeout=WITHIN) as client:
        answer = await client.request("GET", path, {"Accept": "application/json"})
        try:
            if answer.status in (401, 403):
                raise _WantsAKey
            if answer.status != 200:
                raise _NotOfThatKind
            body = await answer.read(most=LONGEST_ANSWER)
        finally:
            answer.close()
    return _decoded(lambda: msgspec.json.decode(body, type=kind))


def _decoded(decode: Callable[[], T]) -> T:
    try:
        return decode()
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise _NotOfThatKind from None


def _plain(names: Iterable[str]) -> tuple[str, ...]:
    """Those that are plainly names, each once."""
    return tuple(dict.fromkeys(name for name in names if _NAME.fullmatch(name)))[:MOST_NAMES]


async def _ask_ollama(host: str, port: int) -> FoundNames:
    listed = await _get(host, port, "api/tags", _OllamaModels)
    return FoundNames(models=_plain(each.name for each in listed.models if not _NEITHER.search(each.name)))


async def _ask_openai(host: str, port: int) -> FoundNames:
    listed = (await _get(host, port, "v1/models", _OpenAiModels)).data
    hears, speaks, chats = [], [], []
    for each in listed:
        # llama.cpp's server calls its model by the path of the file, and takes any name for it.
        name = (
            re.split(r"[/\\]", each.id)[-1] if each.id.startswith(("/", ".")) or "\\" in each.id else each.id
        )
        task = each.task if isinstance(each.task, str) else ""
        if task == "automatic-speech-recognition" or (not task and _HEARS.search(name)):
            hears.append(name)
        elif task == "text-to-speech" or (not task and _SPEAKS.search(name)):
            speaks.append(name)
        elif not task and not _NEITHER.search(name):
            chats.append(name)
    return FoundNames(models=_plain(chats), recognisers=_plain(hears), speakers=_plain(speaks))


async def _ask_kokoro(host: str, port: int) -> FoundNames:
    # Before version 0.3 they were plain names.
    voices = (await _get(host, port, "v1/audio/voices", _Voices)).voices
    return FoundNames(voices=_plain(each if isinstance(each, str) else each.id for each in voices))


async def _ask_xtts(host: str, port: int) -> FoundNames:
    return FoundNames(voices=_plain(await _get(host, port, "speakers_list", list[str])))


async def _ask_gpt_sovits(host: str, port: int) -> FoundNames:
    # It has no list; this path is in no other program's description.
    if "/set_gpt_weights" not in (await _get(host, port, "openapi.json", _OpenApi)).paths:
        raise _NotOfThatKind
    return FoundNames()


async def _ask_wyoming(host: str, port: int) -> FoundNames:
    name = f"[{host}]" if ":" in host else host
    server = await find_wyoming_server(f"http://{name}:{port}", connect_timeout=WITHIN)
    async with server.open() as link:
        await link.send(encoded(WyomingEvent("describe")))
        while (event := await link.receive()).type != "info":
            pass
    data: Mapping[str, object] = event.data
    info = _decoded(lambda: msgspec.convert(data, _WyomingInfo))
    return FoundNames(
        voices=_plain(voice.name for program in info.tts for voice in program.voices),
        recognisers=_plain(model.name for program in info.asr for model in program.models),
    )


PROBES = (
    ServerProbe("ollama", "Ollama", 11434, _ask_ollama),
    ServerProbe("lmstudio", "LM Studio", 1234, _ask_openai),
    ServerProbe("llamacpp", "llama.cpp", 8080, _ask_openai),
    # vLLM, speaches, openedai-speech: what its models do is known by their names.
    ServerProbe("server", "OpenAI-compatible", 8000, _ask_openai),
    ServerProbe("kokoro", "Kokoro-FastAPI", 8880, _ask_kokoro),
    ServerProbe("xtts", "XTTS", 8020, _ask_xtts),
    ServerProbe("gpt-sovits", "GPT-SoVITS", 9880, _ask_gpt_sovits),
    ServerProbe("wyoming-voice", "Wyoming (Piper)", 10200, _ask_wyoming),
    ServerProbe("wyoming-microphone", "Wyoming (Whisper)", 10300, _ask_wyoming),
)
"""What is looked for, at the ports where these programs listen unless told otherwise."""
