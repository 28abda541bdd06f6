"""Deepgram: what is asked for, what its results mean, and how Flux's judgements of a turn become ours."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest

from tests.engines.speech_services import SERVICES, result, turn_info
from tests.engines.speech_sounds import noise
from tests.engines.websocket_server import Spoken, accepted, open_websocket_service
from trio_backend.engines.asr.deepgram import DeepgramConfig, FluxRecognition, NovaRecognition
from trio_backend.engines.base import AsrTranscript
from trio_backend.engines.registry import configure
from trio_backend.engines.settings import Environment
from trio_backend.engines.whole import transcribed
from trio_backend.errors import EngineError, SettingsError


def settings(**given: object) -> DeepgramConfig:
    """As a configuration file would have it."""
    environment = Environment(Path(), {"DEEPGRAM_API_KEY": "sk-1"})
    config = configure("asr", "deepgram_asr", given, environment=environment)
    assert isinstance(config.settings, DeepgramConfig)
    return config.settings


def fed(machine: NovaRecognition | FluxRecognition, *told: Mapping[str, object]) -> list[AsrTranscript]:
    """What comes of the messages."""
    return [one for message in told for one in machine.receive(json.dumps(message))]


def query(**given: object) -> tuple[str, list[tuple[str, str]]]:
    """The path, and what is asked for in it."""
    parts = urlsplit(settings(**given).path)
    return parts.path, parse_qsl(parts.query)


def test_nova_is_asked_for_as_it_is_documented() -> None:
    """By v1, with interim results."""
    path, asked = query(language="multi", keyterms=["Mao", "Live2D model"])
    assert path == "v1/listen"
    assert asked == [
        ("model", "nova-3"),
        ("encoding", "linear16"),
        ("sample_rate", "16000"),
        ("interim_results", "true"),
        ("smart_format", "true"),
        ("language", "multi"),
        ("keyterm", "Mao"),
        ("keyterm", "Live2D model"),
    ]


def test_flux_is_asked_for_as_it_is_documented() -> None:
    """By v2; it tells of probable ends only where a threshold for them is set."""
    path, asked = query(model="flux-general-en")
    assert path == "v2/listen"
    assert asked == [
        ("model", "flux-general-en"),
        ("encoding", "linear16"),
        ("sample_rate", "16000"),
        ("eager_eot_threshold", "0.5"),
        ("eot_threshold", "0.7"),
        ("eot_timeout_ms", "5000"),
    ]
    assert "eager_eot_threshold" not in dict(query(model="flux-general-en", eager_eot_threshold=0)[1])
    assert dict(query(model="flux-general-multi", language="de")[1])["language_hint"] == "de"


async def test_the_key_goes_into_its_header() -> None:
    """As Deepgram wants it."""
    service = SERVICES["deepgram_asr"]
    async with open_websocket_service(service.behaviour) as server, service.opens(server) as asr:
        await transcribed(asr, noise(0.3))
        assert server.connections[0].headers["authorization"] == "Token sk-secret"


def test_settled_pieces_stay_and_the_last_one_changes() -> None:
    """An interim result replaces the one before it; nothing new is no transcript."""
    machine = NovaRecognition(settings().endpoint)
    assert fed(
        machine,
        result("Hello", is_final=False),
        result("Hello", is_final=False),
        result("Hello there.", is_final=True),
        result("How", is_final=False),
        result("", is_final=True),
    ) == [
        AsrTranscript("Hello", final=False),
        AsrTranscript("Hello there.", final=False),
        AsrTranscript("Hello there. How", final=False),
        AsrTranscript("Hello there.", final=False),
    ]
    # A summary before the end of the sound would be a surprise, and is not the end.
    assert fed(machine, {"type": "Metadata"}) == []
    machine.end()
    assert fed(machine, {"type": "Metadata"}) == [AsrTranscript("Hello there.", final=True)]


def test_fluxs_judgements_become_ours() -> None:
    """Probable, resumed, certain; who speaks on after a certain end has resumed, too."""
    machine = FluxRecognition(settings(model="flux-general-en").endpoint)
    heard = fed(
        machine,
        {"type": "Connected", "request_id": "r", "sequence_id": 0},
        turn_info("StartOfTurn", "I"),
        turn_info("Update", "I want"),
        turn_info("Update", "I want"),
        turn_info("EagerEndOfTurn", "I want to"),
        turn_info("TurnResumed", "I want to"),
        turn_info("EagerEndOfTurn", "I want to go."),
        turn_info("EndOfTurn", "I want to go."),
        turn_info("Update", "", index=1),
        turn_info("StartOfTurn", "Now", index=1),
    )
    assert heard == [
        AsrTranscript("I", final=False),
        AsrTranscript("I want", final=False),
        AsrTranscript("I want to", final=False, end_of_turn="eager"),
        AsrTranscript("I want to", final=False, end_of_turn="resumed"),
        AsrTranscript("I want to go.", final=False, end_of_turn="eager"),
        AsrTranscript("I want to go.", final=False, end_of_turn="final"),
        AsrTranscript("I want to go. Now", final=False, end_of_turn="resumed"),
    ]
    machine.end()
    assert machine.closed(1000) == AsrTranscript("I want to go. Now", final=True)


@pytest.mark.parametrize(("ended", "code"), [(False, 1000), (True, 1011), (True, 1008), (True, 1006)])
async def test_a_close_that_is_no_ordinary_end_is_told(*, ended: bool, code: int) -> None:
    """Before the end of the sound, or with a code that says something is wrong."""
    for machine in (NovaRecognition(settings().endpoint), FluxRecognition(settings().endpoint)):
        if ended:
            machine.end()
        with pytest.raises(EngineError, match=rf"closed the connection amid an utterance .{code}."):
            machine.closed(code)


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"type": "Error", "code": "INTERNAL_SERVER_ERROR", "description": "sk-1"}, "failed .500, INTERNAL"),
        ({"type": "Error", "code": "UNPARSABLE", "description": "sk-1"}, "refused the request .400, UNPARS"),
        ({"type": "Error", "variant": "x"}, "refused the request"),
    ],
)
def test_its_errors_say_what_to_do(told: Mapping[str, object], words: str) -> None:
    """And repeat nothing of the description."""
    for machine in (NovaRecognition(settings().endpoint), FluxRecognition(settings().endpoint)):
        with pytest.raises(EngineError, match=words) as caught:
            fed(machine, told)
        assert "sk-1" not in str(caught.value)


async def test_a_model_that_is_unknown_or_not_paid_for_is_told() -> None:
    """Deepgram's own refusals of the handshake."""
    service = SERVICES["deepgram_asr"]
    bodies = {
        400: {"err_code": "Bad Request", "err_msg": "No such model/language/tier combination found."},
        402: {"err_code": "ASR_PAYMENT_REQUIRED", "err_msg": "Project does not have enough credits."},
    }
    for status, words in ((400, "check the settings of 'nova-3'"), (402, "no credit left")):

        async def refuse(spoken: Spoken, status: int = status) -> None:
            await spoken.refuse(status, json.dumps(bodies[status]).encode(), "Content-Type: application/json")

        async with open_websocket_service(refuse) as server, service.opens(server) as asr:
            with pytest.raises(EngineError, match=words):
                await transcribed(asr, noise(0.1))


async def test_a_connection_that_breaks_after_the_last_word_is_an_error() -> None:
    """No close frame is no end: words may be missing."""

    @accepted
    async def breaking(spoken: Spoken) -> None:
        while isinstance(await spoken.hear(), bytes):
            pass
        await spoken.stream.aclose()

    service = SERVICES["deepgram_asr, flux"]
    async with open_websocket_service(breaking) as server, service.opens(server) as asr:
        with pytest.raises(EngineError, match="broke off"):
            await transcribed(asr, noise(0.1))


def test_settings_are_checked() -> None:
    """A key is needed, except for a server of one's own."""
    with pytest.raises(SettingsError, match=r"api_key: is missing: set api_key .* or DEEPGRAM_API_KEY"):
        configure("asr", "deepgram_asr", {}, environment=Environment(Path(), {}))
    with pytest.raises(SettingsError, match=r"eot_timeout_ms: must be a (whole )?number from 500"):
        settings(eot_timeout_ms=10)
