"""`WebSocketWire` answers every case as the RFC says; and the table in docs/ says how many there are."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pytest
import trio
from trio.testing import memory_stream_pair

from tests.conformance.case import MAX_SIZE, Case, Frames, description
from tests.conformance.cases import all_cases
from tests.conformance.table import PAGE, page
from tests.server.raw_client import RawClient, connect
from tests.server.running import run_server
from trio_backend.errors import WireClosed
from trio_backend.protocol import Utf8
from trio_backend.server import ServerOptions, UpgradeRequest
from trio_backend.server.websocket import WebSocketWire
from trio_backend.wire import Wire

CASES = all_cases()
# Every so many cases go over a real socket, too.
SAMPLE = 9


async def serve(wire: Wire, _request: UpgradeRequest | None = None) -> None:
    """Say every text again, and describe everything else."""
    while True:
        message = await wire.receive()
        if isinstance(message, bytes) and not isinstance(message, Utf8):
            await wire.send(description(message))
        else:
            await wire.send(message.encode() if isinstance(message, str) else message)


async def heard(client: RawClient, case: Case) -> Frames:
    """All frames that come, up to and including a close; of close frames of ours, the code only."""
    frames: list[tuple[int, bytes]] = []
    while not frames or frames[-1][0] != 0x88:
        frames.append(await client.frame())
    first, payload = frames[-1]
    if payload != case.answer[-1][1]:
        frames[-1] = first, payload[:2]
        payload[2:].decode()
    return tuple(frames)


async def answer(case: Case, pieces: Sequence[bytes]) -> Frames:
    """What comes back when ``pieces`` are sent, over a stream in memory."""
    ours, theirs = memory_stream_pair()
    wire, client = WebSocketWire(ours, max_message_size=MAX_SIZE), RawClient(theirs)

    async def run() -> None:
        try:
            await serve(wire)
        except WireClosed:
            await wire.close()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run)
        # A connection that has failed may be gone before the last byte is sent.
        with suppress(trio.BrokenResourceError):
            for piece in pieces:
                await client.send(piece)
                if len(pieces) > 1:
                    # So that it is read by itself.
                    await trio.testing.wait_all_tasks_blocked()
        found = await heard(client, case)
        await client.ended()
        await client.stream.aclose()
    return found


@pytest.mark.parametrize("case", [pytest.param(case, id=f"{case.section} {case.name}") for case in CASES])
async def test_the_answer_is_the_rfcs(case: Case) -> None:
    """Frame by frame, and nothing else, up to the end of the connection."""
    assert await answer(case, [case.sent]) == case.answer


async def test_it_is_the_same_byte_by_byte() -> None:
    """Section 5 knows no packets."""
    for case in CASES:
        if case.chopped:
            pieces = [bytes((byte,)) for byte in case.sent]
            assert await answer(case, pieces) == case.answer, case


async def test_it_is_the_same_over_a_real_socket() -> None:
    """A sample of all, by a running server."""
    options = ServerOptions(max_message_size=MAX_SIZE)
    async with run_server(options, routes={"/cases": serve}) as running:
        for case in CASES[::SAMPLE]:
            async with connect(running.port) as client:
                await client.open("/cases")
                await client.send(case.sent)
                assert await heard(client, case) == case.answer, case


def test_no_case_is_there_twice() -> None:
    """Each is named by its section and what it sends."""
    names = [(case.section, case.name) for case in CASES]
    assert [name for name in set(names) if names.count(name) > 1] == []
    assert len(names) >= 500


def test_the_page_says_what_is_tested() -> None:
    """To write it again: python -m tests.conformance."""
    assert Path(PAGE).read_text("utf-8") == page(CASES)
