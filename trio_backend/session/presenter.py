"""`Presenter`: a conversation's events as messages of the protocol, and the only place that knows both."""

from __future__ import annotations

from typing import TypeAlias, assert_never

import attrs
import trio
from loguru import logger

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
    TurnResumed,
    TurnStarted,
    WakeWordUsed,
)
from ..conversation.observer import Observer
from ..conversation.timeline import Timeline
from ..identity import now
from ..protocol import (
    Accepted,
    Accepts,
    Addition,
    BackendSynthComplete,
    Control,
    Error,
    ForceNewMessage,
    FullText,
    Latency,
    NewHistoryCreated,
    Outgoing,
    PartialTranscription,
    SoundForSome,
    ToolCallStatus,
    UserInputTranscription,
)
from .client import ToClient, for_visitors, wake_word_state
from .interrupted_page import InterruptedPage
from .sentence_sound import Listeners, ShownSentence, listeners_of

_OfATurn: TypeAlias = Sentence | AudioChunk | Transcript | ToolCall | SpeechComplete | TurnEnded


@attrs.define
class _Bracket:
    """The turn that the client sees: begun, and not over.

    ``timed`` once its latency was sent, ``parted`` once `force-new-message` was; ``failed`` says what
    went wrong before its first sentence.
    """

    turn: TurnId
    speaker: Speaker
    sentence: ShownSentence | None = None
    listeners: list[Listeners] = attrs.field(factory=list)
    """Who gets the sentence, by the form in which they do: made of ``each``."""
    each: frozenset[Accepts] = frozenset()
    timed: bool = False
    parted: bool = False
    failed: str = ""


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
    _audio_pieces: str = attrs.field(default="auto", kw_only=True)
    """See `ServerSettings.audio_pieces`."""
    _sentences: int = attrs.field(default=0, init=False)
    """How many the client was shown."""
    played: trio.Event = attrs.field(factory=trio.Event, init=False)
    """Set when the client says that it has played everything."""
    page: InterruptedPage = attrs.field(factory=InterruptedPage, init=False)
    """Those of the clients that have said no `hello`."""
    _bracket: _Bracket | None = attrs.field(default=None, init=False)
    _ending: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)
    """Around the messages by which the end of a turn is told."""

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
            message = for_visitors(message)
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

    @property
    def sentence_sent(self) -> float:
        """See `Audience.sentence_sent`. Of several clients it is the one that was sent most."""
        return max((one.sent for one in self._bracket.listeners), default=0.0) if self._bracket else 0.0

    @property
    def gaps(self) -> float:
        """See `Audience.gaps`."""
        return max((one.gaps for one in self._bracket.listeners), default=0.0) if self._bracket else 0.0

    def silence(self) -> None:
        """See `Audience.silence`."""
        self._bracket = None
        self._ending.cancel("the client is silenced")

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
                self.page.begin_turn()
                return await self.tell(FullText("Thinking..."))
            case TurnResumed(turn, speaker):
                self._observer.turn_resumed()
                delivered = await self._present(event, Control("conversation-chain-start"))
                self._bracket = _Bracket(turn, speaker)
                self.page.go_on()
                return delivered
            case Sentence() | AudioChunk() | Transcript() | ToolCall() | SpeechComplete() | TurnEnded():
                if self._bracket is None or self._bracket.turn != event.turn:
                    return isinstance(event, TurnEnded) and await self._present(event)
                return await self._go_on(self._bracket, event)
            case InputDropped():
                return await self._present(event)
            case Problem(code, text, retry_after):
                error = for_visitors(Error(text, code, retry_after))
                if self._bracket is not None and self._bracket.sentence is None:
                    self._bracket.failed = error.message
                return await self.tell(error)
            case WakeWordUsed():
                return await self.tell(wake_word_state(event, self.client_uid))
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
                self._begin(bracket, event)
                return True
            case AudioChunk():
                return await self._sound(bracket, event)
            case ToolCall(call=call, state=state, content=content):
                timestamp = now().isoformat(timespec="microseconds")
                name = bracket.speaker.name
                return await self.tell(ToolCallStatus(call.id, call.name, name, state, content, timestamp))
            case SpeechComplete():
                await self._break_off(bracket)
                return await self._present(event, BackendSynthComplete())
            case TurnEnded():
                return await self._end(bracket, event)
            case _:
                assert_never(event)

    async def _tell_partial(self, text: str) -> bool:
        return "partial-transcription" not in self.accepts or await self.tell(PartialTranscription(text))

    def _begin(self, bracket: _Bracket, sentence: Sentence) -> None:
        # Whoever says hello, or joins a room, in the middle of a sentence gets the next one accordingly.
        self._sentences += 1
        bracket.sentence = ShownSentence.of(sentence, bracket.speaker, self._sentences)
        if bracket.each is not self.accepted.each:
            bracket.each = self.accepted.each
            bracket.listeners = listeners_of(bracket.each, self._audio_pieces, bracket.listeners)
        for listeners in bracket.listeners:
            listeners.begin()

    async def _sound(self, bracket: _Bracket, chunk: AudioChunk) -> bool:
        """Send what ``chunk`` completes, to each kind of client in its form."""
        sentence, delivered = bracket.sentence, True
        assert sentence is not None
        for listeners in bracket.listeners:
            if None in listeners.to:
                await self.page.wait_settled()
            for piece in listeners.cut(sentence, chunk):
                begins = piece.first
                for message in await listeners.messages(sentence, piece):
                    told: ToClient = message
                    if self._with_events and not (piece.whole and len(bracket.listeners) == 1):
                        told = SoundForSome(message, listeners.to, sentence.number, begins)
                    delivered = await self._send(told) and delivered
                    begins = False
                if delivered:
                    listeners.sent += piece.pcm.seconds
        return delivered

    async def _break_off(self, bracket: _Bracket) -> None:
        """A turn that took too long may have ended within a sentence: whoever waits for the rest is told."""
        for listeners in bracket.listeners:
            sentence = bracket.sentence
            assert sentence is not None
            for message in listeners.break_off(sentence):
                for_some = SoundForSome(message, listeners.to, sentence.number, begins=False)
                await self._send(for_some if self._with_events else message)

    async def _end(self, bracket: _Bracket, event: TurnEnded) -> bool:
        with trio.CancelScope() as self._ending:
            return await self._tell_end(bracket, event)
        # Silenced before the client took it: it was told of an interruption, and has seen the turn end.
        return await self._present(event)

    async def _tell_end(self, bracket: _Bracket, event: TurnEnded) -> bool:
        # Of a turn that was interrupted nothing comes here: `silence` has ended its bracket.
        if not bracket.timed and event.timeline.stages and "latency" in self.accepts:
            stages = event.timeline.stages.items()
            await self.tell(Latency({stage: round(1000 * took, 1) for stage, took in stages}))
        bracket.timed = True
        if bracket.failed and bracket.sentence is None:
            # Or "Thinking..." stands where a page shows what the character says, until it says something. The
            # page of Open-LLM-VTuber, which says no hello, passes over an empty text.
            await self.tell(FullText(bracket.failed if None in self.accepted.each else ""))
            bracket.failed = ""
        if not bracket.parted:
            await self.tell(ForceNewMessage())
            bracket.parted = True
        delivered = await self._present(event, Control("conversation-chain-end"))
        self._bracket = None
        return delivered
