"""`simulated_llm`: a language model whose replies, delays and failures are its world's."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import attrs
import trio

from tests.simulation.world import Asked, World, here
from trio_backend.engines.base import Message, Prompt, ReplyPart, Thought, ToolRequest
from trio_backend.engines.llm.companion.talk import read_talk
from trio_backend.engines.settings import Environment, read_settings
from trio_backend.engines.whole import tagged
from trio_backend.errors import EngineError

NAMES = ("simulated_llm",)


@attrs.frozen
class SimulatedLlmConfig:
    """``who`` makes engines of different characters different; ``load`` is in seconds."""

    who: str = ""
    load: float = 0.0


def configure(name: str, settings: Mapping[str, object], environment: Environment) -> SimulatedLlmConfig:
    """The settings are the fields of `SimulatedLlmConfig`."""
    del name, environment
    return read_settings(SimulatedLlmConfig, settings)


@asynccontextmanager
async def open(config: SimulatedLlmConfig) -> AsyncIterator[SimulatedLlm]:
    """Open, for as long as the world lets it live."""
    world = here()
    with world.in_use():
        await trio.sleep(config.load)
        if world.chance(world.chances.load_fails):
            raise EngineError("the simulated model cannot be loaded")
        model = SimulatedLlm(world)
        async with trio.open_nursery() as nursery:
            if world.chance(world.chances.engine_dies):
                nursery.start_soon(model.die)
            yield model
            nursery.cancel_scope.cancel()


@attrs.define(eq=False)
class SimulatedLlm:
    """An `Llm`. Sentence j of its n-th reply is “Reply n part j.”, to be known wherever it appears."""

    world: World
    dead: bool = False

    async def die(self) -> None:
        """Break down after a while."""
        await trio.sleep(self.world.random.uniform(1, 60))
        self.dead = True
        raise EngineError("the simulated model died")

    @asynccontextmanager
    async def reply(self, prompt: Prompt) -> AsyncIterator[trio.abc.ReceiveChannel[ReplyPart]]:
        """See `Llm.reply`."""
        last = prompt.messages[-1]
        # As the embedded model reads it: what a user says is never taken for a nudge.
        talk = read_talk(prompt)
        number = len(self.world.asked)
        said = (one for one in prompt.messages if isinstance(one, Message) and not one.requests)
        read = tuple(one.content for one in said)
        self.world.asked.append(Asked(trio.current_time(), number, last.content, talk.nudged, read))
        with self.world.in_use():
            yield tagged(_Tokens(self, _script(self.world, number)))


def _script(world: World, number: int) -> list[str]:
    """The tokens of a reply; ``!`` and a word stand for what goes wrong there, or for another part."""
    tokens = []
    for part in range(world.random.choice(world.parts)):
        extra = world.random.choice(["", "", "", "[joy] ", "<think>hm.</think>"])
        tokens += [f"{extra}Reply", f" {number}", f" part {part}", ". "]
    chances = world.chances
    for probability, trouble in (
        (chances.model_fails, "!fail"),
        (chances.model_hangs, "!hang"),
        (chances.model_breaks, "!break"),
    ):
        if world.chance(probability):
            tokens.insert(world.random.randint(0, len(tokens)), trouble)
    return [*tokens, "!ask"] if world.chance(chances.model_asks) else tokens


@attrs.define(eq=False)
class _Tokens(trio.abc.ReceiveChannel[str | Thought | ToolRequest]):
    _model: SimulatedLlm
    _tokens: list[str]

    async def receive(self) -> str | ToolRequest:
        world = self._model.world
        await world.wait(0.0, 0.0, 0.01, 0.05, 0.5)
        if self._model.dead:
            raise EngineError("the simulated model is dead")
        if not self._tokens:
            raise trio.EndOfChannel
        match token := self._tokens.pop(0):
            case "!fail":
                raise EngineError("the simulated model fails")
            case "!hang":
                await trio.sleep_forever()
            case "!ask":
                return ToolRequest("call_1", "look", "{}")
            case "!break":
                raise RuntimeError("a simulated bug in an adapter")
        return token

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()
