"""`Session`: the loop that handles what one connected client says and does."""

from __future__ import annotations

from functools import partial
from typing import NewType

import attrs
import trio
from loguru import logger

from .. import protocol
from ..conversation.admission import TurnEntrance
from ..conversation.conversation import Conversation
from ..conversation.events import InputDropped
from ..conversation.microphone import SpokenUtterance
from ..conversation.scene import SceneFailed, SceneReady
from ..conversation.speech_input import SpeechInput
from ..conversation.user_input import UserInput
from ..errors import ProtocolError
from ..history.store import Owner
from ..identity import RequestId
from ..protocol import Decoded, EngineRequest, Error, Incoming, Outgoing
from ..quota import MemoryQuota
from ..user import STRANGER, SessionPeer
from .client import SendAtOnce
from .holdings import Holdings, Received, Samples, request_of
from .idleness import Idle
from .presenter import Presenter
from .requests import AboutHistory, HistoryRequests, RequestLane, answer_about_files
from .scenes import Scenes, SessionEvent
from .services import SessionServices
from .session_engines import SessionEngines
from .sound import EarlyTurns, SoundMessages, data_of, input_of, timing_of

ClientUid = NewType("ClientUid", str)


@attrs.define(eq=False)
class Session:
    """What one client's session knows.

    Its loop, `live`, handles at once what must not wait: barge-ins, sound, the end of playback, heartbeats.
    All that may wait for a disk, and what the user says, which is to be answered in order with it, goes to
    ``requests``. So neither a slow disk nor a slow character holds up a barge-in.
    """

    client_uid: ClientUid
    services: SessionServices
    _nursery: trio.Nursery
    _inbox: trio.MemorySendChannel[SessionEvent]
    presenter: Presenter
    _quota: MemoryQuota = attrs.field(kw_only=True)
    peer: SessionPeer = attrs.field(default=STRANGER, kw_only=True)
    """Whose client it is, and what that may do."""
    conversation: Conversation = attrs.field(init=False)
    requests: RequestLane = attrs.field(factory=RequestLane, init=False)
    _holdings: Holdings = attrs.field(init=False)
    _scenes: Scenes = attrs.field(init=False)
    _sound: SoundMessages = attrs.field(init=False)
    _history: HistoryRequests = attrs.field(init=False)
    _engines: SessionEngines = attrs.field(init=False)
    # What the reader has for the loop, or the loop in hand; the greeting is the first.
    _unhandled: int = attrs.field(default=1, init=False)

    def __attrs_post_init__(self) -> None:
        services, system = self.services, self.services.system
        owner = Owner(services.catalog.base.conf_uid, self.peer.user.id)
        self.conversation = Conversation.begin(
            owner, self.presenter, history=services.history, system=system, quota=self._quota
        )
        self.conversation.entrance = TurnEntrance(services.admission, self.peer.share or self.client_uid)
        self._holdings = Holdings(self._quota, self.conversation.memory, system.max_pictures)
        self._scenes = Scenes(
            services, self.conversation, self.presenter, self._holdings, self._nursery, self._inbox
        )
        speech = SpeechInput(
            self.presenter.handle,
            self.conversation.open,
            self._holdings.microphone(system.max_utterance),
            self._nursery,
            timing=timing_of(system),
            turns=EarlyTurns(self.requests, self._scenes, self.conversation, services.observer),
        )
        self._sound = SoundMessages(self.tell, self._scenes, speech)
        self._history = HistoryRequests(self.conversation, self.presenter, services)
        told = self.presenter, self._scenes, self._holdings
        self._engines = SessionEngines(services, self.peer, *told, self._nursery)

    def __str__(self) -> str:
        return f"session {self.client_uid[:4]}"

    def __repr__(self) -> str:
        turn = " turn" if self.turn_running else ""
        return f"<Session {self.client_uid[:4]} {self._scenes!r}{turn}>"

    # What the session's tasks call.

    async def tell(self, message: Outgoing) -> None:
        """Hand ``message`` to the writer. Returns at once when the client is gone: the reader ends us."""
        await self.presenter.tell(message)

    async def receive(self, frame: str | bytes | Decoded, send_at_once: SendAtOnce) -> None:
        """Decode a frame and hand it to the loop; answer one that cannot be read, or not be kept.

        A heartbeat is answered by ``send_at_once`` where the answer overtakes nothing.
        """
        try:
            for received in self._holdings.understand(frame):
                if received is None:
                    await trio.lowlevel.checkpoint()
                    continue
                if isinstance(received.message, protocol.Heartbeat) and await self._acknowledge(send_at_once):
                    received.claim.release()
                    continue
                try:
                    self._unhandled += 1
                    await self._inbox.send(received)
                except trio.Cancelled:
                    received.claim.release()
                    raise
        except ProtocolError as error:
            await self._refuse(Error(str(error), error.code), request_of(frame))

    async def _acknowledge(self, send_at_once: SendAtOnce) -> bool:
        """Answer a heartbeat without the loop and the writer, which takes half of the time.

        Heartbeats are barriers: what was decided before one is sent before its answer. So only while the loop
        waits for the next message, having handled all before, and the writer has sent all that was told.
        """
        if self._unhandled or not self.presenter.all_sent:
            return False
        return await send_at_once(protocol.HeartbeatAck())

    def conversation_renamed(self, owner: Owner, renamed: protocol.HistoryRenamed) -> None:
        """Tell the client, in its turn, if it may have that conversation of ``owner`` in its list.

        A client that is so far behind that nothing more may wait is not told: it has the title with the next
        list that it asks for.
        """
        if owner == self.conversation.record.owner and renamed.type in self.presenter.accepts:
            self.requests.request(partial(self.tell, renamed), is_input=False)

    def end(self, reason: str) -> None:
        """Cancel everything that the session has started."""
        self._nursery.cancel_scope.cancel(reason)

    @property
    def turn_running(self) -> bool:
        """Whether a turn is running."""
        return self.conversation.turn_running

    async def wait_turn_over(self) -> None:
        """Wait until no turn is running."""
        await self.conversation.wait_turn_over()

    async def finalize(self) -> None:
        """Store what was said in a turn that the end of the session cut; then let go of all that was sent."""
        try:
            if await self.conversation.finalize():
                logger.info("the running turn was cut")
        finally:
            self.requests.close()
            self._sound.speech.close()
            self._holdings.close()

    # The loop.

    async def live(self, inbox: trio.MemoryReceiveChannel[SessionEvent]) -> None:
        """Greet the client, then handle what happens, one thing at a time, for ever."""
        self._nursery.start_soon(self.requests.run, name=f"{self}/requests")
        self._scenes.begin()
        await self.tell(protocol.GroupUpdate((), is_owner=False))
        await self.tell(protocol.FullText("Connection established"))
        await self._scenes.introduce()
        await self.tell(protocol.GroupUpdate((), is_owner=False))
        await self.tell(protocol.Control("start-mic"))
        self._unhandled -= 1
        async for event in inbox:
            if isinstance(event, Received):
                await self._handle(event)
                self._unhandled -= 1
            else:
                # A character has come or gone: that is in order with what the user says.
                self.requests.follow(partial(self._follow, event))
            del event

    async def _follow(self, event: Idle | SceneReady | SceneFailed) -> None:
        await self._sound.follow(event)
        if isinstance(event, SceneReady):
            await self._engines.follow_character()

    async def _handle(self, received: Received) -> None:
        """Do at once what must not wait, and put the rest in line."""
        try:
            if not await self._handle_at_once(received.message):
                await self._enqueue(received)
                return
        except ProtocolError as error:
            await self.tell(Error(str(error), error.code))
        received.claim.release()

    async def _handle_at_once(self, message: Incoming | Samples) -> bool:
        """Handle ``message``, unless it may wait; whether it was handled."""
        match message:
            case protocol.InterruptSignal(text):
                self.presenter.page.interrupt()
                self.requests.drop_inputs()
                self._scenes.drop_waiting()
                if await self.conversation.barge_in(text[: self.services.system.max_text]):
                    self.requests.follow(self.conversation.confirm)
                if self._holdings.dropped:
                    self.requests.follow(self._scenes.tell_dropped)
            case protocol.Hello():
                agreed = message.agreed_with_engines if self.peer.chooses_engines else message.agreed
                self.presenter.accepted.each = frozenset({frozenset(agreed)})
                await self.tell(protocol.HelloAnswer(agreed))
                await self._scenes.tell_wake_words()
                self.requests.follow(self._engines.tell_recognition)
            case protocol.FrontendPlaybackComplete():
                self.presenter.played.set()
            case protocol.Heartbeat():
                await self.tell(protocol.HeartbeatAck())
            case protocol.MicAudioData() | protocol.RawAudioData() | Samples() | protocol.MicFormat():
                await self._sound.handle(message)
            case protocol.AudioPlayStart(shown):
                # It is meant for the other members of a group, and there are none; but it has a moment.
                self.conversation.playback_began(shown.text if shown is not None else "")
            case protocol.RequestGroupInfo():
                await self.tell(protocol.GroupUpdate((), is_owner=False))
            case protocol.AddClientToGroup() | protocol.RemoveClientFromGroup():
                await self.tell(Error(f"{message.type}: groups are not served yet", "not-yet"))
            case _:
                return False
        return True

    # What may wait.

    async def _enqueue(self, received: Received) -> None:
        message = received.message
        # What was said until now is cut off now, wherever it waits.
        spoken = self._sound.speech.end() if isinstance(message, protocol.MicAudioEnd) else None
        if isinstance(message, protocol.MicAudioEnd):
            self.presenter.page.hear_user()
        if spoken is not None:
            # What waits in line counts, or a client could pile up minutes of it behind a slow disk.
            self._holdings.hold(received.claim, len(spoken.sound.samples))
        is_input = isinstance(message, protocol.TextInput | protocol.MicAudioEnd | protocol.AiSpeakSignal)
        work, drop = partial(self._answer, received, spoken), partial(self._drop, received, spoken)
        if not self.requests.request(work, drop, is_input=is_input):
            if spoken is not None:
                spoken.drop()
            received.claim.release()
            error = Error("too many requests wait: send the next when they are answered", "busy")
            await self._refuse(error, received.request)

    def _drop(self, received: Received, spoken: SpokenUtterance | None) -> None:
        if spoken is not None:
            spoken.drop()
        self._holdings.drop(received)

    async def _answer(self, received: Received, spoken: SpokenUtterance | None) -> None:
        self._holdings.take(received.claim)
        try:
            await self._answer_message(received, spoken)
        finally:
            self._holdings.put_down()

    async def _answer_message(self, received: Received, spoken: SpokenUtterance | None) -> None:
        match message := received.message:
            case protocol.TextInput(text, images, name):
                # A name is one line, or what a viewer calls himself could pass for what others say.
                called = " ".join((name or "").split())
                given = UserInput(text, data_of(images), name=called, request=received.request)
                await self._scenes.answer(given)
            case protocol.AiSpeakSignal(images=images):
                await self._scenes.nudge(data_of(images))
            case protocol.MicAudioEnd(images) if spoken is not None:
                await self._scenes.answer(input_of(spoken, data_of(images)))
            case protocol.MicAudioEnd():
                await self._scenes.answer_silence()
            case protocol.SwitchConfig(file):
                await self._scenes.switch(file)
            case protocol.RequestInitConfig():
                await self._scenes.introduce()
            case protocol.FetchConfigs() | protocol.FetchBackgrounds():
                await self.tell(await answer_about_files(message, self.services))
            case _ if isinstance(message, AboutHistory):
                await self._history.answer(message)
            case _ if isinstance(message, EngineRequest):
                await self._engines.answer(message)
            case _:
                raise AssertionError(f"nobody answers {type(message).__name__}")

    async def _refuse(self, error: Error, request: RequestId | None) -> None:
        await self.tell(error)
        if request is not None:
            await self.presenter.handle(InputDropped(request, refused=True))
