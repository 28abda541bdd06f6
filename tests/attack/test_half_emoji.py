"""Half an emoji from a model: JSON can write it, and nothing else can hold it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.engines.model_server import Behaviour, ModelServer, events, open_model_server, streaming
from trio_backend.config.character import EngineChoice
from trio_backend.history.sqlite import open_sqlite_history
from trio_backend.history.store import HistoryUid, Owner

from .conversing import errors, open_talk, shown

IRIS = Owner("iris_001")


@pytest.fixture
async def server() -> AsyncIterator[ModelServer]:
    """A model server of our own."""
    async with open_model_server() as server:
        yield server


def saying(*texts: str, field: str = "content") -> Behaviour:
    """Tokens as they are written between the quotes of JSON."""
    deltas = [f'{{"choices": [{{"index": 0, "delta": {{"{field}": "{text}"}}}}]}}' for text in texts]
    return events(*deltas, "[DONE]")


@pytest.mark.parametrize(
    ("tokens", "text"),
    [
        ([r"Hi \ud83d", r"\ude00 there."], "Hi 😀 there."),
        ([r"Hi \ud83d", "", r"\ude00 there."], "Hi 😀 there."),
        ([r"Hi \uD83D", r"\uDE00\ud83d", r"\ude00."], "Hi 😀😀."),
        ([r"Hi \ud83d\ude00 there."], "Hi 😀 there."),
        ([r"Hi \ud83d", " there."], "Hi \ufffd there."),
        ([r"Hi \ude00 there."], "Hi \ufffd there."),
        ([r"Hi \ude00\ud83d there."], "Hi \ufffd\ufffd there."),
        ([r"Hi there \ud83d"], "Hi there \ufffd"),
    ],
)
async def test_halves_are_put_together(
    server: ModelServer, tmp_path: Path, tokens: list[str], text: str
) -> None:
    """What has no other half is U+FFFD; the turn, its history and the next request are as any."""
    server.script = [saying(*tokens), streaming("Good.")]
    llm = EngineChoice("llm", "openai_compatible_llm", {"base_url": server.url, "model": "m"})
    async with open_talk(tmp_path, llm=llm) as client:
        turn = await client.turn("Hello.")
        assert (errors(turn), shown(turn)) == ([], text)
        assert shown(await client.turn("And now?")) == "Good."
    messages = server.asked[1].body["messages"]
    assert {"role": "assistant", "content": text} in messages
    async with open_sqlite_history(tmp_path / "history.sqlite3") as history:
        (one,) = await history.conversations(IRIS)
        stored = await history.messages(IRIS, HistoryUid(one.uid))
    assert text in [message.content for message in stored]


async def test_half_a_thought_is_no_half_of_the_answer(server: ModelServer, tmp_path: Path) -> None:
    """What is reasoned and what is said are two texts."""
    thought = r'{"choices": [{"delta": {"reasoning_content": "Hm \ud83d"}}]}'
    said = r'{"choices": [{"delta": {"content": "\ude00 Hello."}}]}'
    server.behaviour = events(thought, said, "[DONE]")
    llm = EngineChoice("llm", "openai_compatible_llm", {"base_url": server.url, "model": "m"})
    async with open_talk(tmp_path, llm=llm) as client:
        turn = await client.turn("Hello.")
    assert errors(turn) == []
    assert shown(turn).endswith("\ufffd Hello.")
