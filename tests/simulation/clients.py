"""`SimulatedClient`: what people and their programs do, and what they note of it."""

from __future__ import annotations

import json
import math
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Literal

import attrs
import trio

from tests.memory_wire import MemoryWire, memory_wire_pair
from trio_backend.errors import WireClosed
from trio_backend.protocol import decode_frame
from trio_backend.text.lines import joined
from trio_backend.wire import Wire

from .world import World

Message = Mapping[str, Any]
JUNK: tuple[str, ...] = (
    "",
    "no json",
    "[1, 2]",
    '{"type": 7}',
    '{"type": "no-such-type"}',
    '{"type": "text-input"}',
    '{"type": "text-input", "text": 7}',
    '{"type": "text-input", "text": "", "images": null}',
    '{"type": "interrupt-signal", "text": []}',
    '{"type": "text-input", "text": "x", "images": [{"data": "no url"}]}',
    "[" * 100_000,
)
"""Frames of which each is answered with an error of its own, and changes nothing."""


@attrs.frozen
class Note:
    """A message that the client said, or heard, at a time of the virtual clock."""

    at: float
    how: Literal["said", "heard"]
    message: Message

    @property
    def type(self) -> str:
        return str(self.message.get("type"))

    def is_control(self, text: str) -> bool:
        """Whether it is the ``control`` of that text."""
        return self.type == "control" and self.message["text"] == text


def understood(frame: str | bytes) -> dict[str, Any]:
    """A frame of the server as a message; a binary one as one of type ``sound``, without its samples."""
    if isinstance(frame, str):
        message: dict[str, Any] = json.loads(frame)
        return message
    sound = decode_frame(frame)
    return {
        "type": "sound",
        "sentence": sound.sentence,
        "piece": sound.piece,
        "last": sound.last,
        "sounds": bool(sound.samples),
    }


@attrs.define(eq=False)
class SimulatedClient:
    """One client. Its `notes` are in the order in which it said and heard things."""

    name: str
    world: World
    wire: MemoryWire
    room: str = ""
    answers_playback: bool = True
    notes: list[Note] = attrs.field(factory=list)
    left_at: float | None = None
    closed_with: int | None = None
    served: trio.CancelScope = attrs.field(factory=trio.CancelScope)
    """Around the server's side, to be cancelled as a server does that ends at once."""
    gone: trio.Event = attrs.field(factory=trio.Event)
    """Set when the server has done with this client."""
    gone_at: float = 0.0
    noted: trio.Event = attrs.field(factory=trio.Event)
    """Set, and replaced, whenever something was heard."""
    uids: list[str] = attrs.field(factory=list)
    """Conversations that it has seen in a list."""
    spoke: bool = False
    """Whether it has said something with its voice, which nobody may have understood when it left."""
    is_page: bool = False
    """Whether it answers `interrupt` and `mic-audio-end` as a page does, by itself."""
    running: bool = False
    """Whether it has seen a turn begin, which has not ended nor been interrupted."""
    silenced: bool = False
    """Whether a turn was interrupted because somebody spoke, and nothing has begun since."""
    _answered: trio.Event = attrs.field(factory=trio.Event)
    """Set while it has nothing to say by itself."""
    junk: int = 0
    told: int = 0
    """How many texts it has said."""

    @classmethod
    def connect(
        cls,
        name: str,
        world: World,
        serve: Callable[[Wire], Awaitable[None]],
        nursery: trio.Nursery,
        *,
        room: str = "",
    ) -> SimulatedClient:
        """A new client that ``serve`` serves; it reads in ``nursery`` until it has left."""
        ours, theirs = memory_wire_pair()
        client = cls(name, world, ours, room, answers_playback=not world.chance(0.1))
        client.is_page = world.chance(0.6)
        client._answered.set()

        async def be_served() -> None:
            try:
                with client.served:
                    await serve(theirs)
            finally:
                client.gone_at = trio.current_time()
                client.gone.set()
                with trio.move_on_after(1, shield=True):
                    await theirs.close()

        nursery.start_soon(be_served, name=f"server of {name}")
        nursery.start_soon(client.read, name=f"reader of {name}")
        return client

    @property
    def here(self) -> bool:
        """Whether it is connected, as far as it knows."""
        return self.left_at is None and self.closed_with is None

    # Reading

    async def read(self) -> None:
        """Note what comes, and answer what has to be answered, until the connection ends."""
        put, get = trio.open_memory_channel[Message](math.inf)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._answer, get)
            try:
                while True:
                    message = understood(await self.wire.receive())
                    self.notes.append(Note(trio.current_time(), "heard", message))
                    self._wake()
                    if message["type"] == "backend-synth-complete" and self.answers_playback:
                        # Who does not read while it writes would wait for a server that waits for it.
                        nursery.start_soon(self._play)
                    elif message["type"] == "control":
                        self._follow(message["text"], put)
                    elif message["type"] == "history-list":
                        self.uids = [history["uid"] for history in message["histories"]]
            except WireClosed as closed:
                if self.left_at is None:
                    self.closed_with = closed.code
            self._wake()
            nursery.cancel_scope.cancel()

    def _follow(self, control: str, answers: trio.MemorySendChannel[Message]) -> None:
        was_running = self.running
        if control == "interrupt":
            self.silenced = self.silenced or was_running
            if was_running and self.is_page:
                sentences = self.sentences_of_this_turn()
                part = joined(sentences[: self.world.random.randint(0, len(sentences))])
                self._answered = trio.Event()
                answers.send_nowait({"type": "interrupt-signal", "text": part, "answers": True})
        elif control == "conversation-chain-start":
            self.silenced = False
        elif control == "mic-audio-end" and self.is_page:
            self._answered = trio.Event()
            answers.send_nowait({"type": "mic-audio-end"})
        if control in ("interrupt", "conversation-chain-start", "conversation-chain-end"):
            self.running = control == "conversation-chain-start"

    async def _answer(self, answers: trio.MemoryReceiveChannel[Message]) -> None:
        """Say what a page says by itself, in order. Later than this nobody falls silent."""
        async for message in answers:
            await self._tell(message)
            if not answers.statistics().current_buffer_used:
                self._answered.set()

    def _wake(self) -> None:
        self.noted.set()
        self.noted = trio.Event()

    async def _play(self) -> None:
        seconds = (1.0, 2.0) if self.is_page else (0.0, 0.0, 0.1, 2.0)
        await self.world.wait(*seconds)
        # What was silenced is not played to its end.
        if not self.silenced:
            await self.say("frontend-playback-complete")

    # Saying

    async def say(self, type: str, **fields: object) -> None:
        """Say one message; nothing happens where the connection has ended.

        What a page answers by itself comes first, and who types has silenced the page before.
        """
        if self.is_page and not self._answered.is_set():
            with trio.move_on_after(1):
                await self._answered.wait()
        if self.is_page and self.running and type == "ai-speak-signal":
            return  # it nudges who is idle
        self.running = self.running and type != "text-input"
        await self._tell({"type": type, **fields})

    async def _tell(self, message: Message) -> None:
        note = Note(trio.current_time(), "said", message)
        self.notes.append(note)
        await self._send(json.dumps(message))

    async def _send(self, frame: str) -> None:
        try:
            with trio.fail_after(600):
                await self.wire.send(frame.encode())
        except WireClosed:
            pass

    async def ask(self, **fields: object) -> None:
        """Say a text that no other client says, nor this one again."""
        self.told += 1
        await self.say("text-input", text=f"say {self.name}.{self.told}.", **fields)

    async def interrupt(self, heard: str | None = None, *, silenced: bool = False) -> None:
        """Barge in. What was heard is all, part or nothing of what came; a heartbeat follows at once.

        Who was silenced already has nothing to stop, unless ``silenced`` says that it does.
        """
        if self.silenced and not silenced:
            return
        self.running = False
        sentences = self.sentences_of_this_turn()
        part = sentences[: self.world.random.randint(0, len(sentences))]
        await self.say("interrupt-signal", text=joined(part) if heard is None else heard)
        if not self.room:
            await self.say("heartbeat")

    async def until(self, happened: Callable[[Note], bool], *, since: int = 0) -> None:
        """Wait until that was noted, from note number ``since`` on; or the connection has ended."""
        while self.here and not any(happened(note) for note in self.notes[since:]):
            await self.noted.wait()

    async def turn(self) -> None:
        """Ask something, and wait until the answer is over."""
        since = len(self.notes)
        await self.ask()
        await self.until(lambda note: note.is_control("conversation-chain-end"), since=since)

    def sentences_of_this_turn(self) -> list[str]:
        """What was shown since the last turn began."""
        shown: list[str] = []
        for note in self.notes:
            if note.is_control("conversation-chain-start") and note.how == "heard":
                shown = []
            elif note.type == "audio" and note.message["display_text"] is not None:
                shown.append(note.message["display_text"]["text"])
        return shown

    async def say_junk(self) -> None:
        """Say something that no client should."""
        self.junk += 1
        await self._send(self.world.random.choice(JUNK))

    async def leave(self) -> None:
        """Close the connection."""
        self.left_at = trio.current_time()
        await self.wire.close()

    async def act(self) -> None:
        """Do one thing, by chance."""
        chance = self.world.random
        action = chance.choices(*zip(*_ACTIONS, strict=True))[0]
        match action:
            case "ask":
                await self.ask(**chance.choice([{}, {}, {"name": "ann"}, {"name": "nudge"}]))
            case "interrupt":
                await self.interrupt()
            case "nudge":
                await self.say("ai-speak-signal")
            case "sound":
                await self.say("mic-audio-data", audio=[0.1] * 320)
            case "sound-end":
                await self.say("mic-audio-end")
            case "switch":
                files = ["conf.yaml", "ann.yaml", "ann.yaml", "slow.yaml", "none.yaml", "../conf.yaml"]
                await self.say("switch-config", file=chance.choice(files))
            case "open":
                uid = chance.choice(self.uids) if self.uids else "2026-01-01_00-00-00_none"
                await self.say("fetch-and-set-history", history_uid=uid)
            case "hello":
                await self.say(
                    "hello", accepts=chance.choice([[], ["pieces"], ["bytes"], ["bytes", "pieces"]])
                )
            case "junk":
                await self.say_junk()
            case "ask-and-more":
                await self.ask()
                await self.ask()
            case "played-and-ask":
                await self.say("frontend-playback-complete")
                await self.ask()
            case _:
                await self.say(action)


_ACTIONS = [
    ("ask", 10),
    ("ask-and-more", 2),
    ("played-and-ask", 3),
    ("interrupt", 5),
    ("nudge", 2),
    ("sound", 2),
    ("sound-end", 2),
    ("switch", 2),
    ("open", 1),
    ("junk", 1),
    ("fetch-history-list", 2),
    ("create-new-history", 1),
    ("fetch-configs", 1),
    ("fetch-backgrounds", 1),
    ("heartbeat", 1),
    ("hello", 3),
    ("frontend-playback-complete", 1),
    ("request-init-config", 1),
]
