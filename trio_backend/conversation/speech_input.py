"""`SpeechInput`: what a session's microphones bring, where speech begins and ends in it, and its words."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable

import attrs
import trio

from ..audio.endpointing import WINDOW_BYTES, Edge
from ..audio.pcm import Pcm
from ..audio.utterance import RATE
from ..engines.base import Detector
from ..errors import EngineError, ProtocolError
from .early_turns import NoProvisionalTurns, ProvisionalTurns
from .end_of_turn import EndOfTurn, Judgement, SpeechTiming
from .events import Event, Problem, SpeechEnded
from .interruption import Interruptible, Interruption
from .microphone import Microphone, OpenUtterance, SpokenUtterance, Stream
from .partial_transcripts import PartialTeller
from .recognition import Recognition
from .speech_engines import SpeechEngines

# Windows that are kept while the engine is being loaded: a second. More would hold up the session's loop.
EARLY = 31
# How long the loop waits for an engine that is loaded already, in seconds: that takes it microseconds.
AT_ONCE = 0.01
# How often a turn is begun in one pause. Late words of a streaming engine make the first one wrong; a
# transcript that is not settled after that will be wrong again.
MOST_BEGUN = 2
MODEL_PAUSE = 0.2
"""Seconds of silence after which the turn model is asked where no turn is begun early, as its makers say."""
# Seconds of an utterance that is recognised as a whole in each pause: what that costs grows with the square.
LONGEST_EAGER = 20.0
# Seconds after which a stream of which nothing came is over: pages send several pieces a second.
STREAM_GONE = 2.0


@attrs.define(eq=False)
class SpeechInput:
    """Fed with 16 kHz mono samples of 16 bits by the session's loop. Raises `ProtocolError` for too much.

    Speech in a stream may stop the turns that are ``speaking``: see `Interruption`. What runs beside the loop
    runs in ``nursery``; recognition runs in that of its engines.

    Looking for speech takes less than a tenth of a millisecond for each 32 ms, less than to hand it to a
    thread: so it is done here, with a rest after each window.

    An engine that streams has the sound while it comes. One that does not has it in each pause, from the
    beginning of the utterance, if more was said since the last; what it understands in the last pause is what
    the turn is about, and nothing is recognised twice.
    """

    _emit: Callable[[Event], Awaitable[object]]
    speaking: Interruptible
    _microphone: Microphone
    _nursery: trio.Nursery
    timing: SpeechTiming = attrs.field(factory=SpeechTiming, kw_only=True)
    turns: ProvisionalTurns = attrs.field(factory=NoProvisionalTurns, kw_only=True)
    _engines: SpeechEngines | None = attrs.field(default=None, init=False)
    """Whose detector listens to the stream, will, or could not."""
    _detector: Detector | None = attrs.field(default=None, init=False)
    _end_of_turn: EndOfTurn | None = attrs.field(default=None, init=False)
    _early: bytes = attrs.field(default=b"", init=False)
    """The newest of the stream, while the detector is being loaded."""
    _listened: float = attrs.field(default=-math.inf, init=False)
    """When something of a stream came last."""
    _begun: int = attrs.field(default=0, init=False)
    """Turns that were begun in this pause."""
    _offered: tuple[str, Judgement | None] | None = attrs.field(default=None, init=False, repr=False)
    """What a turn was last to be begun with in this pause: an engine may say the same with each window."""
    _pause: int = attrs.field(default=0, init=False)
    """Changes where a pause ends: what the turn model says of an older one is of no use."""
    _probability: float | None = attrs.field(default=None, init=False)
    """What the turn model says of this pause."""
    _interruption: Interruption = attrs.field(
        default=attrs.Factory(
            lambda self: Interruption(
                self.speaking, self._emit, self._nursery, self.turns.discard, self.timing.min_interrupt
            ),
            takes_self=True,
        ),
        init=False,
    )
    _teller: PartialTeller = attrs.field(
        default=attrs.Factory(lambda self: PartialTeller(self._emit, self._nursery), takes_self=True),
        init=False,
    )

    def add(self, samples: bytes, engines: SpeechEngines | None) -> None:
        """More of an utterance that the client found. ``engines`` are the active character's."""
        with self._interruption.over_if_dropped():
            self._microphone.add(samples)
        if engines is None:
            return
        engines.prepare()
        utterance = self._microphone.utterance
        # Where we look for speech as well, the same words are recognised already.
        alone = trio.current_time() - self._listened > STREAM_GONE
        if engines.streams and utterance.recognition is None and alone:
            self._recognise(utterance, engines)

    async def listen(self, samples: bytes, engines: SpeechEngines | None) -> None:
        """Look for speech in the next piece of the stream. While no character is active, it is lost."""
        if engines is None:
            await trio.lowlevel.checkpoint()
            return
        self._listened = trio.current_time()
        if engines is not self._engines:
            await self._begin_stream(engines)
        engines.prepare()
        stream, detector = self._microphone.stream, self._detector
        if stream is None or detector is None:
            self._early = (self._early + samples)[-EARLY * WINDOW_BYTES :]
            await trio.lowlevel.checkpoint()
            return
        samples, self._early = self._early + samples, b""
        try:
            for window in stream.windows(samples):
                edge = stream.judge(window, detector.probability(window), trio.current_time())
                if edge is not None:
                    await self._follow(edge, stream, engines)
                await self._interruption.weigh(stream, engines, self._consider)
                await trio.lowlevel.checkpoint()
            self._microphone.count()
        except ProtocolError:
            self.turns.discard()
            self._interruption.give_up()
            raise

    def end(self) -> SpokenUtterance | None:
        """The utterance that is now complete; None if there was none, or if it is being answered already."""
        self._teller.drop()
        with self._interruption.over_if_dropped():
            spoken = self._microphone.end(trio.current_time())
        if spoken is None:
            self._interruption.dismiss()
        else:
            # Whether a turn follows or is refused, this one does not go on.
            self._interruption.give_up()
        if spoken is None or spoken.words is None:
            self.turns.discard()
        return spoken

    def close(self) -> None:
        """Keep nothing any more: the session is over."""
        self._early = b""
        self._interruption.forget()
        self._teller.drop()
        self._microphone.clear()

    # What happens in a stream.

    async def _follow(self, edge: Edge, stream: Stream, engines: SpeechEngines) -> None:
        match edge:
            case Edge.STARTED:
                await self._interruption.answer_finished()
                self._begun, self._offered = 0, None
                self._leave_pause()
                self.turns.discard()
                if engines.streams:
                    self._recognise(stream.utterance, engines)
                stream.endpointer.ends_after = self._silence(None)
                await self._interruption.begin()
            case Edge.PAUSED:
                self._ask_turn_model(stream, engines)
                if math.isinf(self.timing.pause):
                    return
                recognition = stream.utterance.recognition
                missing = recognition is None or recognition.failed
                if missing and 0 < stream.utterance.seconds <= LONGEST_EAGER:
                    self._recognise(stream.utterance, engines)
                self._consider(stream)
            case Edge.RESUMED:
                self._resume(stream)
            case Edge.ENDED:
                self._teller.drop()
                if self._interruption.undecided:
                    self._interruption.settle(stream, engines)
                else:
                    await self._emit(SpeechEnded())

    def _recognise(self, utterance: OpenUtterance, engines: SpeechEngines) -> None:
        recognition = engines.recognise(self._understood)
        if recognition is not None:
            utterance.recognise(recognition)

    def _understood(self, recognition: Recognition) -> None:
        """There is a new transcript, or there will be none any more."""
        stream = self._microphone.stream
        if stream is not None and recognition is stream.utterance.recognition:
            if recognition.judgement == "final" and stream.finish(trio.current_time()) is Edge.ENDED:
                if self._interruption.undecided and self._engines is not None:
                    self._interruption.settle(stream, self._engines)
                else:
                    self._teller.tell_end()
                return
            self._consider(stream)
            if self._engines is not None:
                self._interruption.weigh_soon(stream, self._engines, self._consider)
        elif recognition is not self._microphone.utterance.recognition:
            return
        if recognition.streams:
            self._teller.tell(recognition.text)

    def _consider(self, stream: Stream) -> None:
        """Begin a turn, if the user may have finished; the one that was begun with other words is wrong."""
        utterance, recognition = stream.utterance, stream.utterance.recognition
        if recognition is None or recognition.failed:
            return
        stream.endpointer.ends_after = self._silence(recognition)
        words, guess = recognition.text, utterance.guess
        if guess is not None and (recognition.judgement == "resumed" or not recognition.says(guess)):
            utterance.guess = None
            self.turns.discard()
        # Not while the next word may have begun: it is too short yet for the pause to be over.
        quiet = stream.endpointer.paused and stream.endpointer.silence >= self.timing.pause
        may_be_over = quiet or recognition.judgement in ("eager", "final")
        if not may_be_over or not recognition.known or utterance.guess is not None:
            return
        # Nobody answers what may be meant for nobody, and whatever stops the character discards it.
        offer = (words, recognition.judgement)
        if self._interruption.undecided or self._begun >= MOST_BEGUN or offer == self._offered:
            return
        self._offered = offer
        if self.turns.begin(words, recognition):
            self._begun += 1
            utterance.guess = words

    def _resume(self, stream: Stream) -> None:
        """More is being said than what a whole utterance's recognition, and the turn, were begun with."""
        utterance, recognition = stream.utterance, stream.utterance.recognition
        self._begun, self._offered, utterance.guess = 0, None, None
        self._leave_pause()
        self.turns.discard()
        if recognition is not None and not recognition.streams:
            utterance.recognise_no_more()
            self.turns.recognition_discarded()
        stream.endpointer.ends_after = self._silence(utterance.recognition)

    def _silence(self, recognition: Recognition | None) -> float | None:
        """The seconds of silence that end the utterance, by what is understood of it."""
        if self._end_of_turn is None:
            return None
        if recognition is None or not recognition.known:
            return self._end_of_turn.silence(None, None, self._probability)
        return self._end_of_turn.silence(recognition.text, recognition.judgement, self._probability)

    def _ask_turn_model(self, stream: Stream, engines: SpeechEngines) -> None:
        pause = self._pause

        def tell(probability: float) -> None:
            if pause == self._pause:
                self._probability = probability
                stream.endpointer.ends_after = self._silence(stream.utterance.recognition)

        engines.judge_end(Pcm(stream.utterance.so_far(), RATE), tell)

    def _leave_pause(self) -> None:
        self._pause, self._probability = self._pause + 1, None

    # Its detector.

    async def _begin_stream(self, engines: SpeechEngines) -> None:
        """Another character listens, by its own rules."""
        self.speaking.expect_speech()
        self._interruption.dismiss()
        if self._microphone.stream is not None:
            self._microphone.stream.forget()
            self.turns.discard()
        self._engines, self._detector, self._microphone.stream, self._early = engines, None, None, b""
        settled = trio.Event()
        self._nursery.start_soon(self._load, engines, settled, name="session/voice activity detection")
        with trio.move_on_after(AT_ONCE):
            await settled.wait()

    async def _load(self, engines: SpeechEngines, settled: trio.Event) -> None:
        """Get the detector of ``engines``. What it lacks is told once."""
        try:
            await self._get_detector(engines)
        finally:
            settled.set()

    async def _get_detector(self, engines: SpeechEngines) -> None:
        try:
            detector, rules = await engines.detector()
        except EngineError as error:
            await self._emit(Problem("engine-error", str(error)))
            return
        if engines is self._engines:
            self._detector = detector
            self._end_of_turn = self.timing.end_of_turn(rules)
            limit, pause = self._microphone.limit, self.timing.pause
            if engines.hear_ends and math.isinf(pause):
                pause = MODEL_PAUSE
            self._microphone.stream = Stream.of(rules, limit=limit, pause=pause)
