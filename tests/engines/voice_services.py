"""Stand-ins of services that speak, each in the format that its documentation has.

`VOICES` has them by the names of their adapters, for the tests that all of them have to pass.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import attrs
import trio
import trio.lowlevel

from trio_backend.audio.pcm import Pcm
from trio_backend.engines.base import Tts
from trio_backend.engines.registry import configure, open_engine
from trio_backend.engines.settings import Environment
from trio_backend.engines.tts.tone import hum

from .model_server import Answering, Asked, Behaviour, ModelServer, open_model_server

KEY = {"api_key": "sk-secret"}
PIECE = 4_801
"""Bytes that come at once: an odd number, so that samples are torn."""


def pcm_pieces(pcm: Pcm) -> list[bytes]:
    """Samples, as they are."""
    return [pcm.samples[at : at + PIECE] for at in range(0, len(pcm.samples), PIECE)]


@attrs.frozen(kw_only=True)
class VoiceService:
    """A voice behind HTTP: the name of its adapter, its settings, and how its service answers.

    ``path``, ``headers`` and ``body`` are what a request for the sound of “Hello.” is. ``says`` finds the
    text in a request. ``wrapped`` makes an answer's pieces of a sound's samples.
    """

    name: str
    path: str
    body: Mapping[str, Any] | bytes
    headers: Mapping[str, str]
    settings: Mapping[str, object] = KEY
    url: Callable[[ModelServer], str] = lambda server: f"http://127.0.0.1:{server.port}"
    url_setting: str = "base_url"
    rate: int = 24_000
    kind: str = "audio/pcm"
    says: Callable[[Asked], str] = lambda asked: str(asked.body["text"])
    pieces: Callable[[Pcm], list[bytes]] = pcm_pieces
    streams: bool = True
    variant: str = ""

    def configured(self, url: str, **more: object) -> dict[str, object]:
        """The settings for a service at ``url``."""
        return {**self.settings, self.url_setting: url, **more}

    @asynccontextmanager
    async def opens(self, server: ModelServer, **more: object) -> AsyncIterator[Tts]:
        """The engine, for ``server``."""
        environment = Environment(Path(), {}, max_sentence_sound=10)
        config = configure(
            "tts", self.name, self.configured(self.url(server), **more), environment=environment
        )
        async with open_engine(config) as tts:
            yield tts

    def speaking(self, pcm: Callable[[str], Pcm] | None = None) -> Behaviour:
        """Answer with the sound of the text, piece by piece."""
        sound = pcm or self.sound

        async def answer(answering: Answering) -> None:
            await answering.head(200, [f"Content-Type: {self.kind}", "Transfer-Encoding: chunked"])
            for piece in self.pieces(sound(self.says(answering.asked))):
                await answering.chunk(piece)
                await trio.lowlevel.checkpoint()
            await answering.stream.send_all(b"0\r\n\r\n")

        return answer

    def sound(self, text: str) -> Pcm:
        """A tone, the longer the more is said."""
        return hum(0.01 * len(text)).resampled(self.rate)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Tts]:
        """The engine, and a service that hums."""
        async with open_model_server() as server:
            server.behaviour = self.speaking(lambda text: self.sound(text[:400]))
            async with self.opens(server) as tts:
                yield tts


def said_in_ssml(asked: Asked) -> str:
    """What an XML parser finds in the innermost element."""
    (element,) = ElementTree.fromstring(asked.raw).iter("{http://www.w3.org/2001/10/synthesis}prosody")
    return element.text or ""


def minimax_pieces(pcm: Pcm) -> list[bytes]:
    """Events as its reference has them; the last one has the whole again, torn where no event ends."""
    answered = {
        "trace_id": "01b8bf9bb7433cc75c18eee6cfa8fe21",
        "base_resp": {"status_code": 0, "status_msg": ""},
    }
    sound = pcm.samples
    events = [
        {"data": {"audio": sound[at : at + PIECE].hex(), "status": 1, "ced": ""}, **answered}
        for at in range(0, len(sound), PIECE)
    ]
    extra = {"audio_length": 1, "audio_sample_rate": 24000, "audio_channel": 1, "usage_characters": 6}
    events.append({"data": {"audio": sound.hex(), "status": 2, "ced": ""}, "extra_info": extra, **answered})
    body = "".join(f"data: {json.dumps(event)}\n\n" for event in events).encode()
    return [body[at : at + 5_000] for at in range(0, len(body), 5_000)]


def sovits_pieces(pcm: Pcm) -> list[bytes]:
    """The head of a WAV file with no samples in it, and then the samples."""
    return [Pcm(b"", pcm.rate).to_wav(), *pcm_pieces(pcm)]


def wav_pieces(pcm: Pcm) -> list[bytes]:
    """A whole file."""
    return [pcm.to_wav()]


SSML = (
    '<speak version="1.0" xmlns="http://www.w3.org/2001/10/synthesis" xml:lang="en-US">'
    '<voice name="en-US-AshleyNeural"><prosody pitch="+26%" rate="1">Hello.</prosody></voice></speak>'
)
SOVITS = {
    "text_lang": "zh",
    "prompt_lang": "zh",
    "prompt_text": "",
    "text_split_method": "cut5",
    "ref_audio_path": "mao.wav",
}

VOICES: Mapping[str, VoiceService] = {
    voice.variant or voice.name: voice
    for voice in [
        VoiceService(
            name="elevenlabs_tts",
            path="/v1/text-to-speech/JBFqnCBsd6RMkjVDRZzb/stream?output_format=pcm_24000",
            headers={"xi-api-key": "sk-secret"},
            settings={**KEY, "voice_id": "JBFqnCBsd6RMkjVDRZzb", "output_format": "mp3_44100_128"},
            body={
                "text": "Hello.",
                "model_id": "eleven_multilingual_v2",
                "voice_settings": {
                    "stability": 0.5,
                    "similarity_boost": 0.5,
                    "style": 0.0,
                    "use_speaker_boost": True,
                },
            },
        ),
        VoiceService(
            name="cartesia_tts",
            path="/tts/bytes",
            headers={"authorization": "Bearer sk-secret", "cartesia-version": "2026-03-01"},
            settings={**KEY, "voice_id": "694f9389", "emotion": "happy"},
            says=lambda asked: str(asked.body["transcript"]),
            body={
                "transcript": "Hello.",
                "model_id": "sonic-3",
                "voice": {"mode": "id", "id": "694f9389"},
                "language": "en",
                "output_format": {"container": "raw", "encoding": "pcm_s16le", "sample_rate": 24_000},
                "generation_config": {"volume": 1.0, "speed": 1.0, "emotion": "happy"},
            },
        ),
        VoiceService(
            name="deepgram_tts",
            path="/v1/speak?model=aura-2-thalia-en&encoding=linear16&sample_rate=24000&container=none",
            headers={"authorization": "Token sk-secret"},
            kind="audio/l16;rate=24000",
            body={"text": "Hello."},
        ),
        VoiceService(
            name="azure_tts",
            path="/cognitiveservices/v1",
            headers={
                "ocp-apim-subscription-key": "sk-secret",
                "x-microsoft-outputformat": "raw-24khz-16bit-mono-pcm",
                "content-type": "application/ssml+xml",
            },
            settings={**KEY, "pitch": "26", "rate": 1},
            says=said_in_ssml,
            kind="audio/basic",
            body=SSML.encode(),
        ),
        VoiceService(
            name="fish_api_tts",
            path="/v1/tts",
            headers={"authorization": "Bearer sk-secret", "model": "s1"},
            settings={**KEY, "reference_id": "802e3bc2", "model": "s1"},
            body={
                "text": "Hello.",
                "format": "pcm",
                "sample_rate": 24_000,
                "latency": "balanced",
                "reference_id": "802e3bc2",
            },
        ),
        VoiceService(
            name="minimax_tts",
            path="/t2a_v2?GroupId=1234",
            headers={"authorization": "Bearer sk-secret"},
            settings={**KEY, "group_id": "1234", "pronunciation_dict": '{"tone": ["omg/oh my god"]}'},
            kind="text/event-stream; charset=utf-8",
            pieces=minimax_pieces,
            body={
                "text": "Hello.",
                "model": "speech-02-turbo",
                "stream": True,
                "stream_options": {"exclude_aggregated_audio": True},
                "voice_setting": {"voice_id": "male-qn-qingse", "speed": 1.0, "vol": 1.0, "pitch": 0},
                "audio_setting": {"sample_rate": 24_000, "format": "pcm", "channel": 1},
                "pronunciation_dict": {"tone": ["omg/oh my god"]},
            },
        ),
        VoiceService(
            name="siliconflow_tts",
            path="/audio/speech",
            headers={"authorization": "Bearer sk-secret"},
            settings={**KEY, "default_voice": "x:anna", "sample_rate": 32_000, "response_format": "mp3"},
            url=lambda server: f"http://127.0.0.1:{server.port}/audio/speech",
            url_setting="api_url",
            rate=32_000,
            says=lambda asked: str(asked.body["input"]),
            body={
                "model": "FunAudioLLM/CosyVoice2-0.5B",
                "input": "Hello.",
                "voice": "x:anna",
                "response_format": "pcm",
                "sample_rate": 32_000,
                "stream": True,
                "speed": 1.0,
                "gain": 0.0,
            },
        ),
        *(
            VoiceService(
                name="gpt_sovits_tts",
                variant="gpt_sovits_tts, whole" if mode == "false" else "",
                path="/tts",
                headers={},
                settings={"ref_audio_path": "mao.wav", "batch_size": "1", "streaming_mode": mode},
                url=lambda server: f"http://127.0.0.1:{server.port}/tts",
                url_setting="api_url",
                rate=32_000,
                kind="audio/wav",
                pieces=wav_pieces if mode == "false" else sovits_pieces,
                streams=mode == "true",
                body={
                    **SOVITS,
                    "text": "Hello.",
                    "batch_size": 1,
                    "media_type": "wav",
                    "streaming_mode": mode == "true",
                },
            )
            for mode in ("true", "false")
        ),
        VoiceService(
            name="x_tts",
            path="/tts_to_audio/",
            headers={},
            settings={},
            url=lambda server: f"http://127.0.0.1:{server.port}/tts_to_audio",
            url_setting="api_url",
            kind="audio/wav",
            pieces=wav_pieces,
            streams=False,
            body={"text": "Hello.", "speaker_wav": "female", "language": "en"},
        ),
    ]
}
