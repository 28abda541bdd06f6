"""What can be seen of a server from outside: its process, and the work that goes on in it."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import trio

from tests.serving.servers import configured, open_server
from trio_backend.config.character import EngineChoice
from trio_backend.prove.client import server_address
from trio_backend.prove.probe import Probe, open_probe

ECHO, SILENT = EngineChoice("llm", "echo_llm", {}), EngineChoice("tts", "none_tts", {})


async def wait_turns(probe: Probe, count: int) -> None:
    """Until so much works for turns."""
    with trio.fail_after(10):
        while (await probe.sample()).turns != count:
            await trio.sleep(0.01)


async def test_a_thread_that_works_is_seen(tmp_path: Path) -> None:
    """As work of a turn, until it is done; what rests, looks or writes the history is none."""
    gate = threading.Event()
    async with (
        open_server(configured(tmp_path, llm=ECHO, tts=SILENT)) as address,
        open_probe(server_address(address), None) as probe,
    ):
        await wait_turns(probe, 0)
        async with trio.open_nursery() as nursery:

            @nursery.start_soon
            async def work() -> None:
                await trio.to_thread.run_sync(gate.wait)

            try:
                await wait_turns(probe, 1)
            finally:
                gate.set()
        await wait_turns(probe, 0)


async def test_a_process_is_seen_by_its_number() -> None:
    """Memory, CPU, files, threads and children; what only the server itself could tell stays unknown."""
    async with open_probe(server_address("http://127.0.0.1:9"), os.getpid()) as probe:
        before = await probe.sample()
        assert before.memory > 1e6
        assert before.cpu > 0
        with open(os.devnull):
            after = await probe.sample()
        more = after.more_than(before)
        assert set(more) == {"threads", "children", "files"}
        assert more["files"] == 1
