"""`wyoming_tts`: what is sent to a server, what its answers mean, and what it may do wrong."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from wyoming.event import Event
from wyoming.tts import Synthesize

from tests.promptness import PROMPTLY
from trio_backend.audio.pcm import Pcm
from trio_backend.engines.base import Tts
from trio_backend.engines.registry import configure, open_engine
from trio_backend.engines.settings import Environment
from trio_backend.engines.whole import joined, spoken
from trio_backend.errors import EngineError, SettingsError

from .wyoming_stand_in import (
    SPOKEN,
    WyomingBehaviour,
    WyomingClient,
    WyomingStandIn,
    line,
    open_wyoming_stand_in,
    sound_event,
    speaking,
    tone_of,
)

SECOND = tone_of("x" * 100)


@asynccontextmanager
async def opened(server: WyomingStandIn, **settings: object) -> AsyncIterator[Tts]:
    """The adapter."""
    given = {"base_url": server.url, **settings}
    async with open_engine(
        configure("tts", "wyoming_tts", given, environment=Environment(Path(), {}, 5))
    ) as tts:
        yield tts


def saying(*data: bytes, closes: bool = False) -> WyomingBehaviour:
    """Answer with these bytes, and then nothing, or the end of the connection."""

    async def answer(client: WyomingClient) -> None:
        await client.hear()
        await client.stream.send_all(b"".join(data))
        if closes:
            await client.stream.aclose()

    return answer


@pytest.mark.parametrize(
    ("settings", "voice"),
    [
        ({}, None),
        ({"voice": "de_DE-thorsten", "speaker": "angry"}, {"name": "de_DE-thorsten", "speaker": "angry"}),
        ({"language": "de"}, {"language": "de"}),
    ],
)
async def test_the_official_package_reads_what_is_asked(
    settings: dict[str, object], voice: dict[str, str] | None
) -> None:
    """Text and voice; and its sound comes back as it is, at its rate."""
    async with open_wyoming_stand_in(speaking(tone_of)) as server, opened(server, **settings) as tts:
        assert await spoken(tts, "Hello 你 \ud800.") == tone_of("Hello 你 \ufffd.")
        assert not (await spoken(tts, "…")).samples
    (client,) = server.clients
    read = Synthesize.from_event(Event("synthesize", dict(client.heard[0].data)))
    assert read.text == "Hello 你 \ufffd."
    assert (read.voice and read.voice.to_dict()) == voice


async def test_sound_is_handed_out_as_it_comes() -> None:
    """In chunks of 50 ms at least, while the server says the rest."""
    async with open_wyoming_stand_in(speaking(lambda _: SECOND, most=5)) as server, opened(server) as tts:
        with trio.fail_after(PROMPTLY):
            async with tts.speak("Hello.") as chunks:
                first = await chunks.receive()
        with trio.fail_after(PROMPTLY):
            await server.clients[0].left.wait()
    assert 0.05 <= first.seconds < 0.2
    assert SECOND.samples.startswith(first.samples)


TOLD = line("audio-start", SPOKEN) + sound_event(bytes(44_100))


def failing(code: str) -> bytes:
    """The event ``error``."""
    return line("error", {"text": "sk-secret", "code": code})


@pytest.mark.parametrize(
    ("behaviour", "words", "seconds"),
    [
        (saying(failing("voice-not-found")), r"failed \(voice-not-found\)", 0),
        (saying(failing("sk secret")), "failed; its own log", 0),
        (saying(b"sk-secret\n"), "no event of Wyoming", 0),
        (saying(line("audio-start", {**SPOKEN, "channels": 2})), "other samples", 0),
        (saying(line("audio-start", {**SPOKEN, "rate": "x"})), "other samples", 0),
        (saying(TOLD, line("audio-start", {**SPOKEN, "rate": 16_000})), "other samples", 1),
        (saying(closes=True), "closed the connection before its answer", 0),
        (saying(TOLD, closes=True), "closed the connection before its answer", 1),
        (saying(TOLD[:-100], closes=True), "closed the connection before its answer", 0),
        (saying(TOLD, failing("")), "failed; its own log", 1),
        (saying(), "no sound within 0.4 s", 0),
        (saying(TOLD), "the sound is not whole within 0.4 s", 1),
        (saying(*[TOLD] * 8), "more sound than 5 s", 5),
    ],
)
async def test_what_goes_wrong_is_told(behaviour: WyomingBehaviour, words: str, seconds: float) -> None:
    """What came before is handed out; of what the server says nothing is repeated."""
    heard: list[Pcm] = []
    async with open_wyoming_stand_in(behaviour) as server, opened(server, timeout=0.4) as tts:
        with trio.fail_after(5), pytest.raises(EngineError, match=f"wyoming_tts: .*{words}") as caught:
            await listen(tts, heard)
        assert "sk-secret" not in str(caught.value)
        with trio.fail_after(PROMPTLY):
            await server.clients[0].left.wait()
    assert sum(chunk.seconds for chunk in heard) == seconds


async def listen(tts: Tts, heard: list[Pcm]) -> None:
    """Keep what is said, up to an error."""
    async with tts.speak("Hello.") as chunks:
        async for chunk in chunks:
            heard.append(chunk)  # noqa: PERF401  what came before an error counts


async def test_nobody_listens() -> None:
    """It says where, and what to do."""
    async with open_wyoming_stand_in(saying()) as server:
        pass
    async with opened(server) as tts:
        with pytest.raises(EngineError, match=r"nothing listens at .*start a Wyoming server there"):
            await spoken(tts, "Hello.")


@pytest.mark.parametrize("most", [0, 3])
async def test_a_cancel_closes_the_connection(most: int) -> None:
    """At once."""
    async with open_wyoming_stand_in(speaking(lambda _: SECOND, most=most)) as server, opened(server) as tts:
        with trio.move_on_after(0.2) as scope:
            await spoken(tts, "Hello.")
        assert scope.cancelled_caught
        with trio.fail_after(PROMPTLY):
            await server.clients[0].left.wait()
    assert server.clients[0].left_at - scope.deadline < PROMPTLY


@pytest.mark.parametrize("url", ["http://localhost", "tcp://", "10200"])
def test_a_wrong_address_is_told(url: str) -> None:
    """With an example."""
    with pytest.raises(SettingsError, match=r"base_url: must be .* tcp://127\.0\.0\.1:10200"):
        configure("tts", "wyoming_tts", {"base_url": url}, environment=Environment(Path(), {}))


async def test_half_a_sample_waits_for_its_other_half() -> None:
    """However the server tears its sound."""
    sound = b"".join(sound_event(SECOND.samples[at : at + 999]) for at in range(0, 9_990, 999))
    answer = saying(line("audio-start", SPOKEN), sound, line("audio-stop", {}))
    async with open_wyoming_stand_in(answer) as server, opened(server) as tts:
        heard: list[Pcm] = []
        await listen(tts, heard)
    assert not [chunk for chunk in heard if len(chunk.samples) % 2]
    assert joined(heard) == Pcm(SECOND.samples[:9_990], 22_050)
