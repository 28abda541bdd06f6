"""Which messages a client gets of a conversation's events, and when it gets none."""

from __future__ import annotations

import struct
import threading
from base64 import b64decode
from datetime import UTC, datetime

import attrs
import pytest
import trio
from loguru import logger
from trio.testing import MockClock, assert_checkpoints, wait_all_tasks_blocked

from trio_backend.audio.pcm import Pcm
from trio_backend.conversation.events import (
    AudioChunk,
    Event,
    InputDropped,
    Outcome,
    Problem,
    Sentence,
    Speaker,
    SpeechComplete,
    ToolCall,
    Transcript,
    TurnEnded,
    TurnId,
    TurnStarted,
)
from trio_backend.conversation.observer import NullObserver
from trio_backend.conversation.timeline import Timeline
from trio_backend.engines.base import ToolRequest
from trio_backend.identity import RequestId
from trio_backend.protocol import (
    Addition,
    Audio,
    AudioPiece,
    AudioStream,
    BackendSynthComplete,
    Control,
    DisplayText,
    Error,
    Latency,
    Outgoing,
    SoundForSome,
    SoundFrame,
    SoundMessage,
    ToolCallStatus,
)
from trio_backend.session import presenter as presenter_module
from trio_backend.session import sentence_sound
from trio_backend.session.client import ToClient
from trio_backend.session.presenter import Presenter
from trio_backend.session.sentence_sound import ENCODE_INLINE

FIRST, SECOND = TurnId(1), TurnId(2)
MAO = Speaker("Mao", "mao.svg", {"joy": 3})
BEGUN = ["control conversation-chain-start", "full-text"]
OVER = ["force-new-message", "control conversation-chain-end"]


@attrs.define(eq=False)
class Counts(NullObserver):
    """An `Observer` that notes the errors."""

    codes: list[str] = attrs.field(factory=list)
    discarded: int = 0

    def turn_discarded(self, timeline: Timeline) -> None:
        """Count it."""
        del timeline
        self.discarded += 1

    def error_told(self, code: str) -> None:
        """Note it."""
        self.codes.append(code)


@attrs.define(eq=False)
class Page:
    """A presenter, and what it has sent."""

    presenter: Presenter
    sent: trio.MemoryReceiveChannel[ToClient]
    counts: Counts

    @classmethod
    def open(cls, *, room: int = 100) -> Page:
        """A page that takes ``room`` messages before it reads."""
        outbox, sent = trio.open_memory_channel[ToClient](room)
        counts = Counts()
        return cls(Presenter("client", outbox, counts), sent, counts)

    def messages(self) -> list[Outgoing]:
        """What came since it was last asked."""
        found: list[Outgoing] = []
        while True:
            try:
                message = self.sent.receive_nowait()
            except (trio.WouldBlock, trio.EndOfChannel):
                return found
            assert not isinstance(message, tuple | SoundFrame | SoundForSome)
            found.append(message)

    def kinds(self) -> list[str]:
        """Their types; of controls what they say, too."""
        return [
            f"{message.type} {message.text}" if isinstance(message, Control) else message.type
            for message in self.messages()
        ]


def sentence(turn: TurnId, index: int = 0) -> Sentence:
    """One that is spoken."""
    return Sentence(turn, index, "Hello.", "Hello.", "Hello.")


def chunk(turn: TurnId, index: int = 0, *, size: int = 320, last: bool = True) -> AudioChunk:
    """A piece of sound of ``size`` bytes."""
    return AudioChunk(turn, index, Pcm(bytes(size), 16_000), last=last)


def ended(turn: TurnId) -> TurnEnded:
    """It is over."""
    return TurnEnded(turn, Outcome.COMPLETED, "Hello.", Timeline())


def events_of(turn: TurnId) -> list[Event]:
    """All that a turn may tell after its start."""
    return [Transcript(turn, "Hi."), sentence(turn), chunk(turn), SpeechComplete(turn), ended(turn)]


async def test_what_was_not_begun_is_not_told() -> None:
    """Nor what belongs to another turn than the client sees."""
    page = Page.open()
    assert not any([await page.presenter.handle(event) for event in events_of(FIRST)])
    assert await page.presenter.handle(TurnStarted(SECOND, MAO))
    assert page.kinds() == BEGUN
    assert not any([await page.presenter.handle(event) for event in events_of(FIRST)])
    assert page.kinds() == []
    assert all([await page.presenter.handle(event) for event in events_of(SECOND)])
    assert page.kinds() == ["user-input-transcription", "audio", "backend-synth-complete", *OVER]


@pytest.mark.parametrize("how", ["silence", "its end"])
async def test_what_is_over_is_over(how: str) -> None:
    """After its end, or after silence, nothing is told of a turn; problems are."""
    page = Page.open()
    await page.presenter.handle(TurnStarted(FIRST, MAO))
    if how == "silence":
        page.presenter.silence()
    else:
        await page.presenter.handle(ended(FIRST))
    page.messages()
    assert not any([await page.presenter.handle(event) for event in events_of(FIRST)])
    assert page.kinds() == []
    assert await page.presenter.handle(Problem("history-error", "the disk is full"))
    assert page.kinds() == ["error"]
    assert page.counts.codes == ["history-error"]


async def cut(page: Page, event: Event, *, taken: int) -> list[str]:
    """Cancel the telling of ``event`` when the client has taken so many messages; those."""
    kinds: list[str] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(page.presenter.handle, event)
        await wait_all_tasks_blocked()
        for _ in range(taken):
            kinds += page.kinds()[:1]
            await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel("cut")
    return kinds


async def finish(page: Page, event: Event) -> list[str]:
    """Tell ``event`` to a client that takes all; what it gets."""
    kinds: list[str] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(page.presenter.handle, event)
        await wait_all_tasks_blocked()
        while more := page.kinds():
            kinds += more
            await wait_all_tasks_blocked()
    return kinds


@pytest.mark.parametrize("taken", [0, 1])
async def test_an_end_that_was_cut_is_completed(taken: int) -> None:
    """Each of its messages comes once."""
    page = Page.open(room=0)
    assert await finish(page, TurnStarted(FIRST, MAO)) == BEGUN
    assert await cut(page, ended(FIRST), taken=taken) == OVER[:taken]
    assert await finish(page, ended(FIRST)) == OVER[taken:]
    assert await finish(page, ended(FIRST)) == []


@pytest.mark.parametrize("taken", [0, 1])
async def test_an_end_is_told_of_what_was_told_to_begin(taken: int) -> None:
    """A start that the client never got has no end."""
    page = Page.open(room=0)
    assert await cut(page, TurnStarted(FIRST, MAO), taken=taken) == BEGUN[:taken]
    assert await finish(page, ended(FIRST)) == (OVER if taken else [])


async def test_a_client_that_is_gone_got_nothing() -> None:
    """And telling it is a checkpoint all the same, as each wait for somebody is."""
    page = Page.open()
    await page.presenter.handle(TurnStarted(FIRST, MAO))
    await page.presenter.handle(sentence(FIRST))
    page.sent.close()
    with assert_checkpoints():
        assert not await page.presenter.handle(chunk(FIRST))
    with assert_checkpoints():
        assert not await page.presenter.handle(ended(FIRST))


async def test_a_transcript_is_shown_when_it_is_final() -> None:
    """Before that, only to clients that accept it as what it is."""
    page = Page.open()
    await page.presenter.handle(TurnStarted(FIRST, MAO))
    page.messages()
    assert await page.presenter.handle(Transcript(FIRST, "Hel", final=False))
    assert page.kinds() == []
    page.presenter.accepted.each = frozenset({frozenset(), frozenset({"partial-transcription"})})
    assert await page.presenter.handle(Transcript(FIRST, "Hell", final=False))
    assert page.kinds() == ["partial-transcription"]
    await page.presenter.handle(Transcript(FIRST, "Hello."))
    assert page.kinds() == ["user-input-transcription"]


async def test_each_sentence_has_all_of_its_own_sound() -> None:
    """In one message, with its last piece."""
    page = Page.open()
    await page.presenter.handle(TurnStarted(FIRST, MAO))
    page.messages()
    for index in range(2):
        await page.presenter.handle(sentence(FIRST, index))
        for last in (False, False, True):
            assert not page.messages()
            await page.presenter.handle(chunk(FIRST, index, size=1000, last=last))
        (audio,) = page.messages()
        assert isinstance(audio, Audio)
        assert audio.audio is not None
        wav = audio.audio if isinstance(audio.audio, bytes) else audio.audio.encode()
        assert 3000 <= len(b64decode(wav)) < 3100


async def test_a_sound_that_was_interrupted_is_not_in_the_next_sentence() -> None:
    """A sentence that was cut before its last piece is forgotten."""
    page = Page.open()
    await page.presenter.handle(TurnStarted(FIRST, MAO))
    await page.presenter.handle(sentence(FIRST))
    await page.presenter.handle(chunk(FIRST, size=1000, last=False))
    page.messages()
    await page.presenter.handle(sentence(FIRST, 1))
    await page.presenter.handle(chunk(FIRST, 1, size=0))
    (audio,) = page.messages()
    assert isinstance(audio, Audio)
    assert audio.audio is None


async def test_each_turn_waits_for_its_own_playback() -> None:
    """What a client said of an earlier turn says nothing of this one."""
    page = Page.open()
    earlier = page.presenter.expect_playback()
    page.presenter.played.set()
    assert earlier.is_set()
    assert not page.presenter.expect_playback().is_set()


async def test_long_sound_is_encoded_beside_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short sound where we stand; and whoever cuts in waits for no thread."""
    threads: list[threading.Thread] = []
    release = threading.Event()

    def encode(pcm: Pcm, loudest: float) -> tuple[bytes, tuple[float, ...], float]:
        threads.append(threading.current_thread())
        if len(pcm.samples) > ENCODE_INLINE:
            release.wait(5)
        return b"", (), loudest

    monkeypatch.setattr(sentence_sound, "encode_piece", encode)
    page = Page.open()
    await page.presenter.handle(TurnStarted(FIRST, MAO))
    await page.presenter.handle(sentence(FIRST))
    await page.presenter.handle(chunk(FIRST, size=ENCODE_INLINE))
    await page.presenter.handle(sentence(FIRST, 1))
    began = trio.current_time()
    with trio.move_on_after(0.1) as scope:
        await page.presenter.handle(chunk(FIRST, 1, size=ENCODE_INLINE + 2))
    assert scope.cancelled_caught
    assert trio.current_time() - began < 4
    release.set()
    assert [thread is threading.current_thread() for thread in threads] == [True, False]


async def test_a_tool_call_is_shown_in_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the name of the character who uses it, and when; of a turn that is over nothing is."""
    monkeypatch.setattr(presenter_module, "now", lambda: datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC))
    page = Page.open()
    request = ToolRequest("call_1", "clock", "{}")
    for event in (
        ToolCall(FIRST, request, "running", "{}"),
        TurnStarted(FIRST, MAO),
        ToolCall(FIRST, request, "running", "{}"),
        ToolCall(FIRST, request, "completed", "Noon."),
        ToolCall(SECOND, request, "error", "It has stopped."),
    ):
        await page.presenter.handle(event)
    when = "2030-01-02T03:04:05.000000+00:00"
    assert page.messages()[2:] == [
        ToolCallStatus("call_1", "clock", "Mao", "running", "{}", when),
        ToolCallStatus("call_1", "clock", "Mao", "completed", "Noon.", when),
    ]


async def test_a_discarded_turn_is_counted_and_not_told() -> None:
    """Only the log for whoever looks for faults names it."""
    page = Page.open()
    page.presenter.turn_discarded(Timeline())
    assert page.counts.discarded == 1
    assert page.messages() == []


async def test_a_client_that_follows_turns_has_each_event_with_its_message() -> None:
    """As one; what no message tells comes alone, and what is told by messages only has no event."""
    outbox, sent = trio.open_memory_channel[ToClient](100)
    presenter = Presenter("client", outbox, Counts(), with_events=True)
    request = RequestId(7)
    started, spoken = TurnStarted(FIRST, MAO, request), SpeechComplete(FIRST, 2.0)
    over, late = attrs.evolve(ended(FIRST), request=request), ended(SECOND)
    dropped = InputDropped(request, refused=True)
    for event in started, sentence(FIRST), chunk(FIRST, size=0), spoken, over, late, dropped:
        await presenter.handle(event)
    found = [sent.receive_nowait() for _ in range(sent.statistics().current_buffer_used)]
    assert [one if isinstance(one, tuple) else getattr(one, "type", "") for one in found] == [
        (started, Control("conversation-chain-start")),
        "full-text",
        "audio",
        (spoken, BackendSynthComplete()),
        "force-new-message",
        (over, Control("conversation-chain-end")),
        (late, None),
        (dropped, None),
    ]


@pytest.mark.parametrize("taken", [0, 1])
async def test_an_end_that_a_client_has_not_taken_is_not_told_after_a_stop(taken: int) -> None:
    """It waits for a client that reads nothing; then somebody speaks. Who follows turns has it."""
    for with_events in (False, True):
        outbox, sent = trio.open_memory_channel[ToClient](0)
        presenter = Presenter("client", outbox, Counts(), with_events=with_events)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(presenter.handle, TurnStarted(FIRST, MAO))
            for _ in BEGUN:
                await sent.receive()
            await wait_all_tasks_blocked()
            nursery.start_soon(presenter.handle, over := ended(FIRST))
            for _ in range(taken):
                await sent.receive()
            await wait_all_tasks_blocked()
            presenter.silence()
            await wait_all_tasks_blocked()
            if with_events:
                assert await sent.receive() == (over, None)
        assert sent.statistics().tasks_waiting_send == 0


async def test_what_no_message_tells_waits_for_no_client() -> None:
    """A barge-in that tells the end of a turn must not wait for a client that reads nothing."""
    page = Page.open(room=0)
    with trio.move_on_after(0) as never:
        assert not await page.presenter.handle(ended(FIRST))
        assert not await page.presenter.handle(InputDropped(RequestId(7), refused=False))
    assert not never.cancelled_caught


@pytest.mark.parametrize("accepted", [False, True])
async def test_where_the_time_went_is_told_to_who_accepts_it(*, accepted: bool) -> None:
    """Once, in ms, before the end of the turn; of a turn that had no moments nothing."""
    page = Page.open()
    if accepted:
        page.presenter.accepted.each = frozenset({frozenset(), frozenset({"latency"})})
    timed = Timeline(ended=-0.5, transcribed=0.1, first_token=0.4, first_audio=0.40006)
    await page.presenter.handle(TurnStarted(FIRST, MAO))
    assert page.kinds() == BEGUN
    await page.presenter.handle(TurnEnded(FIRST, Outcome.COMPLETED, "Hello.", timed))
    told = page.messages()
    assert [message.type for message in told] == ["latency"] * accepted + ["force-new-message", "control"]
    if accepted:
        stages = {"transcript": 600.0, "first_token": 300.0, "sound_sent": 0.1}
        assert told[0] == Latency(stages)
    await page.presenter.handle(TurnStarted(SECOND, MAO))
    await page.presenter.handle(ended(SECOND))
    assert page.kinds() == [*BEGUN, *OVER]


# Sound that comes in pieces.


def spoken_sentence(index: int = 0) -> Sentence:
    """One that takes about 2 s to say."""
    text = "It takes two seconds to say this."
    return Sentence(FIRST, index, text, text, text)


async def speak(page: Page, *, seconds: float = 1.5, faster: float = 3.0, index: int = 0) -> None:
    """A voice says it in chunks of 0.1 s."""
    await page.presenter.handle(spoken_sentence(index))
    for _ in range(round(seconds / 0.1)):
        await trio.sleep(0.1 / faster)
        await page.presenter.handle(chunk(FIRST, index, size=3200, last=False))
    await page.presenter.handle(chunk(FIRST, index, size=0))


def sounds(page: Page) -> list[SoundMessage]:
    """The messages with sound that came since it was last asked."""
    found: list[SoundMessage] = []
    while page.sent.statistics().current_buffer_used:
        message = page.sent.receive_nowait()
        if isinstance(message, Audio | AudioPiece | AudioStream | SoundFrame):
            found.append(message)
    return found


def accepting(page: Page, *accepts: Addition) -> None:
    """The client says hello."""
    page.presenter.accepted.each = frozenset({frozenset(accepts)})


@pytest.mark.parametrize(
    ("audio_pieces", "hello", "kind", "several"),
    [
        ("auto", None, Audio, False),  # there is no pause
        ("always", None, Audio, True),
        ("never", None, Audio, False),
        ("always", (), Audio, False),
        ("always", ("latency",), Audio, False),
        ("never", ("pieces",), AudioPiece, True),
        ("never", ("bytes",), AudioStream, True),
        ("never", ("bytes", "pieces"), AudioStream, True),
    ],
)
async def test_sound_comes_in_the_form_that_the_client_accepts(
    autojump_clock: MockClock,
    audio_pieces: str,
    hello: tuple[Addition, ...] | None,
    kind: type[object],
    several: bool,
) -> None:
    """`audio_pieces` is for those who said no hello; the text comes once, and all of the sound."""
    page = Page.open()
    page.presenter._audio_pieces = audio_pieces
    if hello is not None:
        accepting(page, *hello)
    await page.presenter.handle(TurnStarted(FIRST, MAO))
    await speak(page)
    found = sounds(page)
    assert type(found[0]) is kind
    assert (len(found) > 1) == several
    texts = [getattr(one, "display_text", None) for one in found]
    assert texts[0] == DisplayText("It takes two seconds to say this.", "Mao", "mao.svg")
    assert not any(texts[1:])
    frames = [one for one in found if isinstance(one, SoundFrame)]
    wavs = [b64decode(one.audio) for one in found if isinstance(one, Audio | AudioPiece) and one.audio]
    seconds = sum(len(one.samples) for one in frames) / 32_000 + sum(Pcm.from_wav(w).seconds for w in wavs)
    assert seconds == pytest.approx(1.5)
    lasts = [one.last for one in found if isinstance(one, SoundFrame | AudioPiece)]
    assert not any(lasts[:-1])
    assert all(lasts[-1:])


async def test_sentences_are_numbered_through_the_session(autojump_clock: MockClock) -> None:
    """A client that still plays one turn cannot mistake the next one's sound for it."""
    page = Page.open()
    accepting(page, "pieces")
    await page.presenter.handle(TurnStarted(FIRST, MAO))
    await speak(page, seconds=0.1)
    await speak(page, seconds=0.1, index=1)
    await page.presenter.handle(ended(FIRST))
    await page.presenter.handle(TurnStarted(SECOND, MAO))
    await page.presenter.handle(sentence(SECOND))
    await page.presenter.handle(chunk(SECOND))
    numbers = [(one.sentence, one.last) for one in sounds(page) if isinstance(one, AudioPiece)]
    assert numbers == [(1, True), (2, True), (3, True)]


async def test_what_was_sent_is_told_and_gaps_are_allowed_for(autojump_clock: MockClock) -> None:
    """Of a sentence that is sent whole, nothing before its end; a binary stream has no gaps."""
    heard: dict[Addition | None, tuple[bool, bool]] = {}
    forms: tuple[Addition | None, ...] = (None, "pieces", "bytes")
    for form in forms:
        page = Page.open()
        if form is not None:
            accepting(page, form)
        await page.presenter.handle(TurnStarted(FIRST, MAO))
        await page.presenter.handle(spoken_sentence())
        for _ in range(12):
            await trio.sleep(0.03)
            await page.presenter.handle(chunk(FIRST, size=3200, last=False))
        sent = page.presenter.sentence_sent
        assert sent <= 1.2
        heard[form] = sent > 0, page.presenter.gaps > 0
        page.presenter.silence()
        assert (page.presenter.sentence_sent, page.presenter.gaps) == (0, 0)
        await page.presenter.handle(chunk(FIRST, size=3200))
        assert len(sounds(page)) == {None: 0, "pieces": 2, "bytes": 3}[form]
    assert heard == {None: (False, False), "pieces": (True, True), "bytes": (True, False)}


async def test_a_hello_in_the_middle_of_a_sentence_counts_from_the_next(autojump_clock: MockClock) -> None:
    """Half of a sentence is of no use in any form."""
    page = Page.open()
    accepting(page, "pieces")
    await page.presenter.handle(TurnStarted(FIRST, MAO))
    await page.presenter.handle(spoken_sentence())
    await page.presenter.handle(chunk(FIRST, size=16_000, last=False))
    accepting(page, "bytes")
    await page.presenter.handle(chunk(FIRST, size=16_000))
    await page.presenter.handle(spoken_sentence(1))
    await page.presenter.handle(chunk(FIRST, 1))
    kinds = [type(one) for one in sounds(page)]
    assert kinds == [*[AudioPiece] * (len(kinds) - 2), AudioStream, SoundFrame]


async def test_a_quiet_beginning_does_not_move_the_lips_as_a_shout_does(autojump_clock: MockClock) -> None:
    """Volumes of a piece are relative to the loudest slice so far."""
    page = Page.open()
    accepting(page, "pieces")
    await page.presenter.handle(TurnStarted(FIRST, MAO))
    await page.presenter.handle(spoken_sentence())
    for level in (8_000, 8_000, 2_000, 2_000, 2_000, 2_000, 2_000, 2_000):
        pcm = Pcm(struct.pack("<h", level) * 1_600, 16_000)
        await page.presenter.handle(AudioChunk(FIRST, 0, pcm, last=False))
    await page.presenter.handle(chunk(FIRST, size=0))
    pieces = [one for one in sounds(page) if isinstance(one, AudioPiece)]
    assert max(pieces[0].volumes) == 1.0
    assert pieces[-1].volumes[-1] == 0.25


async def test_a_long_frame_is_divided(autojump_clock: MockClock) -> None:
    """A heartbeat must not wait for megabytes."""
    page = Page.open()
    accepting(page, "bytes")
    await page.presenter.handle(TurnStarted(FIRST, MAO))
    await page.presenter.handle(spoken_sentence())
    await page.presenter.handle(chunk(FIRST, size=32_000 * 8))
    frames = [one for one in sounds(page) if isinstance(one, SoundFrame)]
    assert [(one.piece, one.last, len(one.samples)) for one in frames] == [
        (0, False, 96_000), (1, False, 96_000), (2, True, 64_000),
    ]  # fmt: skip


@pytest.mark.parametrize("form", ["pieces", "bytes", "latency"])
async def test_a_sentence_that_breaks_off_has_a_last_piece(autojump_clock: MockClock, form: Addition) -> None:
    """A turn that takes too long ends within one. Who was sent nothing of it, or all, is told nothing."""
    page = Page.open()
    accepting(page, form)
    await page.presenter.handle(TurnStarted(FIRST, MAO))
    await speak(page)
    before = len(sounds(page))
    assert before
    await page.presenter.handle(SpeechComplete(FIRST))
    assert not sounds(page)
    await trio.sleep(3)
    await page.presenter.handle(spoken_sentence(1))
    await page.presenter.handle(chunk(FIRST, 1, size=16_000, last=False))
    found = sounds(page)
    await page.presenter.handle(SpeechComplete(FIRST))
    last = sounds(page)
    if form == "latency":
        assert not found
        assert not last
    else:
        assert found
        assert [one.last for one in last if isinstance(one, AudioPiece | SoundFrame)] == [True]


async def test_a_visitor_learns_which_file_and_the_log_where_it_is() -> None:
    """Of what went wrong on the server's side; others may repeat what a client said, and stay."""
    page, logged = Page.open(), list[str]()
    sink = logger.add(logged.append, level="INFO", format="{message}")
    try:
        await page.presenter.handle(Problem("engine-error", "'/home/me/models/m.onnx' is empty"))
        await page.presenter.tell(Error("/srv/conf.yaml:3: voice: unknown", "bad-config"))
        await page.presenter.tell(Error("unknown type '/home/me/x'", "unknown-type"))
    finally:
        logger.remove(sink)
    told = [message.message for message in page.messages() if isinstance(message, Error)]
    assert told == ["'m.onnx' is empty", "conf.yaml:3: voice: unknown", "unknown type '/home/me/x'"]
    assert [line.strip() for line in logged] == [
        "a client is told engine-error; in full: '/home/me/models/m.onnx' is empty",
        "a client is told bad-config; in full: /srv/conf.yaml:3: voice: unknown",
    ]
