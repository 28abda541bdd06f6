"""Azure's Speech service: what is sent to which interface, what its answers mean, and its own failures."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import trio

from tests.engines.model_server import Asked, Behaviour, body, cut, hanging, open_model_server, page, refusing
from tests.engines.speech_sounds import noise, opened, silence
from tests.promptness import PROMPTLY
from trio_backend.audio.pcm import Pcm
from trio_backend.engines.asr import azure
from trio_backend.engines.asr.azure import AzureAsrConfig
from trio_backend.engines.registry import configure
from trio_backend.engines.settings import Environment
from trio_backend.engines.whole import transcribed
from trio_backend.errors import EngineError, SettingsError

KEY = {"api_key": "sk-secret"}


def answer(value: object) -> Behaviour:
    """JSON, as the service sends it."""
    return body(json.dumps(value).encode(), "application/json; charset=utf-8")


def short(status: str, text: str = "") -> Behaviour:
    """The documented answer of the interface for short sound, in its simple format."""
    told = {"RecognitionStatus": status, "Offset": 1_800_000, "Duration": 32_100_000}
    return answer({**told, "DisplayText": text} if text else told)


FAST = answer(
    {
        "durationMilliseconds": 1000,
        "combinedPhrases": [{"text": "Hello there."}],
        "phrases": [{"offsetMilliseconds": 40, "text": "Hello there.", "locale": "en-US", "confidence": 0.9}],
    }
)


def form_of(asked: Asked) -> dict[str, bytes]:
    """The fields of a form that was sent."""
    boundary = asked.headers["content-type"].partition("boundary=")[2].encode()
    parts = [part.partition(b"\r\n\r\n") for part in asked.raw.split(b"--" + boundary)]
    return {
        head.partition(b'name="')[2].partition(b'"')[0].decode(): tail.removesuffix(b"\r\n")
        for head, _, tail in parts
    }


async def test_one_language_goes_to_the_quick_interface() -> None:
    """The WAV file as it is, with the key in the service's own header."""
    async with open_model_server() as server:
        server.behaviour = short("Success", " Hello there. ")
        settings = {**KEY, "base_url": server.url.removesuffix("/v1"), "languages": ["de-DE"]}
        async with opened("azure_asr", settings)() as asr:
            assert not asr.streams
            assert await transcribed(asr, silence(1)) == "Hello there."
            assert await transcribed(asr, Pcm(b"", 16_000)) == ""
    (asked,) = server.asked
    path = "/speech/recognition/conversation/cognitiveservices/v1?language=de-DE&format=simple"
    assert asked.path == path
    assert asked.headers["ocp-apim-subscription-key"] == "sk-secret"
    assert asked.headers["content-type"] == "audio/wav"
    assert "authorization" not in asked.headers
    assert Pcm.from_wav(asked.raw) == silence(1)


@pytest.mark.parametrize("languages", [["en-US", "zh-CN"], ["en-US"]])
async def test_several_languages_and_long_sound_go_to_the_other(
    languages: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The service finds out which language it is; sound may be longer than a minute."""
    monkeypatch.setattr(azure, "LONGEST_SHORT", 0.5)
    async with open_model_server() as server:
        server.behaviour = FAST
        settings = {**KEY, "base_url": server.url.removesuffix("/v1"), "languages": languages}
        async with opened("azure_asr", settings)() as asr:
            assert await transcribed(asr, silence(1)) == "Hello there."
    (asked,) = server.asked
    assert asked.path == "/speechtotext/transcriptions:transcribe?api-version=2024-11-15"
    assert asked.headers["ocp-apim-subscription-key"] == "sk-secret"
    form = form_of(asked)
    assert json.loads(form["definition"]) == {"locales": languages}
    assert Pcm.from_wav(form["audio"]) == silence(1)


@pytest.mark.parametrize("status", ["NoMatch", "InitialSilenceTimeout", "BabbleTimeout"])
async def test_nothing_understood_is_no_failure(status: str) -> None:
    """Of silence and of noise, the transcript is empty."""
    async with open_model_server() as server:
        server.behaviour = short(status)
        settings = {**KEY, "base_url": server.url.removesuffix("/v1")}
        async with opened("azure_asr", settings)() as asr:
            assert await transcribed(asr, noise(0.3)) == ""


TROUBLE: list[tuple[Behaviour, str]] = [
    (refusing(401, {"code": "401", "message": "sk-secret"}), "does not accept the API key .401.*set api_key"),
    (refusing(403), "does not accept the API key"),
    (refusing(402), "no credit left"),
    (refusing(429, None, "Retry-After: 99"), "too many requests .429.; wait 99 s"),
    (refusing(400, {"code": "InvalidLocale"}), "refused the request .400, InvalidLocale."),
    (refusing(404), "check base_url"),
    (page(), "a web page"),
    (body(b"[]", "application/json"), "sent no transcript"),
    (body(b'{"RecognitionStatus": 1}', "application/json"), "sent no transcript"),
    (body(b"\xff", "application/json"), "sent no transcript"),
    (short("Error"), "failed to recognise"),
    (cut(), "broke off"),
    (hanging(), r"no transcript within 0\.3 s"),
]


@pytest.mark.parametrize(("behaviour", "told"), TROUBLE)
async def test_a_service_in_trouble_is_told_in_words(
    behaviour: Behaviour, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What to do about it; not the key, and nothing of the service's words."""
    monkeypatch.setattr("trio_backend.engines.openai.connection.PAUSES", (0.01, 0.01))
    async with open_model_server() as server:
        server.behaviour = behaviour
        settings = {**KEY, "base_url": server.url.removesuffix("/v1"), "timeout": 0.3}
        async with opened("azure_asr", settings)() as asr:
            with pytest.raises(EngineError, match=told) as caught:
                await transcribed(asr, silence(1))
    assert str(caught.value).startswith("azure_asr")
    assert "secret" not in str(caught.value)


async def test_a_cancelled_request_leaves_its_server() -> None:
    """The connection is closed at once."""
    async with open_model_server() as server:
        server.behaviour = hanging()
        settings = {**KEY, "base_url": server.url.removesuffix("/v1")}
        async with opened("azure_asr", settings)() as asr:
            with trio.move_on_after(0.2) as scope:
                await transcribed(asr, silence(1))
            with trio.fail_after(PROMPTLY):
                await server.asked[0].left.wait()
    assert server.asked[0].left_at - scope.deadline < PROMPTLY


def settings(**given: object) -> AzureAsrConfig:
    """As a configuration file would have it."""
    config = configure("asr", "azure_asr", given, environment=Environment(Path(), {}))
    assert isinstance(config.settings, AzureAsrConfig)
    return config.settings


def test_the_region_says_where_the_service_is() -> None:
    """In Microsoft's cloud, or in that of China."""
    near = settings(**KEY, region="westeurope")
    assert near.short.base_url == "https://westeurope.stt.speech.microsoft.com"
    assert near.fast.base_url == "https://westeurope.api.cognitive.microsoft.com"
    assert settings(**KEY, region="ChinaEast2").short.base_url == "https://chinaeast2.stt.speech.azure.cn"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (
            {"api_key": "azure_api_key"},
            "api_key: is missing: set api_key .*, or AZURE_SPEECH",
        ),
        ({**KEY, "region": "a.b"}, "region: must be the name"),
        ({**KEY, "languages": []}, "languages: must be a list of codes"),
        ({**KEY, "languages": ["en&x=1"]}, "languages: must be a list of codes"),
        ({**KEY, "language": "en"}, "language: this key is not known; did you mean 'languages'"),
    ],
)
def test_settings_are_checked(given: dict[str, object], told: str) -> None:
    """What the template has in place of a key is none."""
    with pytest.raises(SettingsError, match=told):
        settings(**given)
