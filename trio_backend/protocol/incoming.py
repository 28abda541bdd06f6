"""What clients may say: one frozen class per message. Field names are the wire's own."""

from __future__ import annotations

import unicodedata
from typing import ClassVar, Literal, TypeAlias

import attrs
from attrs import validators

from .engines import EngineRequest
from .hello import Hello

MOST_TITLE = 120
"""Characters of a conversation's title: two lines of a list."""
# What sets the direction of all text behind it: it could turn around what stands beside a title. Marks for a
# single place (U+200E, U+200F, U+061C) cannot.
_TURNING = dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A)])


def _is_title(_message: object, _field: object, value: str) -> None:
    if len(value) > MOST_TITLE:
        raise ValueError(f"a title has at most {MOST_TITLE} characters")
    if any(unicodedata.category(character) == "Cc" for character in value):
        raise ValueError("a title must not have control characters")


def _is_data_url(_image: object, _field: object, value: str) -> None:
    if not value.startswith("data:image/") or ";base64," not in value[:100]:
        raise ValueError("an image's data must be a data URL: 'data:image/…;base64,…'")


@attrs.frozen
class Image:
    """A picture the user shows: ``data`` is a data URL of base64."""

    data: str = attrs.field(validator=_is_data_url)
    source: Literal["camera", "screen", "clipboard", "upload"] = "upload"
    mime_type: str = ""


@attrs.frozen
class TextInput:
    """The user typed something: start a turn.

    ``name`` is who says it, where one client speaks for many (a live chat's viewers). ``notify`` asks for the
    message's place, should it have to wait in a room's queue.
    """

    type: ClassVar = "text-input"
    text: str
    images: list[Image] | None = None
    name: str | None = attrs.field(default=None, validator=validators.optional(validators.max_len(100)))
    notify: bool = False


@attrs.frozen
class MicAudioData:
    """A chunk of an utterance: 16 kHz mono samples in [-1, 1]."""

    type: ClassVar = "mic-audio-data"
    audio: list[float]


@attrs.frozen
class MicAudioEnd:
    """The utterance is complete: transcribe it and start a turn."""

    type: ClassVar = "mic-audio-end"
    images: list[Image] | None = None


@attrs.frozen
class RawAudioData:
    """Continuous microphone audio; the server finds the utterances in it."""

    type: ClassVar = "raw-audio-data"
    audio: list[float]


@attrs.frozen
class MicFormat:
    """From here on, binary frames are sound of this ``format``: 16 kHz mono, 16-bit little-endian.

    They mean what the message ``carries`` means.
    """

    type: ClassVar = "mic-format"
    format: Literal["pcm16"]
    carries: Literal["mic-audio-data", "raw-audio-data"] = "mic-audio-data"


@attrs.frozen
class AiSpeakSignal:
    """The nudge: speak of your own accord. ``idle_time`` is in seconds."""

    type: ClassVar = "ai-speak-signal"
    idle_time: float | None = None
    images: list[Image] | None = None


@attrs.frozen
class InterruptSignal:
    """Barge-in; ``text`` is the part of the reply that the user has heard."""

    type: ClassVar = "interrupt-signal"
    text: str = ""


@attrs.frozen
class FrontendPlaybackComplete:
    """The client has played all audio of this turn."""

    type: ClassVar = "frontend-playback-complete"
    request_id: str | None = None


@attrs.frozen
class DisplayedText:
    """A sentence as the client shows it, with its speaker."""

    text: str = ""
    name: str | None = None
    avatar: str | None = None


@attrs.frozen
class AudioPlayStart:
    """The client begins to play this sentence; in a group, the others are to see it."""

    type: ClassVar = "audio-play-start"
    display_text: DisplayedText | None = None
    forwarded: bool = False


@attrs.frozen
class FetchConfigs:
    """List the characters."""

    type: ClassVar = "fetch-configs"


@attrs.frozen
class SwitchConfig:
    """Become the character of that file."""

    type: ClassVar = "switch-config"
    file: str = attrs.field(validator=validators.max_len(255))


@attrs.frozen
class RequestInitConfig:
    """Send `set-model-and-conf` again."""

    type: ClassVar = "request-init-config"


@attrs.frozen
class FetchBackgrounds:
    """List the background images."""

    type: ClassVar = "fetch-backgrounds"


@attrs.frozen
class FetchHistoryList:
    """List this character's newest conversations, or those that follow the conversation ``before``.

    ``limit`` is how many at most; without it, and at most, as many as the server is configured for.
    """

    type: ClassVar = "fetch-history-list"
    before: str | None = None
    limit: int | None = attrs.field(
        default=None, validator=validators.optional(validators.and_(validators.ge(1), validators.le(200)))
    )


@attrs.frozen
class FetchAndSetHistory:
    """Load a conversation and continue it."""

    type: ClassVar = "fetch-and-set-history"
    history_uid: str


@attrs.frozen
class CreateNewHistory:
    """Begin a new conversation."""

    type: ClassVar = "create-new-history"


@attrs.frozen
class DeleteHistory:
    """Delete a conversation."""

    type: ClassVar = "delete-history"
    history_uid: str


@attrs.frozen
class RenameHistory:
    """Call a conversation ``title``; with an empty one, by what the user said first, as before."""

    type: ClassVar = "rename-history"
    history_uid: str
    title: str = attrs.field(validator=_is_title)

    @property
    def shown(self) -> str:
        """``title`` as one line that turns around no text beside it; empty if nothing in it can be seen."""
        title = " ".join(self.title.translate(_TURNING).split())
        return title if any(one.isprintable() and one != " " for one in title) else ""


@attrs.frozen
class AddClientToGroup:
    """Invite a connected client into my group."""

    type: ClassVar = "add-client-to-group"
    invitee_uid: str


@attrs.frozen
class RemoveClientFromGroup:
    """The owner removes a member, or a member leaves."""

    type: ClassVar = "remove-client-from-group"
    target_uid: str


@attrs.frozen
class RequestGroupInfo:
    """Send `group-update` again."""

    type: ClassVar = "request-group-info"


@attrs.frozen
class Heartbeat:
    """Still there?"""

    type: ClassVar = "heartbeat"


Incoming: TypeAlias = (
    Hello
    | TextInput
    | MicAudioData
    | MicAudioEnd
    | RawAudioData
    | MicFormat
    | AiSpeakSignal
    | InterruptSignal
    | FrontendPlaybackComplete
    | AudioPlayStart
    | FetchConfigs
    | SwitchConfig
    | RequestInitConfig
    | FetchBackgrounds
    | FetchHistoryList
    | FetchAndSetHistory
    | CreateNewHistory
    | DeleteHistory
    | RenameHistory
    | AddClientToGroup
    | RemoveClientFromGroup
    | RequestGroupInfo
    | Heartbeat
    | EngineRequest
)
