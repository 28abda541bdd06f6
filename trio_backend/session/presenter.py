"""`Presenter`: a conversation's events as messages of the protocol, and the only place that knows both."""

from __future__ import annotations

from typing import Literal, TypeAlias, assert_never

import attrs
import trio
from loguru import logger

from ..audio.encoding import encode_sound
from ..audio.pcm import Pcm
from ..conversation.events import (
    AudioChunk,
    ConversationReplaced,
    Event,
    InputDropped,
    PartialTranscript,
    Problem,
    Sentence,
    Speaker,
    SpeechComplete,
    SpeechEnded,
    SpeechStarted,
    ToolCall,
    Transcript,
    TurnEnded,
    TurnEvent,
    TurnId,
    TurnStarted,
    WakeWordUsed,
)
from ..conversation.observer import Observer
from ..conversation.timeline import Timeline
from ..identity import now
from ..protocol import (
    Accepted,
    Addition,
    Audio,
    BackendSynthComplete,
    Control,
    DisplayText,
    Error,
    ForceNewMessage,
    FullText,
    Latency,
    NewHistoryCreated,
    Outgoing,
    PartialTranscription,
    ToolCallStatus,
    UserInputTranscription,
    WakeWordCounts,
    WakeWordState,
)
from .client import ToClient

# Sound up to this size is encoded in the event loop: a thread would cost more than the work.
ENCODE_INLINE = 64 * 1024  # bytes of samples


_OfATurn: TypeAlias = Sentence | AudioChunk | Transcript | ToolCall | SpeechComplete | TurnEnded


@attrs.define
class _Bracket:
    """The turn that the client sees: begun, and not over.

    ``timed`` once its latency was sent, ``parted`` once `force-new-message` was.
    """

    turn: TurnId
    speaker: Speaker
    sentence: Sentence | None = None
    sound: list[Pcm] = attrs.field(factory=list)
    timed: bool = False
    parted: bool = False


@attrs.define(eq=False)
class Presenter:
    """An `Audience`: messages go to the session's writer without a buffer, and each turn is counted.

    An event of a turn that is over for the client, or was never begun for it, is dropped. ``with_events``
    says that the client has each `TurnEvent` besides, those that no message tells too.
    """

    client_uid: str
    _outbox: trio.MemorySendChannel[ToClient]
    _observer: Observer
    accepted: Accepted = attrs.field(factory=Accepted)
    _with_events: bool = attrs.field(default=False, kw_only=True)
    played: trio.Event = attrs.field(factory=trio.Event, init=False)
    """Set when the client says that it has played everything."""
    _bracket: _Bracket | None = attrs.field(default=None, init=False)

    @property
    def accepts(self) -> frozenset[Addition]:
        """The additions to the protocol that at least one client of the session accepts."""
        return self.accepted.by_any

    @property
    def all_sent(self) -> bool:
        """Whether the writer waits for the next message, so that all that was told before has been sent."""
        return self._outbox.statistics().tasks_waiting_receive > 0

    async def tell(self, message: Outgoing) -> bool:
        """Hand ``message`` to the writer; False at once when the client is gone: the reader ends the session.

        A cancelled tell has sent nothing.
        """
        if isinstance(message, Error):
            self._observer.error_told(message.code)
        return await self._send(message)

    async def _send(self, message: ToClient) -> bool:
        try:
            await self._outbox.send(message)
        except trio.BrokenResourceError:
            await trio.lowlevel.checkpoint()
            return False
        return True

    async def _present(self, event: TurnEvent, message: Outgoing | None = None) -> bool:
        """Tell ``event`` by ``message``, and as itself to a client that follows turns."""
        # In one send, so that a cancel leaves both sent or neither: a room follows the events, clients the
        # messages.
        if self._with_events:
            return await self._send((event, message))
        # Without a message nothing is awaited: a barge-in must not wait for a client that reads nothing.
        return message is not None and await self.tell(message)

    async def tell_nothing_said(self) -> None:
        """An utterance in which nobody said anything: the client expects an answer all the same."""
        await self.tell(Control("conversation-chain-start"))
        await self.tell(Control("conversation-chain-end"))

    def expect_playback(self) -> trio.Event:
        """See `Audience.expect_playback`."""
        self.played = trio.Event()
        return self.played

    def silence(self) -> None:
        """See `Audience.silence`."""
        self._bracket = None

    def turn_over(self, timeline: Timeline) -> None:
        """See `Audience.turn_over`: one line in the log, and one more in the statistics."""
        logger.info("turn: {}", timeline)
        self._observer.turn_over(timeline)

    def turn_discarded(self, timeline: Timeline) -> None:
        """See `Audience.turn_discarded`. Logged at DEBUG: for the client this turn never existed."""
        logger.debug("provisional turn: {}", timeline)
        self._observer.turn_discarded(timeline)

    async def handle(self, event: Event) -> bool:
        """See `Audience.handle`."""
        match event:
            case TurnStarted(turn, speaker):
                await self._present(event, Control("conversation-chain-start"))
                self._bracket = _Bracket(turn, speaker)
                return await self.tell(FullText("Thinking..."))
            case Sentence() | AudioChunk() | Transcript() | ToolCall() | SpeechComplete() | TurnEnded():
                if self._bracket is None or self._bracket.turn != event.turn:
                    return isinstance(event, TurnEnded) and await self._present(event)
                return await self._go_on(self._bracket, event)
            case InputDropped():
                return await self._present(event)
            case Problem(code, text):
                return await self.tell(Error(text, code))
            case WakeWordUsed():
                return await self.tell(self._wake_word_state(event))
            case ConversationReplaced(uid):
                return await self.tell(NewHistoryCreated(uid))
            case SpeechStarted():
                return await self.tell(Control("interrupt"))
            case SpeechEnded():
                return await self.tell(Control("mic-audio-end"))
            case PartialTranscript(text):
                return await self._tell_partial(text)
            case _:
                assert_never(event)

    async def _go_on(self, bracket: _Bracket, event: _OfATurn) -> bool:
        """The next event of the turn that the client sees."""
        match event:
            case Transcript(text=text, final=True):
                return await self.tell(UserInputTranscription(text))
            case Transcript(text=text):
                return await self._tell_partial(text)
            case Sentence():
                bracket.sentence, bracket.sound = event, []
                return True
            case AudioChunk(pcm=pcm, last=last):
                if pcm.samples:
                    bracket.sound.append(pcm)
                return not last or await self._show(bracket)
            case ToolCall(call=call, state=state, content=content):
                timestamp = now().isoformat(timespec="microseconds")
                name = bracket.speaker.name
                return await self.tell(ToolCallStatus(call.id, call.name, name, state, content, timestamp))
            case SpeechComplete():
                return await self._present(event, BackendSynthComplete())
            case TurnEnded():
                return await self._end(bracket, event)
            case _:
                assert_never(event)

    async def _tell_partial(self, text: str) -> bool:
        accepted = "partial-transcription" in self.accepts
        return not accepted or await self.tell(PartialTranscription(text))

    async def _show(self, bracket: _Bracket) -> bool:
        """A sentence with all of its sound."""
        sentence, speaker = bracket.sentence, bracket.speaker
        assert sentence is not None
        wav, volumes = await _encode(bracket.sound)
        expressions = [speaker.emotions[emotion] for emotion in sentence.emotions]
        return await self.tell(
            Audio(
                wav,
                volumes,
                DisplayText(sentence.text, speaker.name, speaker.avatar),
                {"expressions": expressions} if expressions else {},
            )
        )

    async def _end(self, bracket: _Bracket, event: TurnEnded) -> bool:
        # Of a turn that was interrupted nothing comes here: `silence` has ended its bracket.
        if not bracket.timed and event.timeline.stages and "latency" in self.accepts:
            stages = event.timeline.stages.items()
            await self.tell(Latency({stage: round(1000 * took, 1) for stage, took in stages}))
        bracket.timed = True
        if not bracket.parted:
            await self.tell(ForceNewMessage())
            bracket.parted = True
        delivered = await self._present(event, Control("conversation-chain-end"))
        self._bracket = None
        return delivered

    def _wake_word_state(self, used: WakeWordUsed) -> WakeWordState:
        current: Literal["active", "listening"] = "active" if used.awake else "listening"
        counts = WakeWordCounts(used.wake_count, used.end_count, used.ignored_count)
        return WakeWordState(used.action, current, used.phrase, used.language, self.client_uid, counts)


async def _encode(sound: list[Pcm]) -> tuple[bytes | None, tuple[float, ...]]:
    """WAV in base64 and volumes; long sound in a thread, since the loop has no 10 ms to spare."""
    if not sound:
        return None, ()
    pcm = sound[0] if len(sound) == 1 else Pcm(b"".join(one.samples for one in sound), sound[0].rate)
    if len(pcm.samples) <= ENCODE_INLINE:
        return encode_sound(pcm)
    return await trio.to_thread.run_sync(encode_sound, pcm, abandon_on_cancel=True)
