"""Pictures take no more memory than a client may hold, and none when it has left."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Iterator

import attrs
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.client import Client
from tests.conftest import Connect
from tests.session.sessions import END, connect_greeted
from trio_backend.backend import Backend, BackendOptions, open_backend
from trio_backend.config.catalog import MemoryCatalog
from trio_backend.config.character import EngineChoice
from trio_backend.engines.base import Prompt, ToolResult
from trio_backend.engines.llm import echo

MIB = 2**20


@pytest.fixture
def options(options: BackendOptions) -> BackendOptions:
    """A model that takes no time, and no voice."""
    base = attrs.evolve(
        options.catalog.base, llm=EngineChoice("llm", "echo_llm", {}), tts=EngineChoice("tts", "none_tts", {})
    )
    return attrs.evolve(options, catalog=MemoryCatalog(base))


@pytest.fixture
def traced() -> Iterator[None]:
    """What is allocated is counted, and nothing is collected but by reference counts."""
    gc.collect()
    gc.disable()
    tracemalloc.start()
    yield
    tracemalloc.stop()
    gc.enable()


def held() -> float:
    """MiB that Python objects take."""
    return tracemalloc.get_traced_memory()[0] / MIB


def picture(size: int = MIB) -> dict[str, str]:
    """A picture of so many bytes."""
    return {"source": "upload", "data": "data:image/png;base64," + "A" * size, "mime_type": "image/png"}


async def show(client: Client, *pictures: dict[str, str], text: str = "a") -> None:
    """Send pictures, and hear the answer to its end."""
    await client.say("text-input", text=text, images=list(pictures))
    await client.until(**END)


@pytest.mark.usefixtures("traced")
async def test_sixty_pictures_take_no_more_than_two(
    autojump_clock: MockClock, options: BackendOptions, nursery: trio.Nursery
) -> None:
    """While the client is there, and nothing once it has left, without any garbage collection."""
    async with open_backend(options) as backend:
        client = await connect_greeted(backend, nursery)
        await show(client, text="The first one takes what is taken only once.")
        before = held()
        for _ in range(60):
            await show(client, picture())
        assert held() - before < 6
        await client.wire.close()
        await wait_all_tasks_blocked()
        await trio.sleep(1)
        assert not backend.services.sessions
        assert held() - before < 1


@pytest.mark.usefixtures("traced")
async def test_what_was_never_answered_is_let_go_too(
    autojump_clock: MockClock, options: BackendOptions, nursery: trio.Nursery
) -> None:
    """Pictures and sound that wait for a character who loads, or are addressed to none."""
    slow = attrs.evolve(options.catalog.base, llm=EngineChoice("llm", "echo_llm", {"load": 1000.0}))
    async with open_backend(attrs.evolve(options, catalog=MemoryCatalog(slow))) as backend:
        client = await connect_greeted(backend, nursery)
        before = held()
        for _ in range(20):
            await client.say("text-input", text="a", images=[picture()])
            await client.until("full-text")
            await client.say("mic-audio-data", audio=[0.5] * 10_000)
        assert held() - before < 5
        await client.wire.close()
        await wait_all_tasks_blocked()
        await trio.sleep(1)
        assert held() - before < 1


async def test_the_model_is_shown_the_newest_pictures(
    autojump_clock: MockClock, connect: Connect, backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of the last two messages that have any, however much was said since."""
    prompts: list[Prompt] = []
    reply = echo.Echo.reply

    def spy(model: echo.Echo, prompt: Prompt) -> object:
        prompts.append(prompt)
        return reply(model, prompt)

    monkeypatch.setattr(echo.Echo, "reply", spy)
    client = await connect()
    for size in range(1, 6):
        await show(client, picture(size))
    await show(client)
    await show(client)
    messages = [message for message in prompts[-1].messages if not isinstance(message, ToolResult)]
    shown = [[len(image) for image in message.images] for message in messages if message.images]
    head = len("data:image/png;base64,")
    assert shown == [[head + 4], [head + 5]]


async def test_a_message_has_so_many_pictures_at_most(connect: Connect, backend: Backend) -> None:
    """More are refused in words, and the next message is answered."""
    client = await connect()
    await client.say("text-input", text="a", images=[picture(10)] * 9)
    error = (await client.until("error"))[-1]
    assert (error["code"], "8 pictures" in error["message"]) == ("too-much-data", True)
    await show(client, *[picture(10)] * 8)
