"""What happens in a conversation, as values. This package knows no message of the protocol.

A turn's events come in this order: `TurnStarted`; then, as they happen, `Transcript`, `WakeWordUsed`,
`ToolCall`, `Problem`, and for each sentence a `Sentence` followed by its `AudioChunk`s, sentences in the
order of the text; `SpeechComplete`, if there was sound; `TurnEnded`, exactly once for each start, on every
path.

An input that came with a `RequestId` is answered by one of two: the events of one turn that have that id, of
which only `TurnEnded` comes if it was cut before it was told to have begun; or an `InputDropped`. So whoever
sent it knows what became of it, unless the session itself ends.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Literal, NewType, Protocol, TypeAlias

import attrs
import trio

from ..audio.pcm import Pcm
from ..engines.base import ToolRequest
from ..history.store import HistoryUid
from ..identity import RequestId
from .timeline import Timeline
from .wake_word import WakeWordUsed as WakeWordUsed

TurnId = NewType("TurnId", int)
"""Counts the turns of one session, from 1."""


class Outcome(Enum):
    """How a turn ended."""

    COMPLETED = "completed"
    INTERRUPTED = "interrupted"
    """The user barged in."""
    SUPERSEDED = "superseded"
    """Something else that the user wants took its place: a newer input, another conversation or character."""
    TIMED_OUT = "timed out"
    """Its reply took too long."""
    REFUSED = "refused"
    """The server had no time for it. An `InputDropped` says so, unless a barge-in comes before that."""
    DISCARDED = "discarded"
    """It was begun provisionally, and was not wanted. No event of it is told, so no `TurnEnded` says this;
    `Audience.turn_discarded` does."""


@attrs.frozen
class Speaker:
    """Whose turn it is: what clients show of the character. ``emotions`` maps keywords to expressions."""

    name: str
    avatar: str = ""
    emotions: Mapping[str, int | str] = attrs.field(factory=dict, hash=False)


@attrs.frozen
class TurnStarted:
    """A turn begins. ``request`` is that of the input that it answers."""

    turn: TurnId
    speaker: Speaker
    request: RequestId | None = None


@attrs.frozen
class TurnResumed:
    """A turn that was silenced, since somebody spoke, goes on: they said nothing that was meant for it.

    The sentence that was cut follows again, from its beginning.
    """

    turn: TurnId
    speaker: Speaker


@attrs.frozen
class Transcript:
    """Speech was understood as ``text``; it may still change unless it is ``final``."""

    turn: TurnId
    text: str
    final: bool = True


@attrs.frozen
class Sentence:
    """The ``index``-th sentence of a reply, from 0, before its sound.

    ``source`` is as the model wrote it, ``text`` as it is shown, ``spoken`` what the TTS engine gets: empty
    where nothing is spoken. ``emotions`` are keywords, in lower case. A ``thought`` is shown, never spoken.
    """

    turn: TurnId
    index: int
    source: str
    text: str
    spoken: str = ""
    emotions: tuple[str, ...] = ()
    thought: bool = False


@attrs.frozen
class AudioChunk:
    """A piece of the sound of sentence ``index``. Each sentence has a ``last`` one; it may be empty."""

    turn: TurnId
    index: int
    pcm: Pcm = attrs.field(repr=lambda pcm: f"<{pcm.seconds:.2f} s>")
    last: bool = True


ToolState: TypeAlias = Literal["running", "completed", "error"]


@attrs.frozen
class ToolCall:
    """The model asked for a tool, which runs or has run.

    ``content`` is for people: the arguments while it runs, then what it gave, or why it failed.
    """

    turn: TurnId
    call: ToolRequest
    state: ToolState
    content: str = attrs.field(repr=False)


@attrs.frozen
class Problem:
    """An error for the user. If it is about a turn, the turn may go on.

    ``code`` is a stable word for programs, ``text`` for people. ``retry_after`` is in how many seconds
    another try has a chance, where that is known.
    """

    code: str
    text: str
    retry_after: float | None = None


@attrs.frozen
class SpeechComplete:
    """All sound was handed out; its playback is awaited, which takes at most ``seconds`` from now on."""

    turn: TurnId
    seconds: float = 0.0


@attrs.frozen
class TurnEnded:
    """A turn is over. ``heard`` is what counts as said, and is kept."""

    turn: TurnId
    outcome: Outcome
    heard: str = attrs.field(repr=False)
    timeline: Timeline = attrs.field(repr=False)
    request: RequestId | None = None


@attrs.frozen
class InputDropped:
    """No turn answers the input of ``request``.

    It was ``refused``, and what was told before this says why; or something else that the user wants took
    its place.
    """

    request: RequestId
    refused: bool


@attrs.frozen
class ConversationReplaced:
    """The conversation was deleted elsewhere; what is said goes to a new one."""

    uid: HistoryUid


@attrs.frozen
class SpeechStarted:
    """The user begins to speak into the microphone; a turn that ran has ended."""


@attrs.frozen
class SpeechEnded:
    """The user has finished an utterance."""


@attrs.frozen
class PartialTranscript:
    """What is being said, as far as it is understood; for showing only. No turn answers it yet."""

    text: str = attrs.field(repr=False)


TurnEvent: TypeAlias = TurnStarted | TurnResumed | SpeechComplete | TurnEnded | InputDropped
"""What tells which turn runs, and what became of an input: for whoever asks for one turn after the other."""

Event: TypeAlias = (
    TurnStarted
    | TurnResumed
    | Transcript
    | WakeWordUsed
    | Sentence
    | AudioChunk
    | ToolCall
    | Problem
    | SpeechComplete
    | TurnEnded
    | InputDropped
    | ConversationReplaced
    | SpeechStarted
    | SpeechEnded
    | PartialTranscript
)


class Audience(Protocol):
    """Who a conversation is for. One task at a time calls it for the same turn."""

    async def handle(self, event: Event) -> bool:
        """Take ``event``; False if the client is gone.

        Returns when what it means to the client is on its way: nothing is buffered. A cancel may have
        handled a part of it; the next event of the turn completes it, or ends it.
        """
        ...

    @property
    def sentence_sent(self) -> float:
        """Seconds of sound of the sentence at hand that were sent so far, of what `handle` was given."""
        ...

    @property
    def gaps(self) -> float:
        """Seconds of silence that the client may put between what it was sent of the turn at hand."""
        ...

    def silence(self) -> None:
        """Send the client nothing more of the turns that have begun."""
        ...

    def expect_playback(self) -> trio.Event:
        """An event that is set when the client says that it has played everything.

        To be asked for before `SpeechComplete`, or the answer may slip by.
        """
        ...

    def turn_over(self, timeline: Timeline) -> None:
        """Told once for each turn, when what is kept of it is decided. Takes microseconds."""
        ...

    def turn_discarded(self, timeline: Timeline) -> None:
        """Told once for each provisional turn that was discarded, instead of all else. Takes microseconds."""
        ...
