"""One turn: what the user said goes in, spoken sentences come out, in order."""

from __future__ import annotations

import attrs
import trio

from ..audio.pcm import Pcm
from ..concurrency import map_in_order
from ..engines.base import Message, Prompt
from ..errors import EngineError, HistoryError, NoSuchHistory
from ..history.store import StoredMessage
from ..protocol import (
    Audio,
    BackendSynthComplete,
    Control,
    DisplayText,
    Error,
    ForceNewMessage,
    FullText,
    NewHistoryCreated,
    UserInputTranscription,
)
from ..text.lines import Line, LineReader, joined, slices
from .ask import Ask as Ask
from .audience import Audience as Audience
from .character import Character
from .limits import TurnLimits as TurnLimits
from .memory import Memory
from .performed import Performed, encode
from .record import Record, stored
from .timeline import Timeline
from .wake_word import Heard, WakeWord

# Who plays a reply knows at most what was sent of it, give or take how it joins the sentences.
HEARD_LEEWAY = 1_000  # characters


@attrs.define(eq=False)
class Turn:
    """One exchange, from the input to the end of playback.

    `take` runs in a slot of the session. Whoever evicts it calls `cut` afterwards, so that memory and
    history hold what was heard. ``over`` is True once the client has been told that the turn ended.

    The reply is kept once: by `take`, when playback was reported, or is waited for no longer; or by the
    first `cut` before that. From then on it counts as heard as it was kept, whoever cuts in while it is
    being stored.
    """

    character: Character
    ask: Ask
    memory: Memory
    record: Record
    audience: Audience
    limits: TurnLimits
    door: WakeWord = attrs.field(factory=WakeWord.always_open, kw_only=True)
    timeline: Timeline = attrs.field(factory=Timeline, init=False)
    over: bool = attrs.field(default=False, init=False)
    _heard: Heard | None = attrs.field(default=None, init=False)
    """What was written or spoken means this; None before that is known."""
    _said: list[Line] = attrs.field(factory=list, init=False)
    _kept: bool = attrs.field(default=False, init=False)
    """Whether memory has the reply; if history has not, it is among ``_unsaved``."""
    _unsaved: list[StoredMessage] = attrs.field(factory=list, init=False)
    _voice_failed: bool = attrs.field(default=False, init=False)
    _parted: bool = attrs.field(default=False, init=False)
    """Whether `force-new-message` was sent."""
    _reported: bool = attrs.field(default=False, init=False)

    async def take(self) -> None:
        """Run the turn to its end. Cancel the scope around it to barge in: nothing of it stays."""
        # What was typed is kept, however soon the turn is cut.
        self._take_in_typed()
        await self.audience.tell(FullText("Thinking..."))
        with trio.move_on_after(self.limits.deadline) as patience:
            heard = self._heard or await self._listen(self.ask.sound)
            if heard.action is not None:
                await self.audience.tell(self.door.state(heard))
            if heard.answer or heard.request is not None:
                await self._perform_reply(heard)
        if patience.cancelled_caught:
            message = f"the reply took longer than {self.limits.deadline:g} s (turn_deadline) and was ended"
            await self.audience.tell(Error(message, "turn-deadline"))
        if self.timeline.sound:
            await self._wait_played()
        await self._keep(heard=None)
        self.door.keep_awake(trio.current_time())
        await self.tell_end()
        self.timeline.end = self.timeline.now()
        self._finish()

    async def cut(self, heard: str | None) -> None:
        """After an eviction: keep ``heard`` as what was said; None for all that was sent.

        Cutting what was kept already changes nothing: it waits until that is stored.
        """
        self._take_in_typed()
        await self._keep(heard)
        self._finish()

    async def tell_end(self) -> None:
        """Tell the client that the turn is over: what it was not told yet."""
        if not self._parted:
            await self.audience.tell(ForceNewMessage())
            self._parted = True
        await self.audience.tell(Control("conversation-chain-end"))
        self.over = True

    def last_words(self) -> list[StoredMessage]:
        """As `cut`, without a wait: what is to be stored then, and was not handed over yet."""
        self._take_in_typed()
        self._note_reply(None)
        self._finish()
        words, self._unsaved = self._unsaved, []
        return words

    def drop(self) -> None:
        """Hold no more of what was asked; what memory has taken over stays there."""
        self.ask.release()
        self._heard = self._heard or Heard()
        self.ask = attrs.evolve(self.ask, images=(), sound=None, claim=None)

    def _finish(self) -> None:
        self.drop()
        if not self._reported:
            self._reported = True
            self.audience.turn_over(self.timeline)

    def _take_in_typed(self) -> None:
        if self._heard is None and self.ask.sound is None:
            self._heard = self._take_in(self.ask.text)

    async def _listen(self, sound: Pcm | None) -> Heard:
        """What is said in ``sound``, and what that means; nothing, if nothing can be made out."""
        assert sound is not None
        try:
            with self.timeline.until_gone("recognition"):
                text = await self.character.ears.transcribe(sound)
        except EngineError as error:
            await self.audience.tell(Error(str(error), "engine-error"))
            return Heard()
        self.timeline.transcript()
        if not text.strip():
            return Heard()
        await self.audience.tell(UserInputTranscription(text))
        self._heard = self._take_in(text)
        return self._heard

    def _take_in(self, text: str) -> Heard:
        """What ``text`` means; it is remembered, if it was meant for the character."""
        if self.ask.nudge:
            return Heard(request=text)
        heard = self.door.hear(text, trio.current_time())
        if heard.action != "ignored":
            name, said = self.ask.name, heard.request or text
            called = name or self.character.config.human_name
            # Where several speak, the model knows them by what stands before their words.
            words = f"{name}: {said}" if name else said
            claim, size = self.ask.claim, attrs.evolve(self.ask, text=words, sound=None).size
            if claim is not None:
                claim.resize(min(claim.size, size))
            self.memory.hear(Message("user", words, called, self.ask.images), claim)
            self.ask = attrs.evolve(self.ask, images=(), sound=None, claim=None)
            self._unsaved.append(stored("human", text, name=called))
        return heard

    def _prompt(self, request: str) -> Prompt:
        """What the model is to read."""
        config = self.character.config
        messages = [*self.memory.so_far()]
        if self.ask.nudge:
            messages.append(Message("user", request, "nudge", self.ask.images))
        return Prompt(config.system_prompt, messages, config.character_name, tuple(config.emotions))

    async def _perform_reply(self, heard: Heard) -> None:
        with self.timeline.until_gone("the turn"):
            async with trio.open_nursery() as nursery:
                to_perform, lines = trio.open_memory_channel[Line](0)
                nursery.start_soon(self._answer, heard, to_perform, name="turn/model")
                nursery.start_soon(self._store_input, name="turn/history")
                with self.timeline.until_gone("synthesis"):
                    async with map_in_order(self._perform, lines, ahead=self.limits.ahead) as performed:
                        async for sentence in performed:
                            await self._deliver(sentence)

    async def _answer(self, heard: Heard, lines: trio.MemorySendChannel[Line]) -> None:
        """What needs no model, then the model's reply, as lines."""
        with lines:
            reader = self._reader()
            for line in (*reader.feed(heard.answer), *reader.flush()):
                await self._send_line(lines, line)
            if heard.request is not None:
                await self._read_reply(self._prompt(heard.request), lines)

    async def _read_reply(self, prompt: Prompt, lines: trio.MemorySendChannel[Line]) -> None:
        """The model's tokens, as lines. An error ends the reply; what came before it is still spoken."""
        reader = self._reader()
        try:
            with self.timeline.until_gone("model"):
                async with self.character.llm.reply(prompt) as tokens:
                    async for token in tokens:
                        self.timeline.token()
                        await self._read_token(reader, token, lines)
        except EngineError as error:
            await self.audience.tell(Error(str(error), "engine-error"))
        for line in reader.flush():
            await self._send_line(lines, line)

    async def _read_token(self, reader: LineReader, token: str, lines: trio.MemorySendChannel[Line]) -> None:
        """A model may send megabytes at once: others have their turn in between."""
        for number, piece in enumerate(slices(token)):
            if number:
                await trio.lowlevel.checkpoint()
            for line in reader.feed(piece):
                await self._send_line(lines, line)

    def _reader(self) -> LineReader:
        config = self.character.config
        return LineReader(config.emotions, config.speech_filters, first_early=config.faster_first_response)

    async def _send_line(self, lines: trio.MemorySendChannel[Line], line: Line) -> None:
        self.timeline.sentence()
        await lines.send(line)

    async def _perform(self, line: Line) -> Performed:
        """Make ``line`` audible. A voice that fails leaves it, and the rest of the turn, to be read."""
        if not line.spoken or self._voice_failed:
            return Performed(line)
        try:
            pcm = await self.character.tts.speak(line.spoken)
        except EngineError as error:
            if not self._voice_failed:
                self._voice_failed = True
                await self.audience.tell(Error(str(error), "engine-error"))
            return Performed(line)
        if not pcm.samples:
            return Performed(line)
        wav, volumes = await encode(pcm)
        return Performed(line, wav, volumes, pcm.seconds)

    async def _deliver(self, performed: Performed) -> None:
        config, line = self.character.config, performed.line
        expressions = [config.emotions[emotion] for emotion in line.emotions]
        message = Audio(
            performed.wav,
            performed.volumes,
            DisplayText(line.display, config.character_name, config.avatar),
            {"expressions": expressions} if expressions else {},
        )
        if await self.audience.deliver(message):
            self._said.append(line)
        if performed.wav is not None:
            self.timeline.audio(performed.seconds)

    async def _wait_played(self) -> None:
        played = self.audience.expect_playback()  # before we ask, or the answer may slip by
        await self.audience.tell(BackendSynthComplete())
        with trio.move_on_after(self.timeline.sound + self.limits.playback_grace):
            await played.wait()

    async def _store_input(self) -> None:
        """Put what the user said on disk while the model thinks."""
        if self._unsaved:
            await self._store()

    async def _keep(self, heard: str | None) -> None:
        """Keep what was said in memory, as the model wrote it, and on disk, as it was shown; once."""
        # No await in the first: whoever cuts in finds the reply kept, or not begun to be kept.
        self._note_reply(heard)
        await self._store()

    def _note_reply(self, heard: str | None) -> None:
        if self._kept:
            return
        self._kept = True
        config = self.character.config
        shown = joined(line.display for line in self._said)
        thought = joined(line.source for line in self._said if not line.thought)
        if heard is not None:
            shown = thought = heard[: len(shown) + HEARD_LEEWAY]
        self.memory.say(thought)
        if shown:
            self._unsaved.append(stored("ai", shown, name=config.character_name, avatar=config.avatar))

    async def _store(self) -> None:
        """Store what is not stored yet. When this returns it is on disk, what a cancelled call began too."""
        # From here on they are the record's, which stores them whatever becomes of this turn.
        messages, self._unsaved = self._unsaved, []
        try:
            await self.record.add(*messages)
        except NoSuchHistory as error:
            # What was deleted is not known any more, either.
            self.memory.forget_all_but_last()
            await self.audience.tell(Error(str(error), "no-such-history"))
            await self.audience.tell(NewHistoryCreated(self.record.uid))
        except HistoryError as error:
            await self.audience.tell(Error(str(error), "history-error"))
