"""Transcription over the Realtime WebSocket: what is sent, what the events mean, and its own failures."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tests.engines.speech_services import SERVICES, TRANSCRIPTION
from tests.engines.speech_sounds import noise, opened
from tests.engines.websocket_server import open_websocket_service
from trio_backend.engines.asr.openai_realtime import RealtimeConfig, RealtimeRecognition
from trio_backend.engines.base import AsrTranscript
from trio_backend.engines.registry import configure
from trio_backend.engines.settings import Environment
from trio_backend.engines.whole import transcribed
from trio_backend.errors import EngineError, SettingsError


def settings(**given: object) -> RealtimeConfig:
    """As a configuration file would have it."""
    config = configure("asr", "openai_realtime_asr", given, environment=Environment(Path(), {}))
    assert isinstance(config.settings, RealtimeConfig)
    return config.settings


def recognition(**given: object) -> RealtimeRecognition:
    """One utterance."""
    config = settings(api_key="sk-1", **given)
    return RealtimeRecognition(config.endpoint, config.session)


def fed(machine: RealtimeRecognition, *events: Mapping[str, object]) -> list[AsrTranscript]:
    """What comes of ``events``."""
    return [one for event in events for one in machine.receive(json.dumps(event))]


def event(kind: str, item: str = "a", **more: object) -> dict[str, object]:
    """One of the transcription's events."""
    return {"type": f"{TRANSCRIPTION}.{kind}", "item_id": item, "content_index": 0, **more}


COMMITTED: Mapping[str, object] = {
    "type": "input_audio_buffer.committed",
    "item_id": "a",
    "previous_item_id": None,
}


async def test_the_session_is_asked_for_as_it_is_documented() -> None:
    """The request, the first message, sound in base64, and the commit."""
    service = SERVICES["openai_realtime_asr"]
    async with open_websocket_service(service.behaviour) as server:
        given = {"base_url": f"{server.url}/v1", "api_key": "sk-1", "language": "en", "model": "m"}
        async with opened("openai_realtime_asr", {**given, "noise_reduction": "near_field"})() as asr:
            await transcribed(asr, noise(0.5))
    (spoken,) = server.connections
    assert spoken.path == "/v1/realtime?intent=transcription"
    assert spoken.headers["authorization"] == "Bearer sk-1"
    assert "sec-websocket-extensions" not in spoken.headers
    update, *appended, commit = [json.loads(message) for message in spoken.heard]
    assert update == {
        "type": "session.update",
        "session": {
            "type": "transcription",
            "audio": {
                "input": {
                    "format": {"type": "audio/pcm", "rate": 24000},
                    "transcription": {"model": "m", "language": "en"},
                    "turn_detection": None,
                    "noise_reduction": {"type": "near_field"},
                }
            },
        },
    }
    assert {message["type"] for message in appended} == {"input_audio_buffer.append"}
    assert commit == {"type": "input_audio_buffer.commit"}


def test_a_transcript_is_final_when_all_that_was_committed_is_transcribed() -> None:
    """Deltas grow it; a whole one replaces them."""
    machine = recognition()
    assert fed(machine, event("delta", delta="Hel"), event("delta", delta="lo")) == [
        AsrTranscript("Hel", final=False),
        AsrTranscript("Hello", final=False),
    ]
    machine.end()
    assert fed(machine, COMMITTED, event("completed", transcript="Hello!")) == [
        AsrTranscript("Hello!", final=True)
    ]


def test_the_services_judgement_of_the_turn_is_passed_on() -> None:
    """Its turn detection makes items of the turns; they are one text."""
    machine = recognition(turn_detection="semantic_vad")
    started, stopped = ({"type": f"input_audio_buffer.speech_{word}"} for word in ("started", "stopped"))
    heard = fed(machine, started, event("delta", delta="Well"), stopped, COMMITTED)
    heard += fed(machine, event("completed", transcript="Well."), started)
    assert heard == [
        AsrTranscript("Well", final=False),
        AsrTranscript("Well", final=False, end_of_turn="final"),
        AsrTranscript("Well.", final=False),
        AsrTranscript("Well.", final=False, end_of_turn="resumed"),
    ]
    machine.end()
    again = {**COMMITTED, "item_id": "b"}
    assert fed(machine, again, event("completed", "b", transcript="Yes.")) == [
        AsrTranscript("Well. Yes.", final=True)
    ]


@pytest.mark.parametrize("text", ["你好。", "こんにちは。"])
def test_no_blank_is_put_between_sentences_that_have_none(text: str) -> None:
    """As their script has it."""
    machine = recognition()
    machine.end()
    items = [event("completed", item, transcript=text) for item in "ab"]
    commits = [{**COMMITTED, "item_id": item} for item in "ab"]
    assert fed(machine, *commits, *items)[-1] == AsrTranscript(text * 2, final=True)


def error(code: str | None, kind: str = "invalid_request_error") -> dict[str, object]:
    """An error as the service tells it."""
    return {
        "type": "error",
        "event_id": "e",
        "error": {"type": kind, "code": code, "message": "Incorrect API key provided: sk-1.", "param": None},
    }


def test_nothing_left_to_commit_is_no_error() -> None:
    """After a blink, or where the service's own detection has committed all."""
    machine = recognition()
    with pytest.raises(EngineError):
        fed(machine, error("input_audio_buffer_commit_empty"))
    machine.end()
    assert fed(machine, error("input_audio_buffer_commit_empty")) == [AsrTranscript("", final=True)]


@pytest.mark.parametrize(
    ("events", "told"),
    [
        ([error("invalid_api_key")], "does not accept the API key .401, invalid_api_key.; set api_key"),
        ([error("insufficient_quota")], "no credit left"),
        ([error("rate_limit_exceeded")], "too many requests"),
        ([error("model_not_found")], "has no model 'gpt-live-transcribe'"),
        ([error(None, "server_error")], "failed .500, server_error."),
        ([error("invalid_value")], "refused the request .400, invalid_value."),
        ([event("failed", error={"code": "audio_unintelligible"})], "refused the request"),
        ([{"type": "error"}], "refused the request .400."),
    ],
)
def test_its_errors_say_what_to_do(events: Sequence[Mapping[str, object]], told: str) -> None:
    """Whether they concern the session or an item, and none repeats the service's words."""
    with pytest.raises(EngineError, match=told) as caught:
        fed(recognition(), *events)
    assert "sk-1" not in str(caught.value)


def test_settings_are_checked() -> None:
    """OpenAI wants a key, a server of one's own need not."""
    with pytest.raises(SettingsError, match="api_key: is missing: set api_key"):
        settings()
    assert settings(base_url="ws://localhost:8000/v1/").endpoint.base_url == "http://localhost:8000/v1"
    with pytest.raises(SettingsError, match="base_url: must be a URL such as ws"):
        settings(base_url="localhost")
    with pytest.raises(SettingsError, match="turn_detection: must be empty, or one of"):
        settings(api_key="k", turn_detection="vad")
    with pytest.raises(SettingsError, match="sample_rate: must be"):
        settings(api_key="k", sample_rate=7)
