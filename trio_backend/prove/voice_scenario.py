"""`VoiceScenario`: the server that `prove voice` speaks to, its clients, and what its engines know."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import attrs
import httpx2
import trio

from ..client.messages import ReceivedConfigFiles
from ..errors import ConfigError
from ..protocol.incoming import FetchConfigs
from .context import ScenarioContext
from .outcome import quantile
from .stand_ins import STREAMING, with_silence
from .voice_client import OURS, ClientForm, VoiceClient, open_voice_client
from .voice_conversation import converse
from .voice_corpus import Corpus, CorpusUtterance, make_corpus
from .voice_engine_log import EngineLog
from .voice_measures import Exchange, Listening

LOG_TIMEOUT = 10.0
"""Seconds; it takes a hundredth of one."""
_DISCARDED = "trio_backend_turns_discarded_total "


@attrs.frozen
class VoiceScenario:
    """The server, and what is said to it. ``streaming``: it has a character with a streaming recogniser."""

    context: ScenarioContext
    corpus: Corpus
    streaming: bool
    received: list[float] = attrs.field(factory=list)
    """The seconds of each sound that clients were sent."""
    problems: list[str] = attrs.field(factory=list)
    """What the server told of errors."""
    _lateness: list[float] = attrs.field(factory=list)
    """By how many seconds the microphones' messages came too late."""

    @classmethod
    async def begin(cls, context: ScenarioContext) -> VoiceScenario | str:
        """With the server of ``context``; or why nothing can be measured there."""
        if not context.own or context.engines is None:
            return "the engines' own time is known only of a server that prove starts"
        try:
            corpus = await trio.to_thread.run_sync(make_corpus)
        except ConfigError as error:
            return str(error)
        async with context.connect() as page:
            await page.send(FetchConfigs())
            found = await page.wait_for(ReceivedConfigFiles)
        return cls(context, corpus, any(config.filename == STREAMING for config in found.configs))

    @property
    def listenings(self) -> Sequence[Listening]:
        """How its characters listen."""
        return ("whole", "streaming") if self.streaming else ("whole",)

    @asynccontextmanager
    async def client(
        self, listening: Listening, form: ClientForm = OURS, *, muted: bool = False, silence: int = 0
    ) -> AsyncIterator[VoiceClient]:
        """A client of the character with that recogniser, and with so many windows of silence, if not 0."""
        file = STREAMING if listening == "streaming" else "conf.yaml"
        file = with_silence(file, silence) if silence or listening == "streaming" else ""
        async with (
            self.context.connect(file) as page,
            open_voice_client(page.wire, form, muted=muted) as client,
        ):
            try:
                yield client
            finally:
                self._lateness.extend(client.microphone.lateness)
                self.received.extend(sound.seconds for sound in client.sounds)
                self.problems.extend(client.problems)

    async def converse(
        self, client: VoiceClient, utterance: CorpusUtterance, listening: Listening
    ) -> Exchange:
        """See `converse`; it says which sound was heard, for `with_pieces`."""
        exchange, heard = await converse(client, utterance, listening)
        plain = not client.form.accepts
        if heard is None:
            return attrs.evolve(exchange, plain=plain)
        # The log is of another process, whose clock is the system's.
        at = heard.at + time.monotonic() - trio.current_time()
        return attrs.evolve(exchange, plain=plain, number=heard.number, came=at)

    async def with_pieces(self, exchanges: Sequence[Exchange]) -> list[Exchange]:
        """With the time from the voice's first sound to its arrival, which is in the engines' log."""
        log = await self.log()
        return [one.with_piece(log) for one in exchanges]

    def take_lateness(self) -> float:
        """The 99th percentile of `RealTimeMicrophone.lateness` since the last call."""
        found = quantile(self._lateness, 0.99)
        self._lateness.clear()
        return found

    async def log(self) -> EngineLog:
        """What the engines were asked until now.

        Raises `OSError`, `trio.TooSlowError` and `msgspec.DecodeError`.
        """
        # Not by httpx2, whose client takes longer to make than a frame of sound lasts.
        data = b""
        with trio.fail_after(LOG_TIMEOUT):
            async with await trio.open_tcp_stream("127.0.0.1", self.context.plan.engine_port) as stream:
                await stream.send_all(b"GET /log HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                await stream.send_eof()
                async for more in stream:
                    data += more
        return EngineLog.parse(data.partition(b"\r\n\r\n")[2])

    async def discarded(self) -> float:
        """How many provisional turns the server says that it has discarded."""
        async with httpx2.AsyncClient(base_url=self.context.address.url) as http:
            answer = await http.get("/metrics", headers=self.context.address.headers, timeout=LOG_TIMEOUT)
        lines = [line for line in answer.text.splitlines() if line.startswith(_DISCARDED)]
        return float(lines[0].removeprefix(_DISCARDED)) if lines else 0.0
