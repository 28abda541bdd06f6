"""`WyomingRequests`: what one client asks for: sound for text, text for sound, the character's replies."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from functools import partial

import attrs
import trio

from ...audio.pcm import Pcm
from ...audio.utterance import RATE
from ...config.character import CharacterConfig
from ...config.system import SystemConfig
from ...conversation.speech_engines import Standby
from ...engines.base import Asr, Tts
from ...engines.wyoming import WyomingEvent
from ...errors import ProtocolError, QueueFull
from ...identity import new_id
from ...quota import MemoryQuota
from ...text.lines import joined
from .conversations import TextConversations
from .info import info_event
from .listening import StreamedUtterance, rate_of
from .speaking import TextToSpeak, speak_in_order
from .text_audience import Question

SOUND_AT_ONCE = 0.25
"""Seconds of sound in an ``audio-chunk``: a client plays one when it has it whole."""
LONGEST_NAME = 200
"""Characters of the name of a conversation; Home Assistant's have 26."""


@attrs.frozen
class WyomingService:
    """What is served: ``handle`` is None where the character is no conversation agent."""

    character: CharacterConfig
    system: SystemConfig
    tts: Standby[Tts]
    asr: Standby[Asr]
    handle: TextConversations | None
    names: Mapping[str, str]
    """By kind, the names of the engines."""

    def close(self) -> None:
        """Lease no engine from now on."""
        self.tts.close()
        self.asr.close()


@attrs.define(eq=False)
class WyomingRequests:
    """The requests of one client, whose work is done in ``nursery``.

    Everything that goes wrong is raised, here or there: `ProtocolError`, `EngineError`, `ConfigError`,
    `QuotaExceeded`, `trio.TooSlowError`, and `WireClosed` by ``send``.
    """

    _service: WyomingService
    _nursery: trio.Nursery
    _send: Callable[[WyomingEvent], Awaitable[None]]
    _quota: MemoryQuota
    _share: str
    """Whose turns its turns are, where turns have to wait."""
    _own: str = attrs.field(factory=lambda: f"connection {new_id()}", init=False)
    """Its conversation, where it names none."""
    _utterance: StreamedUtterance | None = attrs.field(default=None, init=False)
    _text: TextToSpeak | None = attrs.field(default=None, init=False)
    _said: trio.Event = attrs.field(factory=trio.Event, init=False)
    """Set when all of ``_text`` was spoken."""
    _rate: int = attrs.field(default=0, init=False)
    """Of the sound that is being sent; 0 before there is any."""

    @property
    def unfinished(self) -> bool:
        """Whether the client is in the middle of something: it speaks, or sends a text in pieces."""
        return self._utterance is not None or self._text is not None

    def close(self) -> None:
        """The client has left: nobody else finds a conversation that it has not named."""
        if self._service.handle is not None:
            self._service.handle.forget(self._own)

    async def answer(self, event: WyomingEvent) -> None:
        """Do what ``event`` asks for; returns when that is done."""
        match event.type:
            case "describe":
                character, languages = self._service.character, self._service.system.wyoming.languages
                await self._send(info_event(character.character_name, self._service.names, languages))
            case "ping":
                await self._send(WyomingEvent("pong", {"text": event.data.get("text")}))
            case "transcribe" | "audio-start":
                if event.type == "audio-start":
                    rate_of(event.data)
                self._begin_utterance()
            case "audio-chunk":
                await self._begin_utterance().feed(event)
            case "audio-stop":
                await self._begin_utterance().finish()
                self._utterance = None
            case "synthesize" | "synthesize-start" | "synthesize-chunk" | "synthesize-stop":
                await self._speak(event)
            case "transcript":
                await self._handle(event)
            case _:
                # As the protocol wants it: there will be events that we do not know.
                await trio.lowlevel.checkpoint()

    def _begin_utterance(self) -> StreamedUtterance:
        if self._utterance is None:
            system = self._service.system
            self._utterance = StreamedUtterance(
                system.max_utterance, system.transcription_timeout, self._quota.claim()
            )
            run = partial(self._utterance.run, self._service.asr, self._send)
            self._nursery.start_soon(run, name="wyoming/recognition")
        return self._utterance

    async def _speak(self, event: WyomingEvent) -> None:
        match event.type, self._text:
            case "synthesize", None:
                text = text_of(event)
                with trio.fail_after(self._service.system.speech_timeout):
                    await self._begin_text().feed(text)
                    await self._end_text()
            case "synthesize", _:
                pass  # the whole text again, for servers that do not know its pieces
            case "synthesize-start", None:
                self._begin_text()
            case "synthesize-chunk", TextToSpeak() as text_to_speak:
                with trio.fail_after(self._service.system.speech_timeout):
                    await text_to_speak.feed(text_of(event))
            case "synthesize-stop", TextToSpeak():
                with trio.fail_after(self._service.system.speech_timeout):
                    await self._end_text()
                await self._send(WyomingEvent("synthesize-stopped"))
            case _:
                raise ProtocolError("bad-event", f"{event.type}: it does not belong here")

    def _begin_text(self) -> TextToSpeak:
        put, sentences = trio.open_memory_channel[str](0)
        system = self._service.system
        self._text = TextToSpeak(self._service.character.speech_filters, system.max_speech_text, put)
        self._rate, self._said = 0, trio.Event()
        self._nursery.start_soon(self._speak_sentences, sentences, name="wyoming/speech")
        return self._text

    async def _end_text(self) -> None:
        assert self._text is not None
        await self._text.finish()
        await self._said.wait()
        self._text = None

    async def _speak_sentences(self, sentences: trio.MemoryReceiveChannel[str]) -> None:
        async with self._service.tts.engine() as tts:
            await speak_in_order(sentences, tts, self._send_sound, ahead=self._service.system.synthesis_ahead)
        if not self._rate:
            # There was nothing to say. Clients wait for a beginning all the same.
            await self._begin_sound(RATE)
        await self._send(WyomingEvent("audio-stop"))
        self._said.set()

    async def _send_sound(self, pcm: Pcm) -> None:
        if not self._rate:
            await self._begin_sound(pcm.rate)
        samples, size = pcm.resampled(self._rate).samples, 2 * int(SOUND_AT_ONCE * self._rate)
        for start in range(0, len(samples), size):
            await self._send(WyomingEvent("audio-chunk", self._format, samples[start : start + size]))

    async def _begin_sound(self, rate: int) -> None:
        self._rate = rate
        await self._send(WyomingEvent("audio-start", self._format))

    @property
    def _format(self) -> Mapping[str, int]:
        return {"rate": self._rate, "width": 2, "channels": 1}

    async def _handle(self, event: WyomingEvent) -> None:
        """Have the character answer. A problem of its own is no error: the client says it to its user."""
        given, told, problem = context_of(event), "", ""
        told_context = {"context": given} if given else {}
        try:
            async with self._ask(text_of(event), given) as question:
                async for sentence in question.sentences:
                    if not told:
                        await self._send(WyomingEvent("handled-start", told_context))
                    whole = joined((told, sentence))
                    await self._send(WyomingEvent("handled-chunk", {"text": whole[len(told) :]}))
                    told = whole
            problem = question.problem
        except QueueFull:
            problem = "too many conversations are being held; try again in a moment"
        answer = WyomingEvent("handled", {"text": told, **told_context})
        if problem and not told:
            answer = WyomingEvent("not-handled", {"text": problem, **told_context})
        await self._send(answer)
        if told:
            await self._send(WyomingEvent("handled-stop"))

    def _ask(self, text: str, context: Mapping[str, object]) -> AbstractAsyncContextManager[Question]:
        most = self._service.system.max_text
        if self._service.handle is None:
            raise ProtocolError("not-served", "no conversation agent is served here (wyoming.handle)")
        if len(text) > most:
            raise ProtocolError("text-too-long", f"a text may have {most} characters (max_text)")
        return self._service.handle.ask(self._key(context), text, share=self._share)

    def _key(self, context: Mapping[str, object]) -> str:
        """Which conversation is gone on with: those of other addresses are not to be found."""
        for kind in ("conversation_id", "satellite_id", "device_id"):
            name = context.get(kind)
            if isinstance(name, str) and 0 < len(name) <= LONGEST_NAME:
                return f"{self._share} {kind} {name}"
        return self._own


def text_of(event: WyomingEvent) -> str:
    """The text of an event. Raises `ProtocolError` if it has none."""
    text = event.data.get("text")
    if not isinstance(text, str):
        raise ProtocolError("bad-event", f"{event.type[:30]}: it has no text")
    return text


def context_of(event: WyomingEvent) -> Mapping[str, object]:
    """What the client wants back with the answer; empty where there is nothing of that kind."""
    context = event.data.get("context")
    return context if isinstance(context, dict) else {}
