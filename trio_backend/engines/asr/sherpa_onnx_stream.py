"""`SherpaOnnxStream`: the streaming models of sherpa-onnx, in one child process for all utterances."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from itertools import count

import attrs
import trio
from trio.abc import ReceiveChannel

from ...audio.pcm import Pcm
from ...errors import EngineError
from ..base import AsrTranscript
from ..whole import channel_of
from ..worker import Worker, WorkerJob, open_worker
from .sherpa_onnx_stream_process import NUMBER, REQUEST, Step

PIECE = 0.5
"""Seconds of sound in one request at most. So long, at a tenth of real time, others wait for 50 ms."""

MOST_NUMBERS = 2**32


@asynccontextmanager
async def open_sherpa_onnx_stream(job: WorkerJob) -> AsyncIterator[SherpaOnnxStream]:
    """Load the model in its own process. Raises `EngineError`."""
    send, orders = trio.open_memory_channel[_Order](0)
    async with open_worker(job) as worker, send, orders, trio.open_nursery() as nursery:
        nursery.start_soon(_serve, orders, worker, name=f"{job.name}/requests")
        try:
            yield SherpaOnnxStream(send)
        finally:
            nursery.cancel_scope.cancel("nothing is recognised any more")


@attrs.define(eq=False)
class _Order:
    """One request of an utterance, and what came of it."""

    request: bytes = attrs.field(repr=False)
    done: trio.Event = attrs.field(factory=trio.Event, init=False)
    text: str = attrs.field(default="", init=False, repr=False)
    error: EngineError | None = attrs.field(default=None, init=False)


async def _serve(orders: trio.MemoryReceiveChannel[_Order], worker: Worker) -> None:
    """Ask ``worker`` for each, one after the other.

    In a task of its own, since a request that is cancelled would end the process, with the utterances of all
    other sessions in it.
    """
    async for order in orders:
        try:
            order.text = await worker.ask(order.request)
        except EngineError as error:
            order.error = error
        order.done.set()


@attrs.define(eq=False)
class SherpaOnnxStream:
    """An `Asr`. A cancel is felt at once; the process may be busy with it for one more `PIECE`."""

    _orders: trio.MemorySendChannel[_Order]
    _numbers: Iterator[int] = attrs.field(factory=count, init=False)
    # Utterances that were given up, which the process has to forget. It is told with the next request.
    _given_up: list[int] = attrs.field(factory=list, init=False)

    @property
    def streams(self) -> bool:
        """See `Asr.streams`."""
        return True

    def listen(
        self, sound: ReceiveChannel[Pcm]
    ) -> AbstractAsyncContextManager[ReceiveChannel[AsrTranscript]]:
        """See `Asr.listen`. ``sound`` is read in ``receive``, and a chunk is recognised before the next."""
        return channel_of(self._transcripts(sound))

    async def _transcripts(self, sound: ReceiveChannel[Pcm]) -> AsyncGenerator[AsrTranscript, None]:
        number, text, step, rate = next(self._numbers) % MOST_NUMBERS, "", Step.BEGIN, 0
        try:
            async for chunk in sound:
                if rate not in (0, chunk.rate):
                    raise EngineError("the sample rate of the sound changed in the middle of it")
                rate = chunk.rate
                for piece in _pieces(chunk):
                    said = await self._ask(step, number, rate, piece)
                    step = Step.GO_ON
                    if said != text:
                        text = said
                        yield AsrTranscript(text, final=False)
            if step is Step.GO_ON:
                text = await self._ask(Step.END, number, rate, b"")
                step = Step.END
            yield AsrTranscript(text, final=True)
        finally:
            if rate and step is not Step.END:
                self._given_up.append(number)

    async def _ask(self, step: Step, number: int, rate: int, samples: bytes) -> str:
        given_up, self._given_up = self._given_up, []
        head = REQUEST.pack(step, number, rate, len(given_up))
        order = _Order(b"".join([head, *map(NUMBER.pack, given_up), samples]))
        sent = False
        try:
            await self._orders.send(order)
            sent = True
        finally:
            if not sent:
                self._given_up += given_up
        await order.done.wait()
        if order.error is not None:
            raise order.error
        return order.text


def _pieces(chunk: Pcm) -> Iterator[bytes]:
    size = 2 * round(PIECE * chunk.rate)
    for at in range(0, len(chunk.samples), size):
        yield chunk.samples[at : at + size]
