"""vLLM's real-time transcription: its events, which are not OpenAI's, and its own failures."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.engines.speech_services import SERVICES
from tests.engines.speech_sounds import noise
from tests.engines.websocket_server import open_websocket_service
from trio_backend.engines.asr.vllm_realtime import VllmRealtimeConfig, VllmRealtimeFormat
from trio_backend.engines.base import AsrTranscript
from trio_backend.engines.registry import configure
from trio_backend.engines.settings import Environment
from trio_backend.engines.whole import transcribed
from trio_backend.errors import EngineError, SettingsError


def settings(**given: object) -> VllmRealtimeConfig:
    """As a configuration file would have it."""
    config = configure("asr", "vllm_realtime_asr", given, environment=Environment(Path(), {}))
    assert isinstance(config.settings, VllmRealtimeConfig)
    return config.settings


def fed(machine: VllmRealtimeFormat, *events: Mapping[str, object]) -> list[AsrTranscript]:
    """What comes of ``events``."""
    return [one for event in events for one in machine.receive(json.dumps(event))]


def delta(text: str) -> dict[str, object]:
    """A piece of text."""
    return {"type": "transcription.delta", "delta": text}


async def test_the_server_is_asked_as_its_code_has_it() -> None:
    """Path, key, model; sound at 16 kHz between a commit that begins and one that ends."""
    service = SERVICES["vllm_realtime_asr"]
    async with open_websocket_service(service.behaviour) as server, service.opens(server) as asr:
        await transcribed(asr, noise(0.5))
    (spoken,) = server.connections
    assert spoken.path == "/v1/realtime"
    assert spoken.headers["authorization"] == "Bearer sk-secret"
    assert len(service.heard(spoken)) == 16_000
    assert json.loads(spoken.heard[0]) == {"type": "session.update", "model": "m"}


def test_text_grows_and_the_whole_of_it_is_final() -> None:
    """An emoji that comes in two halves is one; what adds nothing is no transcript."""
    machine = VllmRealtimeFormat(settings(model="m").endpoint)
    heard = fed(machine, {"type": "session.created"}, delta(" Hi"), delta(""), delta(" "), delta("\ud83d"))
    heard += fed(machine, delta("\ude00"))
    assert [one.text for one in heard] == ["Hi", "Hi 😀"]
    machine.end()
    assert fed(machine, {"type": "transcription.done", "text": " Hi 😀"}) == [
        AsrTranscript("Hi 😀", final=True)
    ]


@pytest.mark.parametrize(
    ("event", "told"),
    [
        ({"code": "model_not_found"}, "the server has no model 'm' .404, model_not_found."),
        ({"code": "processing_error"}, "failed .500, processing_error.; its own log says why"),
        ({"code": "invalid_audio"}, "refused the request .400, invalid_audio."),
        ({"code": None}, "refused the request .400."),
    ],
)
def test_its_errors_say_what_to_do(event: Mapping[str, object], told: str) -> None:
    """And repeat nothing of its words."""
    machine = VllmRealtimeFormat(settings(model="m").endpoint)
    with pytest.raises(EngineError, match=told) as caught:
        fed(machine, {"type": "error", "error": "sk-secret", **event})
    assert "secret" not in str(caught.value)


def test_a_model_that_stops_too_early_is_told() -> None:
    """Words would be missing."""
    machine = VllmRealtimeFormat(settings(model="m").endpoint)
    with pytest.raises(EngineError, match="stopped amid an utterance"):
        fed(machine, delta("Hello"), {"type": "transcription.done", "text": "Hello"})


def test_settings_are_checked() -> None:
    """The server has one model, and wants its name."""
    with pytest.raises(SettingsError, match="model: is missing"):
        settings()
    assert settings(model=" m ", base_url="wss://gpu/v1").endpoint.base_url == "https://gpu/v1"
