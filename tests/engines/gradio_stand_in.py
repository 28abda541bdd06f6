"""A stand-in for Gradio servers, with the pages of CosyVoice and Spark-TTS.

What it says was recorded on 22 November 2026 from real servers of the versions that it names, whose endpoints
had the signatures of the two programs' ``webui.py``. Left out are the keys that no client needs: the page's
layout, and the JSON schemas of the parameters.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import trio.lowlevel

from trio_backend.audio.pcm import Pcm
from trio_backend.engines.base import Tts
from trio_backend.engines.registry import configure, open_engine
from trio_backend.engines.settings import Environment
from trio_backend.engines.tts.tone import hum

from .model_server import Answering, Behaviour, ModelServer, open_model_server

EVENT = "71bee6a5a6af430f9894280b9cc1b2df"
UPLOADED = "/tmp/gradio/f1bf60f3cf8d8988816c13d3eedddf376d761d63ff7da2546f696e61e02f9a4e/prompt.wav"
MADE = "/tmp/gradio/a4a911e075ceba691f6d6ae421885f566a7581369ced4f0ddaf0f2ec844f0041/tmpl4neepni.wav"

# Label, name, whether there is a default, the default, and the component: as ``/info`` has them.
AUDIO = (False, None, "Audio")
PARAMETERS: Mapping[str, Sequence[tuple[str, str, bool, object, str]]] = {
    "generate_audio": [
        ("输入合成文本", "tts_text", True, "x", "Textbox"),
        ("选择推理模式", "mode_checkbox_group", True, "预训练音色", "Radio"),
        ("选择预训练音色", "sft_dropdown", True, "中文女", "Dropdown"),
        ("输入prompt文本", "prompt_text", True, "", "Textbox"),
        ("选择prompt音频文件，注意采样率不低于16khz", "prompt_wav_upload", *AUDIO),
        ("录制prompt音频文件", "prompt_wav_record", *AUDIO),
        ("输入instruct文本", "instruct_text", True, "", "Textbox"),
        ("随机推理种子", "seed", True, 0, "Number"),
        ("是否流式推理", "stream", True, False, "Radio"),
        ("速度调节(仅支持非流式推理)", "speed", True, 1, "Number"),
    ],
    "voice_clone": [
        ("Text", "text", False, None, "Textbox"),
        ("Text of prompt speech", "prompt_text", False, None, "Textbox"),
        ("Choose the prompt audio file.", "prompt_wav_upload", *AUDIO),
        ("Record the prompt audio file.", "prompt_wav_record", *AUDIO),
    ],
    "voice_creation": [
        ("Input Text", "text", True, "You", "Textbox"),
        ("Gender", "gender", True, "male", "Radio"),
        ("Pitch", "pitch", True, 3, "Slider"),
        ("Speed", "speed", True, 3, "Slider"),
    ],
}


def config_of(version: str) -> bytes:
    """What ``/config`` says; since 5 there is a prefix."""
    dependencies = [
        {"id": at, "targets": [[12, "click"]], "backend_fn": True, "queue": True, "api_name": name}
        for at, name in enumerate([False, *PARAMETERS])
    ]
    told: dict[str, object] = {"version": version, "mode": "blocks", "protocol": "sse_v3", "space_id": None}
    if not version.startswith("4"):
        told["api_prefix"] = "/gradio_api"
    return json.dumps({**told, "components": [], "dependencies": dependencies}).encode()


def info(endpoints: Mapping[str, Sequence[tuple[str, str, bool, object, str]]] = PARAMETERS) -> bytes:
    """What ``/info`` says."""
    keys = ("label", "parameter_name", "parameter_has_default", "parameter_default", "component")
    named = {
        f"/{name}": {
            "parameters": [dict(zip(keys, parameter, strict=True)) for parameter in parameters],
            "returns": [{"label": "合成音频", "component": "Audio"}],
        }
        for name, parameters in endpoints.items()
    }
    return json.dumps({"named_endpoints": named, "unnamed_endpoints": {}}, ensure_ascii=False).encode()


def file(path: str, url: str, *, stream: bool) -> str:
    """A file in a result. Servers of 4 and 5 have a wrong address in it."""
    name = "audio.wav" if stream else path.rpartition("/")[2]
    return (
        f'[{{"path": "{path}", "url": "{url}", "size": null, "orig_name": "{name}", "mime_type": null, '
        f'"is_stream": {"true" if stream else "false"}, "meta": {{"_type": "gradio.FileData"}}}}]'
    )


def event(kind: str, data: str) -> bytes:
    """One event, as it is on the wire."""
    return f"event: {kind}\ndata: {data}\n\n".encode()


# What ``event: error`` has: in 4 and 5; in 6 for an exception, and for a `gr.Error`; for an unknown call.
ERRORS = (
    "null",
    '{"error": null}',
    '{"error": "it failed", "duration": 10, "visible": true, "title": "Error"}',
    '"404: Not Found"',
)
QUEUE_FULL = b'{"detail":"Queue is full. Max size is 4 and size is 4."}'
# The head of the WAV file that 4.44.1 streams: of no length.
ENDLESS = (
    b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0\1\0\1\0\x22\x56\0\0\x44\xac\0\0\2\0\x10\0data\xff\xff\xff\xff"
)


@attrs.define(eq=False)
class GradioStandIn:
    """A server of one version.

    ``instead`` has what is done in place of what a real one does, by the part of a conversation: config,
    info, upload, call, events, file or cancel.
    """

    server: ModelServer
    version: str
    streams: bool
    sound: Callable[[str], Pcm]
    instead: dict[str, Behaviour] = attrs.field(factory=dict)
    _text: str = ""

    @property
    def url(self) -> str:
        """What a configuration names."""
        return f"http://127.0.0.1:{self.server.port}/"

    @property
    def paths(self) -> list[str]:
        """What was asked, in order."""
        return [f"{asked.method} {asked.path}" for asked in self.server.asked]

    @property
    def prefix(self) -> str:
        """What stands before each path but one."""
        return "" if self.version.startswith("4") else "/gradio_api"

    @property
    def stream(self) -> str:
        """The path of the stream that a call results in."""
        if self.version.startswith("4"):
            return f"{EVENT}/140298650986640/13"
        return f"{EVENT}/a3fd1292770e4f00a79c543968b930ee/13/playlist.m3u8"

    def part(self, path: str) -> str:
        """Of what a conversation has."""
        if path == "/config":
            return "config"
        rest = path.removeprefix(self.prefix).lstrip("/")
        head, _, end = rest.partition("/")
        if head in {"info", "upload", "cancel"}:
            return head
        if head == "call":
            return "events" if "/" in end else "call"
        return "file"

    async def answer(self, answering: Answering) -> None:
        """As a real server, or `instead`."""
        part = self.part(answering.asked.path)
        if part in self.instead:
            await self.instead[part](answering)
        else:
            await getattr(self, f"_{part}")(answering)

    async def _config(self, answering: Answering) -> None:
        await answering.whole(200, config_of(self.version), "content-type: application/json")

    async def _info(self, answering: Answering) -> None:
        await answering.whole(200, info(), "content-type: application/json")

    async def _upload(self, answering: Answering) -> None:
        await answering.whole(200, json.dumps([UPLOADED]).encode(), "content-type: application/json")

    async def _cancel(self, answering: Answering) -> None:
        await answering.whole(200, b'{"success":true}', "content-type: application/json")

    async def _call(self, answering: Answering) -> None:
        name = answering.asked.path.rpartition("/")[2]
        data = answering.asked.body["data"]
        assert len(data) == len(PARAMETERS[name])
        self._text = data[0]
        await answering.whole(200, f'{{"event_id":"{EVENT}"}}'.encode(), "content-type: application/json")

    async def _events(self, answering: Answering) -> None:
        await answering.head(200, ["content-type: text/event-stream", "transfer-encoding: chunked"])
        if self.streams:
            told = file(self.stream, f"{self.url}call/gen/stream/{self.stream}", stream=True)
            await answering.chunk(event("generating", told))
            await answering.chunk(event("heartbeat", "null"))
        else:
            told = file(MADE, f"{self.url}gradi/gradio_api/file={MADE}", stream=False)
        await answering.chunk(event("complete", told))
        await answering.stream.send_all(b"0\r\n\r\n")

    async def _file(self, answering: Answering) -> None:
        whole = self.stream.replace("playlist.m3u8", "playlist-file")
        there = f"{self.prefix}/stream/{whole}" if self.streams else f"{self.prefix}/file={MADE}"
        if answering.asked.path != there:
            await answering.whole(404, b'{"detail":"Not Found"}', "content-type: application/json")
            return
        sound = self.sound(self._text)
        data = ENDLESS + sound.samples if self.streams and not self.prefix else sound.to_wav()
        await answering.head(200, ["content-type: audio/x-wav", "transfer-encoding: chunked"])
        for at in range(0, len(data), 4_801):
            await answering.chunk(data[at : at + 4_801])
            await trio.lowlevel.checkpoint()
        await answering.stream.send_all(b"0\r\n\r\n")


@attrs.frozen(kw_only=True)
class GradioVoice:
    """A voice behind a Gradio server: its settings, and what a call for “Hello.” has in it."""

    name: str
    endpoint: str
    data: Sequence[object]
    version: str
    streams: bool
    url_setting: str = "client_url"
    settings: Mapping[str, object] = attrs.field(factory=dict)
    rate: int = 22_050

    def sound(self, text: str) -> Pcm:
        """A tone, the longer the more is said, up to 4 s."""
        return hum(0.01 * min(400, len(text))).resampled(self.rate)

    def opens(
        self, stand_in: GradioStandIn, folder: Path = Path(), **more: object
    ) -> AbstractAsyncContextManager[Tts]:
        """The engine, for that server."""
        environment = Environment(folder, {}, max_sentence_sound=10)
        settings = {**self.settings, self.url_setting: stand_in.url, **more}
        return open_engine(configure("tts", self.name, settings, environment=environment))

    @asynccontextmanager
    async def serves(self) -> AsyncIterator[GradioStandIn]:
        """A server of the version that the voice is tried with."""
        async with open_model_server() as server:
            stand_in = GradioStandIn(server, self.version, self.streams, self.sound)
            server.behaviour = stand_in.answer
            yield stand_in

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Tts]:
        """The engine, and a server that hums."""
        async with self.serves() as stand_in, self.opens(stand_in) as tts:
            yield tts


SAMPLE = "https://github.com/gradio-app/gradio/raw/main/test/test_files/audio_sample.wav"
META: Mapping[str, Any] = {"meta": {"_type": "gradio.FileData"}}
BY_URL = {"path": SAMPLE, "url": SAMPLE, "orig_name": "audio_sample.wav", **META}

GRADIO_VOICES: Mapping[str, GradioVoice] = {
    f"{voice.name}, {voice.endpoint}, {voice.version}": voice
    for voice in [
        GradioVoice(
            name="cosyvoice_tts",
            endpoint="generate_audio",
            version="6.31.0",
            streams=True,
            settings={"seed": 7, "prompt_wav_upload_url": SAMPLE},
            data=["Hello.", "预训练音色", "中文女", "", None, None, "", 7, False, 1],
        ),
        GradioVoice(
            name="cosyvoice2_tts",
            endpoint="generate_audio",
            version="4.44.1",
            streams=True,
            settings={
                "prompt_text": "Well.",
                "prompt_wav_upload_url": SAMPLE,
                "prompt_wav_record_url": SAMPLE,
                "stream": True,
                "speed": 1.25,
            },
            data=["Hello.", "3s极速复刻", "中文女", "Well.", BY_URL, BY_URL, "", 0, True, 1.25],
        ),
        GradioVoice(
            name="spark_tts",
            endpoint="voice_clone",
            version="5.4.0",
            streams=False,
            url_setting="api_url",
            settings={"prompt_wav_upload": SAMPLE},
            data=["Hello.", "", BY_URL, None],
            rate=16_000,
        ),
        GradioVoice(
            name="spark_tts",
            endpoint="voice_creation",
            version="6.31.0",
            streams=False,
            url_setting="api_url",
            settings={"api_name": "voice_creation", "gender": "male", "pitch": 5},
            data=["Hello.", "male", 5, 3],
            rate=16_000,
        ),
    ]
}
