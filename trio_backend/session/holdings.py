"""`Holdings`: what a session keeps of what its client sent, within the client's quota."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import attrs

from ..conversation.memory import Memory
from ..conversation.microphone import Microphone
from ..conversation.user_input import UserInput, size_of_text
from ..errors import ProtocolError, QuotaExceeded
from ..identity import RequestId
from ..protocol import Decoded, Incoming, MicAudioData, RawAudioData, TextInput, Utf8, decode_steps
from ..quota import Claim, MemoryQuota

# A list of floats: a pointer and an object each.
BYTES_PER_SAMPLE = 32


@attrs.frozen
class Samples:
    """A binary frame: sound, in the format that was agreed upon."""

    data: bytes = attrs.field(repr=lambda data: f"<{len(data)} bytes>")


@attrs.frozen
class Received:
    """A message, and what it holds of the client's quota until it has been handled.

    ``request`` is what the client calls it, where it follows its turns.
    """

    message: Incoming | Samples
    claim: Claim
    request: RequestId | None = None


@attrs.define(eq=False)
class Holdings:
    """The message that is being handled, and the input that waits for a character to be loaded.

    Where the quota is used up, ``memory`` forgets old pictures first.
    """

    _quota: MemoryQuota
    _memory: Memory
    _max_pictures: int
    waiting: UserInput | None = attrs.field(default=None, init=False)
    dropped: list[RequestId] = attrs.field(factory=list, init=False)
    """Requests that will not be answered, and whose senders are still to be told."""
    _in_hand: Claim = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._in_hand = self._quota.claim()

    def microphone(self, max_utterance: float) -> Microphone:
        """One that keeps its sound within the quota."""
        return Microphone(max_utterance, partial(self._memory.hold, self._quota.claim()))

    def understand(self, frame: str | bytes | Decoded) -> Iterator[Received | None]:
        """The messages in ``frame``, as of `decode_steps`; whoever has one releases its claim.

        Raises `ProtocolError` if one cannot be read, or there is no room for it.
        """
        for message in _messages(frame):
            if message is None:
                yield None
                continue
            claim = self._quota.claim()
            self.hold(claim, _size(message, frame))
            yield Received(message, claim, request_of(frame))

    def claim(self, size: int) -> Claim:
        """A claim of ``size`` bytes, which the caller releases. Raises `ProtocolError` as `hold` does."""
        claim = self._quota.claim()
        self.hold(claim, size)
        return claim

    def take(self, claim: Claim) -> None:
        """The message that has ``claim`` is handled now."""
        self._in_hand = claim

    def put_down(self) -> None:
        """The message was handled; what was kept of it has a claim of its own."""
        self._in_hand.release()

    def keep(self, given: UserInput) -> UserInput:
        """``given`` with a claim for what it takes. Raises `ProtocolError` where that is too much."""
        if len(given.images) > self._max_pictures:
            message = f"a message may have {self._max_pictures} pictures at most (max_pictures)"
            raise ProtocolError("too-much-data", message)
        if given.claim is not None:
            return given
        # The claim of the message passes to the input, or its bytes would count twice.
        self.hold(self._in_hand, given.size)
        kept, self._in_hand = attrs.evolve(given, claim=self._in_hand), self._quota.claim()
        return kept

    def wait(self, given: UserInput | None) -> None:
        """Keep ``given`` until somebody can answer; what waited before is dropped."""
        dropped, self.waiting = self.waiting, given
        if dropped is not None:
            dropped.release()
            self._note_dropped(dropped.request)

    def drop(self, received: Received) -> None:
        """``received`` will not be answered."""
        received.claim.release()
        self._note_dropped(received.request)

    def take_dropped(self) -> list[RequestId]:
        """Empty ``dropped``, and return what was in it; the caller tells the senders."""
        dropped, self.dropped = self.dropped, []
        return dropped

    def _note_dropped(self, request: RequestId | None) -> None:
        if request is not None:
            self.dropped.append(request)

    def close(self) -> None:
        """Let go of everything, memory too: the session itself lives until the next garbage collection."""
        self.wait(None)
        self.put_down()
        self._memory.recall(())

    def hold(self, claim: Claim, size: int) -> None:
        """Let ``claim`` hold ``size`` bytes. Raises `ProtocolError` where that is too much."""
        try:
            self._memory.hold(claim, size)
        except QuotaExceeded as error:
            raise ProtocolError("too-much-data", f"{error}: this message is dropped") from error


def request_of(frame: str | bytes | Decoded) -> RequestId | None:
    """What the client calls what is in ``frame``, if it does."""
    return frame.request if isinstance(frame, Decoded) else None


def _messages(frame: str | bytes | Decoded) -> Iterator[Incoming | Samples | None]:
    if isinstance(frame, Decoded):
        yield frame.message
    elif isinstance(frame, bytes) and not isinstance(frame, Utf8):
        yield Samples(frame)
    else:
        yield from decode_steps(frame)


def _size(message: Incoming | Samples, frame: str | bytes | Decoded) -> int:
    match message:
        case TextInput(text, images):
            return size_of_text(text) + sum(size_of_text(image.data) for image in images or ())
        case MicAudioData(audio) | RawAudioData(audio):
            return BYTES_PER_SAMPLE * len(audio)
        case _:
            return frame.size if isinstance(frame, Decoded) else len(frame)
