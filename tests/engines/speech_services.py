"""Stand-ins of recognition services, each in the format that its documentation has, which understand `WORDS`.

`SERVICES` has them by the names of their adapters, for the tests that all of them have to pass.
"""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import attrs

from tests.engines.speech_sounds import opened
from tests.engines.websocket_server import (
    Speaking,
    Spoken,
    WebSocketService,
    accepted,
    open_websocket_service,
)
from trio_backend.engines.base import Asr

WORDS = ("Hello", " there,", " friend.")
TRANSCRIPTION = "conversation.item.input_audio_transcription"


@attrs.frozen
class SpeechService:
    """A recogniser behind a WebSocket: the name of its adapter, its stand-in, and its settings for that."""

    name: str
    behaviour: Speaking
    settings: Callable[[str], Mapping[str, object]]
    heard: Callable[[Spoken], bytes] = lambda spoken: spoken.sound
    """The sound that a connection brought."""
    variant: str = ""

    def opens(self, service: WebSocketService, **more: object) -> AbstractAsyncContextManager[Asr]:
        """The engine, for ``service``."""
        return opened(self.name, {**self.settings(service.url), **more})()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Asr]:
        """The engine, and a service that understands."""
        async with open_websocket_service(self.behaviour) as service, self.opens(service) as asr:
            yield asr


@accepted
async def openai_realtime(spoken: Spoken) -> None:
    """As the Realtime API's reference has it: the session, then deltas as sound comes, then the whole."""
    item = {"item_id": "item_1", "content_index": 0}
    await spoken.say({"type": "session.created", "event_id": "e0", "session": {"type": "transcription"}})
    update = await spoken.hear_json()
    assert update["type"] == "session.update"
    await spoken.say({"type": "session.updated", "event_id": "e1", "session": update["session"]})
    words = list(WORDS)
    while (event := await spoken.hear_json())["type"] == "input_audio_buffer.append":
        if words:
            await spoken.say({"type": f"{TRANSCRIPTION}.delta", **item, "delta": words.pop(0)})
    assert event["type"] == "input_audio_buffer.commit"
    await spoken.say(
        {"type": "input_audio_buffer.committed", "event_id": "e2", "previous_item_id": None, **item}
    )
    for word in words:
        await spoken.say({"type": f"{TRANSCRIPTION}.delta", **item, "delta": word})
    usage = {"type": "duration", "seconds": 1}
    await spoken.say(
        {"type": f"{TRANSCRIPTION}.completed", **item, "transcript": "".join(WORDS), "usage": usage}
    )


@accepted
async def vllm_realtime(spoken: Spoken) -> None:
    """As vLLM's connection: a commit begins, text comes as the model makes it, a final commit ends."""
    await spoken.say({"type": "session.created", "id": "sess-1", "created": 1})
    update = await spoken.hear_json()
    assert update == {"type": "session.update", "model": update["model"]}
    assert await spoken.hear_json() == {"type": "input_audio_buffer.commit"}
    words = list(WORDS)
    while (event := await spoken.hear_json())["type"] == "input_audio_buffer.append":
        await spoken.say({"type": "transcription.delta", "delta": words.pop(0) if words else ""})
    assert event == {"type": "input_audio_buffer.commit", "final": True}
    for word in words:
        await spoken.say({"type": "transcription.delta", "delta": word})
    usage = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}
    await spoken.say({"type": "transcription.done", "text": "".join(WORDS), "usage": usage})


def _appended(spoken: Spoken) -> bytes:
    sound = b""
    for message in spoken.heard:
        event: dict[str, Any] = json.loads(message)
        if event["type"] == "input_audio_buffer.append":
            sound += b64decode(event["audio"])
    return sound


def result(text: str, *, is_final: bool) -> dict[str, object]:
    """A result of Deepgram's v1, with what its reference has in it."""
    alternative = {"transcript": text, "confidence": 0.99, "words": []}
    return {
        "type": "Results",
        "channel_index": [0, 1],
        "duration": 0.5,
        "start": 0.0,
        "is_final": is_final,
        "speech_final": is_final,
        "channel": {"alternatives": [alternative]},
        "metadata": {"request_id": "r", "model_info": {"name": "nova-3"}},
    }


@accepted
async def deepgram_nova(spoken: Spoken) -> None:
    """As ``/v1/listen``: interim results, settled ones, and after CloseStream the summary and the close."""
    assert spoken.path.startswith("/v1/listen?model=")
    await spoken.say({"type": "SpeechStarted", "channel": [0, 1], "timestamp": 0.1})
    while isinstance(await spoken.hear(), bytes):
        await spoken.say(result("Hello", is_final=False))
    assert spoken.heard[-1] == '{"type":"CloseStream"}'
    await spoken.say(result("Hello there,", is_final=True))
    await spoken.say(result("friend.", is_final=True))
    await spoken.say({"type": "Metadata", "transaction_key": "deprecated", "duration": 1.0, "channels": 1})
    await spoken.close(1000)


def turn_info(event: str, text: str, *, index: int = 0) -> dict[str, object]:
    """A message of Flux, with what its reference has in it."""
    window = {"audio_window_start": 0.0, "audio_window_end": 0.5}
    sure = {"words": [], "end_of_turn_confidence": 0.5}
    told = {"type": "TurnInfo", "request_id": "r", "sequence_id": 1, "event": event, "turn_index": index}
    return {**told, **window, "transcript": text, **sure}


@accepted
async def deepgram_flux(spoken: Spoken) -> None:
    """As ``/v2/listen``: one turn, whose end is first probable, then certain."""
    assert spoken.path.startswith("/v2/listen?model=flux")
    await spoken.say({"type": "Connected", "request_id": "r", "sequence_id": 0})
    while isinstance(await spoken.hear(), bytes):
        await spoken.say(turn_info("Update", "Hello"))
    assert spoken.heard[-1] == '{"type":"CloseStream"}'
    for event in ("EagerEndOfTurn", "EndOfTurn"):
        await spoken.say(turn_info(event, "".join(WORDS)))
    await spoken.close(1000)


@accepted
async def funasr(spoken: Spoken) -> None:
    """As FunASR's Python server in two passes: pieces of the first, the sentence of the second, the end."""
    first = await spoken.hear_json()
    assert first["is_speaking"]
    named = {"wav_name": first["wav_name"]}
    words = list(WORDS)
    while isinstance(await spoken.hear(), bytes):
        if words:
            piece = {"mode": "2pass-online", "text": words.pop(0), "is_final": False}
            await spoken.say({**named, **piece})
    assert spoken.heard[-1] == '{"is_speaking":false,"is_end":true}'
    await spoken.say({**named, "mode": "2pass-online", "text": "".join(words), "is_final": True})
    whole = {"mode": "2pass-offline", "text": "<|en|>" + "".join(WORDS), "is_final": True}
    await spoken.say({**named, **whole, "timestamp": "[[100,200]]"})
    await spoken.say({**named, "mode": first["mode"], "is_final": True, "is_end": True})


DEEPGRAM: dict[str, object] = {"api_key": "sk-secret"}

SERVICES = {
    ", ".join(filter(None, (service.name, service.variant))): service
    for service in [
        SpeechService(
            "openai_realtime_asr",
            openai_realtime,
            lambda url: {"base_url": f"{url}/v1", "api_key": "sk-secret", "model": "m"},
            _appended,
        ),
        SpeechService(
            "vllm_realtime_asr",
            vllm_realtime,
            lambda url: {"base_url": f"{url}/v1", "api_key": "sk-secret", "model": "m"},
            _appended,
        ),
        SpeechService("deepgram_asr", deepgram_nova, lambda url: DEEPGRAM | {"base_url": url}),
        SpeechService(
            "deepgram_asr",
            deepgram_flux,
            lambda url: DEEPGRAM | {"base_url": url, "model": "flux-general-en"},
            variant="flux",
        ),
        SpeechService("fun_asr", funasr, lambda url: {"base_url": url, "acknowledged": True}),
    ]
}
