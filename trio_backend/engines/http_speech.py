"""`HttpTts`: speech synthesis behind HTTP, of any `SpeechService`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial

import attrs
import trio
from trio.abc import ReceiveChannel

from ..audio.pcm import Pcm
from ..audio.wav import read_head
from ..errors import EngineError, HttpFailed
from ..installation import extra_remedy
from .http_answer import HttpAnswer
from .openai.answers import not_a_stream
from .openai.connection import ModelServer, open_model_server, read_refused, unreachable
from .sound_file import BYTES_PER_SECOND, HEADER, decode, has_mp3_decoder
from .speech_service import SoundReader, SpeechService
from .whole import WholeTts, can_be_said

SHORTEST_CHUNK = 0.05
"""Seconds of sound, all but the last: a server may send its samples one by one, and each chunk is a message.
A server that makes sound faster than it plays has made this much in less time than that."""

DECODE_INLINE = 256 * 1024
"""Bytes of a WAV file that is decoded in the event loop, faster than a thread would take it over; five
seconds of what most servers send. Fifty sentences that come at once would wait for two threads."""


@asynccontextmanager
async def open_http_speech(config: SpeechService) -> AsyncIterator[HttpTts]:
    """Nothing is asked yet. Raises `EngineError` if the format is one that cannot be read here."""
    if config.compressed and not await trio.to_thread.run_sync(has_mp3_decoder):
        raise EngineError(
            f"{config.provider}: MP3 needs a decoder: {extra_remedy('voice')}, "
            f"or set {config.compressed}: wav"
        )
    connect, headers = config.connect_timeout, config.headers()
    async with open_model_server(config.endpoint, connect=connect, headers=headers) as server:
        yield HttpTts(config, server, trio.CapacityLimiter(2))


@attrs.frozen
class HttpTts(WholeTts):
    """A `Tts`. All sentences share one pool of connections; two at a time are decoded, in threads."""

    config: SpeechService
    _server: ModelServer
    _decoders: trio.CapacityLimiter = attrs.field(repr=False)

    def speak(self, text: str) -> AbstractAsyncContextManager[ReceiveChannel[Pcm]]:
        """See `Tts.speak`: in chunks as they come where the service sends samples, else in one."""
        if self.config.streams and can_be_said(text):
            return _SampleStream(self, text)
        return super().speak(text)

    async def synthesize(self, text: str) -> Pcm:
        """``text`` as sound; a cancel closes the connection."""
        if not can_be_said(text):
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
        asked = self.config.request(text)
        headers = {"Accept": "*/*", "Content-Type": asked.content_type, **asked.headers}
        response = await self._server.post(asked.path, asked.body, headers)
        if not self.config.is_sound(response.headers.get("content-type", "").lower()):
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


@attrs.define(eq=False)
class _SampleStream(ReceiveChannel[Pcm]):
    """Samples as they come, read in the task that receives: no task, and at most one piece is held."""

    _tts: HttpTts
    _text: str
    _reader: SoundReader = attrs.field(init=False)
    _rate: int = attrs.field(init=False)
    _answer: HttpAnswer | None = attrs.field(default=None, init=False)
    _held: bytearray = attrs.field(factory=bytearray, init=False, repr=False)
    _left: int = attrs.field(default=-1, init=False)
    """Bytes of samples that are still to come, where that is known; what follows them is no sound."""
    _handed_out: int = attrs.field(default=0, init=False)
    _waited: float = attrs.field(default=0.0, init=False)
    """Seconds in ``receive``: the caller's own time is not the server's."""
    _ended: bool = attrs.field(default=False, init=False)
    _problem: EngineError | None = attrs.field(default=None, init=False)
    """What ended it, while samples from before are still to be handed out."""

    def __attrs_post_init__(self) -> None:
        self._reader, self._rate = self._tts.config.reader(), self._tts.config.sample_rate

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
        await self._read(self._answer, int(SHORTEST_CHUNK * self._rate) * 2)
        if (
            not self._handed_out
            and self._held.startswith(b"RIFF")
            and not await self._begin_wav(self._answer)
        ):
            return await self._whole_file(self._answer)
        if 0 <= self._left < len(self._held):
            self._ended = True
            del self._held[self._left :]
        room = int(config.max_sound * self._rate) * 2 - self._handed_out
        if len(self._held) > room:
            self._ended, self._problem = True, EngineError(f"{config.provider}: {self._tts.too_long}")
            del self._held[room:]
        # Half a sample waits for its other half; at the end there is none.
        whole = len(self._held) // 2 * 2
        samples = bytes(self._held[:whole])
        del self._held[:whole]
        self._handed_out += whole
        if self._left >= 0:
            self._left -= whole
        if samples:
            return Pcm(samples, self._rate)
        if self._problem is not None:
            raise self._problem
        raise trio.EndOfChannel

    async def _read(self, answer: HttpAnswer, most: int) -> None:
        """Hold ``most`` bytes, or a little more, or all that are left."""
        try:
            while len(self._held) < most and not self._ended:
                received = await answer.receive()
                self._ended = not received
                self._held += self._reader.feed(received)
        except HttpFailed as error:
            self._ended = True
            self._problem = EngineError(unreachable(self._tts.config.endpoint, error).text)
            self._problem.__cause__ = error
        except EngineError as error:
            self._ended, self._problem = True, error
        if self._ended:
            await trio.lowlevel.checkpoint()

    async def _begin_wav(self, answer: HttpAnswer) -> bool:
        """Go on behind the head of a WAV file; False if its samples are none to hand out as they come."""
        try:
            while (head := read_head(bytes(self._held))) is None and len(self._held) < HEADER:
                if self._ended:
                    return False
                await self._read(answer, len(self._held) + 1)
        except ValueError:
            return False
        if head is None:
            return False
        self._rate, self._left = head.rate, head.size
        del self._held[: head.start]
        await self._read(answer, int(SHORTEST_CHUNK * self._rate) * 2)
        return True

    async def _whole_file(self, answer: HttpAnswer) -> Pcm:
        """A file, which some servers send whatever they are asked for."""
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
