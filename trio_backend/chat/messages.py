"""What the server says, as far as a terminal can show it, and what we say, as JSON. No I/O.

The classes ask for less than the wire format promises: the client also talks to servers that leave
out what they have nothing to say about.
"""

from __future__ import annotations

from typing import ClassVar, TypeAlias, get_args

import attrs
import msgspec

from ..errors import ProtocolError
from ..protocol.incoming import Incoming


@attrs.frozen
class ModelInfo:
    """The face: its keyword for each expression that it can show."""

    emotionMap: dict[str, int | str] | None = None  # noqa: N815 - the wire's own name

    def keyword(self, expression: int | str) -> str:
        """The keyword that stands for ``expression``, in lower case; empty if none does."""
        for keyword, value in (self.emotionMap or {}).items():
            if value == expression:
                return keyword.lower()
        return expression.lower() if isinstance(expression, str) else ""


@attrs.frozen
class SetModelAndConf:
    """The character who is here."""

    type: ClassVar = "set-model-and-conf"
    conf_name: str = ""
    model_info: ModelInfo | None = None


@attrs.frozen
class FullText:
    """A status line."""

    type: ClassVar = "full-text"
    text: str = ""


@attrs.frozen
class Control:
    """Where in a turn we are."""

    type: ClassVar = "control"
    text: str = ""


@attrs.frozen
class DisplayText:
    """A sentence and who says it."""

    text: str = ""
    name: str | None = None


@attrs.frozen
class Actions:
    """What the face does with a sentence."""

    expressions: list[int | str] | None = None


@attrs.frozen
class Audio:
    """A sentence; ``audio`` is a WAV file in base64, with one of ``volumes`` per ``slice_length`` ms."""

    type: ClassVar = "audio"
    audio: str | None = attrs.field(default=None, repr=False)
    volumes: list[float] | None = attrs.field(default=None, repr=False)
    slice_length: float = 20
    display_text: DisplayText | None = None
    actions: Actions | None = None
    forwarded: bool = False

    @property
    def seconds(self) -> float:
        """How long it sounds."""
        return len(self.volumes or ()) * self.slice_length / 1000 if self.audio else 0.0


@attrs.frozen
class UserInputTranscription:
    """What somebody was understood to say."""

    type: ClassVar = "user-input-transcription"
    text: str = ""
    name: str | None = None


@attrs.frozen
class QueuePosition:
    """What the user said waits in the room."""

    type: ClassVar = "queue-position"
    position: int = 0
    length: int = 0


@attrs.frozen
class OthersInterrupted:
    """Somebody else has ended the turn; ``text`` was heard of it."""

    type: ClassVar = "interrupt-signal"
    text: str = ""


@attrs.frozen
class BackendSynthComplete:
    """All sound of the turn is here."""

    type: ClassVar = "backend-synth-complete"


@attrs.frozen
class ForceNewMessage:
    """The next sentence starts a new bubble."""

    type: ClassVar = "force-new-message"


@attrs.frozen
class ToolCallStatus:
    """A tool that the character uses."""

    type: ClassVar = "tool_call_status"
    tool_name: str = ""
    status: str = ""


@attrs.frozen
class ConfigFile:
    """A character file and the name it gives itself."""

    filename: str
    name: str


@attrs.frozen
class ConfigFiles:
    """All characters."""

    type: ClassVar = "config-files"
    configs: list[ConfigFile]


@attrs.frozen
class ConfigSwitched:
    """The new character is here."""

    type: ClassVar = "config-switched"


@attrs.frozen
class HistoryMessage:
    """One message of a conversation."""

    role: str
    content: str
    timestamp: str = ""
    name: str | None = None


@attrs.frozen
class HistoryEntry:
    """A conversation in the list."""

    uid: str
    latest_message: HistoryMessage | None = None
    timestamp: str | None = None


@attrs.frozen
class HistoryList:
    """This character's conversations, newest first."""

    type: ClassVar = "history-list"
    histories: list[HistoryEntry]


@attrs.frozen
class HistoryData:
    """The messages of the conversation that is now continued."""

    type: ClassVar = "history-data"
    messages: list[HistoryMessage]


@attrs.frozen
class NewHistoryCreated:
    """A new conversation has begun."""

    type: ClassVar = "new-history-created"
    history_uid: str


@attrs.frozen
class Error:
    """What went wrong; ``code`` is a word for programs, which not all servers give."""

    type: ClassVar = "error"
    message: str = ""
    code: str = ""


ServerMessage: TypeAlias = (
    SetModelAndConf
    | FullText
    | Control
    | Audio
    | UserInputTranscription
    | QueuePosition
    | OthersInterrupted
    | BackendSynthComplete
    | ForceNewMessage
    | ToolCallStatus
    | ConfigFiles
    | ConfigSwitched
    | HistoryList
    | HistoryData
    | NewHistoryCreated
    | Error
)


class _Head(msgspec.Struct):
    type: str


_head = msgspec.json.Decoder(_Head)
_decoders: dict[str, msgspec.json.Decoder[ServerMessage]] = {
    cls.type: msgspec.json.Decoder(cls) for cls in get_args(ServerMessage)
}


def decode(frame: str | bytes) -> ServerMessage | None:
    """A message of the server; None for one that means nothing to a terminal. Raises `ProtocolError`."""
    try:
        decoder = _decoders.get(_head.decode(frame).type)
        return None if decoder is None else decoder.decode(frame)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise ProtocolError("bad-message", f"the server sent what cannot be read: {error}") from error


def encode(message: Incoming) -> str:
    """One message to the server, as JSON."""
    fields = {name: value for name, value in attrs.asdict(message).items() if value is not None}
    return msgspec.json.encode({"type": message.type, **fields}).decode()
