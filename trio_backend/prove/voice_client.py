"""`VoiceClient`: a page with a microphone, whose user speaks and listens; it notes when what was heard."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Protocol

import attrs
import msgspec
import trio

from ..audio.pcm import Pcm
from ..audio.utterance import RATE
from ..client.messages import (
    ReceivedAudio,
    ReceivedControl,
    ReceivedError,
    ReceivedHeartbeatAck,
    ReceivedSynthComplete,
    ReceivedTranscription,
    decode,
    encode,
)
from ..errors import ProtocolError
from ..protocol.hello import Hello
from ..protocol.incoming import (
    AudioPlayStart,
    DisplayedText,
    FrontendPlaybackComplete,
    Heartbeat,
    Incoming,
    InterruptSignal,
    MicAudioEnd,
    MicFormat,
    RawAudioData,
    TextInput,
)
from ..protocol.sound import decode_frame
from ..wire import Wire
from .voice_corpus import CorpusUtterance
from .voice_microphone import FRAME, RealTimeMicrophone, Spoken
from .voice_waveform import Playback, mark_of

# The silence that the official page has between any two `audio` messages; with binary frames there is none.
PAGE_GAP = 0.1


class VoiceWire(Wire, Protocol):
    """A wire to a server on which sound can be sent."""

    async def send_binary(self, message: bytes) -> None:
        """Send a binary frame."""
        ...


@attrs.frozen
class ClientForm:
    """How a page speaks the protocol: what its ``hello`` accepts (without one, if empty), how it sends sound.

    ``floats``: as numbers in JSON, otherwise as binary frames. ``frame`` are the samples of a message.
    """

    accepts: Sequence[str] = ()
    floats: bool = False
    frame: int = FRAME


PLAIN = ClientForm(floats=True)
"""A page that knows no additions to the protocol, as the official one."""
OURS = ClientForm(("bytes", "partial-transcription", "latency"))


@attrs.frozen
class HeardSound:
    """Sound that came at ``at``, was played from ``begins`` on, and carries the ``number`` of its request.

    ``first`` is when its first sample that can be heard was played; None of silence.
    """

    at: float
    begins: float
    first: float | None
    number: int | None
    seconds: float


@attrs.define(eq=False)
class VoiceClient:
    """Moments are those of Trio's clock, each list in the order in which they came.

    Its methods raise `WireClosed`.
    """

    _wire: VoiceWire
    form: ClientForm
    _nursery: trio.Nursery
    opened: float = attrs.field(factory=trio.current_time, init=False)
    microphone: RealTimeMicrophone = attrs.field(init=False)
    playback: Playback = attrs.field(init=False)
    sounds: list[HeardSound] = attrs.field(factory=list)
    decisions: list[float] = attrs.field(factory=list)
    """When the server said that the user had finished: by `mic-audio-end`, or by beginning a turn."""
    turns: list[float] = attrs.field(factory=list)
    interrupts: list[float] = attrs.field(factory=list)
    """When the server said that the user speaks, so that the page stopped playing."""
    ends: list[float] = attrs.field(factory=list)
    transcripts: list[tuple[float, str]] = attrs.field(factory=list)
    latencies: list[dict[str, float]] = attrs.field(factory=list)
    problems: list[str] = attrs.field(factory=list)
    heartbeats: list[float] = attrs.field(factory=list)
    """When they were acknowledged."""
    _shown: list[tuple[float, str]] = attrs.field(factory=list)
    """When each sentence was played, and what it says."""
    _reply: trio.Event = attrs.field(factory=trio.Event)
    """Set when nothing more of the present reply is to be told: it was ended, or another has begun."""
    _coming: str = ""
    """The sentence whose sound comes next, in binary frames."""
    _announced: bool = False
    _changed: trio.lowlevel.ParkingLot = attrs.field(factory=trio.lowlevel.ParkingLot)

    def __attrs_post_init__(self) -> None:
        self.microphone = RealTimeMicrophone(self._send_sound, self.form.frame)
        self.playback = Playback(0.0 if "bytes" in self.form.accepts else PAGE_GAP)

    async def send(self, message: Incoming) -> None:
        """Send one message."""
        await self._wire.send(encode(message))

    def say(self, utterance: CorpusUtterance) -> Spoken:
        """See `RealTimeMicrophone.say`."""
        return self.microphone.say(utterance)

    async def ask(self, text: str) -> None:
        """Type ``text``."""
        await self.send(TextInput(text))

    async def be_quiet(self) -> None:
        """End the reply, as a user who presses the button for that."""
        self.playback.stop(trio.current_time())
        self._reply.set()
        await self.send(InterruptSignal(self._heard_text()))

    async def beat(self) -> float:
        """Seconds until a heartbeat is acknowledged."""
        began, count = trio.current_time(), len(self.heartbeats)
        await self.send(Heartbeat())
        await self.wait(lambda: len(self.heartbeats) > count)
        return self.heartbeats[count] - began

    async def wait(self, condition: Callable[[], bool]) -> None:
        """Until ``condition`` holds, which is looked at after each message that comes."""
        while not condition():
            await self._changed.park()

    def heard_from(self, moment: float) -> HeardSound | None:
        """The first sound that came after ``moment`` and could be heard."""
        return next((sound for sound in self.sounds if sound.at >= moment and sound.first is not None), None)

    async def begin(self) -> None:
        """Agree on the form of messages. The greeting has been read already."""
        if self.form.accepts:
            await self.send(Hello(list(self.form.accepts)))
        if not self.form.floats:
            await self.send(MicFormat("pcm16", "raw-audio-data"))
        self._nursery.start_soon(self._receive)

    async def _send_sound(self, samples: bytes) -> None:
        if self.form.floats:
            await self.send(RawAudioData(Pcm(samples, RATE).floats().tolist()))
        else:
            await self._wire.send_binary(samples)

    async def _receive(self) -> None:
        """Take what the server sends, until cancelled. Raises `WireClosed`, and `ProtocolError`."""
        while True:
            frame = await self._wire.receive()
            now = trio.current_time()
            if isinstance(frame, bytes):
                sound = decode_frame(frame)
                text, self._coming = self._coming, ""
                self._play(Pcm(sound.samples, sound.rate), now, text)
            elif frame.startswith('{"type":"latency"'):
                self.latencies.append(msgspec.json.decode(frame, type=dict[str, Any]))
            else:
                await self._take(decode(frame), now)
            self._changed.unpark_all()

    async def _take(self, message: object, now: float) -> None:
        match message:
            case ReceivedControl(text="interrupt"):
                self.interrupts.append(now)
                await self.be_quiet()
            case ReceivedControl(text="mic-audio-end"):
                self.decisions.append(now)
                await self.send(MicAudioEnd())
            case ReceivedControl(text="conversation-chain-start"):
                self.turns.append(now)
                self.decisions.append(now)
                self._begin_reply()
            case ReceivedControl(text="conversation-chain-end"):
                self.ends.append(now)
            case ReceivedAudio(sounds=True):
                text = message.display_text.text if message.display_text is not None else ""
                wav = message.wav()
                if wav is None:
                    raise ProtocolError("bad-message", "the server sent sound that is no base64")
                self._play(Pcm.from_wav(wav), now, text)
            case ReceivedAudio(display_text=shown) if shown is not None:
                self._coming = shown.text
            case ReceivedSynthComplete():
                self._nursery.start_soon(self._finish, self._reply)
            case ReceivedTranscription(text=text):
                self.transcripts.append((now, text))
            case ReceivedHeartbeatAck():
                self.heartbeats.append(now)
            case ReceivedError(message=text):
                self.problems.append(text)

    def _begin_reply(self) -> None:
        self._reply.set()
        self._reply, self._announced = trio.Event(), False
        self._shown.clear()

    def _play(self, pcm: Pcm, now: float, text: str) -> None:
        if not pcm.samples:
            return
        count = len(self.playback.sounds)
        begins = self.playback.play(pcm, now)
        audible = self.playback.sounds
        first = audible[-1][0] if len(audible) > count else None
        self.sounds.append(HeardSound(now, begins, first, mark_of(pcm), pcm.seconds))
        if text:
            self._shown.append((begins, text))
        if not self._announced:
            self._announced = True
            self._nursery.start_soon(self._announce, self._reply, begins, text)

    async def _announce(self, reply: trio.Event, begins: float, text: str) -> None:
        """Say that the first sound of the reply is being played."""
        await self._within(reply, begins, AudioPlayStart(DisplayedText(text)))

    async def _finish(self, reply: trio.Event) -> None:
        """Say that all was played, once that is so."""
        await self._within(reply, self.playback.ends, FrontendPlaybackComplete())

    async def _within(self, reply: trio.Event, due: float, message: Incoming) -> None:
        with trio.move_on_at(due):
            await reply.wait()
        if not reply.is_set():
            await self.send(message)

    def _heard_text(self) -> str:
        now = trio.current_time()
        return " ".join(text for begins, text in self._shown if begins <= now)


@asynccontextmanager
async def open_voice_client(
    wire: VoiceWire, form: ClientForm, *, muted: bool = False
) -> AsyncIterator[VoiceClient]:
    """A client on ``wire``, whose greeting was read; its microphone sends from now on, unless ``muted``.

    What the server's end, or a message that cannot be read, raises, comes out in an `ExceptionGroup`.
    """
    async with trio.open_nursery() as nursery:
        client = VoiceClient(wire, form, nursery)
        await client.begin()
        if not muted:
            nursery.start_soon(client.microphone.run)
        yield client
        nursery.cancel_scope.cancel("the client leaves")
