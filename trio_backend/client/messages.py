"""The messages of the protocol as a client has them: the server's decoded, its own encoded. No I/O.

The classes ask for less than the wire format promises: clients also talk to servers that leave out what they
have nothing to say about. Each is called ``Received…`` after the message of `protocol.outgoing` that it is.
"""

from __future__ import annotations

from typing import TypeAlias

import attrs
import msgspec

from ..errors import ProtocolError
from ..protocol.incoming import Incoming

_NO_SOUND = (b"", b"null", b'""')


class _TaggedMessage(msgspec.Struct, frozen=True, tag_field="type"):
    """A message of the server. What it has beyond these fields is ignored."""


class ModelInfo(msgspec.Struct, frozen=True):
    """The avatar: its keyword for each expression that it can show."""

    emotionMap: dict[str, int | str] | None = None  # noqa: N815 - the wire's own name

    def keyword(self, expression: int | str) -> str:
        """The keywords that may stand for ``expression``, in lower case, with slashes; empty if none does.

        Live2D models have one face for several: which of them was meant does not come over the wire.
        """
        meant = [keyword.lower() for keyword, value in (self.emotionMap or {}).items() if value == expression]
        return "/".join(meant) or (expression.lower() if isinstance(expression, str) else "")


class ReceivedModelAndConf(_TaggedMessage, frozen=True, tag="set-model-and-conf"):
    """The character that is active now."""

    conf_name: str = ""
    model_info: ModelInfo | None = None


class ReceivedFullText(_TaggedMessage, frozen=True, tag="full-text"):
    """A status line."""

    text: str = ""


class ReceivedControl(_TaggedMessage, frozen=True, tag="control"):
    """A point in the life of a turn or of the microphone."""

    text: str = ""

    @property
    def starts_turn(self) -> bool:
        """Whether a turn has begun."""
        return self.text == "conversation-chain-start"

    @property
    def ends_turn(self) -> bool:
        """Whether the turn has ended."""
        return self.text == "conversation-chain-end"


class ReceivedDisplayText(msgspec.Struct, frozen=True):
    """A sentence and who says it."""

    text: str = ""
    name: str | None = None


class AvatarActions(msgspec.Struct, frozen=True):
    """What the avatar does during a sentence."""

    expressions: list[int | str] | None = None


class ReceivedAudio(_TaggedMessage, frozen=True, tag="audio"):
    """A sentence; ``volumes`` has a value for each ``slice_length`` ms of its sound.

    ``audio`` is the JSON of the sound: base64 of a WAV file, or null. It is decoded only by `wav`, since
    a client that measures receives much sound and plays none.
    """

    audio: msgspec.Raw = msgspec.Raw()
    volumes: list[float] | None = None
    slice_length: float = 20
    display_text: ReceivedDisplayText | None = None
    actions: AvatarActions | None = None
    forwarded: bool = False

    @property
    def sounds(self) -> bool:
        """Whether the sentence has sound."""
        return memoryview(self.audio) not in _NO_SOUND

    @property
    def seconds(self) -> float:
        """The length of the sound."""
        return len(self.volumes or ()) * self.slice_length / 1000 if self.sounds else 0.0

    def wav(self) -> bytes | None:
        """The WAV file; None without one, or where it cannot be read: the text can still be shown."""
        if not self.sounds:
            return None
        try:
            return msgspec.json.decode(self.audio, type=bytes)
        except msgspec.DecodeError:
            return None


class ReceivedTranscription(_TaggedMessage, frozen=True, tag="user-input-transcription"):
    """What a user, or another client of the room, was understood to say."""

    text: str = ""
    name: str | None = None


class ReceivedQueuePosition(_TaggedMessage, frozen=True, tag="queue-position"):
    """The user's message waits in the room's queue."""

    position: int = 0
    length: int = 0


class ReceivedInterrupt(_TaggedMessage, frozen=True, tag="interrupt-signal"):
    """Another client has ended the turn; ``text`` was heard of it."""

    text: str = ""


class ReceivedSynthComplete(_TaggedMessage, frozen=True, tag="backend-synth-complete"):
    """All sound of the turn was sent; the server waits for the end of its playback."""


class ReceivedForceNewMessage(_TaggedMessage, frozen=True, tag="force-new-message"):
    """The next sentence begins a new message of the display."""


class ReceivedToolCall(_TaggedMessage, frozen=True, tag="tool_call_status"):
    """A tool that the character uses."""

    tool_name: str = ""
    status: str = ""


class ListedCharacter(msgspec.Struct, frozen=True):
    """A character's file and the name that it gives itself."""

    filename: str
    name: str


class ReceivedConfigFiles(_TaggedMessage, frozen=True, tag="config-files"):
    """All characters."""

    configs: list[ListedCharacter]


class ReceivedConfigSwitched(_TaggedMessage, frozen=True, tag="config-switched"):
    """The character that was switched to is active."""


class ListedMessage(msgspec.Struct, frozen=True):
    """One message of a stored conversation."""

    role: str
    content: str
    timestamp: str = ""
    name: str | None = None


class ListedConversation(msgspec.Struct, frozen=True):
    """A conversation in the list."""

    uid: str
    latest_message: ListedMessage | None = None
    timestamp: str | None = None


class ReceivedHistoryList(_TaggedMessage, frozen=True, tag="history-list"):
    """The conversations with this character, newest first; ``more`` says that older ones follow the last."""

    histories: list[ListedConversation]
    more: bool = False


class ReceivedHistoryData(_TaggedMessage, frozen=True, tag="history-data"):
    """The messages of the conversation that is continued now."""

    messages: list[ListedMessage]


class ReceivedNewHistory(_TaggedMessage, frozen=True, tag="new-history-created"):
    """A new conversation has begun."""

    history_uid: str


class ReceivedHeartbeatAck(_TaggedMessage, frozen=True, tag="heartbeat-ack"):
    """The answer to a heartbeat."""


class ReceivedError(_TaggedMessage, frozen=True, tag="error"):
    """An error, for a person; ``code`` is the word for programs, which not all servers give.

    ``retry_after`` is in how many seconds another try has a chance.
    """

    message: str = ""
    code: str = ""
    retry_after: float | None = None


ServerMessage: TypeAlias = (
    ReceivedModelAndConf
    | ReceivedFullText
    | ReceivedControl
    | ReceivedAudio
    | ReceivedTranscription
    | ReceivedQueuePosition
    | ReceivedInterrupt
    | ReceivedSynthComplete
    | ReceivedForceNewMessage
    | ReceivedToolCall
    | ReceivedConfigFiles
    | ReceivedConfigSwitched
    | ReceivedHistoryList
    | ReceivedHistoryData
    | ReceivedNewHistory
    | ReceivedHeartbeatAck
    | ReceivedError
)


class _TypeOnly(msgspec.Struct):
    type: str


_decoder: msgspec.json.Decoder[ServerMessage] = msgspec.json.Decoder(ServerMessage)
_type_decoder = msgspec.json.Decoder(_TypeOnly)
_TYPES = frozenset(str(cls.__struct_config__.tag) for cls in _TaggedMessage.__subclasses__())


def decode(frame: str | bytes) -> ServerMessage | None:
    """A message of the server; None for a type that is not listed here. Raises `ProtocolError`."""
    try:
        try:
            return _decoder.decode(frame)
        except msgspec.ValidationError:
            if _type_decoder.decode(frame).type not in _TYPES:
                return None
            raise
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise ProtocolError("bad-message", f"the server sent what cannot be read: {error}") from error


def encode(message: Incoming) -> bytes:
    """One message to the server, as JSON without the fields that are None."""
    fields = {name: value for name, value in attrs.asdict(message).items() if value is not None}
    return msgspec.json.encode({"type": message.type, **fields})
