"""`SystemConfig`: the ``system_config`` section: the server's settings, and every bound that can be set."""

from __future__ import annotations

import attrs

from .bounds import Within, bound
from .server_settings import ServerSettings
from .wyoming import WyomingSettings

MIB = 2**20


@attrs.frozen
class SystemConfig(ServerSettings):
    """The server. Its bounds are in the order of the README's table, which is made of them."""

    max_connections: int = bound(
        2_000, Within(1, 100_000, "connections"), "clients at once", when_full="refuse: HTTP 503"
    )
    max_connections_per_address: int = bound(
        200,
        Within(1, 100_000, "connections"),
        "clients at once of one address (of IPv6: of one /64); this machine may have nine tenths of all",
        when_full="refuse: HTTP 503",
    )
    request_head_timeout: float = bound(
        10, Within(0.1, 300, "s"), "time for a request's head to arrive", when_full="close the connection"
    )
    request_body_timeout: float = bound(
        30, Within(0.1, 600, "s"), "time for a request's body to arrive", when_full="refuse: HTTP 408"
    )
    max_message_size: int = bound(
        8 * MIB, Within(1_024, 1_024 * MIB, "bytes"), "one message of a client", when_full="close 1009"
    )
    max_text: int = bound(
        100_000,
        # As many as fit into a message (`codec.PLAIN`), each written as an escape of six bytes.
        Within(100, 170_000, "characters"),
        "one typed text, and what was heard of a reply",
        when_full="`error` text-too-long; cut what was heard",
    )
    message_timeout: float = bound(
        60, Within(0.1, 3_600, "s"), "time for one message to arrive, once begun", when_full="close 1008"
    )
    max_memory_per_client: int = bound(
        32 * MIB,
        Within(1_024, 1_024 * MIB, "bytes"),
        "what one client sent and is sent, while it is held: messages, pictures, sound",
        when_full="forget old pictures; refuse what is new: `error` too-much-data, or close 1009, 1008, 1013",
    )
    max_memory_share: float = bound(
        0.25,
        Within(0.01, 0.9, "of the machine's memory"),
        "the same of all clients together",
        when_full="refuse what is new: `error` too-much-data, or close 1013",
    )
    max_pictures: int = bound(
        8, Within(0, 1_000, "pictures"), "of one message", when_full="refuse it: `error` too-much-data"
    )
    messages_per_second: float = bound(
        100,
        Within(0.1, 100_000, "messages/s"),
        "what one client may send on average",
        when_full="`error` rate-limited, then close 1008",
    )
    message_burst: int = bound(
        400,
        Within(1, 1_000_000, "messages"),
        "what one client may send at once; a minute of speech is 235",
        when_full="`error` rate-limited, then close 1008",
    )
    bytes_per_second: int = bound(
        4 * MIB, Within(1_024, 1_024 * MIB, "bytes"), "what one client may send a second", when_full="wait"
    )
    byte_burst: int = bound(
        32 * MIB, Within(1_024, 2**40, "bytes"), "what one client may send at once", when_full="wait"
    )
    max_utterance: float = bound(
        60, Within(1, 3_600, "s"), "one utterance's sound", when_full="`error` utterance-too-long, drop it"
    )
    min_silence: float = bound(
        0.25,
        Within(0.1, 10, "s"),
        "silence that ends what a user says, where it is surely complete",
        when_full="end the user's turn",
    )
    max_silence: float = bound(
        1.6,
        Within(0.1, 10, "s"),
        "the same where it is surely not, such as after “and”; not shorter than min_silence",
        when_full="end the user's turn",
    )
    min_interrupt: float = bound(
        0.3,
        Within(0, 10, "s"),
        "speech that stops the character without a word being understood; shorter speech does if it is words",
        when_full="stop the character",
    )
    eager_silence: float = bound(
        0.2,
        Within(0.05, 10, "s"),
        "silence after which what a user said is recognised, and a turn begun provisionally",
        when_full="begin; see docs/voice.md",
    )
    speculation_waste: float = bound(
        0.3,
        Within(0, 1, "of the turns begun provisionally"),
        "those that were not wanted, among the last 20 of a character",
        when_full="begin none for a while",
    )
    max_uploads: int = bound(
        32,
        Within(1, 10_000, "files"),
        "sounds of POST /asr that arrive, wait or are being recognised; 8 MiB each at most, on disk",
        when_full="drop what has been arriving longest, or refuse: HTTP 503",
    )
    max_uploads_per_address: int = bound(
        8,
        Within(1, 10_000, "files"),
        "of these, those of one address",
        when_full="drop what has been arriving longest, or refuse: HTTP 429",
    )
    max_transcriptions: int = bound(
        4,
        Within(1, 1_000, "files"),
        "sounds of POST /asr that are being recognised; one of each address",
        when_full="wait, the addresses in turn",
    )
    transcription_timeout: float = bound(
        30,
        Within(0.1, 3_600, "s"),
        "a sound of POST /asr: its wait for a turn, and then its recognition",
        when_full="stop it: HTTP 503",
    )
    max_speech_text: int = bound(
        10_000,
        Within(1, 1_000_000, "characters"),
        "one text of /tts-ws, as it is written and as it is spoken",
        when_full="refuse: status error",
    )
    max_speeches: int = bound(
        4,
        Within(1, 1_000, "texts"),
        "texts of /tts-ws that are being spoken; one of each address",
        when_full="wait, the addresses in turn",
    )
    speech_timeout: float = bound(
        120,
        Within(0.1, 3_600, "s"),
        "a text of /tts-ws: its wait for a turn, and then its speech",
        when_full="stop it: status error",
    )
    max_engine_trials: int = bound(
        2,
        Within(1, 100, "engines"),
        "engines that are being tried on the page, of all sessions; one of each session",
        when_full="refuse: `engine-tried` with the reason",
    )
    engine_trial_timeout: float = bound(
        60,
        Within(1, 3_600, "s"),
        "an engine that is tried or chosen on the page: loading it, and what it answers",
        when_full="stop it; the engine before stays",
    )
    cache_ttl: float = bound(
        600, Within(1, 604_800, "s"), "age of a sound file under /cache", when_full="remove it"
    )
    cache_size: int = bound(
        256 * MIB,
        Within(MIB, 1_024 * 1_024 * MIB, "bytes"),
        "all sound files under /cache",
        when_full="remove the oldest",
    )
    cache_size_per_address: int = bound(
        64 * MIB,
        Within(MIB, 1_024 * 1_024 * MIB, "bytes"),
        "of these, those that were made for one address",
        when_full="remove its oldest",
    )
    send_timeout: float = bound(
        20, Within(0.1, 600, "s"), "time for a client to take one message", when_full="close the connection"
    )
    ping_interval: float = bound(
        20, Within(0.1, 3_600, "s"), "silence after which a client is pinged", when_full="send a ping"
    )
    pong_timeout: float = bound(
        45,
        Within(0.1, 7_200, "s"),
        "silence after which a client counts as dead; longer than ping_interval",
        when_full="close the connection",
    )
    synthesis_ahead: int = bound(
        3, Within(1, 32, "sentences"), "sentences of a turn in synthesis at once", when_full="wait"
    )
    max_sentence_sound: float = bound(
        120,
        Within(1, 3_600, "s"),
        "sound that speech synthesis may make of one sentence",
        when_full="stop it; `error` engine-error, and the turn goes on as text",
    )
    fallback_for: float = bound(
        60,
        Within(1, 3_600, "s"),
        "how long an engine that failed is left for the next of its list; see docs/fallbacks.md",
        when_full="try it again",
    )
    turn_deadline: float = bound(
        120, Within(1, 3_600, "s"), "one turn up to its last audio", when_full="end the turn with an `error`"
    )
    max_wait: float = bound(
        1,
        Within(0.1, 60, "s"),
        "how long a turn may wait for the server's own load to let it begin",
        when_full="`error` busy, with `retry_after`; nothing of it is kept",
    )
    max_waiting_turns: int = bound(
        500,
        Within(1, 100_000, "turns"),
        "turns that wait for that",
        when_full="`error` busy to the newest of whoever has most",
    )
    playback_grace: float = bound(
        5,
        Within(0, 600, "s"),
        "wait for the end of playback beyond the turn's audio",
        when_full="end the turn",
    )
    drain_timeout: float = bound(
        10, Within(0, 600, "s"), "time for turns to end at shutdown", when_full="cancel them, close 1001"
    )
    max_rooms: int = bound(
        100, Within(1, 10_000, "rooms"), "rooms at once", when_full="`error` too-many-rooms, close 1013"
    )
    forwarders: int = bound(
        5,
        Within(1, 1_000, "turns"),
        "turns in synthesis at once in all rooms",
        when_full="the rooms wait in line",
    )
    room_queue: int = bound(
        100,
        Within(1, 10_000, "messages"),
        "messages that wait in one room",
        when_full="`error` queue-full to the sender",
    )
    room_queue_size: int = bound(
        32 * MIB,
        Within(1_024, 1_024 * MIB, "bytes"),
        "what the messages that wait in one room take, pictures included",
        when_full="`error` queue-full to the sender",
    )
    max_per_sender: int = bound(
        10,
        Within(1, 10_000, "messages"),
        "messages of one sender that wait in one room",
        when_full="`error` queue-full to the sender",
    )
    max_age: float = bound(
        0,
        Within(0, 86_400, "s"),
        "how long a message may wait in a room; 0: as long as it takes",
        when_full="drop it, `error` message-expired to the sender",
    )
    client_outbox: int = bound(
        64,
        Within(8, 10_000, "messages"),
        "messages on their way to one client of a room",
        when_full="close 1013",
    )
    memory_budget: int = bound(
        4_000,
        Within(100, 10_000_000, "tokens"),
        "the conversation that the model reads",
        when_full="forget the oldest messages",
    )
    history_list: int = bound(
        200,
        Within(1, 1_000, "conversations"),
        "conversations in one list",
        when_full="list the newest; `before` asks for more",
    )
    history_messages: int = bound(
        1_000,
        Within(1, 10_000, "messages"),
        "messages of a conversation that is opened",
        when_full="send the newest",
    )
    history_size: int = bound(
        MIB, Within(1_024, 64 * MIB, "bytes"), "their texts together", when_full="send the newest"
    )
    history_backlog: int = bound(
        16 * MIB,
        Within(1_024, 1_024 * MIB, "bytes"),
        "texts that wait while the history file is locked or its disk is full",
        when_full="`error` history-error; it is lost",
    )
    wyoming: WyomingSettings = attrs.field(factory=WyomingSettings, metadata={"section": WyomingSettings})
