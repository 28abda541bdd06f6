"""Tools that a model asks for: what is called, and what the model and the client are told of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import attrs
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.conversation.running import RunningConversation, open_conversation
from tests.session.sessions import with_tts
from trio_backend.backend import BackendOptions
from trio_backend.conversation.events import AudioChunk, Problem, Sentence, ToolCall
from trio_backend.conversation.responder import TOOL_ROUNDS
from trio_backend.conversation.tool_calls import CALL_TIMEOUT, LONGEST_RESULT, LONGEST_SHOWN
from trio_backend.conversation.user_input import UserInput
from trio_backend.engines.base import (
    Message,
    NoTools,
    Prompt,
    ReplyPart,
    Text,
    Thought,
    Tool,
    ToolRequest,
    ToolResult,
    ToolServer,
)
from trio_backend.errors import EngineError

CLOCK = Tool("clock", "What time it is.", {"type": "object", "properties": {"zone": {"type": "string"}}})
ASK = ToolRequest("call_1", "clock", '{"zone": "UTC"}')
HELLO = UserInput("What time is it?")


@attrs.define(eq=False)
class Asking:
    """An `Llm` that makes the next of its ``replies`` each time, and the last for ever."""

    replies: Sequence[Sequence[ReplyPart | EngineError]]
    prompts: list[Prompt] = attrs.field(factory=list)

    @asynccontextmanager
    async def reply(self, prompt: Prompt) -> AsyncIterator[trio.abc.ReceiveChannel[ReplyPart]]:
        """See `Llm.reply`."""
        self.prompts.append(prompt)
        parts = self.replies[min(len(self.prompts), len(self.replies)) - 1]
        yield _Parts([*parts])


@attrs.frozen
class AskingFirst:
    """An `Llm` that makes its request, and once it has the result its answer."""

    request: ToolRequest
    answer: str

    @asynccontextmanager
    async def reply(self, prompt: Prompt) -> AsyncIterator[trio.abc.ReceiveChannel[ReplyPart]]:
        """See `Llm.reply`."""
        told = isinstance(prompt.messages[-1], ToolResult)
        yield _Parts([Text(self.answer) if told else self.request])


@attrs.define(eq=False)
class _Parts(trio.abc.ReceiveChannel[ReplyPart]):
    _parts: list[ReplyPart | EngineError]

    async def receive(self) -> ReplyPart:
        await trio.lowlevel.checkpoint()
        if not self._parts:
            raise trio.EndOfChannel
        part = self._parts.pop(0)
        if isinstance(part, EngineError):
            raise part
        return part

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()


@attrs.define(eq=False)
class Clock:
    """A `ToolServer` that takes a second, and notes what becomes of its calls."""

    result: Callable[[ToolRequest], str] = lambda _request: "Noon."
    takes: float = 1.0
    called: list[ToolRequest] = attrs.field(factory=list)
    cancelled: int = 0

    @property
    def tools(self) -> Sequence[Tool]:
        """See `ToolServer.tools`."""
        return [CLOCK]

    async def call(self, request: ToolRequest) -> str:
        """See `ToolServer.call`."""
        self.called.append(request)
        try:
            await trio.sleep(self.takes)
        except trio.Cancelled:
            self.cancelled += 1
            raise
        return self.result(request)


def give(running: RunningConversation, model: Asking, tools: ToolServer) -> None:
    """Let the running's character have them."""
    running.scene.character = attrs.evolve(running.scene.character, llm=model, tools=tools)


def calls(running: RunningConversation) -> list[tuple[str, str, str]]:
    """Of each event of a tool: which, and what about it."""
    return [
        (event.call.name, event.state, event.content)
        for event in running.audience.events
        if isinstance(event, ToolCall)
    ]


def refuse(request: ToolRequest) -> str:
    """Fail."""
    raise EngineError(f"{request.name} has stopped")


async def test_a_tool_is_called_and_the_model_is_asked_again(
    autojump_clock: MockClock, options: BackendOptions
) -> None:
    """With what it said, asked for and got; it is remembered by its words alone."""
    model = Asking([[Thought("Hm."), Text("Let me "), Text("see."), ASK], [Text("It is noon.")]])
    async with open_conversation(options) as running:
        clock = Clock()
        give(running, model, clock)
        began = trio.current_time()
        running.say(HELLO.text)
        await running.wait_over()
        assert trio.current_time() - began == pytest.approx(1.0)
        assert clock.called == [ASK]
        assert calls(running) == [("clock", "running", '{"zone": "UTC"}'), ("clock", "completed", "Noon.")]
        first, second = model.prompts
        assert first.tools == second.tools == [CLOCK]
        assert [*second.messages] == [
            *first.messages,
            Message("assistant", "Let me see.", requests=[ASK]),
            ToolResult("call_1", "Noon."),
        ]
        said = [event.text for event in running.audience.events if isinstance(event, Sentence)]
        assert said == ["(Hm.)", "Let me see.", "It is noon."]
        remembered = [message.content for message in running.conversation.memory.so_far()]
        assert remembered == [HELLO.text, "Let me see. It is noon."]
        assert running.audience.ended[0][1] == "completed"


async def test_several_tools_are_called_in_order(autojump_clock: MockClock, options: BackendOptions) -> None:
    """One after the other; each has its result, in the order in which it was asked for."""
    requests = [attrs.evolve(ASK, id=f"call_{number}") for number in range(3)]
    model = Asking([requests, [Text("Done.")]])
    async with open_conversation(options) as running:
        clock = Clock(result=lambda request: f"Result of {request.id}.")
        give(running, model, clock)
        began = trio.current_time()
        running.say(HELLO.text)
        await running.wait_over()
        assert trio.current_time() - began == pytest.approx(3.0)
        assert clock.called == requests
        results = [ToolResult(request.id, f"Result of {request.id}.") for request in requests]
        assert [*model.prompts[1].messages[-3:]] == results


@pytest.mark.parametrize(
    ("tools", "request_", "why"),
    [
        (NoTools(), ASK, "there is no tool 'clock'"),
        (Clock(), attrs.evolve(ASK, name="calendar"), "there is no tool 'calendar'"),
        (Clock(result=refuse), ASK, "clock has stopped"),
        (Clock(takes=1000), ASK, f"clock took longer than {CALL_TIMEOUT:g} s"),
    ],
)
async def test_what_goes_wrong_is_told_to_the_model(
    autojump_clock: MockClock, options: BackendOptions, tools: ToolServer, request_: ToolRequest, why: str
) -> None:
    """And to the client; the model answers in words then, and the turn is in no trouble."""
    model = Asking([[request_], [Text("I can't say.")]])
    async with open_conversation(options) as running:
        give(running, model, tools)
        running.say(HELLO.text)
        await running.wait_over()
        assert model.prompts[1].messages[-1] == ToolResult("call_1", why, failed=True)
        assert calls(running)[-1] == (request_.name, "error", why)
        assert running.audience.ended == [(1, "completed", "I can't say.")]
        assert not any(isinstance(event, Problem) for event in running.audience.events)
        if isinstance(tools, Clock):
            assert len(tools.called) == (request_.name == "clock")
            assert tools.cancelled == ("longer" in why)


@pytest.mark.parametrize("tools", [NoTools(), Clock()])
async def test_rounds_are_bounded(
    autojump_clock: MockClock, options: BackendOptions, tools: ToolServer
) -> None:
    """A model that only asks is not asked for ever; what it said is kept, and the user knows."""
    model = Asking([[Text("Wait."), ASK]])
    async with open_conversation(options) as running:
        give(running, model, tools)
        running.say(HELLO.text)
        await running.wait_over()
        assert len(model.prompts) == TOOL_ROUNDS + 1
        problems = [event.code for event in running.audience.events if isinstance(event, Problem)]
        assert problems == ["engine-error"]
        assert running.audience.ended == [(1, "completed", " ".join(["Wait."] * (TOOL_ROUNDS + 1)))]


async def test_a_reply_that_fails_calls_nothing(autojump_clock: MockClock, options: BackendOptions) -> None:
    """Who knows what else it would have said?"""
    model = Asking([[Text("Well."), ASK, EngineError("the model is away")]])
    async with open_conversation(options) as running:
        clock = Clock()
        give(running, model, clock)
        running.say(HELLO.text)
        await running.wait_over()
        assert clock.called == []
        assert len(model.prompts) == 1
        assert running.audience.ended == [(1, "completed", "Well.")]


async def test_a_barge_in_cancels_the_call(autojump_clock: MockClock, options: BackendOptions) -> None:
    """At once; nothing more is called, asked or told, and what was said before is kept."""
    model = Asking([[Text("Let me see. "), ASK, attrs.evolve(ASK, id="call_2")], [Text("No.")]])
    async with open_conversation(options) as running:
        clock = Clock(takes=100)
        give(running, model, clock)
        running.say(HELLO.text)
        await running.audience.until(AudioChunk)
        await trio.sleep(1)
        told, began = list(running.audience.events), trio.current_time()
        assert await running.conversation.barge_in("Let me see.")
        assert trio.current_time() == began
        assert (clock.cancelled, len(clock.called)) == (1, 1)
        await trio.sleep(1000)
        assert running.audience.events == told
        assert len(model.prompts) == 1
        assert calls(running) == [("clock", "running", ASK.arguments)]
        await running.conversation.confirm()
        assert await running.stored() == [("human", HELLO.text), ("ai", "Let me see.")]


@pytest.mark.parametrize("wanted", [True, False])
async def test_in_a_provisional_turn_a_call_waits_for_the_commit(
    autojump_clock: MockClock, options: BackendOptions, *, wanted: bool
) -> None:
    """What a tool does cannot be taken back."""
    model = Asking([[Text("Let me see."), ASK], [Text("It is noon.")]])
    async with open_conversation(with_tts(options, {"delay": 1.0, "seconds_per_character": 0.01})) as running:
        clock = Clock()
        give(running, model, clock)
        running.conversation.begin_provisional(running.scene, HELLO)
        await trio.sleep(20)
        assert clock.called == []
        assert running.audience.events == []
        began = trio.current_time()
        if wanted:
            assert running.conversation.commit(running.scene, HELLO)
            await running.wait_over()
            # The call takes a second, and so does the synthesis of what is said then.
            assert trio.current_time() - began == pytest.approx(2.0)
            assert clock.called == [ASK]
            assert running.audience.ended == [(1, "completed", "Let me see. It is noon.")]
        else:
            running.conversation.discard()
            await wait_all_tasks_blocked()
            await trio.sleep(20)
            assert clock.called == []
            assert running.audience.events == []
            assert len(model.prompts) == 1


async def test_a_result_may_be_a_book(autojump_clock: MockClock, options: BackendOptions) -> None:
    """Neither the model nor the client reads it to its end."""
    model = Asking([[ASK], [Text("Long.")]])
    async with open_conversation(options) as running:
        give(running, model, Clock(result=lambda _request: "x" * 1_000_000))
        running.say(HELLO.text)
        await running.wait_over()
        assert len(model.prompts[1].messages[-1].content) == LONGEST_RESULT
        assert [len(content) for _, _, content in calls(running)] == [len(ASK.arguments), LONGEST_SHOWN]
