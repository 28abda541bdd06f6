"""What every voice behind HTTP has to do: ask as its service wants it, and tell what goes wrong."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
import trio

from tests.promptness import PROMPTLY
from trio_backend.audio.pcm import Pcm
from trio_backend.engines.openai import connection
from trio_backend.engines.registry import configure, known, without_effect
from trio_backend.engines.settings import Environment
from trio_backend.engines.whole import spoken
from trio_backend.errors import EngineError, SettingsError

from .gradio_stand_in import SAMPLE
from .model_server import Answering, Behaviour, body, cut, hanging, open_model_server, page, refusing
from .voice_services import VOICES, VoiceService


@pytest.fixture(params=VOICES)
def voice(request: pytest.FixtureRequest) -> VoiceService:
    """Each service in turn."""
    return VOICES[request.param]


@pytest.fixture(params=[name for name, voice in VOICES.items() if voice.streams])
def streaming_voice(request: pytest.FixtureRequest) -> VoiceService:
    """Each that sends its sound as it makes it."""
    return VOICES[request.param]


async def test_a_request_is_what_the_service_documents(voice: VoiceService) -> None:
    """To the byte, with the key where it belongs; and its answer is the sound that was sent."""
    async with open_model_server() as server:
        server.behaviour = voice.speaking()
        async with voice.opens(server) as tts:
            assert await spoken(tts, "Hello.") == voice.sound("Hello.")
            assert not (await spoken(tts, "… 🎈")).samples
    (asked,) = server.asked
    assert asked.path == voice.path
    assert {name: asked.headers.get(name) for name in voice.headers} == dict(voice.headers)
    assert ("authorization" in asked.headers) == ("authorization" in voice.headers)
    assert (asked.raw if isinstance(voice.body, bytes) else asked.body) == voice.body


async def test_what_has_a_meaning_in_a_format_is_escaped(voice: VoiceService) -> None:
    """The service reads the text that was to be said; half a character and control characters but hurt."""
    text = "a < b & \"c\" ']]>' \\ </prosody> 你好 🎈"
    async with open_model_server() as server:
        server.behaviour = voice.speaking()
        async with voice.opens(server) as tts:
            await spoken(tts, text)
            await spoken(tts, "a\0b\ud800\ufffe c")
    assert voice.says(server.asked[0]) == text
    assert voice.says(server.asked[1]).endswith("c")


async def test_sound_is_handed_out_as_it_comes(streaming_voice: VoiceService) -> None:
    """The first chunk is there while the service still makes the rest."""
    voice, go_on = streaming_voice, trio.Event()
    pieces = voice.pieces(voice.sound("Hello there, my friend." * 4))

    async def answer(answering: Answering) -> None:
        await answering.head(200, [f"Content-Type: {voice.kind}", "Transfer-Encoding: chunked"])
        for piece in pieces[:3]:
            await answering.chunk(piece)
        await go_on.wait()
        for piece in pieces[3:]:
            await answering.chunk(piece)
        await answering.stream.send_all(b"0\r\n\r\n")

    async with open_model_server() as server:
        server.behaviour = answer
        async with voice.opens(server) as tts, tts.speak("Hello.") as chunks:
            with trio.fail_after(PROMPTLY):
                first = await chunks.receive()
            go_on.set()
            rest = [chunk.samples async for chunk in chunks]
    assert first.samples + b"".join(rest) == voice.sound("Hello there, my friend." * 4).samples


TROUBLE: Mapping[str, tuple[Behaviour, str]] = {
    "wrong key": (refusing(401, {"code": "invalid_api_key", "message": "sk-secret is wrong"}), "API key"),
    "no credit": (refusing(402, {"message": "sk-secret"}), "no credit"),
    "too many": (refusing(429, None, "Retry-After: 99"), "too many requests .429.; wait 99 s"),
    "unknown voice": (refusing(400, {"code": "voice_not_found", "message": "sk-secret"}), "check the voice"),
    "no such path": (refusing(404, "sk-secret"), "check (base|api)_url"),
    "web page": (page(), "a web page|is no sound"),
    "nothing": (hanging(), "no sound within 0.4 s"),
    "broken off": (cut(), "broke off"),
    "failure": (refusing(500, "sk-secret", "Retry-After: 99"), r"failed \(500\)"),
}


@pytest.mark.parametrize("trouble", TROUBLE)
async def test_what_goes_wrong_is_told(voice: VoiceService, trouble: str) -> None:
    """With the name of the voice, and nothing that the service says; the next sentence is whole."""
    behaviour, words = TROUBLE[trouble]
    async with open_model_server() as server:
        server.behaviour = behaviour
        async with voice.opens(server, timeout=0.4 if trouble == "nothing" else 10) as tts:
            with trio.fail_after(10), pytest.raises(EngineError, match=f"{voice.name}.*({words})") as caught:
                await spoken(tts, "Hello.")
            assert "sk-secret" not in str(caught.value)
            server.behaviour = voice.speaking()
            assert await spoken(tts, "Hello.") == voice.sound("Hello.")


@pytest.mark.parametrize("after", [0, 1, 3])
async def test_a_cancel_closes_the_connection(voice: VoiceService, after: int) -> None:
    """Wherever the answer is; the service sees it at once."""
    answered = trio.Event()

    async def answer(answering: Answering) -> None:
        if after:
            await answering.head(200, [f"Content-Type: {voice.kind}", "Transfer-Encoding: chunked"])
        for piece in voice.pieces(voice.sound("Hello there, my friend." * 4))[: max(0, after - 1)]:
            await answering.chunk(piece)
        answered.set()
        await trio.sleep_forever()

    async with open_model_server() as server:
        server.behaviour = answer
        async with voice.opens(server) as tts, trio.open_nursery() as nursery:
            nursery.start_soon(spoken, tts, "Hello.")
            with trio.fail_after(60):
                await answered.wait()
            cancelled = trio.current_time()
            nursery.cancel_scope.cancel()
            with trio.CancelScope(shield=True), trio.fail_after(PROMPTLY):
                await server.asked[0].left.wait()
    assert server.asked[0].left_at - cancelled < PROMPTLY


async def drained(chunks: trio.abc.ReceiveChannel[Pcm]) -> None:
    """Receive to the end."""
    async for chunk in chunks:
        assert chunk.samples


async def test_half_an_answer_is_no_sentence(streaming_voice: VoiceService) -> None:
    """What came before is handed out, then the error says that it broke off."""
    voice = streaming_voice
    pieces = voice.pieces(voice.sound("Hello there, my friend." * 4))

    async def answer(answering: Answering) -> None:
        await answering.head(200, [f"Content-Type: {voice.kind}", "Transfer-Encoding: chunked"])
        for piece in pieces[:3]:
            await answering.chunk(piece)
        await answering.stream.aclose()

    async with open_model_server() as server:
        server.behaviour = answer
        async with voice.opens(server) as tts, tts.speak("Hello.") as chunks:
            assert (await chunks.receive()).samples
            with pytest.raises(EngineError, match=f"{voice.name}: .*broke off"):
                await drained(chunks)


# Where each service says itself what is wrong: its own answers, from the source that its adapter names.
ELEVENLABS = '{"detail": {"type": "x", "code": "%s", "message": "x", "status": "%s", "request_id": "y"}}'
CARTESIA = '{"error_code": "%s", "title": "x", "message": "y", "request_id": "550e8400-e29b-41d4"}'
DEEPGRAM = '{"err_code": "%s", "err_msg": "x", "request_id": "y"}'
MINIMAX = '{"base_resp": {"status_code": %s, "status_msg": "x"}}'
ITS_OWN = [
    ("elevenlabs_tts", 401, '{"detail": {"status": "quota_exceeded", "message": "x"}}', "no credit"),
    ("elevenlabs_tts", 401, '{"detail": {"status": "invalid_api_key", "message": "x"}}', "API key"),
    ("elevenlabs_tts", 404, '{"detail": {"status": "voice_not_found", "message": "x"}}', "check the voice"),
    ("elevenlabs_tts", 401, ELEVENLABS % (("quota_exceeded",) * 2), "no credit"),
    ("elevenlabs_tts", 401, ELEVENLABS % (("invalid_api_key",) * 2), "API key"),
    ("elevenlabs_tts", 404, ELEVENLABS % (("voice_not_found",) * 2), "check the voice"),
    (
        "elevenlabs_tts",
        400,
        ELEVENLABS % (("invalid_parameters",) * 2),
        "400, invalid_parameters.*its settings",
    ),
    ("elevenlabs_tts", 429, ELEVENLABS % (("concurrent_limit_exceeded",) * 2), "too many requests"),
    ("deepgram_tts", 401, DEEPGRAM % "INVALID_AUTH", "API key"),
    ("deepgram_tts", 402, DEEPGRAM % "ASR_PAYMENT_REQUIRED", "no credit"),
    ("deepgram_tts", 400, DEEPGRAM % "INVALID_QUERY_PARAMETER", "400, INVALID_QUERY_PARAMETER.*its settings"),
    ("deepgram_tts", 400, DEEPGRAM % "Bad Request", r"\(400\).*its settings"),
    (
        "deepgram_tts",
        400,
        '{"category": "INVALID_JSON", "message": "x", "details": "y"}',
        "400, INVALID_JSON",
    ),
    ("deepgram_tts", 413, DEEPGRAM % "PAYLOAD_TOO_LARGE", "the sentence is too long"),
    ("deepgram_tts", 429, DEEPGRAM % "TOO_MANY_REQUESTS", "too many requests"),
    ("cartesia_tts", 401, CARTESIA % "invalid_api_key", "API key"),
    ("cartesia_tts", 402, CARTESIA % "quota_exceeded", "no credit"),
    ("cartesia_tts", 404, CARTESIA % "voice_not_found", "check the voice"),
    ("cartesia_tts", 429, CARTESIA % "concurrency_limited", "too many requests .429, concurrency_limited"),
    ("cartesia_tts", 500, '{"error_code": null, "title": "x", "message": "y"}', r"failed \(500\)"),
    ("azure_tts", 400, "", r"refused the request \(400\)"),
    ("azure_tts", 401, "", "API key"),
    ("azure_tts", 415, "", r"refused the request \(415\)"),
    ("azure_tts", 429, "", "too many requests"),
    ("azure_tts", 502, "", r"failed \(502\)"),
    ("fish_api_tts", 401, '{"message": "x", "status": 401}', "API key"),
    ("fish_api_tts", 402, '{"message": "x", "status": 402}', "no credit"),
    ("fish_api_tts", 422, '[{"loc": ["x"], "type": "y", "msg": "z"}]', r"refused the request \(422\)"),
    ("fish_api_tts", 429, '{"message": "x", "status": 429}', "too many requests"),
    ("siliconflow_tts", 400, '{"code": 20012, "message": "x", "data": ""}', "refused the request"),
    ("siliconflow_tts", 401, '"Invalid token"', "API key"),
    ("siliconflow_tts", 429, '{"message": "x", "data": "y"}', "too many requests"),
    ("siliconflow_tts", 503, '{"code": 50505, "message": "x", "data": null}', r"failed \(503\)"),
    ("gpt_sovits_tts", 400, '{"message": "tts failed", "Exception": "x"}', "refused the request"),
    ("gpt_sovits_tts", 400, '{"message": "text_lang: x is not supported in version v2"}', "its settings"),
    (
        "x_tts",
        500,
        '{"detail": "Error: 400: Language code sent is either unsupported or misspelled."}',
        "failed",
    ),
    *(("minimax_tts", 200, MINIMAX % code, "API key") for code in (1004, 2049)),
    *(("minimax_tts", 200, MINIMAX % code, "no credit") for code in (1008, 2056)),
    *(("minimax_tts", 200, MINIMAX % code, "too many requests") for code in (1002, 1039, 1041, 2045)),
    *(("minimax_tts", 200, MINIMAX % code, "check the voice") for code in (2042, 2054, 20132)),
    *(("minimax_tts", 200, MINIMAX % code, "content filter refused what") for code in (1026, 1027)),
    *(("minimax_tts", 200, MINIMAX % code, r"failed \(500") for code in (1000, 1001, 1024, 1033)),
    ("minimax_tts", 200, MINIMAX % 2013, r"\(400, 2013\)"),
    ("minimax_tts", 200, '{"surprise": ', "is no sound"),
]


@pytest.mark.parametrize(("name", "status", "answer", "words"), ITS_OWN)
async def test_what_a_service_says_itself_is_understood(
    name: str, status: int, answer: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What to do about it is told, in our words."""

    async def answers(answering: Answering) -> None:
        await answering.whole(status, answer.encode(), "Content-Type: application/json")

    monkeypatch.setattr(connection, "PAUSES", (0.01, 0.02))
    async with open_model_server() as server:
        server.behaviour = answers
        async with VOICES[name].opens(server) as tts:
            with pytest.raises(EngineError, match=f"{name}.*{words}") as caught:
                await spoken(tts, "Hello.")
            assert "conversation" not in str(caught.value)
            assert "images" not in str(caught.value)


async def test_what_goes_wrong_amid_a_stream_of_events_is_told() -> None:
    """MiniMax says it with status 200, behind events with sound, which is handed out before."""
    voice = VOICES["minimax_tts"]
    begun = voice.pieces(voice.sound("Hello there, my friend." * 4))[:3]

    async def answer(answering: Answering) -> None:
        await answering.head(200, [f"Content-Type: {voice.kind}", "Transfer-Encoding: chunked"])
        whole = b"".join(begun).rpartition(b"\n\n")[0] + b"\n\n"
        await answering.chunk(whole + f"data: {MINIMAX % 1002}\n\n".encode())
        await answering.stream.send_all(b"0\r\n\r\n")

    async with open_model_server() as server:
        server.behaviour = answer
        async with voice.opens(server) as tts, tts.speak("Hello.") as chunks:
            assert (await chunks.receive()).samples
            with pytest.raises(EngineError, match=r"minimax_tts: too many requests \(429, 1002"):
                await drained(chunks)


async def test_who_is_asked_to_wait_a_moment_waits_and_asks_again(voice: VoiceService) -> None:
    """A sentence is not lost for that."""
    async with open_model_server() as server:
        server.behaviour = voice.speaking()
        server.script.append(refusing(429, None, "Retry-After: 0.3"))
        async with voice.opens(server) as tts:
            began = trio.current_time()
            assert await spoken(tts, "Hello.") == voice.sound("Hello.")
            assert trio.current_time() - began >= 0.3
    assert len(server.asked) == 2


@pytest.mark.parametrize(
    "event", ['{"data": {"audio": "xyz", "status": 1}}', "[1]", "<surprise>", '{"data": {"audio": "0"}}']
)
async def test_events_that_are_none_of_minimax_are_told(event: str) -> None:
    """Not as noise."""
    async with open_model_server() as server:
        server.behaviour = body(f"data: {event}\n\n".encode(), "text/event-stream")
        async with VOICES["minimax_tts"].opens(server) as tts:
            with pytest.raises(EngineError, match="minimax_tts: the service sends what is no sound"):
                await spoken(tts, "Hello.")


# The keys of `tts_config` in the older backend's conf.default.yaml, with its values.
OLD: Mapping[str, Mapping[str, object]] = {
    "edge_tts": {"voice": "en-US-AvaMultilingualNeural"},
    "pyttsx3_tts": {},
    "bark_tts": {"voice": "v2/en_speaker_1"},
    "melo_tts": {"speaker": "EN-Default", "language": "EN", "device": "auto", "speed": 1.0},
    "coqui_tts": {
        "model_name": "tts_models/en/ljspeech/tacotron2-DDC",
        "speaker_wav": "",
        "language": "en",
        "device": "",
    },
    "sherpa_onnx_tts": {
        "vits_model": "/path/to/tts-models/vits-melo-tts-zh_en/model.onnx",
        "vits_lexicon": "/path/to/tts-models/vits-melo-tts-zh_en/lexicon.txt",
        "vits_tokens": "/path/to/tts-models/vits-melo-tts-zh_en/tokens.txt",
        "vits_data_dir": "",
        "vits_dict_dir": "/path/to/tts-models/vits-melo-tts-zh_en/dict",
        "tts_rule_fsts": "/path/to/number.fst,/path/to/phone.fst",
        "max_num_sentences": 2,
        "sid": 1,
        "provider": "cpu",
        "num_threads": 1,
        "speed": 1.0,
        "debug": False,
    },
    "azure_tts": {
        "api_key": "azure-api-key",
        "region": "eastus",
        "voice": "en-US-AshleyNeural",
        "pitch": "26",
        "rate": "1",
    },
    "x_tts": {
        "api_url": "http://127.0.0.1:8020/tts_to_audio",
        "speaker_wav": "female",
        "language": "en",
    },
    "gpt_sovits_tts": {
        "api_url": "http://127.0.0.1:9880/tts",
        "text_lang": "zh",
        "ref_audio_path": "",
        "prompt_lang": "zh",
        "prompt_text": "",
        "text_split_method": "cut5",
        "batch_size": "1",
        "media_type": "wav",
        "streaming_mode": "false",
    },
    "fish_api_tts": {
        "api_key": "",
        "reference_id": "",
        "latency": "balanced",
        "base_url": "https://api.fish.audio",
    },
    "siliconflow_tts": {
        "api_url": "https://api.siliconflow.cn/v1/audio/speech",
        "api_key": "your key",
        "default_model": "FunAudioLLM/CosyVoice2-0.5B",
        "default_voice": "speech:Dreamflowers:5bdstvc39i:xkqldnpasqmoqbakubom your voice name",
        "sample_rate": 32000,
        "response_format": "mp3",
        "stream": True,
        "speed": 1,
        "gain": 0,
    },
    "cosyvoice_tts": {
        "client_url": "http://127.0.0.1:50000/",
        "mode_checkbox_group": "预训练音色",
        "sft_dropdown": "中文女",
        "prompt_text": "",
        "prompt_wav_upload_url": SAMPLE,
        "prompt_wav_record_url": SAMPLE,
        "instruct_text": "",
        "seed": 0,
        "api_name": "/generate_audio",
    },
    "cosyvoice2_tts": {
        "client_url": "http://127.0.0.1:50000/",
        "mode_checkbox_group": "3s极速复刻",
        "sft_dropdown": "",
        "prompt_text": "",
        "prompt_wav_upload_url": SAMPLE,
        "prompt_wav_record_url": SAMPLE,
        "instruct_text": "",
        "stream": False,
        "seed": 0,
        "speed": 1.0,
        "api_name": "/generate_audio",
    },
    "spark_tts": {
        "api_url": "http://127.0.0.1:6006/",
        "api_name": "voice_clone",
        "prompt_wav_upload": SAMPLE,
        "gender": "female",
        "pitch": 3,
        "speed": 3,
    },
    "openai_tts": {
        "model": "kokoro",
        "voice": "af_sky+af_bella",
        "api_key": "not-needed",
        "base_url": "http://localhost:8880/v1",
        "file_extension": "mp3",
    },
    "minimax_tts": {
        "group_id": "",
        "api_key": "",
        "model": "speech-02-turbo",
        "voice_id": "female-shaonv",
        "pronunciation_dict": "",
    },
    "elevenlabs_tts": {
        "api_key": "",
        "voice_id": "",
        "model_id": "eleven_multilingual_v2",
        "output_format": "mp3_44100_128",
        "stability": 0.5,
        "similarity_boost": 0.5,
        "style": 0.0,
        "use_speaker_boost": True,
    },
    "cartesia_tts": {
        "api_key": "",
        "voice_id": "",
        "model_id": "sonic-3",
        "output_format": "wav",
        "language": "en",
        "emotion": "neutral",
        "volume": 1.0,
        "speed": 1.0,
    },
}
# What its users have to fill in.
MISSING = {
    "azure_tts": {"api_key": "k"},
    "gpt_sovits_tts": {"ref_audio_path": "mao.wav"},
    "cosyvoice2_tts": {"prompt_text": "Well."},
    "fish_api_tts": {"api_key": "k"},
    "siliconflow_tts": {"api_key": "k", "default_voice": "FunAudioLLM/CosyVoice2-0.5B:anna"},
    "minimax_tts": {"api_key": "k"},
    "elevenlabs_tts": {"api_key": "k", "voice_id": "v"},
    "cartesia_tts": {"api_key": "k", "voice_id": "v"},
}


@pytest.mark.parametrize("name", OLD)
def test_each_name_and_key_of_the_older_backend_is_understood(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What its template leaves out is said when the character is loaded, one by one."""
    # Without its library another voice stands in, whatever the settings are.
    for module in ("edge", "pyttsx3"):
        monkeypatch.setattr(f"trio_backend.engines.tts.{module}.find_spec", lambda _name: "there")
    environment = Environment(Path(), {})
    assert name in known("tts")
    settings = dict(OLD[name])
    for key, value in MISSING.get(name, {}).items():
        with pytest.raises(SettingsError, match="is missing: ") as caught:
            configure("tts", name, settings, environment=environment)
        assert caught.value.key == key
        settings[key] = value
    configure("tts", name, settings, environment=environment)
    assert all(key in settings and reason for key, reason in without_effect("tts", name, settings))


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [
        ("azure_tts", "region", "<your region>"),
        ("azure_tts", "rate", "fast"),
        ("azure_tts", "rate", "+10"),
        ("azure_tts", "pitch", '0%"/>'),
        ("minimax_tts", "pronunciation_dict", "omg"),
        ("minimax_tts", "pronunciation_dict", "[1]"),
        ("siliconflow_tts", "sample_rate", 48_000),
        ("siliconflow_tts", "api_url", "speech"),
        ("gpt_sovits_tts", "streaming_mode", "perhaps"),
        ("gpt_sovits_tts", "api_url", "tts"),
        ("x_tts", "api_url", "tts"),
        ("elevenlabs_tts", "stability", 2),
        ("cartesia_tts", "speed", 2),
        ("fish_api_tts", "latency", "none"),
        ("deepgram_tts", "voice", "aura"),
    ],
)
def test_wrong_settings_are_named(name: str, key: str, value: object) -> None:
    """When the character is loaded, without the value."""
    settings = {**VOICES[name].settings, key: value}
    with pytest.raises(SettingsError) as caught:
        configure("tts", name, settings, environment=Environment(Path(), {}))
    assert caught.value.key == key


@pytest.mark.parametrize(
    ("name", "variable"),
    [
        ("azure_tts", "AZURE_SPEECH_KEY"),
        ("cartesia_tts", "CARTESIA_API_KEY"),
        ("deepgram_tts", "DEEPGRAM_API_KEY"),
        ("elevenlabs_tts", "ELEVENLABS_API_KEY"),
        ("fish_api_tts", "FISH_API_KEY"),
        ("minimax_tts", "MINIMAX_API_KEY"),
        ("siliconflow_tts", "SILICONFLOW_API_KEY"),
    ],
)
def test_a_key_may_be_in_the_environment(name: str, variable: str) -> None:
    """It is in no repr, wherever it comes from; and without one, it is said where it belongs."""
    settings = {key: value for key, value in VOICES[name].settings.items() if key != "api_key"}
    config = configure("tts", name, settings, environment=Environment(Path(), {variable: "sk-secret"}))
    assert "sk-secret" not in f"{config!r} {config.settings!r}"
    given = configure("tts", name, VOICES[name].settings, environment=Environment(Path(), {}))
    assert given.settings == config.settings
    assert hash(given.settings) == hash(config.settings)
    with pytest.raises(SettingsError, match=f"api_key: is missing: set .*{variable}"):
        configure("tts", name, settings, environment=Environment(Path(), {}))
