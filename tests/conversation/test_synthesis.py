"""How sentences and their sound are handed out while they are being made."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial

import attrs
import pytest
import trio
from trio.abc import ReceiveChannel
from trio.testing import MockClock, wait_all_tasks_blocked

from trio_backend.audio.pcm import Pcm
from trio_backend.conversation.events import AudioChunk, Problem, Sentence, TurnId
from trio_backend.conversation.responder import Response
from trio_backend.conversation.said import Said
from trio_backend.conversation.synthesis import BUFFERED, MadeSentence, Synthesis
from trio_backend.conversation.timeline import Timeline
from trio_backend.engines.whole import WholeSound, channel_of
from trio_backend.errors import EngineError, EngineReplaced, RequestRefused

RATE = 16_000


@attrs.define(eq=False)
class Voice:
    """A `Tts` of which a text says what it does: each word is a chunk, ``1.5`` so many seconds of it.

    ``fail`` fails, ``other`` is a chunk of another rate, ``refuse`` is refused. Each takes ``delay`` seconds.
    At ``next`` another one takes its place, for which that is a chunk of two seconds. At ``stall`` the first
    one makes no sound any more, and the other a chunk of three seconds.
    """

    delay: float = 1.0
    whole: bool = False
    made: float = 0.0
    replaced: bool = False

    def speak(self, text: str) -> AbstractAsyncContextManager[ReceiveChannel[Pcm]]:
        """See `Tts.speak`."""
        return WholeSound(partial(self._all, text)) if self.whole else channel_of(self._chunks(text))

    async def _all(self, text: str) -> Pcm:
        return Pcm(b"".join([pcm.samples async for pcm in self._chunks(text)]), RATE)

    async def _chunks(self, text: str) -> AsyncGenerator[Pcm, None]:
        for word in text.split():
            await trio.sleep(self.delay)
            if word == "fail":
                raise EngineError("it fails")
            if word == "next" and not self.replaced:
                self.replaced = True
                raise EngineReplaced("it fails")
            if word == "refuse":
                raise RequestRefused("it is refused")
            if word == "stall" and not self.replaced:
                await trio.sleep_forever()
            if word == "stall":
                yield Pcm(bytes(6 * RATE), RATE)
            elif word == "next":
                yield Pcm(bytes(4 * RATE), RATE)
            elif word == "other":
                yield Pcm(bytes(200), 8_000)
            else:
                self.made += float(word)
                yield Pcm(bytes(2 * round(float(word) * RATE)), RATE)


@attrs.define(eq=False)
class Reader:
    """What was handed out, and when; of a sentence its index, of sound its seconds."""

    events: trio.MemoryReceiveChannel[Response | MadeSentence]
    found: list[tuple[float, object]] = attrs.field(factory=list)

    async def read(self) -> None:
        """For ever."""
        async for event in self.events:
            at = trio.current_time()
            match event:
                case MadeSentence(sentence, sound):
                    self.found.append((at, (sentence.index, sound.pcm.seconds)))
                    assert sound.last
                case Sentence(index=index):
                    self.found.append((at, index))
                case AudioChunk(pcm=pcm, last=last):
                    self.found.append((at, (pcm.seconds, "last") if last else pcm.seconds))
                case _:
                    self.found.append((at, type(event).__name__))


@asynccontextmanager
async def speaking(voice: Voice, *texts: str) -> AsyncIterator[Reader]:
    """The sentences ``texts`` are being handed out, each after the one before."""
    send, receive = trio.open_memory_channel[Response | MadeSentence](0)
    synthesis, reader = Synthesis(voice, Timeline(), send), Reader(receive)
    before: trio.Event | None = None

    async def speak(index: int, text: str, before: trio.Event | None, sent: trio.Event) -> None:
        # As sentences become known, and so that no two chunks come at the same moment.
        await trio.sleep(0.3 * index)
        await synthesis.speak(Sentence(TurnId(1), index, text, text, text), before)
        sent.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(reader.read)
        for index, text in enumerate(texts):
            sent = trio.Event()
            nursery.start_soon(speak, index, text, before, sent)
            before = sent
        yield reader
        nursery.cancel_scope.cancel()


async def test_a_voice_that_streams_is_handed_out_as_it_speaks(autojump_clock: MockClock) -> None:
    """The sentence first, at once; then each chunk; the end comes alone."""
    async with speaking(Voice(), "0.5 0.25") as reader:
        await trio.sleep(10)
    assert reader.found == [(0, 0), (1, 0.5), (2, 0.25), (2, (0.0, "last"))]


async def test_what_was_made_ahead_comes_at_once(autojump_clock: MockClock) -> None:
    """When its time has come: what there is of it, then the rest as it is made; what is whole as one."""
    async with speaking(Voice(), "1 1 1", "1 1 1 1 1", "1 1 1") as reader:
        await trio.sleep(10)
    found: list[tuple[float, object]] = []
    for at, what in reader.found:
        # Whether the end comes with the last chunk or after it is the scheduler's choice.
        found += [(round(at, 3), one) for one in ((1.0, (0.0, "last")) if what == (1.0, "last") else (what,))]
    assert found == [
        (0, 0), (1, 1.0), (2, 1.0), (3, 1.0), (3, (0.0, "last")),
        (3, 1), (3, 2.0), (3.3, 1.0), (4.3, 1.0), (5.3, 1.0), (5.3, (0.0, "last")),
        (5.3, (2, 3.0)),
    ]  # fmt: skip


async def test_a_voice_that_makes_whole_sentences_is_handed_over_with_them(autojump_clock: MockClock) -> None:
    """As it always was."""
    async with speaking(Voice(whole=True), "1 1", "1") as reader:
        await trio.sleep(10)
    assert reader.found == [(2, (0, 2.0)), (2, (1, 1.0))]


async def test_a_sentence_ahead_takes_no_more_than_its_share_of_memory(autojump_clock: MockClock) -> None:
    """The engine waits until the sentences before it were handed out."""
    voice = Voice(delay=0.1)
    async with speaking(voice, " ".join(["0"] * 100), "5 " * 20):
        await trio.sleep(5)
        await wait_all_tasks_blocked()
        assert BUFFERED <= voice.made < BUFFERED + 5 + 0.1
        await trio.sleep(60)
        assert voice.made == pytest.approx(100)


@pytest.mark.parametrize("broken", ["fail", "other"])
async def test_a_voice_that_breaks_off_leaves_what_it_has_said(
    autojump_clock: MockClock, broken: str
) -> None:
    """The sentence still has a last chunk; the error is told once, and the rest is only read."""
    async with speaking(Voice(), f"1 {broken} 1", f"1 1 1 {broken}", "1 1") as reader:
        await trio.sleep(20)
    found = [what for _, what in reader.found]
    assert found[:2] == [0, 1.0]
    assert found.count("Problem") == 1
    assert found[found.index("Problem") + 1] == (0.0, "last")
    assert found[-1] == (2, 2.0)


async def test_a_sentence_that_another_voice_goes_on_without_ends_there(autojump_clock: MockClock) -> None:
    """What was heard is not said again; the sentence behind is spoken, and nothing is told here."""
    async with speaking(Voice(), "1 next 1", "1 1") as reader:
        await trio.sleep(20)
    found = [what for _, what in reader.found]
    assert found[:3] == [0, 1.0, (0.0, "last")]
    assert found[3:] in ([1, 1.0, 1.0, (0.0, "last")], [1, 1.0, (1.0, "last")])


async def test_a_sentence_that_nobody_has_heard_is_spoken_anew(autojump_clock: MockClock) -> None:
    """Made ahead and cut: the next engine makes it whole, and nothing of the first is heard."""
    async with speaking(Voice(), "1 1 1 1 1 1", "1 next") as reader:
        await trio.sleep(20)
    found = [what for _, what in reader.found]
    assert "Problem" not in found
    assert found[-1] == (1, 3.0)


async def test_what_a_voice_that_was_left_makes_ahead_is_spoken_anew(autojump_clock: MockClock) -> None:
    """A service that stalls stalls in all sentences: those behind the one that told of it are whole."""
    async with speaking(Voice(), "1 1 1 next", "1 stall", "stall") as reader:
        await trio.sleep(20)
    found = [what for _, what in reader.found]
    assert found[:5] == [0, 1.0, 1.0, 1.0, (0.0, "last")]
    assert "Problem" not in found
    # Chunk by chunk, as far as it was not made when its time came.
    second, third = found[5 : found.index((2, 3.0))], found[-1]
    assert second in (
        [(1, 4.0)],
        [1, 1.0, 3.0, (0.0, "last")],
        [1, 1.0, (3.0, "last")],
        [1, 4.0, (0.0, "last")],
    )
    assert third == (2, 3.0)


async def test_a_sentence_that_is_refused_is_read_and_the_others_are_spoken(
    autojump_clock: MockClock,
) -> None:
    """The engine works: what a person said is not wanted there. That is told once."""
    send, receive = trio.open_memory_channel[Response | MadeSentence](20)
    voice = Voice()
    synthesis = Synthesis(voice, Timeline(), send)
    for index, text in enumerate(("refuse", "refuse", "1")):
        await synthesis.speak(Sentence(TurnId(1), index, text, text, text), None)
    send.close()
    found = [event async for event in receive]
    assert [type(event) for event in found].count(Problem) == 1
    assert voice.made == 1


async def test_a_sentence_that_was_made_ahead_and_begun_is_not_said_again(autojump_clock: MockClock) -> None:
    """From the first of its sound on it is as one that was not made ahead."""
    async with speaking(Voice(), "0.5 0.5", "0.5 0.5 0.5 next 0.5") as reader:
        await trio.sleep(20)
    found = [what for _, what in reader.found]
    assert found[found.index(1) + 1 :] == [0.5, 0.5, 0.5, (0.0, "last")]


async def test_nothing_is_asked_of_a_voice_that_broke_off(autojump_clock: MockClock) -> None:
    """Sentences that begin later have no sound."""
    send, receive = trio.open_memory_channel[Response | MadeSentence](10)
    voice = Voice()
    synthesis = Synthesis(voice, Timeline(), send)
    await synthesis.speak(Sentence(TurnId(1), 0, "fail", "fail", "fail"), None)
    await synthesis.speak(Sentence(TurnId(1), 1, "1", "1", "1"), None)
    found = [receive.receive_nowait() for _ in range(4)]
    assert isinstance(found[1], Problem)
    assert isinstance(found[3], MadeSentence)
    assert not found[3].sound.pcm.samples
    assert not voice.made


# What was said.


def sentence(text: str = "Hello there, my dear friend.") -> Sentence:
    """One that takes 1.9 s to say."""
    return Sentence(TurnId(1), 0, f"[joy] {text}", text, text)


def chunk(seconds: float, *, last: bool = False) -> AudioChunk:
    """So much sound."""
    return AudioChunk(TurnId(1), 0, Pcm(bytes(2 * round(seconds * RATE)), RATE), last)


def test_a_sentence_counts_up_to_the_words_that_were_sent() -> None:
    """As many as the share of its sound; what the client keeps for later does not count."""
    said = Said()
    said.begin(sentence())
    assert said.take(chunk(0.5), 0.0, delivered=True) == 0
    assert said.sentences() == []
    assert said.take(chunk(0.5), 0.9, delivered=True) == 0.9
    [part] = said.sentences()
    assert (part.text, part.source) == ("Hello there,", "Hello there,")
    assert said.take(chunk(0.1, last=True), 0.9, delivered=True) == pytest.approx(0.2)
    assert said.sentences() == [sentence()]


def test_a_slow_voice_has_said_less_in_the_same_time() -> None:
    """At the pace of the sentence before."""
    said = Said()
    said.begin(sentence())
    said.take(chunk(3.8, last=True), 0.0, delivered=True)
    said.begin(sentence())
    said.take(chunk(1.0), 1.0, delivered=True)
    assert [one.text for one in said.sentences()[1:]] == ["Hello"]


def test_a_sentence_whose_client_is_gone_was_not_said() -> None:
    """Nor is there anything left of it."""
    said = Said()
    said.begin(sentence())
    said.take(chunk(1.0, last=True), 0.0, delivered=False)
    assert said.sentences() == []
