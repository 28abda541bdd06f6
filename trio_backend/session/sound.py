"""`SoundMessages`: the messages of a client's microphones; and the turns that they begin early."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from typing import assert_never

import attrs
import trio

from .. import protocol
from ..audio.pcm import Pcm
from ..audio.utterance import RATE
from ..config.system import SystemConfig
from ..conversation.conversation import Conversation
from ..conversation.end_of_turn import SpeechTiming
from ..conversation.microphone import SpokenUtterance
from ..conversation.observer import Observer
from ..conversation.recognition import Recognition
from ..conversation.scene import SceneFailed, SceneReady
from ..conversation.speech_engines import SpeechEngines
from ..conversation.speech_input import SpeechInput
from ..conversation.timeline import SpokenMoments
from ..conversation.user_input import UserInput
from ..errors import EngineError, ProtocolError
from ..protocol import Error, Outgoing
from .holdings import Samples
from .idleness import Idle
from .requests import RequestLane
from .scenes import Scenes


@attrs.define(eq=False)
class EarlyTurns:
    """`ProvisionalTurns` of a session: they are begun in its lane, in order with all else that users say."""

    _requests: RequestLane
    _scenes: Scenes
    _conversation: Conversation
    _observer: Observer
    _wanted: UserInput | None = attrs.field(default=None, init=False)
    """What is to be begun when the lane comes to it."""
    _queued: bool = attrs.field(default=False, init=False)

    def begin(self, words: str, recognition: Recognition) -> bool:
        """See `ProvisionalTurns.begin`."""
        if not self._scenes.may_begin_early(words, recognition.judgement):
            return False
        self._wanted = UserInput(words, recognition=recognition)
        if not self._queued:  # one entry at most: the lane may wait for a disk while somebody speaks
            self._queued = True
            self._requests.follow(self._begin)
        return True

    def discard(self) -> None:
        """See `ProvisionalTurns.discard`."""
        self._wanted = None
        self._conversation.discard()

    def recognition_discarded(self) -> None:
        """See `ProvisionalTurns.recognition_discarded`."""
        self._observer.recognition_discarded()

    async def _begin(self) -> None:
        await trio.lowlevel.checkpoint()
        self._queued = False
        wanted, self._wanted = self._wanted, None
        if wanted is not None:
            self._scenes.begin_early(wanted)


@attrs.define(eq=False)
class SoundMessages:
    """For the session's loop: hands the sound of messages and binary frames to ``speech``."""

    _tell: Callable[[Outgoing], Awaitable[object]]
    _scenes: Scenes
    speech: SpeechInput
    _carries: str = attrs.field(default="", init=False)
    """The message that binary frames stand for, once that was agreed upon."""
    _microphone_on: bool = attrs.field(default=False, init=False)
    """Whether the client has said that; it does not say when it is off again."""
    _prepared: SpeechEngines | None = attrs.field(default=None, init=False)
    """Those whose recognition was loaded for that, or is loading."""

    async def handle(
        self, message: protocol.MicAudioData | protocol.RawAudioData | Samples | protocol.MicFormat
    ) -> None:
        """Raises `ProtocolError` for what cannot be taken."""
        match message:
            case protocol.MicAudioData(audio):
                self.speech.add(_samples(audio), self._scenes.speech_engines)
            case protocol.RawAudioData(audio):
                await self.speech.listen(_samples(audio), self._scenes.speech_engines)
            case protocol.MicFormat(format_, carries):
                self._carries = carries
                self._microphone_on = True
                self.follow_character()
                if carries == "raw-audio-data":
                    self.speech.speaking.expect_speech()
                await self._tell(protocol.MicFormatAgreed(format_, carries))
            case Samples(data):
                await self._handle_bytes(data)
            case _:
                assert_never(message)

    async def follow(self, event: Idle | SceneReady | SceneFailed) -> None:
        """A character has come or gone: what understands the user is that of the active one."""
        await self._scenes.follow(event)
        self.follow_character()

    def follow_character(self) -> None:
        """Where a microphone is on, load what the active character understands with, before the first word.

        That it cannot be loaded is told once, until the microphone is switched on again. A client that says
        nothing of its microphone has it loaded by `SpeechInput`, with the first sound.
        """
        engines = self._scenes.speech_engines
        # Clients may say it as often as they like: a second task would do nothing more.
        if self._microphone_on and engines is not None and engines is not self._prepared:
            self._prepared = engines
            engines.load(self._tell_failure)

    async def _tell_failure(self, error: EngineError) -> None:
        self._prepared = None
        await self._tell(Error(str(error), "engine-error"))

    async def _handle_bytes(self, data: bytes) -> None:
        if not self._carries:
            raise ProtocolError("bad-message", "binary frames are accepted only after a mic-format")
        if len(data) % 2:
            raise ProtocolError("bad-message", "a binary frame must hold whole samples of 16 bits")
        if self._carries == "mic-audio-data":
            self.speech.add(data, self._scenes.speech_engines)
        else:
            await self.speech.listen(data, self._scenes.speech_engines)


def timing_of(system: SystemConfig) -> SpeechTiming:
    """What ``system`` says of silence; with speculation off, none is looked at before it ends the turn."""
    pause = math.inf if system.speculation == "off" else system.eager_silence
    return SpeechTiming(pause, system.min_silence, system.max_silence, system.min_interrupt)


def input_of(spoken: SpokenUtterance, images: tuple[str, ...]) -> UserInput:
    """What was said, as an input: by its words where they are known, otherwise by its sound."""
    words, recognition = spoken.words, spoken.recognition
    sound = spoken.sound if words is None else None
    moments = None if spoken.ended is None else SpokenMoments(spoken.ended, spoken.decided)
    return UserInput(words or "", images, sound=sound, recognition=recognition, spoken=moments)


def data_of(images: list[protocol.Image] | None) -> tuple[str, ...]:
    """The pictures that come with an input, as data URLs."""
    return tuple(image.data for image in images or ())


def _samples(audio: list[float]) -> bytes:
    """Takes 30 µs for a thousand samples."""
    return Pcm.from_floats(audio, RATE).samples
