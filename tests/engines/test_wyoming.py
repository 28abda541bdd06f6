"""Wyoming: its events as bytes, a server of the real package, and servers that misbehave."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from tests.engines.speech_sounds import noise, opened
from tests.engines.wyoming_stand_in import (
    TRANSCRIPT,
    WyomingBehaviour,
    WyomingClient,
    answering,
    open_wyoming_stand_in,
)
from tests.promptness import PROMPTLY
from trio_backend.audio.pcm import Pcm
from trio_backend.engines import wyoming
from trio_backend.engines.base import AsrTranscript
from trio_backend.engines.whole import transcribed
from trio_backend.engines.wyoming import WyomingEvent, WyomingReader, encoded
from trio_backend.errors import EngineError, SettingsError

needs_wyoming = pytest.mark.skipif(
    find_spec("wyoming") is None, reason="the package wyoming is not installed"
)


@pytest.fixture(params=["whole", "stream"])
def real_server(request: pytest.FixtureRequest) -> Iterator[tuple[str, bool]]:
    """The address of a server of the real package, and whether it says what it hears while one speaks."""
    command = [sys.executable, str(Path(__file__).with_name("real_wyoming_server.py")), f"--{request.param}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        yield f"tcp://127.0.0.1:{int(server.stdout.readline())}", request.param == "stream"
        server.kill()


@needs_wyoming
async def test_a_server_of_the_real_package_understands(real_server: tuple[str, bool]) -> None:
    """It gets all of the sound and the language; what it says in chunks comes as it says it."""
    url, streams = real_server
    settings = {"base_url": url, "language": "de", "streams": streams}
    async with opened("wyoming_asr", settings)() as asr:
        assert asr.streams == streams
        send, sound = trio.open_memory_channel[Pcm](0)
        heard: list[AsrTranscript] = []
        with trio.fail_after(10):
            async with sound, asr.listen(sound) as transcripts:
                await send.send(noise(0.5))
                if streams:
                    heard.append(await transcripts.receive())
                await send.send(noise(1))
                send.close()
                heard += [transcript async for transcript in transcripts]
        assert heard[-1] == AsrTranscript("heard 1.5 s of de", final=True)
        assert [one.text for one in heard[:-1]] == ["heard", "heard 1.5 s of de"] * streams


@needs_wyoming
@pytest.mark.parametrize("real_server", ["whole"], indirect=True)
async def test_an_error_of_the_real_package_is_told(real_server: tuple[str, bool]) -> None:
    """With its code, and without its words."""
    async with opened("wyoming_asr", {"base_url": real_server[0], "model": "broken"})() as asr:
        with trio.fail_after(10), pytest.raises(EngineError, match=r"failed \(no-such-model\)") as caught:
            await transcribed(asr, noise(0.3))
    assert "sk-secret" not in str(caught.value)


def test_an_event_is_written_as_the_package_writes_it() -> None:
    """A line, its data, its payload."""
    event = WyomingEvent("audio-chunk", {"rate": 16000, "width": 2, "channels": 1}, b"\0\1")
    assert encoded(event) == (
        b'{"type":"audio-chunk","version":"1.10.2","data_length":37,"payload_length":2}\n'
        b'{"rate":16000,"width":2,"channels":1}\0\1'
    )
    assert encoded(WyomingEvent("audio-stop")) == b'{"type":"audio-stop","version":"1.10.2"}\n'


events = st.builds(
    WyomingEvent,
    st.text(min_size=1, max_size=9),
    st.dictionaries(st.text(max_size=5), st.text(max_size=20) | st.integers(-9, 9), max_size=3),
    st.binary(max_size=50),
)


@given(st.lists(events, max_size=4), st.lists(st.integers(1, 60), max_size=8))
def test_events_are_read_however_they_are_cut(sent: list[WyomingEvent], cuts: list[int]) -> None:
    """As they were written."""
    reader, data, got = WyomingReader(), b"".join(map(encoded, sent)), []
    for cut in [*cuts, len(data)]:
        reader.feed(data[:cut])
        data = data[cut:]
        while (event := reader.next_event()) is not None:
            got.append(event)
    assert [(one.type, one.data, one.payload) for one in got] == [
        (one.type, one.data, one.payload) for one in sent
    ]


def test_data_may_stand_in_the_line() -> None:
    """As older servers write it; data behind the line is added."""
    reader = WyomingReader()
    reader.feed(b'{"type": "transcript", "data": {"text": "a"}, "data_length": 8}\n{"b": 1}')
    assert reader.next_event() == WyomingEvent("transcript", {"text": "a", "b": 1})
    reader.feed(b'{"type": "transcript", "data": {"text": "a"}}\n')
    assert reader.next_event() == WyomingEvent("transcript", {"text": "a"})


@pytest.mark.parametrize(
    "data",
    [
        b"surprise\n",
        b"[]\n",
        b'{"type": 1}\n',
        b"\xff\n",
        b"x" * 70_000,
        b'{"type": "a", "data_length": -1}\n',
        b'{"type": "a", "payload_length": 99999999}\n',
        b'{"type": "a", "data_length": 2}\n[]',
    ],
)
def test_what_is_no_event_is_refused(data: bytes) -> None:
    """And nothing fills the memory."""
    reader = WyomingReader()
    reader.feed(data)
    with pytest.raises(ValueError):  # noqa: PT011
        reader.next_event()


async def gone(client: WyomingClient) -> None:
    """The server leaves amid the sound."""
    await client.hear()
    await client.stream.aclose()


@pytest.mark.parametrize(
    ("behaviour", "told"),
    [
        (answering(b""), "no transcript within 0.3 s"),
        (answering(b"<surprise>\n"), "no transcript"),
        (answering(b'{"type": "transcript", "data": {"text": 1}}\n'), "no transcript"),
        (answering(b'{"type": "transcript", "data_length": 99}\n{"te', closes=True), "closed the connection"),
        (answering(b'{"type": "error", "data": {"text": "sk-secret", "code": "sk secret"}}\n'), "failed;"),
        (gone, "closed the connection|broke off"),
    ],
    ids=["silent", "garbage", "wrong shape", "half an event", "error", "gone"],
)
async def test_a_server_in_trouble_is_told_in_words(behaviour: WyomingBehaviour, told: str) -> None:
    """What is wrong; nothing that the server wrote."""
    async with (
        open_wyoming_stand_in(behaviour) as server,
        opened("wyoming_asr", {"base_url": server.url, "timeout": 0.3})() as asr,
    ):
        with trio.fail_after(5), pytest.raises(EngineError, match=told) as caught:
            await transcribed(asr, noise(0.3))
    assert str(caught.value).startswith("wyoming_asr: ")
    assert "secret" not in str(caught.value)


async def test_nobody_listens() -> None:
    """The address is named, and what to do."""
    async with open_wyoming_stand_in(answering(b"")) as server:
        url, port = server.url, server.port
    async with opened("wyoming_asr", {"base_url": url})() as asr:
        with pytest.raises(EngineError, match=f"nothing listens at 127.0.0.1:{port}; start a Wyoming server"):
            await transcribed(asr, noise(0.3))


@pytest.mark.parametrize("after", [0.01, 0.1])
async def test_a_cancel_closes_the_connection_at_once(after: float) -> None:
    """While the transcript is waited for."""
    async with (
        open_wyoming_stand_in(answering(b"")) as server,
        opened("wyoming_asr", {"base_url": server.url})() as asr,
    ):
        with trio.move_on_after(after) as scope:
            await transcribed(asr, noise(1))
        assert trio.current_time() - scope.deadline < PROMPTLY
        for client in server.clients:
            with trio.fail_after(PROMPTLY):
                await client.left.wait()


async def test_a_server_that_takes_nothing_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """In time."""
    monkeypatch.setattr(wyoming, "SEND_TIMEOUT", 0.3)

    async def deaf(client: WyomingClient) -> None:
        await trio.sleep_forever()

    async with (
        open_wyoming_stand_in(deaf) as server,
        opened("wyoming_asr", {"base_url": server.url, "timeout": 0.3})() as asr,
    ):
        with trio.fail_after(5), pytest.raises(EngineError, match="no transcript within"):
            await transcribed(asr, noise(300))


async def test_the_server_is_told_what_is_set() -> None:
    """Model and language, if they are."""
    for settings, asked in (({}, {}), ({"model": "m", "language": "en"}, {"name": "m", "language": "en"})):
        async with (
            open_wyoming_stand_in(answering(TRANSCRIPT)) as server,
            opened("wyoming_asr", {"base_url": server.url, **settings})() as asr,
        ):
            assert await transcribed(asr, noise(0.3)) == "Hello there."
        first, start, chunk, *_, stop = server.clients[0].heard
        assert (first.type, first.data) == ("transcribe", asked)
        assert [event.type for event in (start, chunk, stop)] == ["audio-start", "audio-chunk", "audio-stop"]


@pytest.mark.parametrize("url", ["http://localhost:1", "tcp://", "localhost:10300", "tcp://a:b"])
def test_the_address_is_checked(url: str) -> None:
    """It is that of Wyoming's other programs."""
    with pytest.raises(SettingsError, match="must be an address such as tcp://"):
        opened("wyoming_asr", {"base_url": url})
