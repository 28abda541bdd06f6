"""`OpenAiTts`: speech synthesis behind ``/audio/speech``."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import attrs
import trio
from trio.abc import ReceiveChannel

from ...audio.pcm import Pcm
from ...audio.wav import mixed, read_wav
from ...errors import EngineError, HttpFailed
from ..http_answer import HttpAnswer
from ..whole import WholeTts
from .answers import not_a_stream
from .configs import SpeechConfig
from .connection import ModelServer, json_of, open_model_server, read_refused, unreachable

MOST_RATE = 48_000
"""Samples per second that the bound on bytes is computed from: higher rates make speech no better."""

_PIECE = 65_536  # frames that are decoded at once


def has_mp3_decoder() -> bool:
    """Whether compressed sound can be read: the library ``soundfile`` is there."""
    return find_spec("soundfile") is not None


def decode(data: bytes, *, longest: float) -> Pcm:
    """A whole file as sound. Raises `ValueError` if it is none, or lasts more than ``longest`` seconds.

    The bytes say what they are, since many servers send one format whatever they were asked for. What is too
    long is not decoded. Blocking: tens of milliseconds for a long sentence.
    """
    if data[:4] == b"RIFF":
        wav = read_wav(data)
        _check_length(wav.length, wav.rate, longest)
        return Pcm.of(wav)
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

SHORTEST_CHUNK = 0.05
"""Seconds of sound, all but the last: a server may send its samples one by one, and each chunk is a message.
A server that makes sound faster than it plays has made this much in less time than that."""


DECODE_INLINE = 256 * 1024
"""Bytes of a WAV file that is decoded in the event loop, faster than a thread would take it over; five
seconds of what most servers send. Fifty sentences that come at once would wait for two threads."""


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

    def speak(self, text: str) -> AbstractAsyncContextManager[ReceiveChannel[Pcm]]:
        """See `Tts.speak`: in chunks as they come where the format is ``pcm``, else in one."""
        if self.config.file_extension == "pcm" and _can_be_said(text):
            return _SampleStream(self, text)
        return super().speak(text)

    async def synthesize(self, text: str) -> Pcm:
        """``text`` as sound; a cancel closes the connection."""
        if not _can_be_said(text):
            await trio.lowlevel.checkpoint()
            return Pcm(b"", self.config.sample_rate)
        with trio.move_on_after(self.config.timeout):
            response = await self.ask(text)
            return await self.decoded(
                await self._server.read(response, most=self.most, too_long=self.too_long)
            )
        raise EngineError(f"{self.config.provider}: no sound within {self.config.timeout:g} s")

    @property
    def most(self) -> int:
        """Bytes that a whole file of sound may have."""
        return int(self.config.max_sound * BYTES_PER_SECOND) + HEADER

    @property
    def too_long(self) -> str:
        """The error text for a server that sends more."""
        return (
            f"the speech server sent more sound than {self.config.max_sound:g} s can be (max_sentence_sound)"
        )

    async def ask(self, text: str) -> HttpAnswer:
        """Ask for the sound of ``text``; the caller reads and closes the answer. Raises `EngineError`."""
        response = await self._server.ask("audio/speech", self._body(text), accept="*/*")
        kind = response.headers.get("content-type", "").lower()
        if kind.startswith(("text/", "application/json")):
            answer = await read_refused(response)
            raise EngineError(not_a_stream(self.config.endpoint, answer).text)
        return response

    async def decoded(self, data: bytes) -> Pcm:
        """A whole file as sound. Raises `EngineError` if it is none."""
        work = partial(decode, data, longest=self.config.max_sound)
        try:
            if len(data) <= DECODE_INLINE and data[:4] == b"RIFF":
                return work()
            return await trio.to_thread.run_sync(work, limiter=self._decoders)
        except ValueError as error:
            raise EngineError(
                f"{self.config.provider}: the speech server's sound cannot be used: {error}"
            ) from error

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


def _can_be_said(text: str) -> bool:
    """Whether there is a letter or a digit in it; of anything else no server is asked."""
    return any(character.isalnum() for character in text)


@attrs.define(eq=False)
class _SampleStream(ReceiveChannel[Pcm]):
    """Raw samples as they come, read in the task that receives: no task, and at most one piece is held."""

    _tts: OpenAiTts
    _text: str
    _answer: HttpAnswer | None = attrs.field(default=None, init=False)
    _held: bytearray = attrs.field(factory=bytearray, init=False, repr=False)
    _handed_out: int = attrs.field(default=0, init=False)
    _waited: float = attrs.field(default=0.0, init=False)
    """Seconds in ``receive``: the caller's own time is not the server's."""
    _ended: bool = attrs.field(default=False, init=False)
    _problem: EngineError | None = attrs.field(default=None, init=False)
    """What ended it, while samples from before are still to be handed out."""

    async def receive(self) -> Pcm:
        config, began = self._tts.config, trio.current_time()
        with trio.move_on_after(max(0.0, config.timeout - self._waited)):
            try:
                return await self._next()
            finally:
                self._waited += trio.current_time() - began
        what = "the sound is not whole" if self._handed_out else "no sound"
        raise EngineError(f"{config.provider}: {what} within {config.timeout:g} s")

    async def aclose(self) -> None:
        if self._answer is None:
            await trio.lowlevel.checkpoint()
        else:
            await self._answer.finish(within=0)

    async def _next(self) -> Pcm:
        config = self._tts.config
        if self._answer is None:
            self._answer = await self._tts.ask(self._text)
        await self._read(self._answer, int(SHORTEST_CHUNK * config.sample_rate) * 2)
        if not self._handed_out and self._held.startswith(b"RIFF"):
            return await self._whole_file(self._answer)
        room = int(config.max_sound * config.sample_rate) * 2 - self._handed_out
        if len(self._held) > room:
            self._ended, self._problem = True, EngineError(f"{config.provider}: {self._tts.too_long}")
            del self._held[room:]
        # Half a sample waits for its other half; at the end there is none.
        whole = len(self._held) // 2 * 2
        samples = bytes(self._held[:whole])
        del self._held[:whole]
        self._handed_out += whole
        if samples:
            return Pcm(samples, config.sample_rate)
        if self._problem is not None:
            raise self._problem
        raise trio.EndOfChannel

    async def _read(self, answer: HttpAnswer, most: int) -> None:
        """Hold ``most`` bytes, or a little more, or all that are left."""
        try:
            while len(self._held) < most and not self._ended:
                received = await answer.receive()
                self._ended = not received
                self._held += received
        except HttpFailed as error:
            self._ended = True
            self._problem = EngineError(unreachable(self._tts.config.endpoint, error).text)
            self._problem.__cause__ = error
        if self._ended:
            await trio.lowlevel.checkpoint()

    async def _whole_file(self, answer: HttpAnswer) -> Pcm:
        """A WAV file, which some servers send whatever they are asked for."""
        await self._read(answer, self._tts.most + 1)
        if self._problem is not None:
            raise self._problem
        if len(self._held) > self._tts.most:
            raise EngineError(f"{self._tts.config.provider}: {self._tts.too_long}")
        pcm = await self._tts.decoded(bytes(self._held))
        self._held.clear()
        self._handed_out = len(pcm.samples)
        if not pcm.samples:
            raise trio.EndOfChannel
        return pcm
