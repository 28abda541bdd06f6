"""`ServiceAsr`: an `Asr` behind a service that recognises while one speaks; a connection for each utterance.

An adapter writes the service's `UtteranceFormat` and says how to connect; the tasks, deadlines and errors are
here. The receiver's own task reads the connection, and another one sends, so that a service which is slow to
connect or to read holds up nobody who speaks.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import attrs
import trio
from loguru import logger
from trio.abc import ReceiveChannel

from ..audio.pcm import Pcm
from ..audio.resampling import StreamResampler
from ..errors import EngineError, HttpFailed, UpgradeRefused, WireClosed
from .base import AsrTranscript
from .openai.answers import Answer, ApiRefusal, refusal
from .openai.connection import LONGEST_RETRY_AFTER, PAUSES, unreachable
from .service_format import PIECE, RecognitionService, ServiceLink, UtteranceFormat
from .whole import helper_tasks


class ServiceAsr(ABC):
    """An `Asr` behind a service: an adapter says how one utterance is recognised."""

    __slots__ = ()

    @property
    def streams(self) -> bool:
        """See `Asr.streams`."""
        return True

    @property
    @abstractmethod
    def service(self) -> RecognitionService:
        """Which service."""

    @abstractmethod
    def recognition(self) -> UtteranceFormat:
        """For a new utterance."""

    def listen(
        self, sound: ReceiveChannel[Pcm]
    ) -> AbstractAsyncContextManager[ReceiveChannel[AsrTranscript]]:
        """See `Asr.listen`. It connects with the first sound; none at all is an empty transcript."""
        return _listen(self.service, self.recognition(), sound)


@asynccontextmanager
async def _listen(
    service: RecognitionService, recognition: UtteranceFormat, sound: ReceiveChannel[Pcm]
) -> AsyncIterator[ReceiveChannel[AsrTranscript]]:
    # The tasks hand their failures to the receiver.
    async with helper_tasks("nobody listens to the transcripts any more") as nursery:
        stream = _Transcripts(service, recognition)
        nursery.start_soon(stream.read, sound, name=f"{service.name}/sound")
        nursery.start_soon(stream.run, name=f"{service.name}/connection")
        yield stream


@attrs.define(eq=False)
class _Transcripts(ReceiveChannel[AsrTranscript]):
    _service: RecognitionService
    _recognition: UtteranceFormat
    # Sound that is not sent yet, at the service's rate. The caller bounds it: it is part of what was said.
    _unsent: bytearray = attrs.field(factory=bytearray, init=False, repr=False)
    _sound_ended: bool = attrs.field(default=False, init=False)
    _more: trio.Event = attrs.field(factory=trio.Event, init=False)
    """Set when there is sound to send, or no more will come."""
    _link: ServiceLink | None = attrs.field(default=None, init=False)
    _ready: trio.Event = attrs.field(factory=trio.Event, init=False)
    """Set when there is a connection, or will be none."""
    _failure: EngineError | None = attrs.field(default=None, init=False)
    _found: deque[AsrTranscript] = attrs.field(factory=deque, init=False)
    _over: bool = attrs.field(default=False, init=False)
    _finished: trio.Event = attrs.field(factory=trio.Event, init=False)
    """Set when the final transcript is there."""
    _gone: trio.Event = attrs.field(factory=trio.Event, init=False)
    """Set when the connection is closed."""
    _receiving: trio.CancelScope | None = attrs.field(default=None, init=False)

    # The receiver's task.

    async def receive(self) -> AsrTranscript:
        if self._over:
            await trio.lowlevel.checkpoint()
            raise trio.EndOfChannel
        if self._found:
            await trio.lowlevel.checkpoint()
        while not self._found:
            with trio.CancelScope() as self._receiving:
                if self._failure is None:
                    await self._ready.wait()
                if self._link is not None and self._failure is None:
                    self._found.extend(await self._next(self._link))
            self._receiving = None
            if self._failure is not None:
                raise self._failure
            if self._link is None:
                self._found.append(AsrTranscript("", final=True))
        transcript = self._found.popleft()
        if transcript.final:
            self._over = True
            if self._link is not None:
                # Takes as long as it takes to write a close frame: 0.1 ms, and never more than `PARTING`.
                self._finished.set()
                await self._gone.wait()
        return transcript

    async def aclose(self) -> None:
        self._over = True
        await trio.lowlevel.checkpoint()

    async def _next(self, link: ServiceLink) -> Sequence[AsrTranscript]:
        try:
            return self._recognition.receive(await link.receive())
        except WireClosed as closed:
            if self._failure is None:
                return [self._recognition.closed(closed.code)]
            return ()
        except HttpFailed as error:
            if error.stage != "malformed":
                raise EngineError(unreachable(self._service.endpoint, error).text) from error
        except ValueError:
            # Not chained: the error would carry what somebody said.
            pass
        raise EngineError(f"{self._service.name}: the service sent something that is no transcript")

    # Two tasks of its own.

    async def read(self, sound: ReceiveChannel[Pcm]) -> None:
        """Take in ``sound`` as it comes, whether there is a connection already or not."""
        resampler: StreamResampler | None = None
        async for chunk in sound:
            resampler = resampler or StreamResampler(chunk.rate, self._service.rate)
            if chunk.rate != resampler.rate:
                self._fail(EngineError("the sample rate of the sound changed in the middle of it"))
                return
            self._unsent += resampler.feed(chunk.samples)
            if self._unsent:
                self._more.set()
        if resampler is not None:
            self._unsent += resampler.flush()
        self._sound_ended = True
        self._more.set()

    async def run(self) -> None:
        """Connect when there is sound, and send it; hold the connection until the block is left."""
        await self._more.wait()
        if not self._unsent:
            self._ready.set()
            return
        try:
            for pause in (*PAUSES, None):
                refused = await self._attempt()
                if refused is None:
                    return
                if pause is None or not refused.passing or refused.after > LONGEST_RETRY_AFTER:
                    raise EngineError(refused.text)
                logger.debug("connecting again: {}", refused.text)
                await trio.sleep(max(pause, refused.after))
        except EngineError as error:
            self._fail(error)
        finally:
            self._gone.set()

    async def _attempt(self) -> ApiRefusal | None:
        """One connection, until the final transcript; the refusal if there was none."""
        endpoint = self._service.endpoint
        try:
            async with self._service.connect() as link:
                self._link = link
                self._ready.set()
                try:
                    await self._send(link)
                except (HttpFailed, WireClosed) as error:
                    # What the service says of it, if anything, the receiver is going to read. Its reason for
                    # closing is not logged: nobody knows what it repeats.
                    logger.debug("{}: no more sound is sent: {}", self._service.name, type(error).__name__)
                with trio.move_on_after(self._service.timeout):
                    await self._finished.wait()
                    return None
                # Before the connection is closed: of that, the receiver would only say that it broke off.
                self._fail(
                    EngineError(f"{self._service.name}: no transcript within {self._service.timeout:g} s")
                )
                return None
        except HttpFailed as error:
            return unreachable(endpoint, error)
        except UpgradeRefused as refused:
            return refusal(endpoint, _answer(refused))

    async def _send(self, link: ServiceLink) -> None:
        for message in self._recognition.begin():
            await link.send(message)
        while True:
            await self._more.wait()
            while self._unsent:
                piece = bytes(self._unsent[:PIECE])
                del self._unsent[:PIECE]
                for message in self._recognition.sound(piece):
                    await link.send(message)
            if self._sound_ended:
                break
            self._more = trio.Event()
        for message in self._recognition.end():
            await link.send(message)

    def _fail(self, error: EngineError) -> None:
        """Let the receiver have ``error``, now or when it asks."""
        self._failure = self._failure or error
        self._ready.set()
        if self._receiving is not None:
            self._receiving.cancel("there will be no more transcripts")


def _answer(refused: UpgradeRefused) -> Answer:
    headers = refused.headers
    return Answer(
        refused.status, headers.get("content-type", ""), refused.body, headers.get("retry-after", "")
    )
