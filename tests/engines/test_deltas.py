"""The machine that turns the events of a streamed answer into tokens."""

from __future__ import annotations

import pytest

from trio_backend.engines.openai.deltas import DeltaReader
from trio_backend.errors import EngineError


def test_content_is_the_token() -> None:
    """And an event without one, as the first of most servers, is an empty piece."""
    reader = DeltaReader()
    assert reader.feed('{"choices":[{"delta":{"role":"assistant","content":null}}]}') == ""
    assert reader.feed('{"choices":[{"delta":{"content":"Hi"},"finish_reason":null}],"usage":null}') == "Hi"
    assert not reader.finished
    assert reader.feed("[DONE]") == ""
    assert reader.finished


def test_reasoning_is_put_in_think_tags() -> None:
    """They open with the first thought and close with the first word of the answer."""
    reader = DeltaReader()
    thought = '{"choices":[{"delta":{"reasoning_content":"Hm"}}]}'
    assert reader.feed(thought) == "<think>Hm"
    assert reader.feed(thought) == "Hm"
    assert reader.feed('{"choices":[{"delta":{"content":"Yes"}}]}') == "</think>Yes"


def test_an_answer_of_thoughts_only_is_closed() -> None:
    """What opens a tag also closes it, or all that follows would stay unspoken."""
    reader = DeltaReader()
    reader.feed('{"choices":[{"delta":{"reasoning":"Hm"}}]}')
    assert reader.feed('{"choices":[{"delta":{},"finish_reason":"length"}]}') == "</think>"
    assert reader.finished


def test_the_last_piece_may_come_with_the_end() -> None:
    """Some servers send text and finish reason in one event."""
    reader = DeltaReader()
    assert reader.feed('{"choices":[{"delta":{"content":"Bye"},"finish_reason":"stop"}]}') == "Bye"
    assert reader.finished


def test_an_event_without_choices_is_passed_over() -> None:
    """The count of tokens comes in one."""
    assert DeltaReader().feed('{"choices":[],"usage":{"total_tokens":9}}') == ""


@pytest.mark.parametrize("data", ["", "word", "[]", '{"choices":5}', '{"choices":[{"delta":{"content":5}}]}'])
def test_what_is_no_completion_is_an_error_that_repeats_nothing(data: str) -> None:
    """The event may hold what the model said, so the error does not show it."""
    with pytest.raises(EngineError, match=r"no chat completion$") as caught:
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
