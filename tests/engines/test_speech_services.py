"""Recognisers behind WebSockets: what each promises, whatever its service does."""

from __future__ import annotations

import math
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, nullcontext

import pytest
import trio
from loguru import logger

from tests.engines.speech_services import SERVICES, WORDS, SpeechService
from tests.engines.speech_sounds import noise, silence
from tests.engines.websocket_server import (
    TROUBLE,
    Speaking,
    Spoken,
    garbage,
    hanging,
    open_websocket_service,
    refusing,
    silent,
)
from tests.promptness import PROMPTLY
from trio_backend.audio.pcm import Pcm
from trio_backend.conversation.recognition import Recognition
from trio_backend.engines import service_asr
from trio_backend.engines.base import Asr, AsrTranscript
from trio_backend.engines.whole import transcribed
from trio_backend.errors import EngineError

TEXT = "".join(WORDS)


@pytest.fixture(params=list(SERVICES.values()), ids=list(SERVICES))
def recogniser(request: pytest.FixtureRequest) -> SpeechService:
    """Each of them in turn."""
    assert isinstance(request.param, SpeechService)
    return request.param


@pytest.fixture
def log() -> Iterator[list[str]]:
    """Everything that is logged, with the errors that are attached to it."""
    lines: list[str] = []
    sink = logger.add(lines.append, level="TRACE", diagnose=False)
    yield lines
    logger.remove(sink)


@asynccontextmanager
async def talking(*chunks: Pcm) -> AsyncIterator[trio.MemoryReceiveChannel[Pcm]]:
    """Somebody says ``chunks``, each when the one before was taken."""
    send, sound = trio.open_memory_channel[Pcm](0)

    async def talk() -> None:
        async with send:
            for chunk in chunks:
                await send.send(chunk)

    async with trio.open_nursery() as nursery, sound:
        nursery.start_soon(talk)
        yield sound
        nursery.cancel_scope.cancel()


async def test_transcripts_come_while_one_speaks(recogniser: SpeechService) -> None:
    """Each is better than the one before, and the final one is whole; all sound got there."""
    assert recogniser.name in SERVICES
    async with open_websocket_service(recogniser.behaviour) as service, recogniser.opens(service) as asr:
        assert asr.streams
        send, sound = trio.open_memory_channel[Pcm](0)
        with trio.fail_after(10):
            async with sound, asr.listen(sound) as transcripts:
                await send.send(noise(0.5))
                first = await transcripts.receive()
                await send.send(noise(0.5))
                send.close()
                rest = [transcript async for transcript in transcripts]
        assert not first.final
        assert TEXT.startswith(first.text)
        assert first.text
        assert [one.final for one in rest] == [False] * (len(rest) - 1) + [True]
        assert rest[-1].text == TEXT
        (spoken,) = service.connections
        with trio.fail_after(5):
            await spoken.left.wait()
        assert spoken.close_code in (1000, None)
        got = len(recogniser.heard(spoken)) / 2
        assert any(math.isclose(got, rate, abs_tol=2) for rate in (16_000, 24_000))


async def test_no_sound_needs_no_service(recogniser: SpeechService) -> None:
    """Nothing was said: nobody is asked, and nothing is to be paid."""
    async with open_websocket_service(recogniser.behaviour) as service:
        async with recogniser.opens(service) as asr:
            assert await transcribed(asr, Pcm(b"", 16_000)) == ""
        assert service.connections == []


@pytest.mark.parametrize("trouble", TROUBLE)
async def test_a_service_in_trouble_is_told_in_words(
    recogniser: SpeechService, trouble: str, log: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which service, and what to do; never the key, and never what the service wrote."""
    behaviour, told = TROUBLE[trouble]
    monkeypatch.setattr(service_asr, "PAUSES", (0.01, 0.02))
    async with open_websocket_service(behaviour) as service:
        with trio.fail_after(20):
            async with recogniser.opens(service, timeout=0.3, connect_timeout=0.5) as asr:
                with pytest.raises(EngineError, match=told) as caught:
                    await transcribed(asr, noise(0.3))
    assert str(caught.value).startswith(recogniser.name)
    assert "sk-secret" not in str(caught.value) + "".join(log)


async def test_what_passes_by_itself_is_tried_again(recogniser: SpeechService) -> None:
    """A server that is busy for a moment costs a moment, and no word."""
    async with open_websocket_service(recogniser.behaviour) as service:
        service.script += [refusing(503), refusing(429, None, "Retry-After: 0.1")]
        async with recogniser.opens(service) as asr:
            with trio.fail_after(10):
                assert await transcribed(asr, noise(0.5)) == TEXT
        assert len(service.connections) == 3


async def test_nobody_listens(recogniser: SpeechService, monkeypatch: pytest.MonkeyPatch) -> None:
    """The address is named."""
    monkeypatch.setattr(service_asr, "PAUSES", (0.01, 0.02))
    async with open_websocket_service(recogniser.behaviour) as service:
        port = service.port
        opens = recogniser.opens(service)
    async with opens as asr:
        with trio.fail_after(10), pytest.raises(EngineError, match=f"nothing listens at 127.0.0.1:{port}"):
            await transcribed(asr, noise(0.3))


@pytest.mark.parametrize("behaviour", [hanging, silent, None], ids=["handshake", "silent", "talking"])
@pytest.mark.parametrize("after", [0.01, 0.1])
async def test_a_cancel_closes_the_connection_at_once(
    recogniser: SpeechService, behaviour: Speaking | None, after: float
) -> None:
    """Whatever is going on: in the handshake, while one speaks, or while the transcript is waited for."""
    async with (
        open_websocket_service(behaviour or recogniser.behaviour) as service,
        recogniser.opens(service) as asr,
        talking(*[noise(0.02)] * 10_000) as sound,
    ):
        with trio.move_on_after(after) as scope:
            async with asr.listen(sound) as transcripts:
                async for _ in transcripts:
                    pass
        assert trio.current_time() - scope.deadline < PROMPTLY
        for spoken in service.connections:
            with trio.fail_after(PROMPTLY):
                await spoken.left.wait()


async def test_leaving_early_closes_the_connection(recogniser: SpeechService) -> None:
    """After the first transcript, or before it."""
    async with open_websocket_service(recogniser.behaviour) as service, recogniser.opens(service) as asr:
        for count in (0, 1):
            async with talking(*[noise(0.1)] * 100) as sound, asr.listen(sound) as transcripts:
                for _ in range(count):
                    await transcripts.receive()
        for spoken in service.connections:
            with trio.fail_after(PROMPTLY):
                await spoken.left.wait()
        assert await transcribed(asr, noise(0.5)) == TEXT


async def test_an_error_of_the_block_comes_out_as_it_is(recogniser: SpeechService) -> None:
    """Bare, in no group, whatever the tasks within are doing."""

    class Unforeseen(Exception):
        pass

    send, sound = trio.open_memory_channel[Pcm](2)
    async with recogniser.open() as asr, send, sound:
        with pytest.raises(Unforeseen):
            async with asr.listen(sound):
                raise Unforeseen
        for rate in (16_000, 48_000):
            send.send_nowait(Pcm(bytes(3200), rate))
        with pytest.raises(EngineError, match="sample rate"):
            await heard(asr, sound)


async def heard(asr: Asr, sound: trio.MemoryReceiveChannel[Pcm]) -> list[AsrTranscript]:
    """All transcripts of ``sound``."""
    async with asr.listen(sound) as transcripts:
        return [transcript async for transcript in transcripts]


async def test_sound_is_taken_while_there_is_no_connection_yet(recogniser: SpeechService) -> None:
    """Who speaks is not held up by a service that is slow to answer."""
    answer = trio.Event()

    async def slow(spoken: Spoken) -> None:
        await answer.wait()
        await recogniser.behaviour(spoken)

    async with open_websocket_service(slow) as service, recogniser.opens(service) as asr:
        send, sound = trio.open_memory_channel[Pcm](0)
        with trio.fail_after(10):
            async with sound, asr.listen(sound) as transcripts:
                for _ in range(50):
                    await send.send(silence(0.1))
                answer.set()
                send.close()
                assert [one async for one in transcripts][-1].text == TEXT
        (spoken,) = service.connections
        assert len(recogniser.heard(spoken)) >= 5 * 2 * 16_000


@pytest.mark.parametrize("behaviour", [None, garbage, refusing(401)], ids=["good", "garbage", "refused"])
async def test_a_conversation_recognises_by_it(recogniser: SpeechService, behaviour: Speaking | None) -> None:
    """While somebody speaks; where the service fails, that is noted, and nothing else is harmed."""
    heard_while_speaking: list[str] = []
    async with (
        open_websocket_service(behaviour or recogniser.behaviour) as service,
        recogniser.opens(service) as asr,
        trio.open_nursery() as nursery,
    ):
        recognition = Recognition(asr.streams, lambda changed: heard_while_speaking.append(changed.text))
        nursery.start_soon(recognition.run, lambda: nullcontext(asr))
        with trio.fail_after(10):
            for _ in range(20):
                recognition.feed(noise(0.05).samples)
                await trio.sleep(0.005)
            recognition.complete()
            assert await recognition.result() == (None if behaviour else TEXT)
    assert recognition.failed == bool(behaviour)
    assert behaviour or heard_while_speaking[0] in TEXT


async def test_no_cancel_is_a_failure_or_leaves_a_connection(recogniser: SpeechService) -> None:
    """At any moment, of many sessions at once; the others are not disturbed."""
    moments, finals = random.Random(5), 0

    async def listen(asr: Asr) -> None:
        nonlocal finals
        send, sound = trio.open_memory_channel[Pcm](4)
        with trio.move_on_after(moments.random() * 0.05):
            async with send, sound, asr.listen(sound) as transcripts:
                for _ in range(moments.randrange(4)):
                    send.send_nowait(noise(0.03))
                if moments.random() < 0.7:
                    send.close()
                async for transcript in transcripts:
                    finals += transcript.final

    async with open_websocket_service(recogniser.behaviour) as service, recogniser.opens(service) as asr:
        with trio.fail_after(60):
            for _ in range(8):
                async with trio.open_nursery() as nursery:
                    for _ in range(20):
                        nursery.start_soon(listen, asr)
            for spoken in service.connections:
                await spoken.left.wait()
        assert await transcribed(asr, noise(0.3)) == TEXT
    assert finals > 0
