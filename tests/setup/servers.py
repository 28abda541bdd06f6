"""Little servers on an address of this machine that nobody else uses, at the ports of the real ones.

Their bytes are those that the programs' documentation, or their own code, has.
"""

from __future__ import annotations

import random
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import TypeAlias

import pytest
import trio

Behaviour: TypeAlias = Callable[[trio.SocketStream], Awaitable[None]]

if sys.platform != "linux":
    pytest.skip("only Linux has all of 127.0.0.0/8 for itself", allow_module_level=True)

# From Ollama's docs/api.md, "List Local Models".
OLLAMA = b"""{"models": [
{"name": "qwen2.5:latest", "model": "qwen2.5:latest", "modified_at": "2025-05-10T08:06:48.639712648-07:00",
 "size": 4683075271, "digest": "0a8c26691023dca1", "details": {"parent_model": "", "format": "gguf",
 "family": "qwen2", "families": ["qwen2"], "parameter_size": "7.6B", "quantization_level": "Q4_K_M"}},
{"name": "nomic-embed-text:latest", "model": "nomic-embed-text:latest", "size": 274302450, "digest": "0a10",
 "modified_at": "2025-05-10T08:06:48.639712648-07:00", "details": {"family": "nomic-bert"}}]}"""
# LM Studio's GET /v1/models.
LM_STUDIO = b"""{"data": [
{"id": "qwen2.5-7b-instruct", "object": "model", "owned_by": "organization_owner"},
{"id": "text-embedding-nomic-embed-text-v1.5", "object": "model", "owned_by": "organization_owner"}],
"object": "list"}"""
# llama.cpp's tools/server/README.md.
LLAMA_CPP = b"""{"object": "list", "data": [{
"id": "../models/Meta-Llama-3.1-8B-Instruct-Q4_K_M.gguf", "object": "model", "created": 1735142223,
"owned_by": "llamacpp", "meta": {"vocab_type": 2, "n_vocab": 128256, "n_ctx_train": 131072}}]}"""
# speaches' GET /v1/models.
SPEACHES = b"""{"data": [
{"id": "Systran/faster-distil-whisper-small.en", "created": 1, "object": "model", "owned_by": "Systran",
 "language": ["en"], "task": "automatic-speech-recognition"},
{"id": "speaches-ai/Kokoro-82M-v1.0-ONNX", "created": 1, "object": "model", "owned_by": "speaches-ai",
 "language": ["multilingual"], "task": "text-to-speech"}], "object": "list"}"""
VLLM = b"""{"object": "list", "data": [{"id": "mistralai/Mistral-7B-Instruct-v0.3", "object": "model",
"created": 1, "owned_by": "vllm", "root": "mistralai/Mistral-7B", "max_model_len": 8192}]}"""
OPENEDAI_SPEECH = b"""{"object": "list", "data": [
{"id": "tts-1", "object": "model", "created": 0, "owned_by": "user"},
{"id": "tts-1-hd", "object": "model", "created": 0, "owned_by": "user"}]}"""
# Kokoro-FastAPI's GET /v1/audio/voices, of version 0.3 and of those before.
KOKORO = b'{"voices": [{"id": "am_adam", "name": "am_adam"}, {"id": "af_sky", "name": "af_sky"}]}'
OLD_KOKORO = b'{"voices": ["af_sky", "zf_xiaobei", "jf_alpha"]}'
XTTS = b'["calm_female", "female", "male"]'
GPT_SOVITS = b'{"openapi": "3.1.0", "paths": {"/tts": {}, "/set_gpt_weights": {}}}'
# The package `wyoming`: an `info` event, its data behind the line.
_INFO = (
    b'{"asr": [], "tts": [{"name": "piper", "attribution": {"name": "rhasspy", "url": ""}, "installed": true,'
    b' "description": "A fast voice", "version": "1.4.0", "voices": ['
    b'{"name": "de_DE-thorsten-medium", "installed": true, "languages": ["de_DE"], "speakers": null},'
    b'{"name": "en_US-lessac-medium", "installed": true, "languages": ["en_US"], "speakers": null}]}]}'
)
WYOMING_VOICE = b'{"type": "info", "version": "1.10.2", "data_length": %d}\n%s' % (len(_INFO), _INFO)
_HEARING = (
    b'{"asr": [{"name": "faster-whisper", "installed": true, "attribution": {"name": "", "url": ""},'
    b' "models": [{"name": "small-int8", "installed": true, "languages": ["en", "de"]}]}], "tts": []}'
)
WYOMING_HEARING = b'{"type": "info", "version": "1.10.2", "data_length": %d}\n%s' % (len(_HEARING), _HEARING)

PATHS = {
    11434: b"/api/tags",
    1234: b"/v1/models",
    8080: b"/v1/models",
    8000: b"/v1/models",
    8880: b"/v1/audio/voices",
    8020: b"/speakers_list",
    9880: b"/openapi.json",
}


def unused_host() -> str:
    """An address of this machine on which nobody listens, at any port."""
    chance = random.SystemRandom()
    return f"127.{chance.randrange(100, 250)}.{chance.randrange(256)}.{chance.randrange(1, 255)}"


def json_at(port: int, body: bytes) -> Behaviour:
    """Answers GET of the documented path with ``body``, and all else with 404."""

    async def behave(stream: trio.SocketStream) -> None:
        request = await stream.receive_some()
        found = request.startswith(b"GET %s HTTP/1.1\r\n" % PATHS[port])
        status, content = (b"200 OK", body) if found else (b"404 Not Found", b"{}")
        head = b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        await stream.send_all(head % (status, len(content)) + content)

    return behave


def wyoming(info: bytes) -> Behaviour:
    """Answers the event `describe`."""

    async def behave(stream: trio.SocketStream) -> None:
        assert b'"describe"' in bytes(await stream.receive_some())
        await stream.send_all(info)

    return behave


ALL: Mapping[int, Behaviour] = {
    11434: json_at(11434, OLLAMA),
    1234: json_at(1234, LM_STUDIO),
    8080: json_at(8080, LLAMA_CPP),
    8000: json_at(8000, SPEACHES),
    8880: json_at(8880, KOKORO),
    8020: json_at(8020, XTTS),
    9880: json_at(9880, GPT_SOVITS),
    10200: wyoming(WYOMING_VOICE),
    10300: wyoming(WYOMING_HEARING),
}


@asynccontextmanager
async def open_servers(behaviours: Mapping[int, Behaviour]) -> AsyncIterator[str]:
    """The servers, by port; the address at which all of them are."""
    host = unused_host()

    async def serve(behave: Behaviour, stream: trio.SocketStream) -> None:
        try:
            async with stream:
                await behave(stream)
        except trio.BrokenResourceError:
            return

    async with trio.open_nursery() as nursery:
        for port, behave in behaviours.items():
            listeners = await trio.open_tcp_listeners(port, host=host)
            nursery.start_soon(trio.serve_listeners, partial(serve, behave), listeners)
        yield host
        nursery.cancel_scope.cancel("the test is over")
