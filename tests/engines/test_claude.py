"""Claude's adapter against a stand-in for Anthropic's API, which its own client understands, too."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from loguru import logger

from trio_backend.engines.base import (
    Llm,
    Message,
    Nudge,
    Prompt,
    ReplyPart,
    Text,
    Thought,
    Tool,
    ToolRequest,
    ToolResult,
)
from trio_backend.engines.llm.claude_events import ClaudeReader
from trio_backend.engines.registry import configure, open_engine, without_effect
from trio_backend.engines.settings import Environment
from trio_backend.errors import EngineError, SettingsError

from .claude_stand_in import (
    PING,
    START,
    STOP,
    answering_with,
    asked,
    begun,
    delta,
    done,
    ended,
    replying,
    said,
    thought,
)
from .model_server import (
    Answering,
    Behaviour,
    ModelServer,
    body,
    cut,
    hanging,
    open_model_server,
    page,
    refusing,
)

KEY, SECRET = "sk-ant-very-private", "my secret wish"
PROMPT = Prompt("You are Mao.", [Message("user", SECRET)])
HELLO = [Text("Hello "), Text("there.")]
KEPT = {"type": "ephemeral"}


@pytest.fixture
async def server() -> AsyncIterator[ModelServer]:
    """A service of our own, that says hello."""
    async with open_model_server() as server:
        server.behaviour = replying("Hello ", "there.")
        yield server


@asynccontextmanager
async def open_claude(url: str, **settings: object) -> AsyncIterator[Llm]:
    """The adapter, with a key."""
    given = {"base_url": url, "llm_api_key": KEY, "model": "claude-opus-4-8", **settings}
    async with open_engine(configure("llm", "claude_llm", given, environment=Environment(Path(), {}))) as llm:
        yield llm


async def read(llm: Llm, prompt: Prompt = PROMPT) -> list[ReplyPart]:
    """All parts of one reply."""
    async with llm.reply(prompt) as parts:
        return [part async for part in parts]


async def sent(server: ModelServer, prompt: Prompt, **settings: object) -> dict[str, Any]:
    """The request that ``prompt`` becomes."""
    async with open_claude(server.url, **settings) as llm:
        await read(llm, prompt)
    return server.asked[-1].body


async def told(server: ModelServer, **settings: object) -> str:
    """The error that a reply ends with."""
    async with open_claude(server.url, **settings) as llm:
        with pytest.raises(EngineError) as caught:
            await read(llm)
    assert KEY not in str(caught.value)
    assert SECRET not in str(caught.value)
    return str(caught.value)


async def test_the_request_says_what_was_configured(server: ModelServer) -> None:
    """With the version of the service's interface; the reply comes in tokens."""
    async with open_claude(server.url) as llm:
        assert await read(llm) == HELLO
    (request,) = server.asked
    assert request.path == "/v1/messages"
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.headers["anthropic-version"] == "2026-10-21"
    assert request.body == {
        "model": "claude-opus-4-8",
        "max_tokens": 4096,
        "stream": True,
        "system": [{"type": "text", "text": "You are Mao.", "cache_control": KEPT}],
        "messages": [{"role": "user", "content": [{"type": "text", "text": SECRET, "cache_control": KEPT}]}],
    }


async def test_the_next_prompt_begins_with_what_is_kept(server: ModelServer) -> None:
    """Up to the mark, which moves on, the requests of two turns are the same bytes: persona first."""
    before = [Message("user", "One?"), Message("assistant", "Two."), Message("user", "Three?")]
    first = await sent(server, Prompt("You are Mao.", before))
    second = await sent(
        server, Prompt("You are Mao.", [*before, Message("assistant", "Four."), Message("user", "Five?")])
    )
    assert first["system"] == second["system"]
    assert first["messages"][-1]["content"][-1].pop("cache_control") == KEPT
    assert second["messages"][-1]["content"][-1].pop("cache_control") == KEPT
    assert second["messages"][: len(first["messages"])] == first["messages"]
    assert "cache_control" not in json.dumps([first["messages"], second["messages"]])


async def test_nothing_is_kept_of_a_nudge(server: ModelServer) -> None:
    """It is not remembered, so the next prompt will not have it: the mark is before it."""
    prompt = Prompt("", [Message("user", "Hi"), Message("assistant", "Ho"), Nudge("Say something.")])
    request = await sent(server, prompt)
    assert "system" not in request
    assert request["messages"] == [
        {"role": "user", "content": [{"type": "text", "text": "Hi"}]},
        {"role": "assistant", "content": [{"type": "text", "text": "Ho", "cache_control": KEPT}]},
        {"role": "user", "content": [{"type": "text", "text": "Say something."}]},
    ]


async def test_turns_alternate_and_are_not_empty(server: ModelServer) -> None:
    """A conversation may begin with the character, and a user may say two things; the service wants turns."""
    messages = [Message("assistant", "Hi!"), Message("user", "a"), Message("user", " "), Message("user", "b")]
    request = await sent(server, Prompt("", messages))
    turns = [(turn["role"], [block["text"] for block in turn["content"]]) for turn in request["messages"]]
    assert turns == [("user", ["…"]), ("assistant", ["Hi!"]), ("user", ["a", "b"])]


async def test_images_go_with_their_message(server: ModelServer) -> None:
    """Without the head of a data URL; one that is an address goes as that."""
    urls = ["data:image/PNG;base64,AAAA", "https://example.org/cat.jpg"]
    request = await sent(
        server, Prompt("", [Message("user", "What?", images=urls), Nudge("Look!", urls[:1])])
    )
    png = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}
    jpg = {"type": "image", "source": {"type": "url", "url": urls[1]}, "cache_control": KEPT}
    (turn,) = request["messages"]
    assert turn["content"] == [
        {"type": "text", "text": "What?"},
        png,
        jpg,
        {"type": "text", "text": "Look!"},
        png,
    ]


async def test_tools_requests_and_results_are_sent(server: ModelServer) -> None:
    """As the service has them: arguments as an object, and results of one reply in one turn of the user."""
    requests = [ToolRequest("c1", "look", '{"at": "cats"}'), ToolRequest("c2", "look", "at cats")]
    results = [ToolResult("c1", "Two cats."), ToolResult("c2", "what?", failed=True)]
    said = Message("assistant", "Let me see.", requests=requests)
    messages: list[Message | ToolResult] = [Message("user", "Cats?"), said, *results]
    schema = {"type": "object", "properties": {"at": {"type": "string"}}}
    tools = [Tool("look", "Looks.", schema), Tool("wait", "Waits.")]
    request = await sent(server, Prompt("", messages, tools=tools))
    assert request["tools"] == [
        {"name": "look", "description": "Looks.", "input_schema": schema},
        {"name": "wait", "description": "Waits.", "input_schema": {"type": "object"}},
    ]
    assert request["messages"][1:] == [
        {
            "role": "assistant",
            "content": [
                {"type": "text", "text": "Let me see."},
                {"type": "tool_use", "id": "c1", "name": "look", "input": {"at": "cats"}},
                {"type": "tool_use", "id": "c2", "name": "look", "input": {}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "c1", "content": "Two cats."},
                {
                    "type": "tool_result",
                    "tool_use_id": "c2",
                    "content": "what?",
                    "is_error": True,
                    "cache_control": KEPT,
                },
            ],
        },
    ]


TOOLS = (
    *said("Let me ", "see.", index=0),
    *asked("toolu_1", "look", "", '{"at": "ca', 'ts"}', index=1),
    *asked("toolu_2", "wait", "", index=2),
)


async def test_requests_for_tools_come_with_the_reply(server: ModelServer) -> None:
    """Behind what the model says, and whole; one without arguments has none as JSON."""
    server.behaviour = answering_with(START, *TOOLS, done("tool_use"), STOP)
    async with open_claude(server.url) as llm:
        assert await read(llm) == [
            Text("Let me "),
            Text("see."),
            ToolRequest("toolu_1", "look", '{"at": "cats"}'),
            ToolRequest("toolu_2", "wait", "{}"),
        ]


async def test_thinking_blocks_are_thoughts(server: ModelServer) -> None:
    """Those that are encrypted are nothing that could be shown."""
    server.behaviour = answering_with(
        START,
        *thought("Let me ", "think."),
        begun(1, type="redacted_thinking", data="EmwKAhgBEgy3va3pzix/LafPsn4a"),
        ended(1),
        *said("Hello.", index=2),
        done("end_turn"),
        STOP,
    )
    async with open_claude(server.url) as llm:
        assert await read(llm) == [Thought("Let me "), Thought("think."), Text("Hello.")]


@pytest.mark.parametrize(
    ("settings", "thinking", "most"),
    [
        ({}, None, 4096),
        ({"thinking": "disabled"}, {"type": "disabled"}, 4096),
        ({"thinking": "adaptive"}, {"type": "adaptive", "display": "summarized"}, 4096),
        (
            {"thinking": "enabled", "thinking_tokens": 2000, "max_tokens": 500},
            {"type": "enabled", "budget_tokens": 2000},
            2500,
        ),
    ],
)
async def test_thinking_is_asked_for_as_configured(
    server: ModelServer, settings: dict[str, object], thinking: object, most: int
) -> None:
    """Its tokens come on top of those of what is said. Amid tools it is left out, as the service wants it."""
    request = await sent(server, PROMPT, **settings)
    assert (request.get("thinking"), request["max_tokens"]) == (thinking, most)
    asking = Message("assistant", "", requests=[ToolRequest("c", "look", "{}")])
    amid = Prompt("", [Message("user", "?"), asking, ToolResult("c", "A cat.")])
    assert "thinking" not in await sent(server, amid, **settings)


async def test_unknown_events_are_passed_over(server: ModelServer) -> None:
    """The documentation says that there will be more of them, and of blocks and deltas."""
    server.behaviour = answering_with(
        START,
        {"type": "news", "delta": {"type": "text_delta", "text": "no"}},
        {"type": "news", "delta": "no", "index": "none", "usage": []},
        begun(0, type="server_tool_use", id="srvtoolu_1", name="web_search", input={}),
        delta(0, "input_json_delta", partial_json='{"query": "cats"}'),
        ended(0),
        *said("Hello.", index=1),
        delta(1, "citations_delta", citation={"type": "page_location"}),
        done("end_turn"),
        STOP,
    )
    async with open_claude(server.url) as llm:
        assert await read(llm) == [Text("Hello.")]


def test_half_a_character_stays_with_its_kind() -> None:
    """A thought that breaks off amid an emoji takes nothing from what is said."""
    reader = ClaudeReader()
    feed = [delta(0, "thinking_delta", thinking="a\ud83d"), delta(1, "text_delta", text="b\ud83d")]
    assert reader.feed(json.dumps(feed[0])) == [Thought("a")]
    assert reader.feed(json.dumps(feed[1])) == [Thought("\ufffd"), "b"]
    assert reader.feed(json.dumps(delta(1, "text_delta", text="\ude00"))) == ["\U0001f600"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["usage", "type"]), inner),
    max_leaves=4,
)
KINDS = ("tool_use", "text", "thinking", "text_delta", "thinking_delta", "input_json_delta")
TEXT = st.text(max_size=3) | st.just("\ud83d") | st.none()
BLOCK = st.fixed_dictionaries(
    {"type": st.sampled_from(KINDS)},
    optional={
        **dict.fromkeys(["id", "name", "text", "thinking", "partial_json"], TEXT),
        "stop_reason": st.sampled_from(["end_turn", "refusal", "max_tokens", ""]),
        "stop_details": JSON,
    },
)
EVENT = st.fixed_dictionaries(
    {
        "type": st.sampled_from(
            ["content_block_start", "content_block_delta", "message_start", "message_delta", "error", "ping"]
        )
    },
    optional={
        "index": st.integers(0, 2) | JSON,
        "delta": BLOCK | JSON,
        "content_block": BLOCK | JSON,
        **dict.fromkeys(["message", "usage", "error"], JSON | st.fixed_dictionaries({"usage": JSON})),
    },
)


@given(st.lists(EVENT | JSON, max_size=5))
def test_whatever_comes_is_a_part_of_a_reply_or_an_engine_error(events: list[object]) -> None:
    """Nothing that a broken server sends gets past the adapter as another exception."""
    reader = ClaudeReader()
    for event in events:
        try:
            parts = reader.feed(json.dumps(event))
        except EngineError:
            continue
        assert all(isinstance(part, str | Thought | ToolRequest) for part in parts)
        assert reader.usage is None or reader.usage.prompt is not None


@pytest.mark.parametrize("reason", ["end_turn", "max_tokens", "stop_sequence", "pause_turn"])
async def test_what_was_said_stands(server: ModelServer, reason: str) -> None:
    """However the reply ended, where nothing is wrong with it."""
    server.behaviour = answering_with(START, *said("Hello ", "there."), done(reason), STOP)
    async with open_claude(server.url) as llm:
        assert await read(llm) == HELLO


ERROR = {"type": "error", "error": {"type": "overloaded_error", "message": SECRET}}


@pytest.mark.parametrize(
    ("events", "words"),
    [
        ([ERROR], r"is overloaded \(overloaded_error\) and broke off"),
        ([{**ERROR, "error": {"type": "rate_limit_error"}}], "too many requests"),
        (
            [{**ERROR, "error": {"type": "api_error", "message": SECRET}}],
            r"broke off its answer \(api_error\)",
        ),
        ([{**ERROR, "error": SECRET}], r"broke off its answer \(error\)"),
        (
            [done("refusal", stop_details={"type": "refusal", "category": "bio"})],
            r"declined to answer \(bio\)",
        ),
        ([done("refusal", stop_details=None)], r"declined to answer \(refusal\)"),
        ([*asked("t", "look", '{"at', index=1), done("max_tokens")], "amid a tool request; raise max_tokens"),
        ([], "broke off before its end"),
        ([{"type": "content_block_delta", "delta": SECRET}], "not a message's event$"),
    ],
)
async def test_what_was_received_before_an_error_stands(
    server: ModelServer, events: list[Mapping[str, object]], words: str
) -> None:
    """Errors come amid the stream, too; what the service writes there is not repeated."""
    server.behaviour = answering_with(START, PING, delta(0, "text_delta", text="one "), *events)
    async with open_claude(server.url) as llm, llm.reply(PROMPT) as parts:
        assert await parts.receive() == Text("one ")
        with pytest.raises(EngineError, match=words) as caught:
            await parts.receive()
        assert SECRET not in str(caught.value)
        assert str(caught.value).startswith("claude_llm: ")
    assert len(server.asked) == 1


def half_a_frame() -> Behaviour:
    """Break off in the middle of an event."""

    async def answer(answering: Answering) -> None:
        await answering.begin_events()
        await answering.chunk(b'event: content_block_delta\ndata: {"type":"content_blo')
        await answering.stream.aclose()

    return answer


def failing(status: int, kind: str, message: str = SECRET, *headers: str) -> Behaviour:
    """Refuse, with the body that this service has for it."""
    error = {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_011CSHoEeqs5C"}
    return whole(status, error, *headers)


def whole(status: int, answer: object, *headers: str) -> Behaviour:
    """Answer with JSON."""

    async def behave(answering: Answering) -> None:
        await answering.whole(status, json.dumps(answer).encode(), "Content-Type: application/json", *headers)

    return behave


CREDIT = "Your credit balance is too low to access the Anthropic API."


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        (failing(401, "authentication_error"), ["does not accept the API key", "ANTHROPIC_API_KEY"]),
        (failing(403, "permission_error"), ["does not accept the API key", "llm_api_key"]),
        (failing(402, "billing_error"), ["no credit"]),
        (failing(400, "invalid_request_error", CREDIT), ["no credit left (400, invalid_request_error)"]),
        (
            failing(400, "invalid_request_error", "prompt is too long: 208310 tokens > 200000 maximum"),
            ["too long for 'claude-opus-4-8'", "start a new one"],
        ),
        (failing(413, "request_too_large"), ["too long for 'claude-opus-4-8'"]),
        (failing(400, "invalid_request_error"), ["refused the request (400, invalid_request_error)"]),
        (failing(404, "not_found_error"), ["no model 'claude-opus-4-8'", "docs/en/about-claude/models"]),
        (failing(429, "rate_limit_error", SECRET, "retry-after: 60"), ["too many requests", "wait 60 s"]),
        (page(), ["a web page", "check base_url"]),
        (body(b"{}", "application/json"), ["application/json", "check base_url"]),
    ],
)
async def test_a_refusal_says_what_to_do(server: ModelServer, behaviour: Behaviour, words: list[str]) -> None:
    """Each kind has its own remedy, and is not asked again; what the service wrote is never repeated."""
    server.behaviour = behaviour
    text = await told(server)
    assert not [word for word in ["claude_llm", *words] if word not in text], text
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    "passing",
    [
        failing(429, "rate_limit_error", SECRET, "retry-after: 0.1"),
        failing(529, "overloaded_error"),
        failing(500, "api_error"),
        failing(504, "timeout_error"),
        cut(),
    ],
)
async def test_what_passes_by_itself_is_asked_again(server: ModelServer, passing: Behaviour) -> None:
    """Before the first token, twice; the user sees nothing of it."""
    server.script = [passing, passing]
    async with open_claude(server.url) as llm:
        assert await read(llm) == HELLO
    assert len(server.asked) == 3


async def test_a_service_that_stays_overloaded_is_told(server: ModelServer) -> None:
    """It is not the user's server, whose log would say why."""
    server.behaviour = failing(529, "overloaded_error")
    assert "is overloaded (529, overloaded_error); try again soon" in await told(server)


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        (hanging(), "did not begin to answer within 0.2 s"),
        (half_a_frame(), "the connection to 127.0.0.1"),
        (answering_with(PING), "broke off before its end"),
        (refusing(400, "garbage \0 \ufffd"), "refused the request (400)"),
    ],
    ids=["silence", "half a frame", "nothing", "garbage"],
)
async def test_a_service_in_trouble_is_told(server: ModelServer, behaviour: Behaviour, words: str) -> None:
    """In words, and in time."""
    server.behaviour = behaviour
    with trio.fail_after(10):
        assert words in await told(server, first_token_timeout=0.2)


async def test_what_a_reply_cost_is_logged(server: ModelServer) -> None:
    """The prompt is what was read anew, what is kept from now on, and what came from the cache."""
    lines: list[str] = []
    sink = logger.add(lambda line: lines.append(line.record["message"]), level="DEBUG")
    async with open_claude(server.url) as llm:
        await read(llm)
    logger.remove(sink)
    assert [line for line in lines if "tokens" in line] == [
        "claude_llm: 1825 tokens read, 1800 of them from the cache, 15 written"
    ]


def settings_error(settings: Mapping[str, object], **environ: str) -> SettingsError:
    """What is wrong with ``settings``."""
    with pytest.raises(SettingsError) as caught:
        configure("llm", "claude_llm", settings, environment=Environment(Path(), environ))
    return caught.value


def test_settings_of_existing_files_are_understood() -> None:
    """Each of them is read, or named with a reason. The placeholder of their templates is no key."""
    settings = {
        "base_url": "https://api.anthropic.com",
        "llm_api_key": "YOUR API KEY HERE",
        "model": "claude-3-haiku-20240307",
        "interrupt_method": "user",
    }
    assert settings_error(settings).key == "llm_api_key"
    environment = Environment(Path(), {"ANTHROPIC_API_KEY": KEY})
    config: Any = configure("llm", "claude_llm", settings, environment=environment).settings
    assert (config.endpoint.address, config.endpoint.api_key) == ("api.anthropic.com:443", KEY)
    assert KEY not in repr(config)
    assert dict(without_effect("llm", "claude_llm", settings)).keys() == {"interrupt_method"}


def test_what_is_missing_or_wrong_is_named() -> None:
    """With what to do."""
    assert settings_error({"llm_api_key": KEY}).key == "model"
    wrong = {"llm_api_key": KEY, "model": "m", "thinking": "hard"}
    assert "one of disabled, adaptive, enabled" in str(settings_error(wrong))
    assert settings_error({"llm_api_key": KEY, "model": "m", "thinking_tokens": 100}).key == "thinking_tokens"


async def test_its_own_client_understands_the_stand_in(server: ModelServer) -> None:
    """So the stand-in speaks as the service does. The client is no dependency: it takes 1 s to import."""
    pytest.importorskip("anthropic", reason="the package anthropic is not installed")
    anthropic = import_module("anthropic")
    server.behaviour = answering_with(START, *thought("Hm."), *TOOLS[:-3], done("tool_use"), STOP)
    url = server.url.removesuffix("/v1")
    client = anthropic.AsyncAnthropic(api_key=KEY, base_url=url, max_retries=0)
    asked_for = {"model": "claude-opus-4-8", "max_tokens": 9, "messages": [{"role": "user", "content": "?"}]}
    async with client, client.messages.stream(**asked_for) as stream:
        message = await stream.get_final_message()
    assert [block.type for block in message.content] == ["thinking", "text", "tool_use"]
    assert (message.stop_reason, message.usage.cache_read_input_tokens) == ("tool_use", 1800)
    (request,) = server.asked
    assert (request.path, request.headers["authorization"]) == ("/v1/messages", f"Bearer {KEY}")
    assert request.headers["anthropic-version"] == "2026-10-21"
    server.behaviour = failing(529, "overloaded_error")
    async with anthropic.AsyncAnthropic(api_key=KEY, base_url=url, max_retries=0) as client:
        with pytest.raises(anthropic.APIStatusError, match="overloaded_error"):
            await client.messages.create(**asked_for)
