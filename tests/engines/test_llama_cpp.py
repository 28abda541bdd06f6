"""llama.cpp: a stand-in for the library, and where it is installed the real one on a tiny model."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest
import trio

from tests.children import Children
from tests.promptness import PROMPTLY, promptly
from trio_backend.engines import worker as worker_module
from trio_backend.engines.base import Llm, Message, Prompt, ReplyPart, Text, Thought
from trio_backend.engines.registry import configure, open_engine, without_effect
from trio_backend.engines.settings import Environment
from trio_backend.errors import EngineError, SettingsError

from . import llama_stand_in
from .tiny_llama import TEMPLATE, TEXT, write_model

PROMPT = Prompt("You are Mao.", [Message("user", "Hello there.")])
needs_library = pytest.mark.skipif(
    find_spec("llama_cpp") is None, reason="the extra llama-cpp is not installed"
)


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What stops a request is what is tried here; how long that may take on this machine is not."""
    monkeypatch.setattr(worker_module, "STOPPING", 10)


@pytest.fixture(params=["stand-in", pytest.param("library", marks=needs_library)])
def library(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The stand-in, and the library where it is installed."""
    if request.param == "stand-in":
        llama_stand_in.use(tmp_path / "stand-in", monkeypatch)
    return str(request.param)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model of 100 kB."""
    path = tmp_path / "tiny.gguf"
    write_model(path)
    return path


@asynccontextmanager
async def open_llama(path: Path, **settings: object) -> AsyncIterator[Llm]:
    """The adapter, with the model at ``path``."""
    given = {"model_path": path.name, **settings}
    chosen = configure("llm", "llama_cpp_llm", given, environment=Environment(path.parent, {}))
    async with open_engine(chosen) as llm:
        yield llm


async def read(llm: Llm, prompt: Prompt = PROMPT) -> list[ReplyPart]:
    """All parts of one reply."""
    async with llm.reply(prompt) as parts:
        return [part async for part in parts]


async def said(llm: Llm, prompt: Prompt = PROMPT) -> str:
    """What one reply says."""
    return "".join(part.text for part in await read(llm, prompt) if isinstance(part, Text))


async def test_it_says_what_its_model_says(library: str, model: Path) -> None:
    """Token by token, in one process, of which nothing is left."""
    children = Children()
    with trio.fail_after(60):
        async with open_llama(model) as llm:
            assert await read(llm) == [Text(" Hello"), Text(" there,"), Text(" my"), Text(" friend.")]
            process = children.direct()
            again = Prompt("You are Mao.", [*PROMPT.messages, Message("assistant", "Hi."), *PROMPT.messages])
            assert await said(llm, again) == TEXT
            assert children.direct() == process
    assert children.all() == []


async def test_a_reply_is_as_long_as_it_may_be(library: str, model: Path) -> None:
    """At most ``max_tokens``."""
    with trio.fail_after(60):
        async with open_llama(model, max_tokens=2, temperature=0) as llm:
            assert await said(llm) == " Hello there,"


async def test_a_cancelled_reply_leaves_the_model_loaded(library: str, model: Path) -> None:
    """At any token; the next reply is whole."""
    children = Children()
    with trio.fail_after(60):
        async with open_llama(model) as llm:
            process = children.direct()
            for count in range(5):
                async with llm.reply(PROMPT) as parts:
                    for _ in range(count):
                        await parts.receive()
                    began = trio.current_time()
                assert trio.current_time() - began < PROMPTLY
                assert await said(llm) == TEXT
            assert children.direct() == process


async def test_a_slow_reader_keeps_the_model_from_nobody(library: str, model: Path) -> None:
    """Who has its sentences translated by the same model would wait for itself."""
    with trio.fail_after(60):
        async with open_llama(model) as llm, llm.reply(PROMPT) as parts:
            first = await parts.receive()
            assert await said(llm) == TEXT
            rest = [part async for part in parts]
    assert "".join(part.text for part in [first, *rest] if isinstance(part, Text)) == TEXT


async def test_an_engine_that_is_closed_ends_no_reply_as_if_it_were_whole(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who still reads, or asks, gets an error."""
    llama_stand_in.use(tmp_path / "stand-in", monkeypatch)
    told: list[str] = []

    async def ask(llm: Llm) -> None:
        with pytest.raises(EngineError) as caught:
            await said(llm, Prompt("", [Message("user", "read long")]))
        told.append(str(caught.value))

    with trio.fail_after(60):
        async with trio.open_nursery() as nursery, open_llama(model) as llm:
            nursery.start_soon(ask, llm)
            await trio.sleep(0.1)
        await ask(llm)
    assert told == ["llama_cpp_llm: it was closed"] * 2


async def test_reading_a_long_prompt_can_be_cancelled(library: str, tmp_path: Path) -> None:
    """It would take many seconds; the model stays loaded."""
    children = Children()
    path = tmp_path / "endless.gguf"
    write_model(path)
    prompt = Prompt("", [Message("user", "read long " + "a" * 20_000)])
    with trio.fail_after(120):
        async with open_llama(path, n_ctx=24_000) as llm:
            process = children.direct()
            assert await said(llm) == TEXT

            async def attempt() -> float:
                with trio.move_on_after(1) as scope:
                    await said(llm, prompt)
                assert scope.cancelled_caught
                return trio.current_time() - scope.deadline

            await promptly(attempt)
            assert await said(llm) == TEXT
            assert children.direct() == process


async def test_a_prompt_that_is_too_long_is_told(library: str, model: Path) -> None:
    """With the setting that says so; the model is not lost."""
    children = Children()
    with trio.fail_after(60):
        async with open_llama(model, n_ctx=256) as llm:
            process = children.direct()
            with pytest.raises(EngineError, match=r"too long for n_ctx, 256; raise it, or start a new one"):
                await said(llm, Prompt("", [Message("user", "my secret wish " * 100)]))
            assert await said(llm) == TEXT
            assert children.direct() == process


async def test_a_template_that_opens_a_thought_has_it_closed(library: str, tmp_path: Path) -> None:
    """Reasoning models do that, and write only the end of the thought themselves."""
    path = tmp_path / "thinker.gguf"
    # The colon that the model goes on from is behind the mark.
    opening = TEMPLATE.replace("assistant:{% endif %}", "assistant:<think>{% endif %}")
    write_model(path, template=opening + "{# opens thought #}", follows=">")
    with trio.fail_after(60):
        async with open_llama(path) as llm:
            parts = await read(llm)
    assert parts
    assert all(isinstance(part, Thought) for part in parts)


async def test_a_thought_does_not_begin_before_the_prompt_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or what reading may take would be what a token may take."""
    llama_stand_in.use(tmp_path / "stand-in", monkeypatch)
    path = tmp_path / "thinker.gguf"
    write_model(path, template=TEMPLATE + "{# opens thought #}")
    with trio.fail_after(60):
        async with open_llama(path, first_token_timeout=1, token_timeout=2) as llm:
            with pytest.raises(EngineError, match="no answer within 1 s"):
                await read(llm, Prompt("", [Message("user", "read long")]))


async def test_a_template_without_a_system_prompt_gets_it_from_the_user(library: str, tmp_path: Path) -> None:
    """As those of Gemma, which raise on one."""
    path = tmp_path / "gemma.gguf"
    refusing = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}"
    write_model(path, template=refusing + TEMPLATE)
    with trio.fail_after(60):
        async with open_llama(path) as llm:
            assert await said(llm) == TEXT


async def test_a_file_that_is_no_model_is_told(library: str, tmp_path: Path) -> None:
    """When the character is loaded."""
    path = tmp_path / "page.gguf"
    path.write_bytes(b"<html>" * 1000)
    with trio.fail_after(60):
        with pytest.raises(EngineError, match=r"page\.gguf cannot be loaded: Failed to load model"):
            async with open_llama(path):
                raise AssertionError("never ready")


async def test_a_library_that_fails_quotes_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own words may hold the conversation."""
    llama_stand_in.use(tmp_path / "stand-in", monkeypatch)
    path = tmp_path / "tiny.gguf"
    write_model(path)
    with trio.fail_after(60):
        async with open_llama(path) as llm:
            with pytest.raises(EngineError, match="the library failed \\(RuntimeError\\)") as caught:
                await said(llm, Prompt("", [Message("user", "break my heart")]))
            assert "heart" not in str(caught.value)
            assert await said(llm) == TEXT


async def test_a_library_that_is_not_installed_is_named(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what installs it."""
    (tmp_path / "llama_cpp.py").write_text("raise ImportError")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(EngineError, match="install the extra `llama-cpp`"):
        async with open_llama(model):
            raise AssertionError("never ready")


async def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    """Before a process is started."""
    with pytest.raises(EngineError, match=r"there is no file .*m\.gguf; correct model_path, or get a model"):
        async with open_llama(tmp_path / "m.gguf"):
            raise AssertionError("never ready")


def test_settings_of_existing_files_are_understood(tmp_path: Path) -> None:
    """Each of them is read, or named with a reason; a template's placeholder is no file."""
    environment = Environment(tmp_path, {})
    settings = {"model_path": "<path-to-gguf-model-file>", "verbose": False, "interrupt_method": "system"}
    with pytest.raises(SettingsError, match=r"is missing: name a \.gguf file") as caught:
        configure("llm", "llama_cpp_llm", settings, environment=environment)
    assert caught.value.key == "model_path"
    config = configure("llm", "llama_cpp_llm", {**settings, "model_path": "m.gguf"}, environment=environment)
    assert getattr(config.settings, "model_path") == str(tmp_path / "m.gguf")  # noqa: B009
    assert dict(without_effect("llm", "llama_cpp_llm", settings)).keys() == {"interrupt_method"}
