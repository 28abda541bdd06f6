"""`llama_cpp_llm`: a language model in a GGUF file, by llama-cpp-python, in a process of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import attrs
import trio

from ...errors import EngineError, SettingsError
from ..base import Prompt, ReplyPart
from ..chat_service import Part
from ..facts import EngineFacts
from ..openai.answers import json_of
from ..plain_messages import plain_messages
from ..settings import Environment, between, read_settings
from ..whole import tagged
from ..worker import STOPPING, Patience, Worker, WorkerJob, open_worker
from ..worker_process import REAPING

NAMES = ("llama_cpp_llm",)

WITHOUT_EFFECT = {
    "interrupt_method": "what was not heard of an interrupted reply is left out of the conversation",
}

MOST_AHEAD = 16_384
"""Tokens that are kept for a reader who is slow, some 100 kB; hardly a reply is longer. After that the model
waits for the reader, and others for the model."""

WHERE = "https://huggingface.co/models?library=gguf"

FACTS = EngineFacts(
    streams="yes",
    cancel="stops at once",
    tried="the library, with a tiny model",
    needs="a model that you download",
    extra="llama-cpp",
    modules=("llama_cpp",),
)


@attrs.frozen
class LlamaCppConfig:
    """``model_path`` is a GGUF file. No ``temperature`` and ``max_tokens`` mean those of the library.

    ``n_ctx`` is how many tokens a conversation and its reply may have, 0 as many as the model was made for.
    ``n_gpu_layers`` go to the graphics card, -1 means all; ``n_threads`` is 0 for half of the processor's.
    ``chat_format`` is a name that the library knows, and empty for the model's own template.
    ``verbose`` lets the library write to the server's standard error. ``patience`` is in seconds, to load.
    """

    model_path: str
    verbose: bool
    n_ctx: int
    n_gpu_layers: int
    n_threads: int
    chat_format: str
    temperature: float | None
    max_tokens: int | None
    patience: float
    first_token_timeout: float
    token_timeout: float


@attrs.frozen
class _LlamaCppSettings:
    model_path: str = ""
    verbose: bool = False
    # The library's default, 512, is less than a persona and a few sentences need; what a model was made for
    # may need more memory than there is.
    n_ctx: int = attrs.field(default=4096, validator=between(0, 10_000_000))
    n_gpu_layers: int = attrs.field(default=0, validator=between(-1, 10_000))
    n_threads: int = attrs.field(default=0, validator=between(0, 1024))
    chat_format: str = ""
    temperature: float | None = attrs.field(default=None, validator=attrs.validators.optional(between(0, 2)))
    max_tokens: int | None = attrs.field(
        default=None, validator=attrs.validators.optional(between(1, 10_000_000))
    )
    patience: float = attrs.field(default=600.0, validator=between(1, 36_000))
    # To read a long prompt takes a processor a minute, which a service needs a second for.
    first_token_timeout: float = attrs.field(default=180.0, validator=between(0.1, 3600))
    token_timeout: float = attrs.field(default=30.0, validator=between(0.1, 3600))


def configure(name: str, settings: Mapping[str, object], environment: Environment) -> LlamaCppConfig:
    """The settings are the fields of `LlamaCppConfig`; paths start at the configuration's folder."""
    del name
    given = read_settings(_LlamaCppSettings, settings, ignored=WITHOUT_EFFECT)
    path = given.model_path.strip()
    # In templates there is something in angle brackets.
    if not path or path.startswith("<"):
        raise SettingsError("model_path", f"is missing: name a .gguf file; there are some at {WHERE}")
    fields = attrs.asdict(given)
    fields["model_path"] = str(environment.folder / Path(path).expanduser())
    return LlamaCppConfig(**fields)


def missing(config: LlamaCppConfig) -> list[str]:
    """The model's file, if it is not there."""
    found, remedy = Path(config.model_path).is_file(), f"correct model_path, or get a model at {WHERE}"
    return [] if found else [f"there is no file {config.model_path}; {remedy}"]


@asynccontextmanager
async def open(config: LlamaCppConfig) -> AsyncIterator[LlamaCpp]:
    """Load the model in its own process. Raises `EngineError` that names a file which is not there."""
    for problem in await trio.to_thread.run_sync(missing, config):
        raise EngineError(f"llama_cpp_llm: {problem}")
    job = WorkerJob(
        f"{__package__}.llama_cpp_process", "llama_cpp_llm", attrs.asdict(config), config.patience
    )
    async with open_worker(job) as worker, trio.open_nursery() as nursery:
        try:
            yield LlamaCpp(worker, Patience(config.first_token_timeout, config.token_timeout), nursery)
        finally:
            nursery.cancel_scope.cancel("the model is no longer wanted")


@attrs.frozen
class LlamaCpp:
    """An `Llm` in one child process, for which its sessions queue.

    The library keeps what it has read, up to the first token that is another one: of the next prompt of a
    conversation only what is new is read.
    """

    _worker: Worker = attrs.field(repr=False)
    _patience: Patience
    _nursery: trio.Nursery = attrs.field(repr=False)

    @asynccontextmanager
    async def reply(self, prompt: Prompt) -> AsyncIterator[trio.abc.ReceiveChannel[ReplyPart]]:
        """Work begins with the first receive. A cancel stops it, and the model stays loaded."""
        request = json_of({"messages": plain_messages(prompt)})
        async with tagged(_LlamaReply(self._worker, self._patience, self._nursery, request)) as reply:
            yield reply


@attrs.define(eq=False)
class _LlamaReply(trio.abc.ReceiveChannel[Part]):
    """Reads the tokens in a task of its own, so that the model is free when it has said all.

    It would not be if it waited for its reader, who may wait in turn for somebody who wants the model: for
    the translation of a sentence, for instance.
    """

    _worker: Worker
    _patience: Patience
    _nursery: trio.Nursery
    _request: bytes = attrs.field(repr=False)
    _tokens: trio.MemoryReceiveChannel[str] | None = attrs.field(default=None, init=False)
    _scope: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)
    _ended: trio.Event = attrs.field(factory=trio.Event, init=False)
    # None once the reply is whole. Until then it ends early only because the engine does.
    _error: EngineError | None = attrs.field(init=False)

    @_error.default
    def _closed(self) -> EngineError:
        return EngineError("llama_cpp_llm: it was closed")

    async def receive(self) -> Part:
        if self._tokens is None:
            send, tokens = trio.open_memory_channel[str](MOST_AHEAD)
            try:
                self._nursery.start_soon(self._run, send, name="llama_cpp_llm/reply")
            except RuntimeError:
                # What Trio says of a nursery that has ended.
                raise self._closed() from None
            self._tokens = tokens
        try:
            return await self._tokens.receive()
        except trio.EndOfChannel:
            if self._error is not None:
                raise self._error from None
            raise

    async def aclose(self) -> None:
        self._scope.cancel("nobody reads the reply any more")
        if self._tokens is None:
            await trio.lowlevel.checkpoint()
            return
        self._tokens.close()
        # The worker has deadlines of its own for it.
        with trio.move_on_after(STOPPING + 2 * REAPING, shield=True):
            await self._ended.wait()

    async def _run(self, send: trio.MemorySendChannel[str]) -> None:
        try:
            with send, self._scope:
                async with aclosing(self._worker.stream(self._request, self._patience)) as tokens:
                    async for token in tokens:
                        await send.send(token.decode("utf-8", "replace"))
                self._error = None
        except EngineError as error:
            self._error = error
        finally:
            self._ended.set()
