"""`voice`: from the last sample a person speaks to the first they hear, and who is cut off meanwhile."""

from __future__ import annotations

import random
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

import attrs
import httpx2
import trio

from ...audio.utterance import RATE
from ...client.messages import ReceivedConfigFiles
from ...errors import ConfigError
from ...protocol.incoming import FetchConfigs
from ..context import CpuShare, ScenarioContext
from ..outcome import CLIENT_BOUND, Check, ScenarioOutcome, quantile
from ..stand_ins import STREAMING
from ..voice_client import OURS, PLAIN, ClientForm, VoiceClient, open_voice_client
from ..voice_conversation import converse, interject
from ..voice_corpus import Corpus, CorpusUtterance, make_corpus
from ..voice_engine_log import EngineLog
from ..voice_measures import (
    HEARTBEAT,
    Exchange,
    Interjection,
    Listening,
    Waste,
    curves,
    end_of_turn_checks,
    exchange_checks,
    interjection_checks,
    waste_checks,
)

BEATS = 0.05
# Samples of a message where many microphones send: what a browser sends at once is 32 to 256 ms.
MANY_FRAME = 1024
MANY = 20
"""From so many clients on."""


@attrs.frozen
class VoiceScenario:
    """The server, and what is said to it. ``streaming``: it has a character with a streaming recogniser."""

    context: ScenarioContext
    corpus: Corpus
    streaming: bool
    lateness: list[float] = attrs.field(factory=list)
    """By how many seconds the microphones' messages came too late."""
    received: list[float] = attrs.field(factory=list)
    """The seconds of each sound that clients were sent."""
    problems: list[str] = attrs.field(factory=list)
    """What the server told of errors."""

    @asynccontextmanager
    async def client(
        self, listening: Listening, form: ClientForm = OURS, *, muted: bool = False, lateness: bool = True
    ) -> AsyncIterator[VoiceClient]:
        """A client of the character with that recogniser, whose lateness counts."""
        file = STREAMING if listening == "streaming" else ""
        async with (
            self.context.connect(file) as page,
            open_voice_client(page.wire, form, muted=muted) as client,
        ):
            try:
                yield client
            finally:
                if lateness:
                    self.lateness.extend(client.microphone.lateness)
                self.received.extend(sound.seconds for sound in client.sounds)
                self.problems.extend(client.problems)

    async def converse(
        self, client: VoiceClient, utterance: CorpusUtterance, listening: Listening
    ) -> Exchange:
        """See `converse`; with the time from the voice's first sound to its arrival, which is in the log."""
        exchange, heard = await converse(client, utterance, listening)
        if heard is None or heard.number is None:
            return exchange
        speech = (await self.log()).speech_of(heard.number)
        if speech is None or speech.begun is None:
            return exchange
        # The log is of another process, whose clock is the system's.
        arrived = heard.at + time.monotonic() - trio.current_time()
        return attrs.evolve(exchange, piece=arrived - speech.begun)

    async def log(self) -> EngineLog:
        """What the engines were asked until now."""
        engines = self.context.engines
        assert engines is not None
        async with httpx2.AsyncClient() as http:
            answer = await http.get(f"http://127.0.0.1:{self.context.plan.engine_port}/log", timeout=10)
        return EngineLog.parse(answer.content)

    async def discarded(self) -> float:
        """How many provisional turns the server says that it has discarded."""
        async with httpx2.AsyncClient(base_url=self.context.address.url) as http:
            answer = await http.get("/metrics", headers=self.context.address.headers, timeout=10)
        for line in answer.text.splitlines():
            if line.startswith("trio_backend_turns_discarded_total "):
                return float(line.split()[1])
        return 0.0


async def run(context: ScenarioContext) -> ScenarioOutcome:
    """One who talks, then many, then those who interrupt, microphones, and turns that are not wanted."""
    if not context.own or context.engines is None:
        return ScenarioOutcome(
            "voice", skipped="the engines' own time is known only of a server that prove starts"
        )
    try:
        corpus = await trio.to_thread.run_sync(make_corpus)
    except ConfigError as error:
        return ScenarioOutcome("voice", skipped=str(error))
    scenario = VoiceScenario(context, corpus, await _has_streaming(context))
    before, log = await context.sample(), await scenario.log()
    checks: list[Check] = []
    with context.share() as share:
        alone = await _alone(scenario)
        checks += exchange_checks(alone, 1)
        many, interjections, load = await _many(scenario)
        plan = context.plan
        checks += exchange_checks(
            [one for one in many if one.utterance.kind == "finished"], plan.voice_talkers
        )
        checks += end_of_turn_checks([*alone, *many])
        checks += interjection_checks(interjections, plan.voice_talkers)
        checks.append(_load(load, f"with {plan.voice_talkers} talking"))
        turns = len(alone) + len(many) + len(interjections)
        asked = (await scenario.log()).more_than(log)
        made = sum(speech.seconds for speech in asked.speeches)
        checks += waste_checks(
            Waste(asked.transcriptions, asked.replies, turns, made, sum(scenario.received))
        )
        checks += await _microphones(scenario)
        checks += await _discards(scenario)
    if not any(one.heard is not None for one in [*alone, *many]) and scenario.problems:
        return ScenarioOutcome("voice", problem=f"the server says: {scenario.problems[0]}")
    checks.append(Check("sound was sent late by (p99)", 1000 * quantile(scenario.lateness, 0.99), "ms"))
    checks += await context.left_over(before)
    if not scenario.streaming:
        checks.append(Check("characters whose recognition streams", 0, ""))
    return ScenarioOutcome("voice", checks, curves([*alone, *many]), share.share)


async def _has_streaming(context: ScenarioContext) -> bool:
    async with context.connect() as page:
        await page.send(FetchConfigs())
        found = await page.wait_for(ReceivedConfigFiles)
        return any(config.filename == STREAMING for config in found.configs)


def _listenings(scenario: VoiceScenario) -> Sequence[Listening]:
    return ("whole", "streaming") if scenario.streaming else ("whole",)


async def _alone(scenario: VoiceScenario) -> list[Exchange]:
    """One user after the other, each with every recogniser: the official page, and ours."""
    plan, found = scenario.context.plan, list[Exchange]()
    finished = scenario.corpus.of("finished")
    for listening in _listenings(scenario):
        forms = (PLAIN, OURS) if plan.voice_forms else ((PLAIN,) if listening == "whole" else (OURS,))
        for form in forms:
            async with scenario.client(listening, form) as client:
                for number in range(plan.voice_turns):
                    scenario.context.progress(f"one talks: {listening} recognition, turn {number + 1}")
                    utterance = finished[(3 * len(found)) % len(finished)]
                    found.append(await scenario.converse(client, utterance, listening))
    return found


async def _many(scenario: VoiceScenario) -> tuple[list[Exchange], list[Interjection], CpuShare]:
    """Many talk at the same time, and some of them interrupt."""
    plan = scenario.context.plan
    exchanges, interjections = list[Exchange](), list[Interjection]()
    talk, listenings, moments = scenario.corpus.talk, _listenings(scenario), random.Random(13)
    form = attrs.evolve(OURS, frame=MANY_FRAME) if plan.voice_talkers >= MANY else OURS
    said = [
        *scenario.corpus.of("interruption"),
        *scenario.corpus.of("backchannel"),
        *scenario.corpus.of("cough"),
    ]

    async def talker(number: int, delay: float) -> None:
        listening = listenings[number % len(listenings)]
        await trio.sleep(delay)
        async with scenario.client(listening, form) as client:
            for turn in range(plan.voice_crowd_turns):
                # Each recogniser is given the same to understand, so that they can be compared.
                place = number // len(listenings) * plan.voice_crowd_turns + turn
                utterance = talk[place % len(talk)]
                scenario.context.progress(f"{plan.voice_talkers} talk: {len(exchanges)} turns")
                exchanges.append(await scenario.converse(client, utterance, listening))

    async def interrupter(number: int, delay: float, after: Callable[[], float]) -> None:
        listening = listenings[number % len(listenings)]
        await trio.sleep(delay)
        async with scenario.client(listening, form) as client:
            for turn in range(plan.voice_interjections):
                utterance = said[(number + turn * plan.voice_interrupters) % len(said)]
                interjections.append(await interject(client, utterance, after()))

    with scenario.context.share() as share:
        async with trio.open_nursery() as nursery:
            for number in range(plan.voice_talkers):
                nursery.start_soon(talker, number, moments.uniform(0, 2.0))
            for number in range(plan.voice_interrupters):
                after = partial(moments.uniform, 0.3, 1.2)
                nursery.start_soon(interrupter, number, moments.uniform(0, 2.0), after)
    return exchanges, interjections, share


async def _microphones(scenario: VoiceScenario) -> list[Check]:
    """Many microphones in which somebody speaks without an end, and one who only sends heartbeats."""
    plan = scenario.context.plan
    form = ClientForm(frame=MANY_FRAME)
    speech = [_unbroken(scenario.corpus, number, plan.voice_mic_seconds) for number in range(4)]
    waits: list[float] = []
    cpu = 0.0
    async with AsyncExitStack() as stack:
        other = await stack.enter_async_context(scenario.client("whole", muted=True))
        clients = []
        for number in range(plan.voice_microphones):
            scenario.context.progress(f"{number + 1} microphones")
            microphone = scenario.client("whole", form, lateness=False)
            clients.append(await stack.enter_async_context(microphone))
        for number, client in enumerate(clients):
            client.say(speech[number % len(speech)])
        await trio.sleep(1.0)
        with scenario.context.share() as share:
            began, cpu = trio.current_time(), await scenario.context.probe.cpu()
            while trio.current_time() < began + plan.voice_mic_seconds - 1.5:
                waits.append(await other.beat())
                await trio.sleep(BEATS)
            passed = trio.current_time() - began
            cpu = await scenario.context.probe.cpu() - cpu
    count = plan.voice_microphones
    beat = f"heartbeat of another, {count} microphones"
    per_window = 1000 * cpu / max(passed, 1e-9) / count * 512 / RATE
    return [
        Check(f"{beat} (p99)", 1000 * quantile(waits, 0.99), "ms", 1000 * HEARTBEAT, share.client_bound),
        Check(f"{beat} (p50)", 1000 * quantile(waits, 0.5), "ms"),
        Check("CPU of 32 ms of one microphone", per_window, "ms"),
        _load(share, f"with {count} microphones"),
    ]  # fmt: skip


async def _discards(scenario: VoiceScenario) -> list[Check]:
    """Speech with pauses that are long enough to begin a turn, and too short to end one."""
    plan = scenario.context.plan
    (choppy,) = scenario.corpus.of("choppy")
    wanted = plan.voice_discards
    if not wanted:
        return []
    before = await scenario.discarded()

    async def talker(number: int) -> None:
        listening = _listenings(scenario)[number % len(_listenings(scenario))]
        async with scenario.client(listening, form) as client:
            await trio.sleep(0.1 * (number % 10))
            for _ in range(-(-wanted // (plan.voice_discarders * max(1, len(choppy.pauses))))):
                await client.say(choppy).over.wait()
                await client.be_quiet()

    form = attrs.evolve(OURS, frame=MANY_FRAME) if plan.voice_discarders >= MANY else OURS
    scenario.context.progress(f"{wanted} provisional turns that are not wanted")
    async with trio.open_nursery() as nursery:
        for number in range(plan.voice_discarders):
            nursery.start_soon(talker, number)
    found = await scenario.discarded() - before
    return [
        Check("provisional turns that were discarded", found, ""),
        Check(f"fewer than {wanted} by", max(0.0, wanted - found), "", 0),
    ]


def _unbroken(corpus: Corpus, number: int, seconds: float) -> CorpusUtterance:
    """Speech without a pause for so long."""
    finished = corpus.of("finished")
    sound = b""
    while len(sound) < 2 * RATE * seconds:
        sound += finished[number % len(finished)].samples
        number += 1
    first = finished[0]
    return attrs.evolve(first, samples=sound, words=(), speech=((0, len(sound) // 2),))


def _load(share: CpuShare, when: str) -> Check:
    return Check(f"load generator's share {when}", 100 * share.share, "% of a core", 100 * CLIENT_BOUND)
