"""What our adapters add: from a service's first byte to our first piece, and from a cancel to the close.

``python benchmarks/engines.py [--runs N] [--write FILE] [name of an adapter …]``. The services are the
stand-ins of the tests, on sockets of this machine and in this process, so that both ends have one clock;
their own work is in the figures. A `Case` says how an engine is opened, how its first piece is had, and what
its service has seen: so language models, voices and recognisers are measured in the same way.

All engines behind HTTP or WebSockets have a case (`unmeasured` says which have not). ``--write`` makes
benchmarks/engines.md. The bounds are 5 ms at the median, and 50 ms for each connection; exit code 1 if one is
exceeded.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Protocol, get_args

import attrs
import psutil
import trio

from tests.engines import claude_stand_in, test_translators, wyoming_stand_in
from tests.engines.completion_stand_in import completing
from tests.engines.edge_stand_in import HEAD, begun, mp3, pointed_at, say_bytes
from tests.engines.gradio_stand_in import EVENT, GRADIO_VOICES, GradioVoice
from tests.engines.model_server import (
    Answering,
    Asked,
    Behaviour,
    ModelServer,
    hanging,
    open_model_server,
    streaming,
)
from tests.engines.speech_services import SERVICES, SpeechService
from tests.engines.speech_sounds import noise, opened
from tests.engines.voice_services import VOICES, VoiceService
from tests.engines.websocket_server import Speaking, Spoken, accepted, open_websocket_service
from tests.engines.wyoming_stand_in import TRANSCRIPT, WyomingClient, answering, open_wyoming_stand_in
from trio_backend.audio.pcm import Pcm
from trio_backend.config.character import EngineKind
from trio_backend.engines.base import Asr, Llm, Message, Prompt, Tts
from trio_backend.engines.llm.openai_compatible import NAMES as OPENAI_COMPATIBLE
from trio_backend.engines.registry import EngineConfig, configure, facts_of, known, open_engine
from trio_backend.engines.settings import Environment

RUNS = 200
MOST_ADDED = 5.0
"""Milliseconds at the median, between the service's byte and our piece."""
MOST_LEFT = 50.0
"""Milliseconds for each connection, from the cancel to its end."""
SOUND = noise(0.5)


class Seen(Protocol):
    """What a service has seen of one connection, in seconds of Trio's clock."""

    @property
    def said_at(self) -> float:
        """When it sent the byte that our first piece is made of."""
        ...

    @property
    def left_at(self) -> float:
        """When it saw the connection closed."""
        ...


@attrs.frozen
class Session:
    """An open engine: ``first`` waits for its first piece, ``seen`` is the service's newest connection.

    ``begun`` is how many requests the service has seen.
    """

    first: Callable[[], Awaitable[object]]
    seen: Callable[[], Seen]
    begun: Callable[[], int]


@attrs.frozen
class Case:
    """An adapter: with a service that answers, and with one that keeps it waiting (``silent``)."""

    name: str
    open: Callable[[bool], AbstractAsyncContextManager[Session]]

    @property
    def engine(self) -> str:
        """The name that configurations use: variants of one engine have more behind it."""
        return self.name.partition(",")[0]


def first_transcript(asr: Asr) -> Callable[[], Awaitable[object]]:
    """Sound at once, and then the end of it; a recogniser that streams is faster than that."""

    async def wait() -> object:
        send, sound = trio.open_memory_channel[Pcm](1)
        async with send, sound, asr.listen(sound) as transcripts:
            send.send_nowait(SOUND)
            send.close()
            return await transcripts.receive()

    return wait


def over_websocket(name: str, service: SpeechService) -> Case:
    """A recogniser behind a WebSocket."""

    @asynccontextmanager
    async def session(silent: bool) -> AsyncIterator[Session]:
        async def waiting(spoken: Spoken) -> None:
            await spoken.accept()

        behaviour: Speaking = waiting if silent else service.behaviour
        async with open_websocket_service(behaviour) as server, service.opens(server) as asr:
            yield Session(
                first_transcript(asr), lambda: server.connections[-1], lambda: len(server.connections)
            )

    return Case(name, session)


@asynccontextmanager
async def wyoming(silent: bool) -> AsyncIterator[Session]:
    """A Wyoming server."""
    async with (
        open_wyoming_stand_in(answering(b"" if silent else TRANSCRIPT)) as server,
        opened("wyoming_asr", {"base_url": server.url})() as asr,
    ):
        yield Session(first_transcript(asr), lambda: server.clients[-1], lambda: len(server.clients))


@attrs.define
class HttpSeen:
    """Of the last request, and the last answer; of those whose path has ``part`` in it."""

    server: ModelServer
    said_at: float = 0.0
    part: str = ""

    @property
    def asked(self) -> list[Asked]:
        return [asked for asked in self.server.asked if self.part in asked.path]

    @property
    def left_at(self) -> float:
        return self.asked[-1].left_at


def over_http(name: str, settings: dict[str, object], transcript: bytes) -> Case:
    """A recogniser that is asked once for an utterance."""

    @asynccontextmanager
    async def session(silent: bool) -> AsyncIterator[Session]:
        async def answer(answering: Answering) -> None:
            if silent:
                await trio.sleep_forever()
            seen.said_at = trio.current_time()
            await answering.whole(200, transcript, "Content-Type: application/json")

        async with open_model_server() as server:
            seen = HttpSeen(server)
            server.behaviour = answer
            url = server.url.removesuffix("/v1") if name == "azure_asr" else server.url
            async with opened(name, {**settings, "base_url": url})() as asr:
                yield Session(first_transcript(asr), lambda: seen, lambda: len(server.asked))

    return Case(name, session)


def first_chunk(tts: Tts) -> Callable[[], Awaitable[object]]:
    """The first piece of a sentence's sound."""

    async def wait() -> object:
        async with tts.speak("Hello there, my friend.") as chunks:
            return await chunks.receive()

    return wait


def speaking(voice: VoiceService) -> Case:
    """A voice behind HTTP, whose service sends a sentence as fast as it can."""

    @asynccontextmanager
    async def session(silent: bool) -> AsyncIterator[Session]:
        async def answer(answering: Answering) -> None:
            if silent:
                await trio.sleep_forever()
            seen.said_at = trio.current_time()
            await answering.head(200, [f"Content-Type: {voice.kind}", "Transfer-Encoding: chunked"])
            for piece in voice.pieces(SOUND.resampled(voice.rate)):
                await answering.chunk(piece)
            await answering.stream.send_all(b"0\r\n\r\n")

        async with open_model_server() as server:
            seen = HttpSeen(server)
            server.behaviour = answer
            async with voice.opens(server) as tts:
                yield Session(first_chunk(tts), lambda: seen, lambda: len(server.asked))

    return Case(voice.variant or voice.name, session)


def behind_gradio(name: str, voice: GradioVoice) -> Case:
    """A voice behind a Gradio server: from the file's first byte, and a cancel amid the wait for events."""

    @asynccontextmanager
    async def session(silent: bool) -> AsyncIterator[Session]:
        async def sound(answering: Answering) -> None:
            seen.said_at = trio.current_time()
            await answering.whole(200, wav, "content-type: audio/wav")

        wav = SOUND.resampled(voice.rate).to_wav()
        async with voice.serves() as stand_in, voice.opens(stand_in) as tts:
            seen = HttpSeen(stand_in.server, part=f"/{EVENT}")
            await first_chunk(tts)()
            stand_in.instead |= {"events": hanging()} if silent else {"file": sound}
            yield Session(first_chunk(tts), lambda: seen, lambda: len(seen.asked))

    return Case(name, session)


@asynccontextmanager
async def edge(silent: bool) -> AsyncIterator[Session]:
    """The library behind `edge_tts`, which makes a connection for each sentence. Its MP3 is decoded whole."""

    @accepted
    async def answer(spoken: Spoken) -> None:
        await begun(spoken)
        if not silent:
            spoken.said_at = trio.current_time()
            await say_bytes(spoken, sound)
            await spoken.say(HEAD.format("turn.end"))

    sound = mp3(0.5)
    async with open_websocket_service(answer) as service, pointed_at(service) as tts:
        connections = service.connections
        yield Session(first_chunk(tts), lambda: connections[-1], lambda: len(connections))


@asynccontextmanager
async def wyoming_speaking(silent: bool) -> AsyncIterator[Session]:
    """A Wyoming server that speaks."""

    async def waiting(client: WyomingClient) -> None:
        await client.hear()

    behaviour = waiting if silent else wyoming_stand_in.speaking(lambda _: SOUND.resampled(22_050))
    async with open_wyoming_stand_in(behaviour) as server:
        settings, environment = {"base_url": server.url}, Environment(Path(), {})
        config = configure("tts", "wyoming_tts", settings, environment=environment)
        async with open_engine(config) as tts:
            yield Session(first_chunk(tts), lambda: server.clients[-1], lambda: len(server.clients))


def first_part(llm: Llm) -> Callable[[], Awaitable[object]]:
    """The first token of a reply."""
    prompt = Prompt("You are Ann.", [Message("user", "Hello there, my friend.")])

    async def wait() -> object:
        async with llm.reply(prompt) as parts:
            return await parts.receive()

    return wait


def replying(name: str, behaviour: Behaviour, settings: Mapping[str, object]) -> Case:
    """A language model behind HTTP, whose service sends a reply as fast as it can."""

    @asynccontextmanager
    async def session(silent: bool) -> AsyncIterator[Session]:
        async def answer(answering: Answering) -> None:
            if silent:
                await trio.sleep_forever()
            seen.said_at = trio.current_time()
            await behaviour(answering)

        async with open_model_server() as server:
            seen = HttpSeen(server)
            server.behaviour = answer
            given = {"base_url": server.url, "model": "m", "llm_api_key": "k", **settings}
            config = configure("llm", name, given, environment=Environment(Path(), {}))
            async with open_engine(config) as llm:
                yield Session(first_part(llm), lambda: seen, lambda: len(server.asked))

    return Case(name, session)


def translating(name: str, make: Callable[[str], EngineConfig], behaviour: Behaviour) -> Case:
    """A translator behind HTTP."""

    @asynccontextmanager
    async def session(silent: bool) -> AsyncIterator[Session]:
        async def answer(answering: Answering) -> None:
            if silent:
                await trio.sleep_forever()
            seen.said_at = trio.current_time()
            await behaviour(answering)

        async with (
            open_model_server() as server,
            open_engine(make(test_translators.root(server))) as translator,
        ):
            seen = HttpSeen(server)
            server.behaviour = answer
            sentence = partial(translator.translate, "Hello.", test_translators.NO_MODEL)
            yield Session(sentence, lambda: seen, lambda: len(server.asked))

    return Case(name, session)


OPENAI_SPEECH = VoiceService(
    name="openai_tts",
    path="/v1/audio/speech",
    headers={},
    body=b"",
    settings={"api_key": "sk-secret", "model": "m", "voice": "v", "file_extension": "pcm"},
    url=lambda server: server.url,
)
WORDS = ("Hello ", "there, ", "my ", "friend.")
CASES: Sequence[Case] = [
    *(replying(name, streaming(*WORDS), {}) for name in OPENAI_COMPATIBLE),
    replying("claude_llm", claude_stand_in.replying(*WORDS), {}),
    replying("stateless_llm_with_template", completing(*WORDS), {}),
    *(over_websocket(name, service) for name, service in SERVICES.items()),
    Case("wyoming_asr", wyoming),
    *(
        over_http(name, {"api_key": "k"}, b'{"text": "Hello."}')
        for name in ("openai_compatible_asr", "openai_whisper_asr", "groq_whisper_asr")
    ),
    over_http("azure_asr", {"api_key": "k"}, b'{"RecognitionStatus": "Success", "DisplayText": "Hello."}'),
    *map(speaking, VOICES.values()),
    speaking(OPENAI_SPEECH),
    *(behind_gradio(name, voice) for name, voice in GRADIO_VOICES.items()),
    Case("edge_tts", edge),
    Case("wyoming_tts", wyoming_speaking),
    translating("deeplx", test_translators.deeplx, test_translators.DEEPL),
    translating("tencent", test_translators.tencent, test_translators.TENCENT),
]
# The translator `llm` has no service of its own: it asks the character's language model.
OTHERS = {"llm"}


def unmeasured() -> Iterator[str]:
    """Engines that have a service at the other end of a connection, and no case here."""
    measured = {case.engine for case in CASES} | OTHERS
    kinds: tuple[EngineKind, ...] = get_args(EngineKind)
    for kind in kinds:
        for name in known(kind):
            facts = facts_of(kind, name)
            if facts and facts.cancel.startswith("closes the") and name not in measured:
                yield name


async def added(case: Case, runs: int) -> list[float]:
    """Milliseconds from the service's byte to our first piece."""
    took = []
    async with case.open(False) as session:
        for _ in range(runs):
            await session.first()
            took.append((trio.current_time() - session.seen().said_at) * 1000)
    return took


async def left(case: Case, runs: int) -> list[float]:
    """Milliseconds from a cancel to the connection's end, as the service sees it."""
    took = []
    async with case.open(True) as session:
        for _ in range(max(2, runs // 4)):
            before = session.begun()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(session.first)
                await until(lambda: session.begun() > before)  # noqa: B023
                # Amid the wait for its answer.
                await trio.sleep(0.02)
                cancelled_at = trio.current_time()
                nursery.cancel_scope.cancel()
            await until(lambda: session.seen().left_at >= cancelled_at)  # noqa: B023
            took.append((session.seen().left_at - cancelled_at) * 1000)
    return took


async def until(true: Callable[[], bool]) -> None:
    """Wait for what the service's own tasks note, a moment later."""
    with trio.fail_after(10):
        while not true():  # noqa: ASYNC110
            await trio.sleep(0.001)


@attrs.frozen
class Figures:
    """Of one case, in milliseconds."""

    name: str
    added: Sequence[float]
    left: Sequence[float]

    @property
    def within(self) -> bool:
        """Whether both bounds hold."""
        return statistics.median(self.added) <= MOST_ADDED and max(self.left) <= MOST_LEFT

    def row(self) -> str:
        """A row of the table: median and worst but one in a hundred; median and worst."""
        worst = statistics.quantiles(self.added, n=100)[98]
        shown = f"{statistics.median(self.added):.2f} | {worst:.2f}"
        return f"| `{self.name}` | {shown} | {statistics.median(self.left):.2f} | {max(self.left):.2f} |"


INTRODUCTION = """\
# What our adapters add

Milliseconds between a service's first byte and our first piece (bound: 5 at the median), and between a cancel
and the connection's end as the service sees it (bound: 50 for each). The services are the stand-ins of the
tests, in the same process, with their own work in the figures. Made by
`python benchmarks/engines.py --write benchmarks/engines.md`.

"""
TABLE = """\
| engine | first byte → piece: p50 | p99 | cancel → closed: p50 | worst |
| --- | --- | --- | --- | --- |"""


def machine() -> str:
    """What it was measured on."""
    memory = psutil.virtual_memory().total / 2**30
    return (
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors, {memory:.0f} GiB, "
        f"Python {platform.python_version()}"
    )


async def main(names: Sequence[str], runs: int, file: Path | None) -> bool:
    """Print a row for each case, and write the table. Returns whether all bounds hold."""
    print(TABLE, flush=True)
    figures = []
    for case in CASES:
        if not names or case.name in names or case.engine in names:
            figures.append(Figures(case.name, await added(case, runs), await left(case, runs)))
            print(figures[-1].row(), flush=True)
    for name in unmeasured():
        print(f"not measured: {name}")
    if file is not None:
        ran = f"{runs} sentences and {max(2, runs // 4)} cancels each; {machine()}.\n"
        rows = [one.row() for one in figures]
        await trio.Path(file).write_text("\n".join([INTRODUCTION + ran, TABLE, *rows, ""]), "utf-8")
    return all(one.within for one in figures)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--write", type=Path)
    given = parser.parse_args()
    sys.exit(0 if trio.run(main, given.names, given.runs, given.write) else 1)
