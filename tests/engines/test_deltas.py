"""The machine that turns the events of a streamed answer into tokens."""

from __future__ import annotations

import json

import pytest

from trio_backend.engines.base import Thought, ToolRequest
from trio_backend.engines.chat_service import TokenUsage
from trio_backend.engines.openai.deltas import DeltaReader
from trio_backend.errors import EngineError


def test_content_is_the_token() -> None:
    """And an event without one, as the first of most servers, is an empty piece."""
    reader = DeltaReader()
    assert reader.feed('{"choices":[{"delta":{"role":"assistant","content":null}}]}') == []
    assert reader.feed('{"choices":[{"delta":{"content":"Hi"},"finish_reason":null}],"usage":null}') == ["Hi"]
    assert not reader.finished
    assert reader.feed("[DONE]") == []
    assert reader.finished


@pytest.mark.parametrize(
    "field",
    ["reasoning_content", "reasoning", "thinking"],
    ids=["DeepSeek, Zhipu, llama.cpp, LM Studio", "Ollama, Groq, OpenRouter", "Ollama's own"],
)
def test_reasoning_is_thought(field: str) -> None:
    """Under each name that servers have for it."""
    reader = DeltaReader()
    assert reader.feed(json.dumps({"choices": [{"delta": {field: "Hm"}}]})) == [Thought("Hm")]
    delta = {field: "So:", "content": "Yes"}
    assert reader.feed(json.dumps({"choices": [{"delta": delta}]})) == [Thought("So:"), "Yes"]
    assert reader.feed('{"choices":[{"delta":{},"finish_reason":"length"}]}') == []
    assert reader.finished


def test_reasoning_under_two_names_is_thought_once() -> None:
    """As vLLM sends it, for clients of either name."""
    reader = DeltaReader()
    both = '{"choices":[{"delta":{"reasoning":"Hm","reasoning_content":"Hm"}}]}'
    assert reader.feed(both) == [Thought("Hm")]


def test_the_pieces_of_mistral_are_told_apart() -> None:
    """Its reasoning models send lists where others send text, and thoughts as lists in them."""
    reader = DeltaReader()
    thinking = {
        "type": "thinking",
        "thinking": [{"type": "text", "text": "Hm"}, {"type": "text", "text": "m"}],
    }
    said = {"type": "text", "text": "Yes"}
    pieces = [thinking, said, {"type": "reference", "reference_ids": [1]}]
    assert reader.feed(json.dumps({"choices": [{"delta": {"content": pieces}}]})) == [Thought("Hmm"), "Yes"]
    assert reader.feed('{"choices":[{"delta":{"content":[{"thinking":"So"}]}}]}') == [Thought("So")]
    assert reader.feed('{"choices":[{"delta":{"content":"!"}}]}') == ["!"]


@pytest.mark.parametrize(
    "told",
    [
        {
            "usage": {
                "prompt_tokens": 9,
                "completion_tokens": 2,
                "prompt_tokens_details": {"cached_tokens": 7},
            }
        },
        {"usage": {"prompt_tokens": 9, "completion_tokens": 2, "prompt_cache_hit_tokens": 7}},
        {
            "x_groq": {
                "usage": {
                    "prompt_tokens": 9,
                    "completion_tokens": 2,
                    "prompt_tokens_details": {"cached_tokens": 7},
                }
            }
        },
    ],
    ids=["OpenAI", "DeepSeek", "Groq"],
)
def test_tokens_are_counted_where_the_service_says_them(told: dict[str, object]) -> None:
    """Those that its cache had, too; behind the end of the reply as well."""
    reader = DeltaReader()
    reader.feed('{"choices":[{"delta":{},"finish_reason":"stop"}]}')
    assert reader.usage is None
    assert reader.feed(json.dumps({"choices": [], **told})) == []
    assert reader.usage == TokenUsage(prompt=9, cached=7, reply=2)


@pytest.mark.parametrize("usage", [5, [], {"prompt_tokens": "many", "prompt_tokens_details": 1}])
def test_a_strange_count_costs_nobody_the_answer(usage: object) -> None:
    """It is for the log alone."""
    event = {"choices": [{"delta": {"content": "Hi"}}], "usage": usage, "x_groq": usage}
    assert DeltaReader().feed(json.dumps(event)) == ["Hi"]


def test_half_a_character_stays_with_its_kind() -> None:
    """A thought that breaks off in the middle of an emoji takes nothing from what is said."""
    reader = DeltaReader()
    assert reader.feed('{"choices":[{"delta":{"reasoning":"a\\ud83d"}}]}') == [Thought("a")]
    assert reader.feed('{"choices":[{"delta":{"content":"b\\ud83d"}}]}') == [Thought("\ufffd"), "b"]
    assert reader.feed('{"choices":[{"delta":{"content":"\\ude00"}}]}') == ["\U0001f600"]


def call(index: int | None, name: str | None, arguments: str | None, call_id: str | None = None) -> str:
    """An event with a piece of a request for a tool."""
    function = {"name": name, "arguments": arguments}
    delta = {"tool_calls": [{"index": index, "id": call_id, "type": "function", "function": function}]}
    return json.dumps({"choices": [{"delta": delta}]})


DONE = '{"choices":[{"delta":{},"finish_reason":"tool_calls"}]}'


def test_requests_for_tools_come_whole() -> None:
    """In order, however their pieces are mixed, when the model is done, behind the last text."""
    reader = DeltaReader()
    assert reader.feed(call(0, "look", "", "a")) == []
    assert reader.feed(call(1, "listen", "{}", "b")) == []
    assert reader.feed(call(0, None, '{"at":')) == []
    assert reader.feed(call(0, None, "1}")) == []
    last = '{"choices":[{"delta":{"content":"Let me see."},"finish_reason":"tool_calls"}]}'
    assert reader.feed(last) == [
        "Let me see.",
        ToolRequest("a", "look", '{"at":1}'),
        ToolRequest("b", "listen", "{}"),
    ]
    assert reader.feed("[DONE]") == []


@pytest.mark.parametrize("index", [0, None])
def test_requests_that_are_not_numbered_are_told_apart(index: int | None) -> None:
    """By their ids; a server that gives none has them numbered here."""
    reader = DeltaReader()
    reader.feed(call(index, "look", "1", "a"))
    reader.feed(call(index, "look", "2", "b"))
    assert reader.feed(DONE) == [ToolRequest("a", "look", "1"), ToolRequest("b", "look", "2")]
    reader = DeltaReader()
    reader.feed(call(index, "look", "1"))
    assert reader.feed(DONE) == [ToolRequest("call_0", "look", "1")]


def test_a_request_that_names_no_tool_is_none() -> None:
    """Nor is what is no request at all; neither costs the user the answer."""
    reader = DeltaReader()
    assert reader.feed(call(0, None, "{}", "a")) == []
    assert reader.feed('{"choices":[{"delta":{"content":"Hi","tool_calls":["x",{"id":7}]}}]}') == ["Hi"]
    assert reader.feed(DONE) == []


@pytest.mark.parametrize(
    "events", [[call(0, "a", "x" * 100_000)] * 11, [call(number, "a", "") for number in range(65)]]
)
def test_requests_for_tools_are_bounded(events: list[str]) -> None:
    """In size and in number: nothing grows with what a broken server sends."""
    reader = DeltaReader()
    for event in events[:-1]:
        reader.feed(event)
    with pytest.raises(EngineError, match="a tool request that is too long"):
        reader.feed(events[-1])


def test_the_last_piece_may_come_with_the_end() -> None:
    """Some servers send text and finish reason in one event."""
    reader = DeltaReader()
    assert reader.feed('{"choices":[{"delta":{"content":"Bye"},"finish_reason":"stop"}]}') == ["Bye"]
    assert reader.finished


def test_an_event_without_choices_is_passed_over() -> None:
    """The count of tokens comes in one."""
    assert DeltaReader().feed('{"choices":[],"usage":{"total_tokens":9}}') == []


@pytest.mark.parametrize("data", ["", "word", "[]", '{"choices":5}', '{"choices":[{"delta":{"content":5}}]}'])
def test_what_is_no_completion_is_an_error_that_repeats_nothing(data: str) -> None:
    """The event may hold what the model said, so the error does not show it."""
    with pytest.raises(EngineError, match=r"not a chat completion$") as caught:
        DeltaReader().feed(data)
    assert caught.value.__cause__ is None


def test_an_error_in_mid_stream_is_told_without_its_text() -> None:
    """The server's own text may quote the prompt."""
    with pytest.raises(EngineError, match="broke off") as caught:
        DeltaReader().feed('{"error":{"message":"cannot handle: my secret"}}')
    assert "secret" not in str(caught.value)


def test_a_content_filter_is_named() -> None:
    """The user can do something about it."""
    with pytest.raises(EngineError, match="content filter"):
        DeltaReader().feed('{"choices":[{"delta":{},"finish_reason":"content_filter"}]}')


@pytest.mark.parametrize(("reason", "passes"), [("tool_calls", True), ("stop", True), ("length", False)])
def test_a_tool_request_that_is_cut_short_is_none(reason: str, passes: bool) -> None:
    """What a tool does with half of its arguments cannot be taken back; text may end there."""
    reader = DeltaReader()
    call = {"index": 0, "id": "c", "function": {"name": "pay", "arguments": ""}}
    reader.feed(json.dumps({"choices": [{"delta": {"tool_calls": [call]}}]}))
    last = json.dumps({"choices": [{"delta": {}, "finish_reason": reason}]})
    if passes:
        assert reader.feed(last) == [ToolRequest("c", "pay", "")]
    else:
        with pytest.raises(EngineError, match="amid a tool request; raise max_tokens"):
            reader.feed(last)
