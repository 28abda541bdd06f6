"""What the tests of a conversation share: a character who is there, and an audience that takes notes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import attrs
import trio

from trio_backend.backend import BackendOptions, open_backend
from trio_backend.conversation.conversation import Conversation
from trio_backend.conversation.events import AudioChunk, Event, Sentence, SpeechComplete, TurnEnded
from trio_backend.conversation.scene import Scene, SceneFailed, SceneReady
from trio_backend.conversation.timeline import Timeline
from trio_backend.conversation.user_input import UserInput
from trio_backend.history.backlog import Backlog
from trio_backend.history.store import Owner
from trio_backend.quota import MemoryQuota


@attrs.define(eq=False)
class Listener:
    """An `Audience` that has played everything at once; ``there`` is what it says of each event."""

    there: bool = True
    plays_at_once: bool = True
    stuck_at: type[object] | None = None
    """An event of this type is never taken."""
    events: list[Event] = attrs.field(factory=list)
    silences: int = 0
    over: list[Timeline] = attrs.field(factory=list)
    discarded: list[Timeline] = attrs.field(factory=list)
    _sent: float = 0.0
    _played: trio.Event = attrs.field(factory=trio.Event)
    _changed: trio.lowlevel.ParkingLot = attrs.field(factory=trio.lowlevel.ParkingLot)

    async def handle(self, event: Event) -> bool:
        """Note it."""
        await trio.lowlevel.checkpoint()
        if self.stuck_at is not None and isinstance(event, self.stuck_at):
            await trio.sleep_forever()
        self.events.append(event)
        if isinstance(event, Sentence):
            self._sent = 0.0
        elif isinstance(event, AudioChunk):
            self._sent += event.pcm.seconds
        if isinstance(event, SpeechComplete) and self.plays_at_once:
            self._played.set()
        self._changed.unpark_all()
        return self.there

    @property
    def sentence_sent(self) -> float:
        """It sends each chunk as it comes."""
        return self._sent

    @property
    def gaps(self) -> float:
        """None."""
        return 0.0

    def silence(self) -> None:
        """Count it."""
        self.silences += 1

    def play(self) -> None:
        """It has played everything, where it does not at once."""
        self._played.set()

    def expect_playback(self) -> trio.Event:
        """A new one each time."""
        self._played = trio.Event()
        return self._played

    def turn_over(self, timeline: Timeline) -> None:
        """Note it."""
        self.over.append(timeline)

    def turn_discarded(self, timeline: Timeline) -> None:
        """Note it."""
        self.discarded.append(timeline)

    @property
    def kinds(self) -> list[str]:
        """The events' types."""
        return [type(event).__name__ for event in self.events]

    @property
    def ended(self) -> list[tuple[int, str, str]]:
        """Of each turn that has ended: its number, its outcome, and what was heard."""
        ends = [event for event in self.events if isinstance(event, TurnEnded)]
        return [(end.turn, end.outcome.value, end.heard) for end in ends]

    async def until(
        self, kind: type[object], *, where: Callable[[Event], bool] = lambda _event: True
    ) -> None:
        """Until such an event has come; an hour is long enough."""
        with trio.fail_after(3600):
            while not any(isinstance(event, kind) and where(event) for event in self.events):
                await self._changed.park()


@attrs.frozen
class RunningConversation:
    """A conversation, and the character who is there."""

    conversation: Conversation
    audience: Listener
    scene: Scene
    history: Backlog

    def say(self, text: str) -> None:
        """The user says it."""
        self.conversation.begin_turn(self.scene, UserInput(text))

    async def wait_over(self) -> None:
        """Until no turn runs; an hour is long enough."""
        with trio.fail_after(3600):
            await self.conversation.wait_turn_over()

    async def stored(self) -> list[tuple[str, str]]:
        """Role and content of the present conversation's messages."""
        record = self.conversation.record
        return [(message.role, message.content) for message in await record.messages(record.uid)]


@asynccontextmanager
async def open_conversation(
    options: BackendOptions, audience: Listener | None = None
) -> AsyncIterator[RunningConversation]:
    """The base character of ``options``, loaded, and a new conversation with it."""
    audience, config = audience or Listener(), options.catalog.base
    send, receive = trio.open_memory_channel[SceneReady | SceneFailed](10)
    async with open_backend(options) as backend, trio.open_nursery() as nursery:
        services = backend.services
        scene = Scene(config, send, asked_for=False)
        nursery.start_soon(scene.play, services.open_character)
        assert isinstance(await receive.receive(), SceneReady)
        conversation = Conversation.begin(
            Owner(config.conf_uid),
            audience,
            history=services.history,
            system=options.system,
            quota=MemoryQuota(),
        )
        yield RunningConversation(conversation, audience, scene, services.history)
        nursery.cancel_scope.cancel("the test is over")
