"""A scripted server for each test that wants one."""

from __future__ import annotations

import pytest
import trio

from tests.chat.scripted import Server, open_server


@pytest.fixture
async def server(nursery: trio.Nursery) -> Server:
    """A server on a real socket that says what the test wants."""
    return await open_server(nursery)
