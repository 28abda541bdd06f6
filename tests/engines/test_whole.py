"""What makes streams of simpler things, and whole values of streams."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence

import attrs
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import assert_checkpoints

from tests.text.streams import torn_texts
from trio_backend.audio.pcm import Pcm
from trio_backend.engines.base import AsrTranscript, ReplyPart, Text, Thought, ToolRequest
from trio_backend.engines.whole import WholeAsr, WholeTts, channel_of, spoken, tagged, transcribed
from trio_backend.errors import EngineError

CALL = ToolRequest("1", "look", "{}")


async def given_back(
    *values: str | Thought | ToolRequest,
) -> AsyncGenerator[str | Thought | ToolRequest, None]:
    """Those values, one after the other."""
    for value in values:
        await trio.lowlevel.checkpoint()
        yield value


async def read(*values: str | Thought | ToolRequest) -> list[ReplyPart]:
    """What `tagged` makes of them."""
    async with tagged(channel_of(given_back(*values))) as parts:
        return [part async for part in parts]


def joined(parts: Sequence[ReplyPart]) -> list[ReplyPart]:
    """Parts of one kind that follow each other, as one."""
    whole: list[ReplyPart] = []
    for part in parts:
        last = whole[-1] if whole else None
        if isinstance(part, Text) and isinstance(last, Text):
            whole[-1] = Text(last.text + part.text)
        elif isinstance(part, Thought) and isinstance(last, Thought):
            whole[-1] = Thought(last.text + part.text)
        else:
            whole.append(part)
    return whole


@pytest.mark.parametrize(
    ("tokens", "parts"),
    [
        (["Hi", " you"], [Text("Hi"), Text(" you")]),
        (["<thi", "nk>Hm</th", "ink>Hi"], [Thought("Hm"), Text("Hi")]),
        (["<think>", "", "</think>", ""], []),
        (["a <"], [Text("a "), Text("<")]),
        (["<think>Hm"], [Thought("Hm")]),
        ([Thought("Hm"), "Hi", CALL], [Thought("Hm"), Text("Hi"), CALL]),
        (
            ["a <th", Thought("Hm"), "b <", CALL],
            [Text("a "), Text("<th"), Thought("Hm"), Text("b "), Text("<"), CALL],
        ),
        ([Thought("<think>Hm</think>")], [Thought("<think>Hm</think>")]),
    ],
)
async def test_tags_become_types(tokens: list[str | Thought | ToolRequest], parts: list[ReplyPart]) -> None:
    """Wherever they are torn; thoughts and requests that the source knows already pass as they are."""
    assert await read(*tokens) == parts


@given(torn_texts())
async def test_no_text_is_lost(torn: tuple[str, list[str]]) -> None:
    """How the stream is torn makes no difference, and no part is empty."""
    text, tokens = torn
    parts = await read(*tokens)
    assert joined(parts) == joined(await read(text))
    assert all(part.text for part in parts if isinstance(part, Text | Thought))


@given(st.sampled_from(["x", "<think>", "</think>", "<", "<think>x</think>"]), st.booleans())
async def test_a_long_token_comes_in_small_steps(unit: str, thought: bool) -> None:
    """Nobody waits while a token of megabytes is read, whatever is in it."""
    token = unit * (20_000 // len(unit))
    others_had_their_turn = 0

    async def count() -> None:
        nonlocal others_had_their_turn
        while True:
            others_had_their_turn += 1
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(count)
        parts = await read(Thought(token) if thought else token)
        nursery.cancel_scope.cancel()
    assert others_had_their_turn >= 20_000 // 256
    assert max((len(part.text) for part in parts if isinstance(part, Text | Thought)), default=0) <= 256


async def test_each_receive_is_a_checkpoint() -> None:
    """So that a reader of many small parts holds nobody up, and can be cancelled."""
    async with tagged(channel_of(given_back("a<think>b</think>c<think>d"))) as parts:
        for expected in (Text("a"), Thought("b"), Text("c"), Thought("d")):
            with assert_checkpoints():
                assert await parts.receive() == expected
        for _ in range(2):
            with assert_checkpoints(), pytest.raises(trio.EndOfChannel):
                await parts.receive()


async def test_what_the_source_raises_comes_from_receive() -> None:
    """Bare, and after what came before it."""

    async def tokens() -> AsyncGenerator[str, None]:
        yield "<think>Hm</think>Hi <th"
        raise EngineError("no more")

    async with tagged(channel_of(tokens())) as parts:
        assert [await parts.receive(), await parts.receive()] == [Thought("Hm"), Text("Hi ")]
        with pytest.raises(EngineError, match="no more"):
            await parts.receive()


@pytest.mark.parametrize("count", [0, 1, 2])
async def test_leaving_closes_the_generator(count: int) -> None:
    """Before it began, amid it, and at its end; what it holds is given back at once."""
    open_now = 0

    async def tokens() -> AsyncGenerator[str, None]:
        nonlocal open_now
        open_now += 1
        try:
            yield "a"
            yield "b"
        finally:
            await trio.lowlevel.checkpoint()
            open_now -= 1

    async with tagged(channel_of(tokens())) as parts:
        for _ in range(count):
            await parts.receive()
        assert open_now == min(count, 1)
    assert open_now == 0


@attrs.frozen
class Slow(WholeTts, WholeAsr):
    """A second for each letter, and for each utterance."""

    async def synthesize(self, text: str) -> Pcm:
        """A sample for each letter."""
        await trio.sleep(len(text))
        return Pcm(bytes(2 * len(text)), 16_000)

    async def transcribe(self, pcm: Pcm) -> str:
        """The number of samples."""
        await trio.sleep(1)
        return str(len(pcm.samples) // 2)


async def test_a_whole_sound_is_one_chunk(autojump_clock: object) -> None:
    """Or none, where there is nothing to say."""
    async with Slow().speak("abc") as chunks:
        assert [chunk.samples async for chunk in chunks] == [bytes(6)]
    async with Slow().speak("") as chunks:
        assert [chunk async for chunk in chunks] == []
    assert trio.current_time() == 3
    assert await spoken(Slow(), "ab") == Pcm(bytes(4), 16_000)
    assert not (await spoken(Slow(), "")).samples


async def test_a_whole_utterance_is_recognised_when_it_has_ended(autojump_clock: object) -> None:
    """Its chunks are put together, and there is one transcript, the final one."""
    send, sound = trio.open_memory_channel[Pcm](0)

    async def talk() -> None:
        async with send:
            for _ in range(3):
                await trio.sleep(5)
                await send.send(Pcm(bytes(10), 16_000))

    async with trio.open_nursery() as nursery, Slow().listen(sound) as transcripts:
        nursery.start_soon(talk)
        assert [(trio.current_time(), one) async for one in transcripts] == [
            (16, AsrTranscript("15", final=True))
        ]
    assert not Slow().streams
    assert await transcribed(Slow(), Pcm(bytes(10), 16_000)) == "5"
    assert await transcribed(Slow(), Pcm(b"", 48_000)) == "0"


async def test_a_rate_that_changes_is_told() -> None:
    """Joined, such chunks would be noise."""

    class Broken:
        def speak(self, _text: str) -> trio.abc.ReceiveChannel[Pcm]:
            return channel_of(self._chunks())

        async def _chunks(self) -> AsyncGenerator[Pcm, None]:
            yield Pcm(bytes(2), 16_000)
            yield Pcm(bytes(2), 24_000)

    with pytest.raises(EngineError, match="sample rate"):
        await spoken(Broken(), "Hello")
