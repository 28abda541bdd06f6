"""The adapter for model servers against one that misbehaves, over real sockets."""

from __future__ import annotations

import json
import threading
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from loguru import logger

from tests.promptness import PROMPTLY
from trio_backend.engines import http_chat
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
from trio_backend.engines.openai import deltas
from trio_backend.engines.openai.answers import json_of
from trio_backend.engines.registry import configure, open_engine
from trio_backend.engines.settings import Environment
from trio_backend.errors import EngineError, RequestRefused

from .model_server import (
    Answering,
    Behaviour,
    ModelServer,
    body,
    cut,
    events,
    hanging,
    lingering,
    open_model_server,
    page,
    reasoning,
    refusing,
    streaming,
)

KEY, SECRET = "sk-very-private", "my secret wish"
PROMPT = Prompt("You are Mao.", [Message("user", SECRET)])
HELLO = [Text("Hello "), Text("there.")]


@pytest.fixture
async def server() -> AsyncIterator[ModelServer]:
    """A model server of our own."""
    async with open_model_server() as server:
        yield server


@asynccontextmanager
async def open_chat(url: str, provider: str = "ollama_llm", **settings: object) -> AsyncIterator[Llm]:
    """The adapter, with a key and short patience."""
    given = {"base_url": url, "model": "qwen", "llm_api_key": KEY, **settings}
    config = configure("llm", provider, given, environment=Environment(Path(), {}))
    async with open_engine(config) as llm:
        yield llm


async def read(llm: Llm, prompt: Prompt = PROMPT) -> list[ReplyPart]:
    """All parts of one reply."""
    async with llm.reply(prompt) as parts:
        return [part async for part in parts]


async def told(server: ModelServer, **settings: object) -> str:
    """The error that a reply ends with."""
    async with open_chat(server.url, **settings) as llm:  # type: ignore[arg-type]
        with pytest.raises(EngineError) as caught:
            await read(llm)
    assert KEY not in str(caught.value)
    assert SECRET not in str(caught.value)
    return str(caught.value)


async def test_the_request_says_what_was_configured(server: ModelServer) -> None:
    """Model, messages and key arrive; what was not set is left to the server."""
    async with open_chat(server.url, max_tokens=99) as llm:
        assert await read(llm) == HELLO
    (asked,) = server.asked
    assert asked.path == "/v1/chat/completions"
    assert asked.headers["authorization"] == f"Bearer {KEY}"
    assert asked.body == {
        "model": "qwen",
        "messages": [
            {"role": "system", "content": "You are Mao."},
            {"role": "user", "content": SECRET},
        ],
        "stream": True,
        "max_tokens": 99,
    }


async def test_images_go_with_their_message(server: ModelServer) -> None:
    """As parts of its content, in the form that vision models read."""
    image = "data:image/png;base64,AAAA"
    prompt = Prompt("", [Message("assistant", "Hi"), Message("user", "What is this?", images=[image])])
    async with open_chat(server.url) as llm:
        await read(llm, prompt)
    assert server.asked[0].body["messages"] == [
        {"role": "assistant", "content": "Hi"},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "What is this?"},
                {"type": "image_url", "image_url": {"url": image}},
            ],
        },
    ]


async def test_a_nudge_is_asked_as_the_user(server: ModelServer) -> None:
    """The interface knows no other way that all models heed; its images go with it."""
    image = "data:image/png;base64,AAAA"
    async with open_chat(server.url) as llm:
        await read(llm, Prompt("", [Message("user", "Hi"), Nudge("Say something.", [image])]))
    content = [
        {"type": "text", "text": "Say something."},
        {"type": "image_url", "image_url": {"url": image}},
    ]
    assert server.asked[0].body["messages"][1:] == [{"role": "user", "content": content}]


async def test_tools_requests_and_results_are_sent(server: ModelServer) -> None:
    """As the interface has them; arguments that are no JSON would be refused with the whole prompt."""
    requests = [ToolRequest("c1", "look", '{"at": "cats"}'), ToolRequest("c2", "look", "at cats")]
    results = [ToolResult("c1", "Two cats."), ToolResult("c2", "what?", failed=True)]
    asked = [Message("user", "Cats?"), Message("assistant", "", requests=requests)]
    schema = {"type": "object", "properties": {"at": {"type": "string"}}}
    async with open_chat(server.url) as llm:
        await read(llm, Prompt("", [*asked, *results], tools=[Tool("look", "Looks.", schema)]))
    body = server.asked[0].body
    assert body["tools"] == [
        {"type": "function", "function": {"name": "look", "description": "Looks.", "parameters": schema}}
    ]
    called = [
        {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"at": "cats"}'}},
        {"id": "c2", "type": "function", "function": {"name": "look", "arguments": "{}"}},
    ]
    assert body["messages"][1:] == [
        {"role": "assistant", "content": None, "tool_calls": called},
        {"role": "tool", "tool_call_id": "c1", "content": "Two cats."},
        {"role": "tool", "tool_call_id": "c2", "content": "what?"},
    ]


async def test_a_request_for_a_tool_comes_with_the_reply(server: ModelServer) -> None:
    """Behind what the model says, and whole."""
    call = {"index": 0, "id": "c1", "function": {"name": "look", "arguments": '{"at": "cats"}'}}
    server.behaviour = events(
        '{"choices":[{"delta":{"content":"<think>Cats?</think>Let me see."}}]}',
        json.dumps({"choices": [{"delta": {"tool_calls": [call]}}]}),
        '{"choices":[{"delta":{},"finish_reason":"tool_calls"}]}',
    )
    async with open_chat(server.url) as llm:
        assert await read(llm) == [
            Thought("Cats?"),
            Text("Let me see."),
            ToolRequest("c1", "look", '{"at": "cats"}'),
        ]


async def test_replies_share_a_connection(server: ModelServer) -> None:
    """A finished answer gives its connection back."""
    async with open_chat(server.url) as llm:
        for _ in range(3):
            await read(llm)
    assert server.connections == 1


async def test_reasoning_is_thought(server: ModelServer) -> None:
    """So that they are shown and not spoken."""
    server.behaviour = reasoning(["Let me ", "see."], ["Yes."])
    async with open_chat(server.url) as llm:
        assert await read(llm) == [Thought("Let me "), Thought("see."), Text("Yes.")]


@pytest.mark.parametrize("behaviour", [hanging(), hanging("one ", "two ")], ids=["before", "amid"])
async def test_a_barge_in_closes_the_connection(server: ModelServer, behaviour: Behaviour) -> None:
    """The server sees it at once, before the first token and amid the stream."""
    server.behaviour = behaviour
    async with open_chat(server.url) as llm:
        with trio.move_on_after(0.1) as scope:
            await read(llm)
        with trio.fail_after(PROMPTLY):
            await server.asked[0].left.wait()
    assert server.asked[0].left_at - scope.deadline < PROMPTLY


async def test_leaving_the_block_closes_the_connection(server: ModelServer) -> None:
    """The model stops although nobody cancelled anything."""
    server.behaviour = streaming(*["word "] * 500, delay=0.01)
    async with open_chat(server.url) as llm:
        async with llm.reply(PROMPT) as tokens:
            await tokens.receive()
        left = trio.current_time()
        with trio.fail_after(PROMPTLY):
            await server.asked[0].left.wait()
    assert server.asked[0].left_at - left < PROMPTLY


async def test_a_finished_answer_is_waited_for_a_moment(server: ModelServer) -> None:
    """Its connection could be used again; but who leaves is not held up by a server that never ends."""
    server.behaviour = lingering("Hello ", "there.", ends=False)
    async with open_chat(server.url) as llm:
        for _ in range(2):
            async with llm.reply(PROMPT) as parts:
                assert [part async for part in parts] == HELLO
                left = trio.current_time()
            assert trio.current_time() - left < PROMPTLY


async def test_a_barge_in_waits_for_nothing(server: ModelServer) -> None:
    """An answer that is not finished is cut at once: its connection is of no more use."""
    server.behaviour = hanging("Hello ", "there.")
    took = []
    async with open_chat(server.url) as llm:
        for _ in range(5):
            async with llm.reply(PROMPT) as parts:
                assert [await parts.receive(), await parts.receive()] == HELLO
                left = trio.current_time()
            took.append(trio.current_time() - left)
    assert min(took) < 0.04


async def test_a_server_that_breaks_off_after_the_end_is_no_error(server: ModelServer) -> None:
    """All was said."""
    server.behaviour = lingering("Hello ", "there.", ends=True)
    async with open_chat(server.url) as llm:
        assert await read(llm) == HELLO


async def test_the_type_of_an_answer_may_be_written_in_any_case(server: ModelServer) -> None:
    """As header values may."""
    answer = b'data: {"choices":[{"delta":{"content":"Hi"}}]}\n\ndata: [DONE]\n\n'
    server.behaviour = body(answer, "Text/Event-Stream; charset=UTF-8")
    async with open_chat(server.url) as llm:
        assert await read(llm) == [Text("Hi")]


async def test_pictures_are_written_in_a_thread(server: ModelServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Megabytes of them take longer than the loop has; a text alone is not worth a thread."""
    threads: list[bool] = []

    def counted(request: Mapping[str, object]) -> bytes:
        threads.append(threading.current_thread() is not threading.main_thread())
        return json_of(request)

    monkeypatch.setattr(http_chat, "json_of", counted)
    image = "data:image/png;base64,AAAA"
    async with open_chat(server.url) as llm:
        await read(llm)
        await read(llm, Prompt("", [Message("user", "What is this?", images=[image])]))
    assert threads == [False, True]


async def test_a_temperature_of_zero_is_one(server: ModelServer) -> None:
    """It is sent, as any other is."""
    async with open_chat(server.url, temperature=0) as llm:
        await read(llm)
    assert server.asked[0].body["temperature"] == 0


@pytest.mark.parametrize(
    "passing",
    [refusing(500), refusing(503, "busy"), refusing(429, None, "Retry-After: 0.1"), refusing(408), cut()],
)
async def test_what_passes_by_itself_is_asked_again(server: ModelServer, passing: Behaviour) -> None:
    """Before the first token, twice; the user sees nothing of it."""
    server.script = [passing, passing]
    async with open_chat(server.url) as llm:
        assert await read(llm) == HELLO
    assert len(server.asked) == 3


async def test_nothing_is_asked_a_fourth_time(server: ModelServer) -> None:
    """A server that stays broken is told."""
    server.behaviour = refusing(500)
    assert "failed (500)" in await told(server)
    assert len(server.asked) == 3


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        (refusing(401, {"code": "invalid_api_key", "message": f"{KEY} {SECRET}"}), ["llm_api_key", "401"]),
        (refusing(403), ["does not accept the API key", "403"]),
        (refusing(404, {"message": SECRET, "type": "api_error"}), ["no model 'qwen'", "`ollama pull qwen`"]),
        (refusing(400, {"code": "model_not_found"}), ["no model 'qwen'"]),
        (refusing(404, "404 page not found"), ["check base_url"]),
        (refusing(402), ["no credit"]),
        (refusing(429, {"code": "insufficient_quota"}), ["no credit", "insufficient_quota"]),
        (refusing(429, None, "Retry-After: 60"), ["too many requests", "wait 60 s"]),
        (refusing(400, {"code": "context_length_exceeded"}), ["too long", "start a new one"]),
        (refusing(400, f"the {SECRET} exceeds the context length"), ["too long"]),
        (refusing(400, {"code": SECRET}), ["refused the request (400)"]),
        (refusing(307, "", "Location: /elsewhere"), ["check base_url"]),
        (page(), ["a web page", "check base_url"]),
        (page(404), ["check base_url"]),
        (body(b"{}", "application/json"), ["application/json", "check base_url"]),
    ],
)
async def test_a_refusal_says_what_to_do(server: ModelServer, behaviour: Behaviour, words: list[str]) -> None:
    """Each kind has its own remedy, and is not asked again; what the server wrote is never repeated."""
    server.behaviour = behaviour
    text = await told(server)
    assert not [word for word in ["ollama_llm", *words] if word not in text], text
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("behaviour", "of_request"),
    [
        (refusing(400, {"code": "content_filter"}), True),
        (refusing(413), True),
        (refusing(422), True),
        (streaming(reason="content_filter"), True),
        (refusing(400, {"code": "model_not_found"}), False),
        (refusing(400, {"code": "voice_not_found"}), False),
        (refusing(401), False),
        (refusing(400, {"message": "Your credit balance is too low"}), False),
        (page(400), False),
    ],
)
async def test_a_refusal_of_one_request_is_told_from_others(
    server: ModelServer, behaviour: Behaviour, of_request: bool
) -> None:
    """Of a list, an engine is left for what concerns all requests, and no stranger can cause that."""
    server.behaviour = behaviour
    async with open_chat(server.url) as llm:
        with pytest.raises(EngineError) as caught:
            await read(llm)
    assert isinstance(caught.value, RequestRefused) is of_request


async def test_an_address_without_version_is_suspected(server: ModelServer) -> None:
    """The commonest mistake in a base_url."""
    server.behaviour = page(404)
    async with open_chat(f"http://127.0.0.1:{server.port}") as llm:
        with pytest.raises(EngineError, match="usually ends in /v1"):
            await read(llm)


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        (cut("one "), "broke off"),
        (events('{"choices":[{"delta":{"content":"one "}}]}'), "broke off before its end"),
        (events('{"choices":[{"delta":{"content":"one "}}]}', "garbage"), "not a chat completion"),
        (streaming("one ", reason="content_filter"), "content filter"),
        (hanging("one "), "went silent in the middle of its answer within 0.2 s"),
    ],
    ids=["cut", "unfinished", "garbage", "filter", "silence"],
)
async def test_what_was_received_before_an_error_stands(
    server: ModelServer, behaviour: Behaviour, words: str
) -> None:
    """After the first token nothing is asked again: the user has heard it."""
    server.behaviour = behaviour
    async with open_chat(server.url, token_timeout=0.2) as llm, llm.reply(PROMPT) as tokens:
        assert await tokens.receive() == Text("one ")
        with pytest.raises(EngineError, match=words):
            await tokens.receive()
    assert len(server.asked) == 1


async def test_a_model_that_never_begins_is_given_up(server: ModelServer) -> None:
    """The deadline is from the request to the first token, whatever comes before it."""
    server.behaviour = hanging()
    assert "did not begin to answer within 0.2 s" in await told(server, first_token_timeout=0.2)


async def test_a_server_that_is_down_is_told_with_its_address() -> None:
    """And with how to start it."""
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listener.socket.getsockname()[1]
    await listener.aclose()
    async with open_chat(f"http://127.0.0.1:{port}/v1") as llm:
        with pytest.raises(EngineError, match=f"nothing listens at 127.0.0.1:{port}; start Ollama"):
            await read(llm)


async def test_a_server_that_does_not_exist_is_told_by_name() -> None:
    """A wrong host is not a server that is down."""
    async with open_chat("http://no-such-server.invalid/v1") as llm:
        with pytest.raises(EngineError, match=r"no server is called 'no-such-server\.invalid'"):
            await read(llm)


async def test_an_error_of_many_megabytes_is_not_read_whole(server: ModelServer) -> None:
    """Its beginning is enough, and its connection is closed."""
    server.behaviour = refusing(400, "x" * 20_000_000)
    assert "refused the request (400)" in await told(server)


async def test_what_a_reply_cost_is_logged(server: ModelServer) -> None:
    """OpenAI tells it if it is asked, behind the end of the reply; others are not asked."""

    async def answer(answering: Answering) -> None:
        await answering.begin_events()
        await answering.token("Hi")
        await answering.event('{"choices":[{"delta":{},"finish_reason":"stop"}]}')
        usage = '{"prompt_tokens":9,"completion_tokens":2,"prompt_tokens_details":{"cached_tokens":7}}'
        await answering.event(f'{{"choices":[],"usage":{usage}}}')
        await answering.event("[DONE]")
        await answering.stream.send_all(b"0\r\n\r\n")

    server.behaviour = answer
    told: list[str] = []
    sink = logger.add(lambda line: told.append(line.record["message"]), level="DEBUG")
    for provider in ("openai_llm", "groq_llm"):
        async with open_chat(server.url, provider) as llm:
            assert await read(llm) == [Text("Hi")]
    logger.remove(sink)
    assert [line for line in told if "tokens" in line] == [
        "openai_llm: 9 tokens read, 7 of them from the cache, 2 written",
        "groq_llm: 9 tokens read, 7 of them from the cache, 2 written",
    ]
    assert [asked.body.get("stream_options") for asked in server.asked] == [{"include_usage": True}, None]


async def test_accounts_within_a_key_are_named(server: ModelServer) -> None:
    """In the heads that OpenAI has for them."""
    async with open_chat(server.url, organization_id="org-1", project_id="proj-2") as llm:
        await read(llm)
    (asked,) = server.asked
    assert (asked.headers["openai-organization"], asked.headers["openai-project"]) == ("org-1", "proj-2")
    assert asked.headers["authorization"] == f"Bearer {KEY}"


class FedInOneStep(trio.abc.Instrument):
    """The most that is fed to a reader in one step of a task."""

    def __init__(self) -> None:
        self.most = self.now = 0

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        del task
        self.now = 0

    def take(self, count: int) -> None:
        """So much more in this step."""
        self.now += count
        self.most = max(self.most, self.now)


@pytest.mark.parametrize(
    ("quiet", "reader", "most"),
    [(b"\n" * 60_000, "EventReader", 8 * 1024), (b"data: {}\n\n" * 6_000, "DeltaReader", 64)],
)
async def test_what_says_nothing_is_read_in_small_steps(
    server: ModelServer, monkeypatch: pytest.MonkeyPatch, quiet: bytes, reader: str, most: int
) -> None:
    """A read brings up to 64 kB, of empty lines or of events without a word: others have their turn."""
    server.behaviour = body(quiet + b"data: [DONE]\n\n", "text/event-stream")
    fed = FedInOneStep()
    feed = getattr(deltas, reader).feed

    def counted(self: object, data: bytes | str) -> object:
        fed.take(len(data) if isinstance(data, bytes) else 1)
        return feed(self, data)

    monkeypatch.setattr(getattr(deltas, reader), "feed", counted)
    async with open_chat(server.url) as llm:
        trio.lowlevel.add_instrument(fed)
        assert await read(llm) == []
        trio.lowlevel.remove_instrument(fed)
    assert 0 < fed.most <= most
