"""`voice`: from the last sample a person speaks to the first they hear, and who is cut off meanwhile."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from functools import partial

import attrs
import trio

from ...audio.utterance import RATE
from ..client import open_all
from ..context import CpuShare, ScenarioContext
from ..outcome import CLIENT_BOUND, Check, ScenarioOutcome, quantile
from ..voice_client import OURS, PLAIN, ClientForm, VoiceClient
from ..voice_conversation import interject
from ..voice_corpus import Corpus, CorpusUtterance
from ..voice_measures import (
    HEARTBEAT,
    Exchange,
    Interjection,
    Waste,
    curves,
    end_of_turn_checks,
    exchange_checks,
    interjection_checks,
    waste_checks,
)
from ..voice_scenario import VoiceScenario

BEATS = 0.05
# Samples of a message where many microphones send: what a browser sends at once is 32 to 256 ms.
MANY_FRAME = 1024
MANY = 20
"""From so many clients on."""
SWEEPERS = 7
"""How many share the utterances among themselves, with each recogniser."""


async def run(context: ScenarioContext) -> ScenarioOutcome:
    """One who talks, then many, some of whom interrupt, and microphones."""
    scenario = await VoiceScenario.begin(context)
    if isinstance(scenario, str):
        return ScenarioOutcome("voice", skipped=scenario)
    before, log = await context.sample(), await scenario.log()
    checks: list[Check] = []
    with context.share() as share:
        alone = await scenario.with_pieces(await _alone(scenario))
        checks += exchange_checks(alone, 1, late=scenario.take_lateness()) if alone else []
        many, interjections, load = await _many(scenario)
        plan, many = context.plan, await scenario.with_pieces(many)
        finished = [one for one in many if one.utterance.kind == "finished"]
        checks += exchange_checks(finished, plan.voice_talkers, late=scenario.take_lateness())
        many += await _other_silences(scenario)
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
    if not any(one.heard is not None for one in [*alone, *many]) and scenario.problems:
        return ScenarioOutcome("voice", problem=f"the server says: {scenario.problems[0]}")
    checks += await context.left_over(before)
    if not scenario.streaming:
        checks.append(Check("characters whose recognition streams", 0, ""))
    return ScenarioOutcome("voice", checks, curves([*alone, *many]), share.share)


async def _alone(scenario: VoiceScenario) -> list[Exchange]:
    """One user after the other, each with every recogniser, on our page; and one on the official page."""
    plan, found = scenario.context.plan, list[Exchange]()
    finished, listenings = scenario.corpus.of("finished"), scenario.listenings
    pages = [(listening, OURS, plan.voice_turns) for listening in listenings]
    others = listenings if plan.voice_forms else ("whole",)
    pages += [(listening, PLAIN, (plan.voice_turns + 1) // 2) for listening in others]
    for listening, form, turns in pages:
        if not turns:
            continue
        async with scenario.client(listening, form) as client:
            for number in range(turns):
                scenario.context.progress(f"one talks: {listening} recognition, turn {number + 1}")
                utterance = finished[(3 * len(found)) % len(finished)]
                found.append(await scenario.converse(client, utterance, listening))
    return found


async def _many(scenario: VoiceScenario) -> tuple[list[Exchange], list[Interjection], CpuShare]:
    """Many talk at the same time, and some of them interrupt."""
    plan = scenario.context.plan
    exchanges, interjections = list[Exchange](), list[Interjection]()
    talk, listenings, moments = scenario.corpus.talk, scenario.listenings, random.Random(13)
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
        # In messages of 32 ms, however many talk: a longer one would be a part of what is measured.
        async with scenario.client(listening) as client:
            for turn in range(plan.voice_interjections):
                utterance = said[(number + turn * plan.voice_interrupters) % len(said)]
                interjections.append(await interject(client, utterance, listening, after()))

    with scenario.context.share() as share:
        async with trio.open_nursery() as nursery:
            for number in range(plan.voice_talkers):
                nursery.start_soon(talker, number, moments.uniform(0, 2.0))
            for number in range(plan.voice_interrupters):
                after = partial(moments.uniform, 0.3, 1.2)
                nursery.start_soon(interrupter, number, moments.uniform(0, 2.0), after)
    return exchanges, interjections, share


async def _other_silences(scenario: VoiceScenario) -> list[Exchange]:
    """As many as otherwise talk at once, with every other silence of the plan."""
    plan, talk = scenario.context.plan, scenario.corpus.talk
    listenings, found = scenario.listenings, list[Exchange]()

    async def talker(number: int, silence: int) -> None:
        listening = listenings[number % len(listenings)]
        async with scenario.client(listening, silence=silence) as client:
            for utterance in talk[number // len(listenings) :: SWEEPERS]:
                scenario.context.progress(f"a silence of {silence} windows: {len(found)} turns")
                exchange = await scenario.converse(client, utterance, listening)
                found.append(attrs.evolve(exchange, silence=silence))

    for silence in plan.voice_silences:
        async with trio.open_nursery() as nursery:
            for number in range(SWEEPERS * len(listenings)):
                nursery.start_soon(talker, number, silence)
    return found


async def _microphones(scenario: VoiceScenario) -> list[Check]:
    """Many microphones in which somebody speaks without an end, and one who only sends heartbeats."""
    plan = scenario.context.plan
    form = ClientForm(frame=MANY_FRAME)
    # Longer than it is listened to, so that no turn begins meanwhile.
    speech = [_unbroken(scenario.corpus, number, plan.voice_mic_seconds + 15) for number in range(4)]
    waits: list[float] = []
    cpu = 0.0

    def microphones() -> Iterator[AbstractAsyncContextManager[VoiceClient]]:
        for number in range(plan.voice_microphones):
            scenario.context.progress(f"{number + 1} microphones")
            yield attrs.evolve(scenario, lateness=[]).client("whole", form)

    async with scenario.client("whole", muted=True) as other, open_all(microphones()) as clients:
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
