"""A backup that is made as docs/backup.md says has all that was said, and can be restored."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest
import trio
from trio_websocket import open_websocket_url

from trio_backend.history.opening import open_store
from trio_backend.history.store import Owner

from .conftest import RunningServer
from .pages import ROOT, Block, blocks
from .test_commands import run

WORDS = "The parrot has flown."
IN_THE_SERVERS_FOLDER = [
    block
    for block in blocks(ROOT / "docs" / "backup.md")
    if block.notes.get("run in") == "the server's folder"
]


async def say(port: int, text: str) -> None:
    """Say ``text`` in a conversation, and hear the whole answer."""
    address = f"ws://127.0.0.1:{port}/client-ws"
    with trio.fail_after(30):
        async with open_websocket_url(address, max_message_size=2**24) as client:
            await client.send_message(json.dumps({"type": "text-input", "text": text}))
            while json.loads(await client.get_message()).get("text") != "conversation-chain-end":
                await client.send_message(json.dumps({"type": "frontend-playback-complete"}))


@pytest.mark.parametrize("block", IN_THE_SERVERS_FOLDER, ids=str)
async def test_a_backup_has_what_was_said(
    block: Block, server: RunningServer, environ: Mapping[str, str], tmp_path: Path
) -> None:
    """Up to the newest message; and its owner alone can read it."""
    program = block.notes.get("needs", "sh")
    if shutil.which(program) is None:
        pytest.skip(f"needs the program {program}")
    await say(server.port, WORDS)

    await trio.to_thread.run_sync(run, ["bash", "-euc", block.text], server.folder, environ)

    (name,) = {word for word in block.text.split() if word.endswith((".sqlite3", '.sqlite3"'))} - {
        "history.sqlite3"
    }
    backup = server.folder / name.strip('"')
    restored = tmp_path / "history.sqlite3"
    shutil.copy(backup, restored)
    async with open_store(str(restored)) as history:
        conversations = await history.conversations(Owner("iris_001"))
    assert WORDS in [conversation.title for conversation in conversations]
    assert backup.stat().st_mode & 0o077 == 0
