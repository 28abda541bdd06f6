"""What the server may say: one frozen class per message. Field names are the wire's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal, TypeAlias

import attrs
import msgspec

from .engines import EngineMessage
from .hello import HelloAnswer
from .sound import Audio, AudioPiece, AudioStream
from .wake_words import WakeWords, WakeWordState


@attrs.frozen
class SetModelAndConf:
    """Show this character. ``model_info`` is its entry of the model dictionary, as it stands there."""

    type: ClassVar = "set-model-and-conf"
    model_info: Mapping[str, object]
    conf_name: str
    conf_uid: str
    client_uid: str


@attrs.frozen
class FullText:
    """A status line, such as ``Thinking...``."""

    type: ClassVar = "full-text"
    text: str


@attrs.frozen
class Control:
    """What the client is to do, or where in a turn we are."""

    type: ClassVar = "control"
    text: Literal[
        "start-mic",
        "stop-mic",
        "conversation-chain-start",
        "conversation-chain-end",
        "interrupt",
        "mic-audio-end",
    ]


@attrs.frozen
class UserInputTranscription:
    """What the user was understood to say; ``name`` is who said it, where that is another client's user."""

    type: ClassVar = "user-input-transcription"
    text: str
    name: str | None = None


@attrs.frozen
class PartialTranscription:
    """What is being said, as far as it is understood; each takes the place of the one before."""

    type: ClassVar = "partial-transcription"
    text: str


@attrs.frozen
class Latency:
    """How many ms each stage of a turn took, in order; they add up to the whole. None is called ``type``."""

    type: ClassVar = "latency"
    stages: Mapping[str, float]


@attrs.frozen
class QueuePosition:
    """A message waits in a room's queue, the ``position``-th (from 1) of ``length``."""

    type: ClassVar = "queue-position"
    position: int
    length: int


@attrs.frozen
class MicFormatAgreed:
    """Binary frames are understood, as the client's `mic-format` said."""

    type: ClassVar = "mic-format"
    format: Literal["pcm16"]
    carries: Literal["mic-audio-data", "raw-audio-data"]


@attrs.frozen
class BackendSynthComplete:
    """All audio of this turn has been sent; `frontend-playback-complete` is awaited."""

    type: ClassVar = "backend-synth-complete"


@attrs.frozen
class ForceNewMessage:
    """The next sentence starts a new chat bubble."""

    type: ClassVar = "force-new-message"


@attrs.frozen
class GroupInterrupted:
    """A group's conversation was interrupted by another member."""

    type: ClassVar = "interrupt-signal"
    text: str


@attrs.frozen
class ToolCallStatus:
    """A tool that the character uses; ``timestamp`` is ISO 8601."""

    type: ClassVar = "tool_call_status"
    tool_id: str
    tool_name: str
    name: str
    status: Literal["running", "completed", "error"]
    content: str
    timestamp: str


@attrs.frozen
class ConfigFile:
    """A character file and the name it gives itself."""

    filename: str
    name: str


@attrs.frozen
class ConfigFiles:
    """All characters, the base configuration first."""

    type: ClassVar = "config-files"
    configs: Sequence[ConfigFile]


@attrs.frozen
class ConfigSwitched:
    """The new character is here."""

    type: ClassVar = "config-switched"
    message: str


@attrs.frozen
class BackgroundFiles:
    """The background images, as file names under ``/bg``."""

    type: ClassVar = "background-files"
    files: Sequence[str]


# Hundreds for each page that opens, made on the loop: 38 µs for 200 and their entries, 177 with attrs.
class HistoryMessage(msgspec.Struct, frozen=True):
    """One message of a conversation; ``timestamp`` is ISO 8601."""

    role: Literal["human", "ai"]
    timestamp: str
    content: str
    name: str | None = None
    avatar: str | None = None


class HistoryEntry(msgspec.Struct, frozen=True):
    """A conversation in the list: its name, its last message and when that was.

    ``title``, what the user calls it or else said first, is left out where not all clients accept it.
    """

    uid: str
    latest_message: HistoryMessage | None
    timestamp: str
    title: str | msgspec.UnsetType = msgspec.UNSET


@attrs.frozen
class HistoryList:
    """Conversations, newest first: those after ``before``, if that was named. ``more``: older ones follow."""

    type: ClassVar = "history-list"
    histories: Sequence[HistoryEntry]
    before: str | None = None
    more: bool = False


@attrs.frozen
class HistoryData:
    """The messages of the conversation that is now continued, oldest first."""

    type: ClassVar = "history-data"
    messages: Sequence[HistoryMessage]


@attrs.frozen
class NewHistoryCreated:
    """A new conversation has begun."""

    type: ClassVar = "new-history-created"
    history_uid: str


@attrs.frozen
class HistoryDeleted:
    """Whether the conversation was deleted."""

    type: ClassVar = "history-deleted"
    success: bool
    history_uid: str


@attrs.frozen
class HistoryRenamed:
    """A conversation is called ``title`` now: told to all clients that have it in their list.

    It is empty where the user has said nothing, and gave no title.
    """

    type: ClassVar = "history-renamed"
    history_uid: str
    title: str


@attrs.frozen
class GroupUpdate:
    """Who is in my group; empty when I am in none."""

    type: ClassVar = "group-update"
    members: Sequence[str]
    is_owner: bool


@attrs.frozen
class GroupOperationResult:
    """What became of an invitation, a removal or a leaving."""

    type: ClassVar = "group-operation-result"
    success: bool
    message: str


@attrs.frozen
class HeartbeatAck:
    """Still here."""

    type: ClassVar = "heartbeat-ack"


@attrs.frozen
class Error:
    """What went wrong; ``code`` is a stable word for programs; ``retry_after``, in seconds, is for `busy`."""

    type: ClassVar = "error"
    message: str
    code: str
    retry_after: float | None = None


Outgoing: TypeAlias = (
    HelloAnswer
    | SetModelAndConf
    | FullText
    | Control
    | Audio
    | AudioPiece
    | AudioStream
    | UserInputTranscription
    | PartialTranscription
    | Latency
    | MicFormatAgreed
    | WakeWordState
    | WakeWords
    | QueuePosition
    | BackendSynthComplete
    | ForceNewMessage
    | GroupInterrupted
    | ToolCallStatus
    | ConfigFiles
    | ConfigSwitched
    | BackgroundFiles
    | HistoryList
    | HistoryData
    | NewHistoryCreated
    | HistoryDeleted
    | HistoryRenamed
    | GroupUpdate
    | GroupOperationResult
    | HeartbeatAck
    | EngineMessage
    | Error
)
