"""Findings 4 and 20: neither silent clients nor busy ones take ``POST /asr`` from the others."""

from __future__ import annotations

import json
import sys
import tracemalloc
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import trio

from tests.attack.uploads import ask, asr_server, begin, connect_from_address, form, head, heard, sound

# Only Linux answers on all of 127.0.0.0/8.
many_addresses = pytest.mark.skipif(
    sys.platform != "linux", reason="this machine has but one loopback address"
)


async def test_silence_switches_nothing_off(tmp_path: Path) -> None:
    """Four clients announce a megabyte and send nothing; the fifth is answered."""
    async with AsyncExitStack() as stack:
        port = await stack.enter_async_context(asr_server(tmp_path))
        silent = [await stack.enter_async_context(connect_from_address(port)) for _ in range(4)]
        for one in silent:
            await begin(one)
        bystander = await stack.enter_async_context(connect_from_address(port))
        assert heard(await ask(bystander, "hello")) == "hello"


async def test_a_body_has_a_deadline(tmp_path: Path) -> None:
    """Silent or a byte at a time: refused in words, and the connection is closed."""
    async with asr_server(tmp_path, request_body_timeout=0.5) as port:
        async with (
            connect_from_address(port) as silent,
            connect_from_address(port) as trickling,
            trio.open_nursery() as nursery,
        ):

            async def trickle() -> None:
                for _ in range(100):
                    await trickling.send(b"x")
                    await trio.sleep(0.05)

            await silent.send(head(1_000_000))
            await trickling.send(head(1_000_000), form(b"RIFF")[:100])
            nursery.start_soon(trickle)
            for one in (silent, trickling):
                answer = await one.answer()
                assert (answer.status, answer.headers["connection"]) == (408, "close")
                assert b"request_body_timeout" in answer.body
            nursery.cancel_scope.cancel()
            await silent.lost()
        async with connect_from_address(port) as bystander:
            assert heard(await ask(bystander, "hello")) == "hello"


async def test_a_client_that_leaves_in_the_middle_is_no_error(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Closed and reset; nothing is logged as our fault."""
    async with asr_server(tmp_path) as port:
        async with connect_from_address(port) as client:
            await client.send(head(1_000_000), form(bytes(1000))[:900])
        async with connect_from_address(port) as client:
            await client.send(head(1_000_000), form(bytes(2_000_000))[:900_000])
            await client.reset()
        async with connect_from_address(port) as bystander:
            assert heard(await ask(bystander, "hello")) == "hello"
    assert "Error in ASGI" not in caplog.text
    assert not [record for record in caplog.records if record.levelname in ("ERROR", "CRITICAL")]


async def test_silence_holds_no_place(tmp_path: Path) -> None:
    """Of any number of silent clients the oldest lose their places, at once, and are told why."""
    async with AsyncExitStack() as stack:
        port = await stack.enter_async_context(asr_server(tmp_path))
        silent = [await stack.enter_async_context(connect_from_address(port)) for _ in range(40)]
        for one in silent:
            await begin(one)
        bystander = await stack.enter_async_context(connect_from_address(port))
        for _ in range(3):
            assert heard(await ask(bystander, "hello")) == "hello"
        answer = await silent[0].answer()
        assert answer.status == 429
        assert "one after the other" in json.loads(answer.body)["error"]


@many_addresses
async def test_an_address_has_its_share_of_uploads(tmp_path: Path) -> None:
    """When sounds that are there take all of it, the next is refused in words; others have theirs."""
    bounds: Mapping[str, object] = {
        "max_uploads": 3,
        "max_uploads_per_address": 2,
        "transcription_timeout": 600,
    }
    body = form(sound("hello"))
    async with AsyncExitStack() as stack:
        port = await stack.enter_async_context(asr_server(tmp_path, {"delay": 3600}, **bounds))

        async def fill(address: str) -> int:
            """Send one after the other until one is refused; the status of that."""
            while True:
                client = await stack.enter_async_context(connect_from_address(port, address))
                await client.send(head(len(body)), body)
                with trio.move_on_after(0.2):
                    return (await client.answer()).status

        assert await fill("127.0.0.2") == 429
        assert await fill("127.0.0.3") == 503
        assert await fill("127.0.0.2") == 429


async def test_uploads_take_little_memory(tmp_path: Path) -> None:
    """Eight unfinished ones of almost 8 MiB each: a MiB of each is in memory, and the rest on disk."""
    size = 8 * 2**20 - 1000
    part = bytes(2**16)
    async with AsyncExitStack() as stack:
        port = await stack.enter_async_context(asr_server(tmp_path))
        clients = [await stack.enter_async_context(connect_from_address(port)) for _ in range(8)]
        tracemalloc.start()
        try:
            for client in clients:
                await client.send(head(size), form(b"")[:110])
                for _ in range(size // len(part) - 1):
                    await client.send(part)
            held, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        # With them, what is on its way: Hypercorn holds up to ten pieces of 64 KiB for each.
        assert peak < 8 * 2.5 * 2**20
        assert held <= peak
        bystander = await stack.enter_async_context(connect_from_address(port))
        assert heard(await ask(bystander, "hello")) == "hello"


async def test_fields_beside_the_file_are_small(tmp_path: Path) -> None:
    """They would be read into memory."""
    field = f'------part\r\nContent-Disposition: form-data; name="x"\r\n\r\n{"y" * 20_000}\r\n'.encode()
    body = field + form(sound("hello"))
    async with asr_server(tmp_path) as port, connect_from_address(port) as client:
        await client.send(head(len(body)), body)
        answer = await client.answer()
    assert answer.status == 400
    assert "16KB" in json.loads(answer.body)["error"]


@many_addresses
async def test_one_address_does_not_have_the_recogniser_to_itself(tmp_path: Path) -> None:
    """A client that comes after six files of another waits for one of them, not for six."""
    slow: Mapping[str, object] = {"delay": 0.5, "serial": True}
    order: list[str] = []
    async with asr_server(tmp_path, slow) as port, trio.open_nursery() as nursery:

        async def post(address: str, text: str) -> None:
            async with connect_from_address(port, address) as client:
                order.append(heard(await ask(client, text)))

        for number in range(6):
            nursery.start_soon(post, "127.0.0.2", f"greedy {number}")
        await trio.sleep(0.1)
        await post("127.0.0.1", "bystander")
        assert len(order) <= 3, order


async def test_a_recognition_has_a_deadline(tmp_path: Path) -> None:
    """It ends in words, and so does the wait of the one behind it; the recogniser is free then."""
    async with (
        asr_server(tmp_path, {"delay": 3600}, transcription_timeout=0.3) as port,
        connect_from_address(port) as first,
        connect_from_address(port) as second,
    ):
        body = form(sound("hello"))
        for one in (first, second):
            await one.send(head(len(body)), body)
        answers = [await one.answer() for one in (first, second)]
    assert [answer.status for answer in answers] == [503, 503]
    assert "transcription_timeout" in json.loads(answers[0].body)["error"]


@pytest.mark.parametrize("way", ["close", "reset"])
async def test_a_client_that_leaves_gives_its_memory_back(tmp_path: Path, way: str) -> None:
    """While they are transcribed; no other client has to wait until an hour is over."""
    body = form(sound("hello"))
    bounds: Mapping[str, object] = {"max_uploads_per_address": 1, "transcription_timeout": 600}
    async with asr_server(tmp_path, {"delay": 3600}, **bounds) as port:

        async def finds_a_place() -> bool:
            async with connect_from_address(port) as client:
                await client.send(head(len(body)), body)
                with trio.move_on_after(0.2):
                    return (await client.answer()).status != 429
                return True

        async with connect_from_address(port) as client:
            await client.send(head(len(body)), body)
            while await finds_a_place():
                pass
            await client.reset() if way == "reset" else await client.stream.aclose()
        with trio.fail_after(60):
            while not await finds_a_place():
                pass
