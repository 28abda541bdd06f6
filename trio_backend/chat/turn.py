"""The running turn: what was asked, what is shown of the reply, and what of it has been heard."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import attrs
import trio

from ..client.messages import ModelInfo, ReceivedAudio
from ..concurrency import Slot
from ..protocol.incoming import AiSpeakSignal, FrontendPlaybackComplete, Incoming, InterruptSignal, TextInput
from .player import SpeechPlayer
from .screen import Screen
from .sentence import SpokenSentence, heard

# A reply of so many sentences is longer than anybody listens: the rest is shown, and not played.
MAX_QUEUED = 256


@attrs.frozen
class PlaybackDone:
    """The playback of ``turn`` has ended: nothing more of it will be played."""

    turn: TurnPlayback


@attrs.define(eq=False)
class TurnPlayback:
    """The sentences of one turn, from being shown to having been heard.

    `play_all` runs in a task of its own, and tells the loop through ``inbox`` when it is done; the rest is
    for the loop.
    """

    _player: SpeechPlayer
    _inbox: trio.MemorySendChannel[PlaybackDone]
    server_waits: bool = attrs.field(default=False, init=False)
    """Whether the server waits for the end of the playback."""
    done: bool = attrs.field(default=False, init=False)
    """Whether all sentences have been played."""
    _sentences: list[SpokenSentence] = attrs.field(factory=list, init=False)
    _queue_end: trio.MemorySendChannel[SpokenSentence] = attrs.field(init=False)
    _queue: trio.MemoryReceiveChannel[SpokenSentence] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._queue_end, self._queue = trio.open_memory_channel[SpokenSentence](MAX_QUEUED)

    def add(self, sentence: SpokenSentence) -> None:
        """``sentence`` was shown: queue it for playback; where nothing can be played it counts as heard."""
        self._sentences.append(sentence)
        if not self._player.able:
            sentence.finish()
            return
        try:
            self._queue_end.send_nowait(sentence)
        except (trio.WouldBlock, trio.ClosedResourceError, trio.BrokenResourceError):
            sentence.finish()

    def complete(self) -> None:
        """There will be no more sentences."""
        self._queue_end.close()

    def heard(self) -> str:
        """The text that the user has heard so far, cut at a word."""
        return heard(self._sentences, trio.current_time())

    async def play_all(self) -> None:
        """Play each sentence in its turn, and tell the loop after the last. A cancel is silent at once."""
        with self._queue:
            async for sentence in self._queue:
                await self._player.play(sentence)
        await self._inbox.send(PlaybackDone(self))


@attrs.define(eq=False)
class ReplyView:
    """Shows sentences; the name of a speaker stands before the first of several sentences only."""

    _screen: Screen
    _character: str = attrs.field(default="", init=False)
    _model: ModelInfo = attrs.field(factory=ModelInfo, init=False)
    _speaker: str | None = attrs.field(default=None, init=False)

    def set_character(self, character: str, model: ModelInfo | None) -> None:
        """The sentences that follow are of this ``character``, unless they name another."""
        self._character, self._model = character, model or ModelInfo()

    def end(self) -> None:
        """The next sentence begins a new message, with its speaker's name."""
        self._speaker = None

    def show(self, audio: ReceivedAudio) -> SpokenSentence:
        """Show the sentence of ``audio``, and return it as it is to be played."""
        text = audio.display_text.text if audio.display_text else ""
        speaker = (audio.display_text.name if audio.display_text else None) or self._character
        sentence = SpokenSentence(text, audio.wav(), audio.seconds)
        if text.strip():
            name = "" if speaker == self._speaker else speaker
            self._speaker = speaker
            format = self._screen.format
            emotion = self._emotion(audio)
            self._screen.show(
                format.thought(name, text) if sentence.thought else format.said(name, emotion, text)
            )
        return sentence

    def _emotion(self, audio: ReceivedAudio) -> str:
        expressions = (audio.actions.expressions if audio.actions else None) or []
        keywords = dict.fromkeys(self._model.keyword(expression) for expression in expressions)
        return ", ".join(keyword for keyword in keywords if keyword)


@attrs.define(eq=False)
class TurnView:
    """The running turn, at most one; the task in ``playback`` plays it. Only the loop calls this."""

    _screen: Screen
    _player: SpeechPlayer
    _playback: Slot
    _inbox: trio.MemorySendChannel[PlaybackDone]
    _send: Callable[[Incoming], None]
    reply: ReplyView = attrs.field(init=False)
    _phase: Literal["idle", "asked", "answering"] = attrs.field(default="idle", init=False)
    """``asked`` until the server starts the turn, ``answering`` until it ends it."""
    _turn: TurnPlayback | None = attrs.field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        self.reply = ReplyView(self._screen)

    @property
    def running(self) -> bool:
        """Whether the server has yet to end a turn."""
        return self._phase != "idle"

    @property
    def done(self) -> bool:
        """Whether no turn is running, and all of the last one was played."""
        return not self.running and (self._turn is None or self._turn.done)

    # What the user does.

    async def ask(self, message: TextInput, *, interrupt: bool) -> None:
        """Send ``message``; with ``interrupt`` the running turn ends first."""
        if interrupt:
            await self.interrupt()
        self._send(message)
        if not self.running:
            self._phase = "asked"

    def nudge(self) -> None:
        """Let the character speak unprompted."""
        self._send(AiSpeakSignal())
        self._phase = "asked"

    async def interrupt(self) -> None:
        """End the running turn, if there is one, and tell the server what was heard of it."""
        if self.running:
            self._send(InterruptSignal(self._turn.heard() if self._turn else ""))
        await self.drop()

    async def drop(self) -> None:
        """Stop the playback at once; what still comes of the turn is not shown."""
        self._phase = "idle"
        self._turn = None
        self._screen.status("")
        await self._playback.evict("interrupted")

    # What the server says.

    async def begin(self) -> None:
        """A turn has started."""
        await self.drop()
        self.reply.end()
        self._phase = "answering"
        self._turn = TurnPlayback(self._player, self._inbox)
        await self._playback.fill(self._turn.play_all, name="turn")

    def add(self, audio: ReceivedAudio) -> None:
        """Show a sentence, and queue it for playback."""
        # A sentence outside a turn is the rest of one that was interrupted. A forwarded one is played by
        # another client of the room, and only shown here.
        if self._phase != "answering" and not audio.forwarded:
            return
        self._screen.status("")
        sentence = self.reply.show(audio)
        if self._turn is not None and not audio.forwarded:
            self._turn.add(sentence)

    def await_playback(self) -> None:
        """All sentences are here; the server waits until they have been played."""
        if self._turn is not None:
            self._turn.server_waits = True
            self._turn.complete()

    def playback_done(self, turn: TurnPlayback) -> None:
        """All of ``turn`` has been played."""
        turn.done = True
        if turn is self._turn and turn.server_waits and self._phase == "answering":
            self._send(FrontendPlaybackComplete())

    def end(self) -> None:
        """The turn has ended; what is left of its sound is still played."""
        if self._phase == "answering":
            self._phase = "idle"
            self._screen.status("")
        if self._turn is not None:
            self._turn.complete()

    def failed(self) -> None:
        """The server sent an error: a turn that was asked for will not start."""
        if self._phase == "asked":
            self._phase = "idle"
            self._screen.status("")
