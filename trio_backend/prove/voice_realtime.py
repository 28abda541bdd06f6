"""A streaming recogniser behind OpenAI's Realtime API, which understands the corpus of `prove voice`."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Sequence

import attrs
import msgspec
import trio
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol

from ..audio.pcm import Pcm
from ..audio.utterance import RATE
from .voice_engine_times import TIMES
from .voice_recognition import FRAME, CorpusPlace, Recogniser

LISTENS_EVERY = 0.1
"""Seconds of sound after which partial transcripts are made."""
SURE = 0.24
"""Seconds of speech of which the place is certain: 117 of 117 utterances are found by so much."""
JUDGES_AFTER = 0.25
"""Seconds of silence after which it says that the speaker has finished."""
ERRS = "paused 18"
"""The utterance of the corpus that it takes for finished in its pause: one of 28, as good engines do."""
LONGEST_MESSAGE = 4 * 2**20
_TRANSCRIPTION = "conversation.item.input_audio_transcription"
_READ = 65_536


class _Event(msgspec.Struct):
    type: str
    audio: str = ""
    session: msgspec.Raw = msgspec.Raw(b"{}")


@attrs.define(eq=False)
class RealtimeRecogniser:
    """One connection: fed with messages, it gives those that are to be sent. No I/O."""

    _recogniser: Recogniser
    rate: int = 24_000
    judges: bool = False
    """Whether it says when the speaker has finished (``semantic_vad``)."""
    _samples: bytearray = attrs.field(factory=bytearray, init=False)
    _looked: int = attrs.field(default=0, init=False)
    _place: CorpusPlace | None = attrs.field(default=None, init=False)
    _told: str = attrs.field(default="", init=False)
    _stopped: bool = attrs.field(default=False, init=False)
    _items: int = attrs.field(default=0, init=False)

    def take(self, message: str | bytes) -> Sequence[bytes]:
        """The next message of the client, and what is answered at once. Raises `msgspec.DecodeError`."""
        event = msgspec.json.decode(message, type=_Event)
        match event.type:
            case "session.update" | "transcription_session.update":
                self._configure(bytes(event.session))
                return [_event("session.updated")]
            case "input_audio_buffer.append":
                self._samples += b64decode(event.audio)
                return self._look()
        return []

    def final(self) -> Sequence[bytes]:
        """All that was said until now, for good."""
        text = self._recogniser.understand(Pcm(bytes(self._samples), self.rate))
        item = self._item
        self._samples.clear()
        self._items += 1
        self._looked, self._place, self._told, self._stopped = 0, None, "", False
        return [
            _event("input_audio_buffer.committed", item_id=item),
            _event(f"{_TRANSCRIPTION}.completed", item_id=item, content_index=0, transcript=text),
        ]

    @property
    def _item(self) -> str:
        return f"item_{self._items}"

    def _configure(self, session: bytes) -> None:
        found = msgspec.json.decode(session)
        listening = found.get("audio", {}).get("input", {})
        self.rate = int(listening.get("format", {}).get("rate", self.rate))
        self.judges = (listening.get("turn_detection") or {}).get("type") == "semantic_vad"

    def _look(self) -> Sequence[bytes]:
        """Partial transcripts, and the judgement, as far as there is something new."""
        count = len(self._samples) // 2
        if count - self._looked < LISTENS_EVERY * self.rate:
            return []
        self._looked = count
        if self._place is None:
            places = self._recogniser.places(Pcm(bytes(self._samples), self.rate))
            if not places or not self._is_sure(places[-1]):
                return []
            self._place = places[-1]
        place = self._place
        at = place.offset + count * RATE // self.rate - place.begin * FRAME
        return [*self._partial(place, at), *self._judgement(place, at)]

    def _is_sure(self, place: CorpusPlace) -> bool:
        """What is found of `SURE` seconds will be found again; of less, only once it is over."""
        silent = len(self._samples) // 2 * RATE // self.rate - place.end * FRAME
        return (place.end - place.begin) * FRAME >= SURE * RATE or silent >= LISTENS_EVERY * RATE

    def _partial(self, place: CorpusPlace, at: int) -> Sequence[bytes]:
        text = place.utterance.words_within(place.offset, at)
        if not text.startswith(self._told) or text == self._told:
            return []
        delta, self._told = text[len(self._told) :], text
        return [_event(f"{_TRANSCRIPTION}.delta", item_id=self._item, content_index=0, delta=delta)]

    def _judgement(self, place: CorpusPlace, at: int) -> Sequence[bytes]:
        if not self.judges:
            return []
        utterance = place.utterance
        silent_since = max((end for _, end in utterance.speech if end <= at), default=0)
        speaking = any(begin <= at < end for begin, end in utterance.speech)
        finished = silent_since == utterance.speech[-1][1] or utterance.name == ERRS
        if speaking and self._stopped:
            self._stopped = False
            return [_event("input_audio_buffer.speech_started", item_id=self._item)]
        if not speaking and not self._stopped and finished and at - silent_since >= JUDGES_AFTER * RATE:
            self._stopped = True
            return [_event("input_audio_buffer.speech_stopped", item_id=self._item)]
        return []


async def serve_realtime(stream: trio.SocketStream, head: bytes, recogniser: RealtimeRecogniser) -> int:
    """Serve the WebSocket that ``head`` asks for, until it is closed; how many transcripts were final."""
    protocol = ServerProtocol(max_size=LONGEST_MESSAGE)
    protocol.receive_data(head)
    finals = 0
    for request in protocol.events_received():
        if isinstance(request, Request):
            protocol.send_response(protocol.accept(request))
    await _flush(protocol, stream)
    await _send(protocol, stream, [_event("session.created")])
    parts: list[bytes] = []
    while True:
        data = await stream.receive_some(_READ)
        if not data:
            return finals
        protocol.receive_data(data)
        for frame in protocol.events_received():
            assert isinstance(frame, Frame)
            if frame.opcode not in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
                continue
            parts.append(bytes(frame.data))
            if not frame.fin:
                continue
            message, parts = b"".join(parts), []
            await _send(protocol, stream, recogniser.take(message))
            if b'"input_audio_buffer.commit"' in message:
                await trio.sleep(TIMES.final)
                await _send(protocol, stream, recogniser.final())
                finals += 1
        await _flush(protocol, stream)


async def _send(protocol: ServerProtocol, stream: trio.SocketStream, events: Sequence[bytes]) -> None:
    for event in events:
        try:
            protocol.send_text(event)
        except ConnectionClosed:
            return
    await _flush(protocol, stream)


async def _flush(protocol: ServerProtocol, stream: trio.SocketStream) -> None:
    for data in protocol.data_to_send():
        if data:
            await stream.send_all(data)


def _event(kind: str, **fields: object) -> bytes:
    return msgspec.json.encode({"type": kind, "event_id": "event_1", **fields})
