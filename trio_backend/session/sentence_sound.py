"""A sentence's sound in the form that each client accepts: whole, in pieces, or as binary frames.

One `Listeners` is for all clients of a session that get sound in the same form: a client on a wire is one of
its own, those of a room are up to four kinds. Each piece is cut and encoded once for all of them.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from enum import Enum, auto

import attrs
import trio

from ..audio.encoding import encode_piece
from ..audio.pcm import Pcm
from ..audio.pieces import LONGEST, Arrival, Cutter, PauseCutter, PieceCutter
from ..conversation.events import AudioChunk, Sentence, Speaker
from ..engines.whole import NO_SOUND, joined
from ..protocol import Accepts, Audio, AudioPiece, AudioStream, DisplayText, SoundFrame, SoundMessage
from ..text.speaking_time import seconds_to_say

ENCODE_INLINE = 64 * 1024
"""Bytes of samples. Sound up to this size is encoded in the event loop: a thread would cost more than the
work."""
GAP = 0.4
"""Seconds of silence that clients put between two `audio` messages: 0.1 s the page of Open-LLM-VTuber, 0.4 s
where it draws in software."""
# Seconds of one binary frame: whoever sends a heartbeat meanwhile waits for at most 200 kB.
_LONGEST_FRAME = LONGEST


class Form(Enum):
    """How sound is sent to a client."""

    WHOLE = auto()
    """One `Audio` for each sentence."""
    PAUSES = auto()
    """As `WHOLE`, or as two where the voice pauses."""
    UNNUMBERED = auto()
    """As `PIECES`, but `Audio`, to a client that never said that it knows pieces."""
    PIECES = auto()
    """As `AudioPiece`s."""
    BYTES = auto()
    """As an `AudioStream` and `SoundFrame`s."""

    @classmethod
    def of(cls, accepts: Accepts, audio_pieces: str) -> Form:
        """For a client that ``accepts`` these additions; ``audio_pieces`` is for those without a hello."""
        if accepts is None:
            return {"always": cls.UNNUMBERED, "never": cls.WHOLE}.get(audio_pieces, cls.PAUSES)
        if "bytes" in accepts:
            return cls.BYTES
        return cls.PIECES if "pieces" in accepts else cls.WHOLE


@attrs.frozen
class ShownSentence:
    """What is shown of a sentence; ``number`` counts those of the session, from 1."""

    number: int
    text: DisplayText
    actions: Mapping[str, Sequence[int | str]]
    spoken: str
    """What synthesis was given, to tell from how long it will last."""

    @classmethod
    def of(cls, sentence: Sentence, speaker: Speaker, number: int) -> ShownSentence:
        """``sentence`` as ``speaker`` says it."""
        expressions = [speaker.emotions[emotion] for emotion in sentence.emotions]
        text = DisplayText(sentence.text, speaker.name, speaker.avatar)
        actions = {"expressions": expressions} if expressions else {}
        return cls(number, text, actions, sentence.spoken)


@attrs.frozen
class SoundPiece:
    """A piece of a sentence; the only one is ``first`` and ``last``."""

    pcm: Pcm
    first: bool
    last: bool

    @property
    def whole(self) -> bool:
        """Whether it is all of the sentence, in one `Audio` or as good as that."""
        return self.first and self.last


@attrs.define(eq=False)
class Listeners:
    """Clients that get sound in one ``form``: they accept one of ``to``. What they get of one turn."""

    form: Form
    to: frozenset[Accepts]
    sent: float = attrs.field(default=0.0, init=False)
    """Seconds of the sentence at hand that they were sent."""
    gaps: float = attrs.field(default=0.0, init=False)
    """Seconds of silence that they may have put into sentences of this turn."""
    _played_at: float = attrs.field(default=-math.inf, init=False)
    """When they have played what they were sent so far."""
    _cutter: Cutter | None = attrs.field(default=None, init=False)
    _sound: list[Pcm] = attrs.field(factory=list, init=False, repr=False)
    """What has come of a sentence that is sent whole."""
    _pieces: int = attrs.field(default=0, init=False)
    _frame_count: int = attrs.field(default=0, init=False)
    _loudest: float = attrs.field(default=0.0, init=False)

    def begin(self) -> None:
        """The next sentence."""
        self._cutter, self._sound, self._pieces, self.sent = None, [], 0, 0.0

    def cut(self, sentence: ShownSentence, chunk: AudioChunk) -> list[SoundPiece]:
        """The pieces that are to be sent now that ``chunk`` has come."""
        now, pcm = trio.current_time(), chunk.pcm
        if chunk.last and self._cutter is None and not self._sound:
            # All of it at once, as from most engines: there is nothing to wait for.
            self._played_at = max(self._played_at, now) + pcm.seconds
            return [SoundPiece(pcm, first=True, last=True)]
        if self.form is Form.WHOLE:
            return self._collect(pcm, now, last=chunk.last)
        if self._cutter is None:
            kind = PauseCutter if self.form is Form.PAUSES else PieceCutter
            self._cutter = kind(self._played_at, Arrival(seconds_to_say(sentence.spoken)))
        sounds = self._cutter.feed(pcm, now) if pcm.samples else []
        pieces = [SoundPiece(sound, first=False, last=False) for sound in sounds]
        if chunk.last:
            pieces.append(SoundPiece(self._cutter.finish(now), first=False, last=True))
        if pieces and not self._pieces:
            pieces[0] = attrs.evolve(pieces[0], first=True)
        self._pieces += len(pieces)
        self._played_at = self._cutter.played_at
        if chunk.last:
            self._cutter = None
        return pieces

    def break_off(self, sentence: ShownSentence) -> list[SoundMessage]:
        """What tells that no more comes of ``sentence``, if a part of it was sent that was not the last."""
        unfinished, self._cutter = self._cutter is not None and self._pieces > 0, None
        if not unfinished or self.form not in (Form.PIECES, Form.BYTES):
            return []
        if self.form is Form.BYTES:
            return self._frames(sentence, SoundPiece(NO_SOUND, first=False, last=True))
        return [AudioPiece(sentence.number, last=True, audio=None, volumes=())]

    def _collect(self, pcm: Pcm, now: float, *, last: bool) -> list[SoundPiece]:
        if pcm.samples:
            self._sound.append(pcm)
        if not last:
            return []
        whole = joined(self._sound) if self._sound else pcm
        self._played_at = max(self._played_at, now) + whole.seconds
        return [SoundPiece(whole, first=True, last=True)]

    async def messages(self, sentence: ShownSentence, piece: SoundPiece) -> list[SoundMessage]:
        """``piece`` as messages. Long sound is encoded in a thread: the loop has no 10 ms to spare."""
        if self.form is Form.BYTES and (piece.pcm.samples or not piece.first):
            return self._frames(sentence, piece)
        if not piece.first and not piece.pcm.samples and self.form is not Form.PIECES:
            return []
        wav, volumes = await self._encode(piece)
        text, actions = (sentence.text, sentence.actions) if piece.first else (None, {})
        if not piece.first:
            self.gaps += GAP
        if self.form in (Form.PIECES, Form.BYTES):
            return [AudioPiece(sentence.number, piece.last, wav, volumes, text, actions)]
        return [Audio(wav, volumes, text, actions)]

    def _frames(self, sentence: ShownSentence, piece: SoundPiece) -> list[SoundMessage]:
        messages: list[SoundMessage] = []
        if piece.first:
            messages.append(AudioStream(sentence.number, sentence.text, sentence.actions))
            self._frame_count = 0
        size = 2 * round(_LONGEST_FRAME * piece.pcm.rate)
        parts = range(0, max(1, len(piece.pcm.samples)), size)
        for at in parts:
            samples = piece.pcm.samples[at : at + size]
            last = piece.last and at == parts[-1]
            messages.append(SoundFrame(sentence.number, self._frame_count, piece.pcm.rate, last, samples))
            self._frame_count += 1
        return messages

    async def _encode(self, piece: SoundPiece) -> tuple[bytes | None, tuple[float, ...]]:
        """WAV in base64 and volumes.

        Those of a piece are relative to the loudest slice so far of this sentence and the last one that came
        in pieces: a quiet beginning would open the mouth as wide as what is loud.
        """
        pcm = piece.pcm
        if not pcm.samples:
            return None, ()
        before = 0.0 if piece.first and piece.last else self._loudest
        if len(pcm.samples) <= ENCODE_INLINE:
            wav, volumes, loudest = encode_piece(pcm, before)
        else:
            wav, volumes, loudest = await trio.to_thread.run_sync(
                encode_piece, pcm, before, abandon_on_cancel=True
            )
        self._loudest = loudest
        return wav, volumes


def listeners_of(
    each: Collection[Accepts], audio_pieces: str, earlier: Collection[Listeners]
) -> list[Listeners]:
    """The clients that accept ``each``, by their form, with what those ``earlier`` in the turn know.

    Those without a `hello` are the last: see `InterruptedPage`.
    """
    forms: dict[Form, set[Accepts]] = {}
    for accepts in each:
        forms.setdefault(Form.of(accepts, audio_pieces), set()).add(accepts)
    known = {listeners.form: listeners for listeners in earlier}
    found = []
    for form, accepting in forms.items():
        listeners = known.get(form)
        if listeners is None:
            listeners = Listeners(form, frozenset())
        listeners.to = frozenset(accepting)
        found.append(listeners)
    return sorted(found, key=lambda listeners: None in listeners.to)
