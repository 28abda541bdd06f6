"""`Deadlines`: by when somebody who reads an answer must have something, on the virtual clock."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import attrs
import pytest
import trio
from trio.testing import MemoryReceiveStream, MemorySendStream, MockClock, memory_stream_pair

from trio_backend.engines.http_answer import AnswerParser, Deadlines, HttpAnswer, HttpConnection
from trio_backend.errors import HttpFailed

HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@attrs.define(eq=False)
class Socket:
    """Enough of one to be closed."""

    _stream: Any

    @property
    def socket(self) -> Socket:
        return self

    def close(self) -> None:
        cast(MemoryReceiveStream, self._stream.receive_stream).close()


@attrs.define(eq=False)
class Answers:
    """Answers whose servers a test plays."""

    deadlines: Deadlines = attrs.field(factory=Deadlines)
    released: list[bool] = attrs.field(factory=list)
    """Of those that were closed: whether their connection can be used again."""

    def begin(self) -> tuple[HttpAnswer, MemorySendStream]:
        """One, and what its server sends by."""
        ours, theirs = memory_stream_pair()
        connection = HttpConnection(ours, cast(trio.SocketStream, Socket(ours)))
        answered = AnswerParser()
        answered.parser.feed_data(HEAD)
        answer = HttpAnswer(answered, connection, self._release, self.deadlines)
        return answer, theirs.send_stream

    def _release(self, connection: HttpConnection, reusable: bool) -> None:
        del connection
        self.released.append(reusable)


@asynccontextmanager
async def enforced() -> AsyncIterator[Answers]:
    """Answers whose deadlines are enforced."""
    answers = Answers()
    with trio.fail_after(2000):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(answers.deadlines.enforce)
            yield answers
            nursery.cancel_scope.cancel()


async def test_each_wait_ends_in_its_own_time(autojump_clock: MockClock) -> None:
    """Whichever began first; and who is late loses the connection."""
    ended: dict[str, float] = {}

    async def wait(name: str, seconds: float) -> None:
        answer, _ = answers.begin()
        with pytest.raises(HttpFailed) as told:
            await answer.receive(by=trio.current_time() + seconds)
        assert told.value.stage == "silent"
        ended[name] = trio.current_time() - began

    async with enforced() as answers:
        began = trio.current_time()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait, "long", 30)
            await trio.sleep(1)
            nursery.start_soon(wait, "short", 2)
            await trio.sleep(1)
            nursery.start_soon(wait, "middle", 5)
        assert ended == {"short": 3, "middle": 7, "long": 30}
        assert answers.released == [False] * 3


async def test_only_who_waits_has_a_deadline(autojump_clock: MockClock) -> None:
    """A reader may take as long as it likes between two pieces, and each piece begins a new wait."""
    async with enforced() as answers:
        answer, server = answers.begin()
        for _ in range(3):
            await server.send_all(b"2\r\nhi\r\n")
            assert await answer.receive(by=trio.current_time() + 1) == b"hi"
            await trio.sleep(10)
        with pytest.raises(HttpFailed):
            await answer.receive(by=trio.current_time() + 1)


async def test_a_wait_without_a_deadline_has_none(autojump_clock: MockClock) -> None:
    """Nor does one inherit that of the wait before."""
    async with enforced() as answers:
        answer, server = answers.begin()
        await server.send_all(b"2\r\nhi\r\n")
        assert await answer.receive(by=trio.current_time() + 1) == b"hi"
        with trio.move_on_after(1000) as patience:
            await answer.receive()
        assert patience.cancelled_caught


async def test_a_cancel_of_who_is_late_is_a_cancel(autojump_clock: MockClock) -> None:
    """Also where both come in the same moment."""
    async with enforced() as answers:
        answer, _ = answers.begin()
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:

                async def read() -> None:
                    await answer.receive(by=trio.current_time() + 100)

                nursery.start_soon(read)
                await trio.testing.wait_all_tasks_blocked()
                scope.cancel()
                answer.expire()
        assert scope.cancelled_caught
        assert answers.released == [False]
