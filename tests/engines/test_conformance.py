"""What every engine promises, asked of every adapter; on the real clock, since some of them are real."""

from __future__ import annotations

import math
import shutil
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import psutil
import pytest
import trio

from trio_backend.audio.pcm import Pcm
from trio_backend.engines.base import Llm, Message, Prompt, Text, Tts
from trio_backend.engines.registry import EngineConfig, Kind, configure, open_engine
from trio_backend.engines.settings import Surroundings
from trio_backend.engines.tts import espeak, espeak_installed
from trio_backend.engines.tts.tone import hum
from trio_backend.engines.whole import spoken
from trio_backend.errors import EngineError

from .model_server import body, hanging, open_model_server, refusing, streaming

PROMPT = Prompt("You are Mao.", [Message("user", "Hello there, my dear old friend.")], character="Mao")
PROMPTLY = 0.05
"""Seconds in which everything that an engine began is over."""

OpenLlm = Callable[[], AbstractAsyncContextManager[Llm]]
OpenTts = Callable[[], AbstractAsyncContextManager[Tts]]


def config(kind: Kind, name: str, settings: Mapping[str, object]) -> EngineConfig:
    """As a configuration file would have it."""
    return configure(kind, name, settings, surroundings=Surroundings(Path(), {}))


def opens(kind: Kind, name: str, **settings: object) -> Callable[[], AbstractAsyncContextManager[object]]:
    """An engine that needs nothing else."""
    return lambda: open_engine(config(kind, name, settings))


@asynccontextmanager
async def open_model() -> AsyncIterator[Llm]:
    """The adapter for model servers, and a server that is as fast as the others here."""
    async with open_model_server() as server:
        server.behaviour = streaming("Hello ", "there, ", "my ", "friend.", delay=0.01)
        chosen = config("llm", "openai_compatible_llm", {"base_url": server.url, "model": "m"})
        async with open_engine(chosen) as llm:
            yield llm


@asynccontextmanager
async def open_voice_server() -> AsyncIterator[Tts]:
    """The adapter for voice servers, and a server that hums."""
    async with open_model_server() as server:
        server.behaviour = body(hum(0.5).to_wav(), "audio/wav")
        async with open_engine(config("tts", "openai_tts", {"base_url": server.url})) as tts:
            yield tts


@asynccontextmanager
async def open_espeak_library() -> AsyncIterator[Tts]:
    """The espeak-ng voice as it is on a machine without the program."""
    yield espeak.Espeak(espeak.EspeakConfig(), espeak_installed.find_library(), trio.CapacityLimiter(2))


@pytest.fixture(params=["echo_llm", "scripted_llm", "openai_compatible_llm"])
def open_llm(request: pytest.FixtureRequest) -> object:
    """Each language model in turn."""
    return {
        "echo_llm": opens("llm", "echo_llm", token_delay=0.01),
        "scripted_llm": opens("llm", "scripted_llm", token_delay=0.01),
        "openai_compatible_llm": open_model,
    }[request.param]


@pytest.fixture(params=["tone_tts", "none_tts", "espeak_tts", "espeak_library", "openai_tts"])
def open_tts(request: pytest.FixtureRequest) -> object:
    """Each voice in turn."""
    if request.param == "espeak_tts" and shutil.which("espeak-ng") is None:
        pytest.skip("the program espeak-ng is not installed")
    return {
        "tone_tts": opens("tts", "tone_tts"),
        "none_tts": opens("tts", "none_tts"),
        "espeak_tts": opens("tts", "espeak_tts"),
        "espeak_library": open_espeak_library,
        "openai_tts": open_voice_server,
    }[request.param]


async def whole(llm: Llm) -> str:
    """What is said in a reply, from its first to its last part."""
    async with llm.reply(PROMPT) as parts:
        return "".join([part.text async for part in parts if isinstance(part, Text)])


async def test_a_reply_comes_in_tokens_and_ends(open_llm: OpenLlm) -> None:
    """Several pieces that make a text, none of them empty."""
    with trio.fail_after(10):
        async with open_llm() as llm, llm.reply(PROMPT) as tokens:
            pieces = [token async for token in tokens]
    assert len(pieces) > 1
    assert all(isinstance(piece, Text) and piece.text for piece in pieces)


async def test_replies_may_overlap(open_llm: OpenLlm) -> None:
    """Three at once are three whole replies."""
    replies: list[str] = []

    async def ask(llm: Llm) -> None:
        replies.append(await whole(llm))

    with trio.fail_after(10):
        async with open_llm() as llm, trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(ask, llm)
    assert len(replies) == 3
    assert all(len(reply.split()) > 1 for reply in replies)


async def test_a_reply_may_be_left_early(open_llm: OpenLlm) -> None:
    """Leaving after one token, or before the first, takes no time and disturbs no later reply."""
    with trio.fail_after(10):
        async with open_llm() as llm:
            await whole(llm)
            for count in (0, 1):
                async with llm.reply(PROMPT) as tokens:
                    for _ in range(count):
                        await tokens.receive()
                    began = trio.current_time()
                assert trio.current_time() - began < PROMPTLY
            assert await whole(llm)


@pytest.mark.parametrize("after", [0.0, 0.005, 0.015])
async def test_a_cancelled_reply_ends_promptly(open_llm: OpenLlm, after: float) -> None:
    """Wherever the model is, a barge-in has no wait; the next reply is whole."""
    with trio.fail_after(10):
        async with open_llm() as llm:
            await whole(llm)
            with trio.move_on_after(after) as scope:
                await whole(llm)
            assert trio.current_time() - scope.deadline < PROMPTLY
            assert await whole(llm)


async def test_a_failing_model_raises_from_receive() -> None:
    """What was received before the error stands, and the error comes bare, in no group."""
    async with (
        open_engine(config("llm", "echo_llm", {"fail": "no more", "fail_at": 2})) as llm,
        llm.reply(PROMPT) as tokens,
    ):
        assert [await tokens.receive(), await tokens.receive()] == [Text("Hello "), Text("there, ")]
        with pytest.raises(EngineError, match="no more"):
            await tokens.receive()


def children() -> list[int]:
    """The child processes of this one."""
    return [child.pid for child in psutil.Process().children(recursive=True)]


async def test_a_sentence_becomes_sound(open_tts: OpenTts) -> None:
    """Whole samples at an ordinary rate; all voices but the silent one can be heard."""
    with trio.fail_after(20):
        async with open_tts() as tts:
            pcm = await spoken(tts, "Hello there, my friend.")
    assert len(pcm.samples) % 2 == 0
    assert 8_000 <= pcm.rate <= 48_000
    loudest = max(map(abs, struct.unpack(f"<{len(pcm.samples) // 2}h", pcm.samples)), default=0)
    assert loudest > 1000 or type(tts).__name__ == "SilentTts"


@pytest.mark.parametrize(
    "text", ["", " ", "…", "-v nosuch --help", "a\0b", "\ud800 cut", "🎈", "[[h@l'oU]]", "<b>"]
)
async def test_any_text_can_be_said(open_tts: OpenTts, text: str) -> None:
    """Nothing that a model may write makes a voice fail."""
    with trio.fail_after(20):
        async with open_tts() as tts:
            assert isinstance(await spoken(tts, text), Pcm)


async def test_sentences_may_overlap(open_tts: OpenTts) -> None:
    """Four at once, each with the sound of its own text."""
    lengths: dict[int, float] = {}

    async def say(tts: Tts, count: int) -> None:
        lengths[count] = (await spoken(tts, "one two three four " * count)).seconds

    with trio.fail_after(30):
        async with open_tts() as tts, trio.open_nursery() as nursery:
            for count in (4, 3, 2, 1):
                nursery.start_soon(say, tts, count)
    in_order = [lengths[count] for count in (1, 2, 3, 4)]
    assert in_order == sorted(in_order)


@pytest.mark.parametrize("after", [0.0, 0.002, 0.03])
async def test_a_cancelled_sentence_ends_promptly(open_tts: OpenTts, after: float) -> None:
    """A barge-in leaves no child process, and the voice speaks on."""
    before = children()
    with trio.fail_after(30):
        async with open_tts() as tts:
            await spoken(tts, "Hello.")
            with trio.move_on_after(after) as scope:
                await spoken(tts, "This is a very long sentence, and nobody will hear it out. " * 200)
            assert not scope.cancelled_caught or trio.current_time() - scope.deadline < PROMPTLY
            assert children() == before
            assert isinstance(await spoken(tts, "Hello."), Pcm)


HANG = (hanging(), hanging("word "))
REFUSE = (refusing(401), refusing(404, {"message": "no"}), refusing(429, None, "Retry-After: 99"))


@pytest.mark.parametrize("behaviour", [*HANG, *REFUSE])
async def test_a_server_in_trouble_raises_only_engine_errors(
    behaviour: Callable[[object], Awaitable[None]],
) -> None:
    """Through model and voice alike, whatever the server does."""
    async with open_model_server() as server:
        server.behaviour = behaviour
        patience = {"first_token_timeout": 0.2, "token_timeout": 0.2}
        chat = config("llm", "ollama_llm", {"base_url": server.url, "model": "m", **patience})
        speech = config("tts", "openai_tts", {"base_url": server.url, "timeout": 0.2})
        with trio.fail_after(10):
            async with open_engine(chat) as llm:
                with pytest.raises(EngineError, match="ollama_llm"):
                    await whole(llm)
            async with open_engine(speech) as tts:
                with pytest.raises(EngineError, match="openai_tts"):
                    await spoken(tts, "Hello.")


def test_the_tone_lasts_as_long_as_it_should() -> None:
    """Whole periods, so up to one of them more."""
    assert hum(0) == Pcm(b"", 16_000)
    assert math.isclose(hum(1.5).seconds, 1.5)
    assert 0.01 <= hum(0.0099).seconds <= 0.0125
