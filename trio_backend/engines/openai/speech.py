"""`OpenAiTts`: speech synthesis behind ``/audio/speech``."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import attrs
import httpx2
import trio

from ...audio.pcm import Pcm
from ...audio.wav import mixed, read_wav
from ...errors import AnswerTooLong, EngineError
from ..whole import WholeTts
from .answers import not_a_stream
from .configs import SpeechConfig
from .connection import ModelServer, json_of, open_model_server, read_answer, read_body, unreachable

PCM_RATE = 24_000
"""The rate of the format ``pcm``, which has no header to say it: mono, 16 bits, little-endian."""


MOST_RATE = 48_000
"""Samples a second that count for the longest sound: a higher rate makes it no better, only larger."""

_PIECE = 65_536  # frames that are decoded at once


def has_mp3_decoder() -> bool:
    """Whether compressed sound can be read: the library ``soundfile`` is there."""
    return find_spec("soundfile") is not None


def decode(data: bytes, asked_for: str, *, longest: float) -> Pcm:
    """``data`` as sound. Raises `ValueError` if it is none, or lasts more than ``longest`` seconds.

    The bytes say what they are, since many servers send one format whatever they were asked for;
    only ``pcm`` cannot be told from noise, and is believed. What is too long is not decoded.
    """
    if data[:4] == b"RIFF":
        wav = read_wav(data)
        _check_length(wav.length, wav.rate, longest)
        return Pcm.of(wav)
    if asked_for == "pcm":
        _check_length(len(data) // 2, PCM_RATE, longest)
        return Pcm(data[: len(data) // 2 * 2], PCM_RATE)
    return _decode_compressed(data, longest)


def _check_length(frames: int, rate: int, longest: float) -> None:
    if frames > longest * min(rate, MOST_RATE):
        raise ValueError(f"it is longer than {longest:g} s (max_sentence_sound)")


def _decode_compressed(data: bytes, longest: float) -> Pcm:
    if not has_mp3_decoder():
        raise ValueError("it is compressed, and there is no decoder: install the extra `voice`")
    soundfile = import_module("soundfile")
    try:
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            if not 1_000 <= file.samplerate <= 384_000:
                raise ValueError(f"it has a sample rate of {file.samplerate} Hz")
            return Pcm.from_pieces(_pieces(file, longest), file.samplerate)
    except soundfile.SoundFileError:
        raise ValueError("it is neither WAV nor MP3") from None


def _pieces(file: Any, longest: float) -> Iterator[Any]:
    """The samples of an open sound file. Its header may lie about their number, so they are counted."""
    frames = 0
    while len(piece := file.read(_PIECE, dtype="float32", always_2d=True)):
        frames += len(piece)
        _check_length(frames, file.samplerate, longest)
        yield mixed(piece)


BYTES_PER_SECOND = 384_000
"""Of the longest sound that is accepted: two channels of 48 000 floats. Models send an eighth of it."""

HEADER = 65_536
"""Bytes that a file may have besides its samples."""


@asynccontextmanager
async def open_speech(config: SpeechConfig) -> AsyncIterator[OpenAiTts]:
    """Nothing is asked yet. Raises `EngineError` if the format is one that cannot be read here."""
    if config.file_extension == "mp3" and not await trio.to_thread.run_sync(has_mp3_decoder):
        raise EngineError(
            f"{config.provider}: MP3 needs a decoder: install the extra `voice`, as the README says, "
            "or set file_extension: wav"
        )
    async with open_model_server(config.endpoint, connect=config.connect_timeout) as server:
        yield OpenAiTts(config, server, trio.CapacityLimiter(2))


@attrs.frozen
class OpenAiTts(WholeTts):
    """A `Tts`. All sentences share one pool of connections; two at a time are decoded, in threads."""

    config: SpeechConfig
    _server: ModelServer
    _decoders: trio.CapacityLimiter = attrs.field(repr=False)

    async def synthesize(self, text: str) -> Pcm:
        """``text`` as sound; a cancel closes the connection."""
        if not any(character.isalnum() for character in text):
            await trio.lowlevel.checkpoint()
            return Pcm(b"", PCM_RATE)
        with trio.move_on_after(self.config.timeout):
            return await self._synthesize(text)
        raise EngineError(f"{self.config.provider}: no sound within {self.config.timeout:g} s")

    async def _synthesize(self, text: str) -> Pcm:
        response = await self._server.ask("audio/speech", self._body(text), accept="*/*")
        kind = response.headers.get("content-type", "").lower()
        if kind.startswith(("text/", "application/json")):
            answer = await read_answer(response)
            raise EngineError(not_a_stream(self.config.endpoint, answer).text)
        data = await self._read(response)
        try:
            work = partial(decode, data, self.config.file_extension, longest=self.config.max_sound)
            return await trio.to_thread.run_sync(work, limiter=self._decoders)
        except ValueError as error:
            raise EngineError(
                f"{self.config.provider}: the speech server's sound is no use: {error}"
            ) from error

    async def _read(self, response: httpx2.Response) -> bytes:
        longest = self.config.max_sound
        try:
            return await read_body(response, most=int(longest * BYTES_PER_SECOND) + HEADER)
        except AnswerTooLong:
            raise EngineError(
                f"{self.config.provider}: the speech server sent more sound than {longest:g} s can be "
                "(max_sentence_sound)"
            ) from None
        except httpx2.RequestError as error:
            raise EngineError(unreachable(self.config.endpoint, error).text) from error

    def _body(self, text: str) -> bytes:
        request: dict[str, object] = {
            "model": self.config.endpoint.model,
            "voice": self.config.voice,
            "input": text,
            "response_format": self.config.file_extension,
        }
        if self.config.speed is not None:
            request["speed"] = self.config.speed
        return json_of(request)
