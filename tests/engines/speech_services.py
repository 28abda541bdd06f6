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
    heard: Callable[[Spoken], bytes]
    """The sound that a connection brought."""

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


def _appended(spoken: Spoken) -> bytes:
    sound = b""
    for message in spoken.heard:
        event: dict[str, Any] = json.loads(message)
        if event["type"] == "input_audio_buffer.append":
            sound += b64decode(event["audio"])
    return sound


SERVICES = {
    service.name: service
    for service in [
        SpeechService(
            "openai_realtime_asr",
            openai_realtime,
            lambda url: {"base_url": f"{url}/v1", "api_key": "sk-secret", "model": "m"},
            _appended,
        ),
    ]
}
