"""Scripted scenarios, and what can disturb each of them at any of its steps."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

import attrs
import trio

from .clients import SimulatedClient
from .provisional import SpeechCaller
from .runs import Result, SimulatedBackend, Steps, run
from .world import Chances, Said, World

SEED = 7
"""Of the world in which they play."""


async def one_turn(client: SimulatedClient) -> None:
    """A question and its answer."""
    await client.turn()


async def two_turns(client: SimulatedClient) -> None:
    """The second question comes in the same moment as the end of the first playback."""
    client.answers_playback = False
    await client.ask()
    await client.until(lambda note: note.type == "backend-synth-complete")
    since = len(client.notes)
    await client.say("frontend-playback-complete")
    await client.ask()
    await client.until(lambda note: note.type == "backend-synth-complete", since=since)
    await client.say("frontend-playback-complete")
    await client.until(lambda note: note.is_control("conversation-chain-end"), since=since)


async def new_conversation(client: SimulatedClient) -> None:
    """A conversation is left in the middle of an answer, for a new one."""
    await client.ask()
    await client.until(lambda note: note.type == "audio")
    await client.say("create-new-history")
    await client.until(lambda note: note.type == "new-history-created")
    await client.turn()


async def another_character(client: SimulatedClient) -> None:
    """The character is changed in the middle of an answer, and the change is changed."""
    await client.ask()
    await client.until(lambda note: note.type == "audio")
    await client.say("switch-config", file="slow.yaml")
    await trio.sleep(1)
    await client.say("switch-config", file="ann.yaml")
    await client.until(lambda note: note.type == "config-switched")
    await client.turn()


async def spoken(client: SimulatedClient) -> None:
    """The question is spoken."""
    await client.say("mic-audio-data", audio=[0.1] * 320)
    since = len(client.notes)
    await client.say("mic-audio-end")
    await client.until(lambda note: note.is_control("conversation-chain-end"), since=since)


async def committed(client: SimulatedClient, caller: SpeechCaller) -> None:
    """A reply is begun before the question is certain, and one to a spoken question; both are wanted."""
    for is_spoken in (False, True):
        since = len(client.notes)
        await caller.begin(spoken=is_spoken)
        await trio.sleep(0.3)
        await caller.commit()
        await client.until(lambda note: note.is_control("conversation-chain-end"), since=since)


async def discarded(client: SimulatedClient, caller: SpeechCaller) -> None:
    """A reply is begun, and is not wanted; another one is, after another question than expected."""
    await caller.begin()
    await trio.sleep(0.3)
    caller.discard()
    await caller.begin()
    await caller.commit(other=True)
    await client.until(lambda note: note.is_control("conversation-chain-end"))


async def committed_beside_a_turn(client: SimulatedClient, caller: SpeechCaller) -> None:
    """The reply to the next question is begun while the last is being answered."""
    await client.ask()
    await client.until(lambda note: note.type == "audio")
    since = len(client.notes)
    await caller.begin()
    await trio.sleep(0.3)
    await caller.commit()
    await client.until(lambda note: note.is_control("conversation-chain-start"), since=since)
    since = len(client.notes)
    await client.until(lambda note: note.is_control("conversation-chain-end"), since=since)


async def paused(client: SimulatedClient, caller: SpeechCaller) -> None:
    """Somebody speaks, with a pause: what was begun in it is not wanted, and what is begun after it is."""
    del caller
    client.spoke = True
    since = len(client.notes)
    for words, silence in ((8, 8), (8, 8), (0, 20)):
        await client.say("raw-audio-data", audio=[0.1] * 512 * words + [0.0] * 512 * silence)
        await trio.sleep(0.3)
    await client.until(lambda note: note.is_control("mic-audio-end"), since=since)
    await client.say("mic-audio-end")
    await client.until(lambda note: note.is_control("conversation-chain-end"), since=since)


async def talked_over(client: SimulatedClient, caller: SpeechCaller) -> None:
    """A long noise stops the answer, which goes on; then words stop it, and are answered."""
    client.is_page = True
    await caller.listen()
    for said in (Said.NOTHING, Said.WORDS):
        since = len(client.notes)
        await client.ask()
        await client.until(lambda note: note.type == "audio", since=since)
        await caller.talk(said, 12)
        await client.until(lambda note: note.is_control("conversation-chain-end"), since=since)


SCENARIOS: Mapping[str, Callable[[SimulatedClient], Awaitable[None]]] = {
    scenario.__name__: scenario
    for scenario in (one_turn, two_turns, new_conversation, another_character, spoken)
}
PROVISIONAL: Mapping[str, Callable[[SimulatedClient, SpeechCaller], Awaitable[None]]] = {
    scenario.__name__: scenario
    for scenario in (committed, discarded, committed_beside_a_turn, paused, talked_over)
}
"""Scenarios in which turns are begun before they are certain; they need a session of their own."""
DISTURBANCES = ("leave", "interrupt", "ask", "nudge", "switch", "forget", "cancel")
DISCARDS = (*DISTURBANCES, "speech", "discard")
"""What can disturb the provisional ones."""


@attrs.define(eq=False)
class _Disturber:
    how: str
    client: SimulatedClient | None = None
    caller: SpeechCaller | None = None
    now: trio.Event = attrs.field(factory=trio.Event)

    def disturb(self) -> None:
        """At once where that is possible; otherwise as soon as the disturber's task has its step."""
        if self.how == "cancel" and self.client is not None:
            self.client.served.cancel()
        if self.how == "discard" and self.caller is not None:
            self.caller.discard()
        self.now.set()

    async def wait(self) -> None:
        await self.now.wait()
        assert self.client is not None
        match self.how:
            case "leave":
                await self.client.leave()
            case "interrupt":
                await self.client.interrupt()
            case "ask":
                await self.client.ask()
            case "nudge":
                await self.client.say("ai-speak-signal")
            case "switch":
                await self.client.say("switch-config", file="ann.yaml")
            case "forget":
                await self.client.say("create-new-history")
            case "speech":
                assert self.caller is not None
                await self.caller.speech_resumes()


def disturbed(scenario: str, how: str, at: int, *, room: str = "") -> tuple[Result, int]:
    """Run ``scenario``, disturbed at step ``at`` of Trio's scheduler; the result and the number of steps.

    In a ``room`` the disturber is the client itself, too. With ``at`` below 0 nothing disturbs it.
    """
    disturber = _Disturber(how)
    steps = Steps(at, disturber.disturb)

    async def story(simulated: SimulatedBackend) -> None:
        client = disturber.client = simulated.connect(room)
        caller = disturber.caller = simulated.callers[client.name]
        client.answers_playback = True
        await client.until(lambda note: note.is_control("start-mic"))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(disturber.wait)
            steps.counting = True
            with trio.move_on_after(200):
                if scenario in PROVISIONAL:
                    await PROVISIONAL[scenario](client, caller)
                else:
                    await SCENARIOS[scenario](client)
            steps.counting = False
            nursery.cancel_scope.cancel()

    result = run(story, World(SEED, Chances.none(), (3,)), steps)
    return result, steps.count


def steps_of(scenario: str) -> int:
    """How many steps of Trio's scheduler the scenario has, if nothing disturbs it."""
    return disturbed(scenario, "", -1)[1]


def at_every_step(scenario: str, how: str, *, every: int = 1, first: int = 0) -> list[str]:
    """Disturb ``scenario`` at each ``every``-th step; what was wrong, with the call that repeats it."""
    problems = []
    for at in range(first % every, steps_of(scenario), every):
        result, _ = disturbed(scenario, how, at)
        repeat = f"disturbed({scenario!r}, {how!r}, {at})"
        problems += [f"{repeat}: {problem}" for problem in result.problems]
    return problems
