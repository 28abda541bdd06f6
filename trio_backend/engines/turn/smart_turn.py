"""`smart_turn`: a model by which the end of a turn is heard, with the input and output of Smart Turn v3.

The user brings the file: https://huggingface.co/pipecat-ai/smart-turn-v3 has one of 8 MB for the CPU.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import trio

from ...audio.pcm import Pcm
from ...audio.utterance import RATE
from ...errors import EngineError, SettingsError
from ..facts import EngineFacts
from ..settings import Environment, read_settings
from ..worker import Worker, WorkerJob, open_worker

NAMES = ("smart_turn",)

# Bytes of 8 s, which is all that the model hears.
_HEARD = 2 * 8 * RATE
# Seconds for the process to load, and for one answer: what comes later is of no use.
TIMEOUT = 10.0
# Answers that are waited for at once, of 10 to 100 ms each. Who comes later goes without the model: by the
# time of the answer, the silence would be over.
MOST_WAITING = 16

FACTS = EngineFacts(
    streams="no",
    cancel="is not waited for",
    tried="the library, with a tiny model",
    needs="a model that you download",
    extra="turn",
    modules=("onnxruntime",),
)


@attrs.frozen
class SmartTurnConfig:
    """The file of the model."""

    model: Path


@attrs.frozen
class _SmartTurnSettings:
    model: str = ""


def configure(name: str, settings: Mapping[str, object], environment: Environment) -> SmartTurnConfig:
    """``model`` is a path, which starts at the folder of the configuration."""
    del name
    given = read_settings(_SmartTurnSettings, settings)
    if not given.model.strip():
        raise SettingsError("model", "must be the path of a model, such as models/smart-turn-v3.onnx")
    return SmartTurnConfig(environment.folder / Path(given.model).expanduser())


def missing(config: SmartTurnConfig) -> list[str]:
    """The model's file, if it is not there."""
    where = "https://huggingface.co/pipecat-ai/smart-turn-v3"
    found = config.model.is_file()
    return [] if found else [f"there is no file {config.model}; get one at {where}, or correct the path"]


@asynccontextmanager
async def open(config: SmartTurnConfig) -> AsyncIterator[SmartTurn]:
    """Load the model in its own process, 0.5 s and 100 MB. Raises `EngineError` with what is missing."""
    for problem in await trio.to_thread.run_sync(missing, config):
        raise EngineError(f"turn_model: {problem}")
    job = WorkerJob(
        f"{__package__}.smart_turn_process", "turn_model", {"model": str(config.model)}, timeout=TIMEOUT
    )
    async with open_worker(job) as worker, trio.open_nursery() as nursery:
        try:
            yield SmartTurn(worker, nursery)
        finally:
            nursery.cancel_scope.cancel("the turn model is no longer wanted")


@attrs.define(eq=False)
class _Question:
    """What somebody wants to know, and waits for; an answer or an error settles it."""

    samples: bytes
    wanted: bool = True
    answer: float | EngineError = attrs.field(factory=lambda: EngineError("turn_model: it was closed"))
    settled: trio.Event = attrs.field(factory=trio.Event)


@attrs.define(eq=False)
class SmartTurn:
    """A `TurnDetector` in one child process, which answers one question after the other.

    Whoever is cancelled leaves at once, and the process goes on: to end it, as is done for other workers'
    requests, would take it from all sessions, and people go on speaking in every second pause.
    """

    _worker: Worker = attrs.field(repr=False)
    _nursery: trio.Nursery = attrs.field(repr=False)
    _turn: trio.Lock = attrs.field(factory=trio.Lock, init=False)
    _waiting: int = attrs.field(default=0, init=False)

    async def probability(self, pcm: Pcm) -> float:
        """See `TurnDetector.probability`."""
        if self._waiting >= MOST_WAITING:
            raise EngineError("turn_model: too many people pause at once")
        question = _Question(pcm.resampled(RATE).samples[-_HEARD:])
        self._waiting += 1
        self._nursery.start_soon(self._ask, question, name="turn_model/question")
        try:
            await question.settled.wait()
        finally:
            question.wanted = False
        if isinstance(question.answer, EngineError):
            raise question.answer
        return question.answer

    async def _ask(self, question: _Question) -> None:
        try:
            async with self._turn:
                if question.wanted:
                    question.answer = float(await self._worker.ask(question.samples))
        except EngineError as error:
            question.answer = error
        finally:
            self._waiting -= 1
            question.settled.set()
