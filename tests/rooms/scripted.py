"""Sessions whose turns go as the test says, and a record of all of them."""

from __future__ import annotations

import json
import math
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import attrs
import trio

from tests.client import Heard
from tests.memory_wire import memory_wire_pair
from trio_backend.concurrency import Slot
from trio_backend.errors import WireClosed
from trio_backend.wire import Wire

START = {"type": "control", "text": "conversation-chain-start"}
END = {"type": "control", "text": "conversation-chain-end"}
GREETING: list[dict[str, Any]] = [
    {"type": "group-update", "members": [], "is_owner": False},
    {"type": "full-text", "text": "Connection established"},
    {"type": "set-model-and-conf", "model_info": {}, "conf_name": "mao", "conf_uid": "m", "client_uid": "u"},
    {"type": "group-update", "members": [], "is_owner": False},
    {"type": "control", "text": "start-mic"},
]

Event: TypeAlias = tuple[str, int, int | None]
"""What is said of a turn ("started", "spoken", "ended") or an input ("dropped"); its number; the request."""


@attrs.define(eq=False)
class ScriptedTurn:
    """A turn that a session began; ``how`` it ended is empty while it runs.

    ``began`` is when it was asked for, ``started`` when the session said so; ``spoken`` once all its sound
    was sent, so that it is only being played.
    """

    session: int
    text: str
    began: float
    started: float = math.inf
    ended: float = 0.0
    how: str = ""
    spoken: bool = False


@attrs.define(eq=False)
class ScriptedSessions:
    """What all sessions did. A text's last word says how its turn goes.

    A number is how many seconds it lasts; ``hang`` lasts for ever, ``fail`` is answered with an error and no
    turn, ``die`` ends the session after a second, ``mute`` never answers at all, ``sound`` lasts until a
    client has played it, ``trouble`` has an error in the middle of two seconds, ``slow`` begins after five.
    """

    turns: list[ScriptedTurn] = attrs.field(factory=list)
    refused: dict[str, float] = attrs.field(factory=dict)
    """What was answered with an error instead of a turn, and when."""
    unprompted: list[float] = attrs.field(factory=list)
    """When sessions said that a turn has begun that answers no text."""
    superseded: int = 0
    open_now: int = 0
    opened: int = 0
    most_at_once: int = 0
    """Turns that were being answered, and not only played."""
    knows_no_hello: bool = False
    """Whether sessions are those of an older server."""
    hellos: list[tuple[int, list[str]]] = attrs.field(factory=list)
    """Which session was told that its client accepts what."""
    attempts: list[float] = attrs.field(factory=list)
    """When somebody asked for a session."""
    broken: bool = False
    """Whether new sessions fail at once."""
    silent: bool = False
    """Whether new sessions say nothing."""
    lag: float = 0.0
    """Seconds that every message takes, both ways."""
    clean_up: float = 0.0
    """Seconds that a session takes to clean up."""
    crossing: bool = False
    """Whether the end of a turn is on its way already when an interrupt comes."""
    tells_events: bool = False
    """Whether what tells of a turn has its `Event` in the field "event"."""
    over: dict[int, float] = attrs.field(factory=dict)
    """When each session that is over ended."""

    @property
    def texts(self) -> list[str]:
        """What was answered, in the order in which the turns began."""
        return [turn.text for turn in self.turns]

    @property
    def running(self) -> list[ScriptedTurn]:
        return [turn for turn in self.turns if not turn.how]

    async def serve(self, wire: Wire) -> None:
        """One session."""
        self.attempts.append(trio.current_time())
        if self.silent:
            await trio.sleep_forever()
        if self.broken:
            await trio.lowlevel.checkpoint()
        elif self.lag:
            await delayed(self.lag, wire, self.serve_now)
        else:
            await self.serve_now(wire)

    async def serve_now(self, wire: Wire) -> None:
        """One session that is there."""
        self.opened += 1
        self.open_now += 1
        number = self.opened
        try:
            async with trio.open_nursery() as nursery:
                await _Session(self, number, wire, Slot(nursery), nursery).live()
        finally:
            self.over[number] = trio.current_time()
            with trio.CancelScope(shield=True):
                await trio.sleep(self.clean_up)
            self.open_now -= 1


async def delayed(lag: float, wire: Wire, serve: Callable[[Wire], Awaitable[None]]) -> None:
    """``serve`` at the far end of a slow network."""
    near, far = memory_wire_pair()

    async def carry(receive: Any, send: Any) -> None:
        put, get = trio.open_memory_channel[tuple[float, str]](1000)

        async def deliver() -> None:
            async for at, frame in get:
                await trio.sleep_until(at)
                await send(frame.encode())

        nursery.start_soon(deliver)
        while True:
            frame = await receive()
            put.send_nowait((trio.current_time() + lag, frame))

    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(carry, wire.receive, near.send)
            nursery.start_soon(carry, near.receive, wire.send)
            await serve(far)
            await far.close()
    except* WireClosed:
        pass


@attrs.define(eq=False)
class _Session:
    sessions: ScriptedSessions
    number: int
    wire: Wire
    slot: Slot
    nursery: trio.Nursery
    played: trio.Event = attrs.field(factory=trio.Event)
    turns: int = 0
    turn: Event | None = None
    """The end of the turn that runs, to be told."""

    async def live(self) -> None:
        try:
            for message in GREETING:
                await self.say(message)
            while True:
                await self.handle(json.loads(await self.wire.receive()))
        except WireClosed:
            self.nursery.cancel_scope.cancel("the room is gone")

    async def say(self, message: Heard, event: Event | None = None) -> None:
        if event is not None and self.sessions.tells_events:
            message = message | {"event": event}
        if message:
            await self.wire.send(json.dumps(message).encode())

    async def handle(self, message: Heard) -> None:
        match message:
            case {"type": "heartbeat"}:
                await self.say({"type": "heartbeat-ack"})
            case {"type": "interrupt-signal"}:
                if await self.slot.evict("interrupted"):
                    if self.sessions.crossing:
                        await self.say({"type": "force-new-message"})
                    await self.say(END if self.sessions.crossing else {}, self.turn)
            case {"type": "hello"} if self.sessions.knows_no_hello:
                told = "there is no message type 'hello'"
                await self.say({"type": "error", "code": "unknown-type", "message": told})
            case {"type": "hello", "accepts": accepts}:
                self.sessions.hellos.append((self.number, accepts))
                await self.say({"type": "hello", "server": "scripted", "accepts": accepts})
            case {"type": "frontend-playback-complete"}:
                self.played.set()
            case {"type": "text-input", "text": text}:
                await self.ask(text, message.get("request"))
            case {"type": "request-group-info"}:
                await self.say({"type": "error", "message": "no such thing", "code": "bad-config"})
            case {"type": "fetch-history-list"}:
                self.nursery.cancel_scope.cancel("told to die")
            case {"type": "ai-speak-signal"}:
                await self.supersede()
                await self.slot.fill(self.answer, 5.0)
            case _:
                await self.say({"type": "full-text", "text": f"got {message['type']}"})

    async def ask(self, text: str, request: int | None) -> None:
        await self.supersede()
        ending = text.split()[-1]
        if ending == "fail":
            self.sessions.refused[text] = trio.current_time()
            await self.say({"type": "error", "message": "told to", "code": "engine-error"})
            await self.say({}, ("dropped", 0, request))
        elif ending == "mute":
            self.sessions.turns.append(ScriptedTurn(self.number, text, trio.current_time(), how="mute"))
        else:
            await self.slot.fill(self.run_turn, text, ending, request)

    async def supersede(self) -> None:
        if await self.slot.evict("superseded"):
            self.sessions.superseded += 1
            await self.say(END, self.turn)

    async def run_turn(self, text: str, ending: str, request: int | None) -> None:
        turn = ScriptedTurn(self.number, text, trio.current_time())
        self.sessions.turns.append(turn)
        speaking = [turn for turn in self.sessions.running if not turn.spoken]
        self.sessions.most_at_once = max(self.sessions.most_at_once, len(speaking))
        try:
            await self.answer(ending, turn, request)
            turn.how = "ended"
        finally:
            turn.ended, turn.how = trio.current_time(), turn.how or "cut"

    async def answer(
        self, ending: str | float, turn: ScriptedTurn | None = None, request: int | None = None
    ) -> None:
        self.turns += 1
        self.turn = ("ended", self.turns, request)
        if ending == "slow":
            await trio.sleep(5)
        if turn is not None:
            turn.started = trio.current_time()
        else:
            self.sessions.unprompted.append(trio.current_time())
        await self.say(START, ("started", self.turns, request))
        match ending:
            case "slow":
                pass
            case "trouble":
                await trio.sleep(1)
                await self.say({"type": "error", "message": "hoarse", "code": "engine-error"})
                await trio.sleep(1)
            case "hang":
                await trio.sleep_forever()
            case "die":
                await trio.sleep(1)
                self.nursery.cancel_scope.cancel("told to die")
                await trio.lowlevel.checkpoint()
            case "sound":
                self.played = trio.Event()
                await self.say({"type": "audio", "audio": "x" * 64_000})  # three seconds
                if turn is not None:
                    turn.spoken = True
                await self.say({"type": "backend-synth-complete"}, ("spoken", self.turns, request))
                await self.played.wait()
            case _:
                await trio.sleep(float(ending))
        await self.say(END, self.turn)
        self.turn = None
