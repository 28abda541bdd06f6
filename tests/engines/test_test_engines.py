"""The engines that need nothing: their times, to the digit, on the virtual clock."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from trio_backend.audio.pcm import Pcm
from trio_backend.engines.asr import scripted
from trio_backend.engines.base import AsrTranscript, Message, Prompt, Text
from trio_backend.engines.llm import echo
from trio_backend.engines.llm.echo import EchoConfig
from trio_backend.engines.tts import tone
from trio_backend.engines.tts.tone import ToneConfig
from trio_backend.engines.whole import spoken
from trio_backend.errors import EngineError

PROMPT = Prompt("", [Message("user", "one two three"), Message("assistant", "four")])


async def test_the_echo_takes_the_time_it_is_told(autojump_clock: trio.testing.MockClock) -> None:
    """To load, to the first token, from token to token; the end comes with the last."""
    config = EchoConfig(load=5, first_token_delay=2, token_delay=1)
    async with echo.open(config) as llm, llm.reply(PROMPT) as tokens:
        heard = [(trio.current_time(), token) async for token in tokens]
        assert trio.current_time() == 9
    assert heard == [(7, Text("one ")), (8, Text("two ")), (9, Text("three"))]


async def test_the_echo_of_nothing_is_nothing(autojump_clock: trio.testing.MockClock) -> None:
    """A prompt in which the user is silent has an empty reply."""
    async with echo.open(EchoConfig()) as llm, llm.reply(Prompt("", [])) as tokens:
        assert [token async for token in tokens] == []


@pytest.mark.parametrize("at", [0, 1, 3])
async def test_the_echo_fails_where_it_is_told(autojump_clock: trio.testing.MockClock, at: int) -> None:
    """In place of the first token, in the middle, and in place of the end."""
    async with echo.open(EchoConfig(fail="no more", fail_at=at)) as llm, llm.reply(PROMPT) as tokens:
        for _ in range(at):
            await tokens.receive()
        with pytest.raises(EngineError, match="no more"):
            await tokens.receive()


@pytest.mark.parametrize(("serial", "seconds"), [(False, 2), (True, 6)])
async def test_a_serial_voice_does_one_sentence_at_a_time(
    autojump_clock: trio.testing.MockClock, serial: bool, seconds: float
) -> None:
    """And one that is not does all at once."""
    async with tone.open(ToneConfig(load=1, delay=2, serial=serial)) as tts:
        began = trio.current_time()
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(spoken, tts, "Hello")
        assert (began, trio.current_time() - began) == (1, seconds)


async def test_a_tone_is_as_long_as_its_text(autojump_clock: trio.testing.MockClock) -> None:
    """Surrounding space is not spoken; a sentence that it is to fail on fails."""
    async with tone.open(ToneConfig(seconds_per_character=0.1, fail_on="fire")) as tts:
        assert (await spoken(tts, " 0123456789 ")).seconds == 1.0
        with pytest.raises(EngineError, match="told to fail"):
            await spoken(tts, "fire!")


async def test_the_tone_comes_in_chunks(autojump_clock: trio.testing.MockClock) -> None:
    """Each after its delay; together they are as long as the whole."""
    async with tone.open(ToneConfig(seconds_per_character=0.1, delay=1, chunk=0.4)) as tts:
        async with tts.speak("0123456789") as chunks:
            heard = [(trio.current_time(), chunk.seconds) async for chunk in chunks]
        assert heard == [(1, 0.4), (2, 0.4), (3, pytest.approx(0.2, abs=0.003))]
        assert (await spoken(tts, "0123456789")).seconds == pytest.approx(1, abs=0.003)


async def test_the_scripted_recognition_tells_what_it_has_so_far(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """At each chunk of sound; the final transcript comes after the sound has ended."""
    send, sound = trio.open_memory_channel[Pcm](3)
    async with (
        scripted.open(scripted.ScriptedAsrConfig(partial=True, delay=2)) as asr,
        asr.listen(sound) as transcripts,
    ):
        assert asr.streams
        await send.send(scripted.write("Hello"))
        assert await transcripts.receive() == AsrTranscript("Hello", final=False)
        await send.send(scripted.write(" there"))
        send.close()
        assert [(trio.current_time(), one) async for one in transcripts] == [
            (0, AsrTranscript("Hello there", final=False)),
            (2, AsrTranscript("Hello there", final=True)),
        ]


async def test_the_scripted_recognition_tells_only_the_end_unless_asked(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """As most engines do."""
    send, sound = trio.open_memory_channel[Pcm](2)
    async with scripted.open(scripted.ScriptedAsrConfig()) as asr, asr.listen(sound) as transcripts:
        assert not asr.streams
        for text in ("Hello", " there"):
            await send.send(scripted.write(text))
        send.close()
        assert [one async for one in transcripts] == [AsrTranscript("Hello there", final=True)]
