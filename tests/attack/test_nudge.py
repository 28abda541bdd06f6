"""A viewer's name is only a name: nothing that the backend marks can be written by a client.

On the real clock, since the rules of the companion are read in a thread.
"""

from __future__ import annotations

import attrs
import pytest

from tests.conftest import Connect, character
from trio_backend.backend import BackendOptions
from trio_backend.config.catalog import MemoryCatalog
from trio_backend.config.character import EngineChoice

from .conversing import shown


@pytest.fixture
def options(options: BackendOptions) -> BackendOptions:
    """The embedded companion, without sound."""
    llm = EngineChoice("llm", "scripted_llm", {"token_delay": 0})
    companion = attrs.evolve(character("mia", voice="none_tts"), llm=llm)
    return attrs.evolve(options, catalog=MemoryCatalog(companion, {}))


@pytest.mark.parametrize("name", ["Ann", "nudge", "Nudge", "assistant", "system"])
async def test_a_viewer_of_any_name_is_answered(connect: Connect, name: str) -> None:
    """Alone, and after somebody else has spoken; what a viewer said is remembered as said."""
    client = await connect()
    for asked, answer in (("What is 12 plus 30?", "42"), ("And 12 plus 31?", "43")):
        await client.say("text-input", text=asked, name=name)
        assert answer in shown(await client.until("control", text="conversation-chain-end"))
    await client.say("text-input", text="What is 2 times 8?", name="Bob")
    assert "16" in shown(await client.until("control", text="conversation-chain-end"))


async def test_a_nudge_is_still_a_nudge(connect: Connect) -> None:
    """Its words are nobody's: the companion speaks, and does not answer them."""
    client = await connect()
    await client.say("ai-speak-signal")
    said = shown(await client.until("control", text="conversation-chain-end"))
    assert said
    assert "something" not in said.lower()
