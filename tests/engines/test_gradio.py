"""Voices behind Gradio servers: they ask as those document it, and tell what goes wrong."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
import trio
from loguru import logger

from tests.promptness import PROMPTLY
from trio_backend.audio.pcm import Pcm
from trio_backend.engines import gradio
from trio_backend.engines.gradio import GradioEvents
from trio_backend.engines.openai import connection
from trio_backend.engines.registry import configure
from trio_backend.engines.settings import Environment
from trio_backend.engines.whole import spoken
from trio_backend.errors import EngineError, SettingsError

from .gradio_stand_in import (
    ERRORS,
    EVENT,
    GRADIO_VOICES,
    META,
    PARAMETERS,
    QUEUE_FULL,
    UPLOADED,
    GradioStandIn,
    GradioVoice,
    config_of,
    event,
    file,
    info,
)
from .model_server import Answering, Behaviour, body, cut, hanging, page, refusing


@pytest.fixture(params=GRADIO_VOICES)
def voice(request: pytest.FixtureRequest) -> GradioVoice:
    """Each in turn, with a server of another version and kind of answer."""
    return GRADIO_VOICES[request.param]


TRAINED = GRADIO_VOICES["cosyvoice_tts, generate_audio, 6.31.0"]
CLONED = GRADIO_VOICES["spark_tts, voice_clone, 5.4.0"]


def says(*pieces: bytes, ends: bool = True) -> Behaviour:
    """A stream of these pieces, which ends properly or breaks off."""

    async def answer(answering: Answering) -> None:
        await answering.head(200, ["content-type: text/event-stream", "transfer-encoding: chunked"])
        for piece in pieces:
            await answering.chunk(piece)
        await (answering.stream.send_all(b"0\r\n\r\n") if ends else answering.stream.aclose())

    return answer


async def test_a_sentence_is_asked_for_as_gradio_documents_it(voice: GradioVoice) -> None:
    """The server describes itself once; then each sentence is a call, its events, and a file."""
    async with voice.serves() as stand_in:
        async with voice.opens(stand_in) as tts:
            assert await spoken(tts, "Hello.") == voice.sound("Hello.")
            assert not (await spoken(tts, "… 🎈")).samples
            assert await spoken(tts, "Hello there.") == voice.sound("Hello there.")
        prefix = stand_in.prefix
        asked, described, *sentences = stand_in.paths
        assert [asked, described] == ["GET /config", f"GET {prefix}/info"]
        assert sentences[:2] == [
            f"POST {prefix}/call/{voice.endpoint}",
            f"GET {prefix}/call/{voice.endpoint}/{EVENT}",
        ]
        assert sentences[2].startswith(f"GET {prefix}/{'stream/' if voice.streams else 'file='}")
        assert sentences[3:] == sentences[:3]
        calls = [asked for asked in stand_in.server.asked if asked.path.endswith(voice.endpoint)]
        assert [call.body for call in calls] == [
            {"data": [text, *voice.data[1:]]} for text in ("Hello.", "Hello there.")
        ]
        assert all(call.headers["content-type"] == "application/json" for call in calls)


async def test_any_text_arrives_as_it_is(voice: GradioVoice) -> None:
    """Nothing in it has a meaning."""
    text = "a < b & \"c\" ']]>' \\ </prosody> 你好 🎈\0"
    async with voice.serves() as stand_in, voice.opens(stand_in) as tts:
        await spoken(tts, text)
        await spoken(tts, "a\ud800 b")
        heard = [asked.body["data"][0] for asked in stand_in.server.asked if "data" in asked.body]
        assert heard == [text, "a? b"]


async def test_sentences_at_once_have_the_server_describe_itself_once() -> None:
    """However many a turn begins with."""
    async with TRAINED.serves() as stand_in, TRAINED.opens(stand_in) as tts:
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(spoken, tts, "Hello.")
        assert stand_in.paths.count("GET /config") == 1
        assert len(stand_in.paths) == 2 + 3 * 3


async def test_a_recording_on_this_machine_is_uploaded_once(tmp_path: Path) -> None:
    """And again after an error: the server may have been started anew, and forgotten it."""
    (tmp_path / "prompt.wav").write_bytes(b"RIFF sound")
    there = {"path": UPLOADED, "orig_name": "prompt.wav", **META}
    async with (
        CLONED.serves() as stand_in,
        CLONED.opens(stand_in, tmp_path, prompt_wav_upload="prompt.wav") as tts,
    ):
        await spoken(tts, "Hello.")
        await spoken(tts, "Hello.")
        uploads = [asked for asked in stand_in.server.asked if asked.path == "/gradio_api/upload"]
        assert len(uploads) == 1
        assert uploads[0].headers["content-type"].startswith("multipart/form-data; boundary=")
        assert b'name="files"; filename="prompt.wav"' in uploads[0].raw
        assert b"\r\n\r\nRIFF sound\r\n" in uploads[0].raw
        call = next(asked for asked in stand_in.server.asked if "data" in asked.body)
        assert call.body["data"][2] == there
        stand_in.instead["events"] = says(event("error", "null"))
        with pytest.raises(EngineError):
            await spoken(tts, "Hello.")
        del stand_in.instead["events"]
        await spoken(tts, "Hello.")
        assert stand_in.paths.count("POST /gradio_api/upload") == 2


async def test_a_recording_that_is_not_there_is_said_at_once(tmp_path: Path) -> None:
    """When the character is loaded, and before a server is asked."""
    async with CLONED.serves() as stand_in:
        with pytest.raises(EngineError, match=r"spark_tts: the recording .*none\.wav cannot be read"):
            async with CLONED.opens(stand_in, tmp_path, prompt_wav_upload="none.wav"):
                pass
        assert stand_in.paths == []


async def test_settings_that_the_endpoint_does_not_know_are_said(log: list[str]) -> None:
    """Older pages of CosyVoice have no speed; what they do not know is not sent, and their own is kept."""
    voice = GRADIO_VOICES["cosyvoice2_tts, generate_audio, 4.44.1"]
    older = [one for one in PARAMETERS["generate_audio"] if one[1] != "speed"]
    older.append(("?", "temperature", True, 0.5, "Number"))
    async with voice.serves() as stand_in, voice.opens(stand_in) as tts:
        stand_in.instead["info"] = body(info({"generate_audio": older}), "application/json")
        await spoken(tts, "Hello.")
        call = next(asked for asked in stand_in.server.asked if "data" in asked.body)
        assert call.body["data"][-2:] == [True, 0.5]
    assert sum("no effect: speed" in line for line in log) == 1


@pytest.fixture
def log() -> object:
    """Warnings, as they are logged."""
    lines: list[str] = []
    sink = logger.add(lines.append, level="WARNING", format="{message}")
    yield lines
    logger.remove(sink)


SECRET = "Hello, my secret."
PROBLEM = {"detail": SECRET}
# What is done in place of one part of a conversation, and what is told of it.
TROUBLE: Mapping[str, tuple[str, Behaviour, str]] = {
    "web page": ("config", page(), "no Gradio server; check (client|api)_url"),
    "another JSON": ("config", body(b'{"object": "list"}', "application/json"), "no Gradio server"),
    "no such path": ("config", refusing(404, SECRET), r"\(404\); check (client|api)_url"),
    "private": ("config", refusing(401, None), "wants an API key .401.; set api_key"),
    "Gradio 3": (
        "config",
        body(b'{"version": "3.43.2", "dependencies": [{"api_name": null}]}', "application/json"),
        "Gradio 3 or older; it needs 4.29 or newer",
    ),
    "garbage in what it has": ("info", body(b"\xff{", "application/json"), "no Gradio server"),
    "another page": (
        "info",
        body(info({"predict": [], "a b": []}), "application/json"),
        "has no endpoint '(voice|generate)_.*'; it has predict; check api_name",
    ),
    "half a character before paths": (
        "config",
        body(config_of("6.31.0").replace(b'"/gradio_api"', b'"/\\u4f60\\ud83d\\r\\n"'), "application/json"),
        r"\(404\)",
    ),
    "no endpoints": ("info", body(info({}), "application/json"), "it has none; check api_name"),
    "no text": (
        "info",
        body(info({name: [("a", "b", True, 0, "Number")] for name in PARAMETERS}), "application/json"),
        "has no parameter '(tts_)?text'; check api_name",
    ),
    "queue full": (
        "call",
        lambda answering: answering.whole(503, QUEUE_FULL, "content-type: application/json"),
        r"too many requests \(503\)",
    ),
    "refused": ("call", refusing(422, PROBLEM), r"\(422\)"),
    "failure": ("call", refusing(500, SECRET), r"failed \(500\)"),
    "no id": ("call", body(b'{"event_id": 1}', "application/json"), "no Gradio server"),
    "strange id": ("call", body(b'{"event_id": "../x"}', "application/json"), "none of Gradio's"),
    "call broken off": ("call", cut(), "broke off"),
    **{f"error {told}": ("events", says(event("error", told)), "its own log says why") for told in ERRORS},
    "error with text": ("events", says(event("error", f'"{SECRET}"')), "its own log says why"),
    "no sound": ("events", says(event("complete", "[null]")), "made no sound"),
    "nothing at all": ("events", says(event("complete", "null")), "made no sound"),
    "no file": ("events", says(event("complete", f'["{SECRET}"]')), "no sound file; check api_name"),
    "half a character in its path": (
        "events",
        says(event("complete", r'[{"path": "\ud83d \u4f60"}]')),
        "does not hand out the sound",
    ),
    "garbage": ("events", says(b"event: complete\ndata: [{\xff\n\n"), "no sound file"),
    "ended early": ("events", says(event("generating", "[null]")), "ended without a sound"),
    "half a frame": ("events", says(b"event: complete\ndata: [{", ends=False), "broke off"),
    "no end": ("events", says(*[b"x" * 65_536] * 17), "an event without end"),
    "silent": ("events", hanging(), "no sound within 0.4 s"),
    "heartbeats": ("events", says(*[event("heartbeat", "null")] * 3), "ended without a sound"),
    "file is gone": ("file", refusing(404, PROBLEM), "does not hand out the sound"),
    "file is forbidden": ("file", refusing(403, PROBLEM), "does not hand out the sound"),
    "file is none": ("file", body(b"sound", "audio/wav"), "sound cannot be used"),
    "file broken off": ("file", says(b"RIFF", ends=False), "broke off"),
    "file is silence": ("file", body(Pcm(bytes(32_000), 16_000).to_wav(), "audio/wav"), "made silence"),
    "file too long": ("file", says(*[b"RIFF" * 32_768] * 32), "more sound than 10 s"),
}


@pytest.mark.parametrize("trouble", TROUBLE)
async def test_what_goes_wrong_is_told(
    voice: GradioVoice, trouble: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the name of the voice, and nothing that the server says; the next sentence is whole."""
    monkeypatch.setattr(connection, "PAUSES", (0.01, 0.02))
    part, behaviour, words = TROUBLE[trouble]
    async with voice.serves() as stand_in:
        stand_in.instead[part] = behaviour
        async with voice.opens(stand_in, timeout=0.4 if trouble == "silent" else 10) as tts:
            with trio.fail_after(10), pytest.raises(EngineError, match=f"^{voice.name}.*({words})") as caught:
                await spoken(tts, SECRET)
            assert SECRET not in str(caught.value)
            del stand_in.instead[part]
            assert await spoken(tts, "Hello.") == voice.sound("Hello.")


async def test_a_call_that_is_refused_for_a_moment_is_made_again() -> None:
    """When the queue has room again; nothing is lost."""
    full = TROUBLE["queue full"][1]
    async with TRAINED.serves() as stand_in, TRAINED.opens(stand_in) as tts:

        async def once(answering: Answering) -> None:
            del stand_in.instead["call"]
            await full(answering)

        stand_in.instead["call"] = once
        assert await spoken(tts, "Hello.") == TRAINED.sound("Hello.")


async def test_an_endpoint_without_a_number_has_that_of_its_place() -> None:
    """As `gradio_client` counts."""
    async with TRAINED.serves() as stand_in:
        told = json.loads(config_of("6.31.0"))
        for dependency in told["dependencies"]:
            del dependency["id"]
        stand_in.instead["config"] = body(json.dumps(told).encode(), "application/json")
        stand_in.instead["events"] = hanging()
        async with TRAINED.opens(stand_in) as tts:
            with trio.move_on_after(0.3):
                await spoken(tts, "Hello.")
        assert stand_in.server.asked[-1].body["fn_index"] == 1


@pytest.mark.parametrize("part", ["config", "call", "events", "file"])
async def test_a_cancel_closes_the_connection(voice: GradioVoice, part: str) -> None:
    """Wherever the conversation is, at once; and the server is told, if it has the call already."""
    async with voice.serves() as stand_in:
        stand_in.instead[part] = hanging()
        async with voice.opens(stand_in) as tts:
            with trio.move_on_after(0.3) as scope:
                await spoken(tts, "Hello.")
            assert scope.cancelled_caught
            assert trio.current_time() - scope.deadline < PROMPTLY
            waited = stand_in.server.asked[-1]
            with trio.fail_after(1):
                await waited.left.wait()
            assert waited.left_at - scope.deadline < PROMPTLY
        told = [asked.body for asked in stand_in.server.asked if asked.path.endswith("/cancel")]
        number = 1 + list(PARAMETERS).index(voice.endpoint)
        assert told == (
            [{"session_hash": EVENT, "event_id": EVENT, "fn_index": number}] if part == "events" else []
        )


async def test_a_call_that_takes_too_long_is_given_up() -> None:
    """As one that is cancelled."""
    async with TRAINED.serves() as stand_in:
        stand_in.instead["events"] = hanging()
        async with TRAINED.opens(stand_in, timeout=0.3) as tts:
            with pytest.raises(EngineError, match=r"no sound within 0\.3 s"):
                await spoken(tts, "Hello.")
        assert stand_in.paths[-1] == "POST /gradio_api/cancel"


async def test_a_server_that_takes_no_cancel_delays_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the next sentence, nor by more than the deadline the engine's end."""
    monkeypatch.setattr(gradio, "CANCELLING", 0.2)
    async with TRAINED.serves() as stand_in:
        stand_in.instead |= {"events": hanging(), "cancel": hanging()}
        async with TRAINED.opens(stand_in) as tts:
            with trio.move_on_after(0.3):
                await spoken(tts, "Hello.")
            del stand_in.instead["events"]
            with trio.fail_after(5):
                assert await spoken(tts, "Hello.") == TRAINED.sound("Hello.")
            ended = trio.current_time()
        assert trio.current_time() - ended < 0.2 + PROMPTLY


async def waits_for_events(stand_in: GradioStandIn, calls: int) -> None:
    """Return when the events of so many calls were asked for."""
    with trio.fail_after(20):
        while sum(stand_in.part(asked.path) == "events" for asked in stand_in.server.asked) < calls:
            await trio.sleep(0.01)


@pytest.mark.parametrize("left", [0, 1, 3])
async def test_an_engine_that_is_ended_by_a_cancel_tells_of_its_calls(
    left: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As leases end it: the server is told of all of them, and without any nothing is waited for."""
    monkeypatch.setattr(gradio, "CANCELLING", 60)
    async with TRAINED.serves() as stand_in:
        stand_in.instead["events"] = hanging()
        with trio.CancelScope() as scope:
            async with TRAINED.opens(stand_in) as tts:
                async with trio.open_nursery() as nursery:
                    for _ in range(left):
                        nursery.start_soon(spoken, tts, "Hello.")
                    await waits_for_events(stand_in, left)
                    nursery.cancel_scope.cancel()
                scope.cancel()
                ended = trio.current_time()
                await trio.sleep_forever()
        assert trio.current_time() - ended < PROMPTLY
        assert stand_in.paths.count("POST /gradio_api/cancel") == left


async def test_a_call_that_outlives_the_engine_is_no_other_error() -> None:
    """Whoever still waits for it is cancelled, or gets an `EngineError`."""
    async with TRAINED.serves() as stand_in:
        stand_in.instead["events"] = hanging()
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                async with TRAINED.opens(stand_in) as tts:
                    nursery.start_soon(spoken, tts, "Hello.")
                    await waits_for_events(stand_in, 1)
                scope.cancel()
        assert scope.cancelled_caught


async def test_a_cancel_that_is_not_taken_holds_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next call that is given up is told after the deadline of the one before."""
    monkeypatch.setattr(gradio, "CANCELLING", 0.2)
    async with TRAINED.serves() as stand_in:
        stand_in.instead |= {"events": hanging(), "cancel": hanging()}
        async with TRAINED.opens(stand_in) as tts:
            for _ in range(2):
                with trio.move_on_after(0.1):
                    await spoken(tts, "Hello.")
            with trio.fail_after(5):
                while stand_in.paths.count("POST /gradio_api/cancel") < 2:
                    await trio.sleep(0.01)


async def test_many_calls_are_given_up_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine's end waits once for a server that takes no cancel, not once for each of them."""
    monkeypatch.setattr(gradio, "CANCELLING", 0.3)
    async with TRAINED.serves() as stand_in:
        stand_in.instead |= {"events": hanging(), "cancel": hanging()}
        async with TRAINED.opens(stand_in) as tts:
            with trio.move_on_after(0.5):
                async with trio.open_nursery() as nursery:
                    for _ in range(10):
                        nursery.start_soon(spoken, tts, "Hello.")
            ended = trio.current_time()
        assert trio.current_time() - ended < 0.3 + PROMPTLY


def test_events_may_come_in_any_pieces() -> None:
    """Byte by byte, too."""
    told = event("generating", file("a", "b", stream=True)) + event("complete", "[]")
    for size in (1, 7, len(told)):
        events = GradioEvents()
        found = [one for at in range(0, len(told), size) for one in events.feed(told[at : at + size])]
        assert [kind for kind, _ in found] == ["generating", "complete"]
        assert found[1][1] == b"[]"
        assert events.held == 0


@pytest.mark.parametrize(
    ("name", "settings", "key"),
    [
        ("cosyvoice_tts", {"client_url": "user/space"}, "client_url"),
        ("cosyvoice_tts", {"mode_checkbox_group": "跨语种复刻"}, "prompt_wav_upload_url"),
        ("cosyvoice_tts", {"mode_checkbox_group": "自然语言控制"}, "instruct_text"),
        ("cosyvoice_tts", {"seed": -1}, "seed"),
        ("cosyvoice_tts", {"speed": 1}, "speed"),
        ("cosyvoice2_tts", {"prompt_text": "Well."}, "prompt_wav_upload_url"),
        ("cosyvoice2_tts", {"prompt_wav_record_url": "a.wav"}, "prompt_text"),
        ("cosyvoice2_tts", {"speed": 3}, "speed"),
        ("spark_tts", {}, "prompt_wav_upload"),
        ("spark_tts", {"api_name": "predict"}, "api_name"),
        ("spark_tts", {"api_name": "/voice_creation", "pitch": 6}, "pitch"),
        ("spark_tts", {"api_name": "voice_creation", "gender": "none"}, "gender"),
    ],
)
def test_what_is_missing_or_wrong_is_named(name: str, settings: Mapping[str, object], key: str) -> None:
    """When the character is loaded; CosyVoice would send silence."""
    with pytest.raises(SettingsError) as caught:
        configure("tts", name, settings, environment=Environment(Path(), {}))
    assert caught.value.key == key
