"""`TimedClient`: a client of the protocol that measures; it stands for one open page."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol, TypeVar

import attrs
import trio

from ..client.address import DEFAULT_PATH, ServerAddress, parse_address
from ..client.connection import ServerConnection
from ..client.messages import (
    ListedCharacter,
    ReceivedAudio,
    ReceivedConfigSwitched,
    ReceivedControl,
    ReceivedError,
    ReceivedHistoryList,
    ReceivedModelAndConf,
    ReceivedNewHistory,
    ReceivedSynthComplete,
    ServerMessage,
)
from ..errors import NoConnection
from ..protocol.incoming import (
    CreateNewHistory,
    FetchBackgrounds,
    FetchConfigs,
    FetchHistoryList,
    FrontendPlaybackComplete,
    Incoming,
    SwitchConfig,
    TextInput,
)
from ..wire import Wire

T = TypeVar("T")

# Seconds after which one who was refused comes back, if not told when.
COME_BACK = 1.0

# Seconds; a character may have to load first.
GREETING_TIMEOUT = 30.0


class ResettableWire(Wire, Protocol):
    """A wire that can be dropped without a close frame."""

    async def reset(self) -> None:
        """Drop the connection with a TCP reset, as if a cable were cut."""
        ...

    async def send_binary(self, message: bytes) -> None:
        """As `send`, in a binary frame: sound."""
        ...


class ConnectWire(Protocol):
    """Connects to a server; `client.connection.open_wire` is one."""

    def __call__(
        self, address: ServerAddress, *, receive_buffer: int | None = None
    ) -> AbstractAsyncContextManager[ResettableWire]:
        """A wire to ``address``; the kernel keeps about ``receive_buffer`` bytes that were not read yet."""
        ...


@attrs.frozen
class Asked:
    """What became of a question ``seconds`` later, ``at`` that time: it ``sounds``, or the server was busy.

    ``retry_after`` is when to come back, where the server says so.
    """

    at: float
    seconds: float
    sounds: bool = True
    retry_after: float | None = None


@attrs.define(eq=False)
class TimedClient:
    """One connection. Durations are in seconds on Trio's clock. Its methods raise `WireClosed`."""

    _connection: ServerConnection
    _wire: ResettableWire

    @property
    def wire(self) -> ResettableWire:
        """The wire itself, for whoever receives from it instead."""
        return self._wire

    async def send(self, message: Incoming) -> None:
        """Send one message."""
        await self._connection.send(message)

    async def receive(self) -> ServerMessage:
        """The next message of a type that is known here. Raises `ProtocolError` too."""
        while (message := await self._connection.receive()) is None:
            pass
        return message

    async def wait_for(self, type: type[T]) -> T:
        """The next message of that type; those before it are skipped."""
        while not isinstance(message := await self.receive(), type):
            pass
        return message

    async def open_page(self) -> None:
        """Send what the embedded page sends when it opens, and wait for the two answers that come last.

        A new page has no conversation yet, so it begins one. Raises `trio.TooSlowError` after
        `GREETING_TIMEOUT`.
        """
        waiting: set[type] = {ReceivedHistoryList, ReceivedNewHistory}
        for message in (FetchBackgrounds(), FetchConfigs(), FetchHistoryList(), CreateNewHistory()):
            await self.send(message)
        with trio.fail_after(GREETING_TIMEOUT):
            while waiting:
                waiting.discard(type(await self.receive()))

    async def ask(self, text: str) -> float:
        """Ask, and receive up to the first sound; how long that took.

        While the server is busy, ask again when it says, as a patient person does; that counts.
        """
        began = trio.current_time()
        while True:
            asked = await self.ask_once(text)
            if asked.sounds:
                return asked.at - began
            await trio.sleep(asked.retry_after or COME_BACK)

    async def ask_once(self, text: str) -> Asked:
        """Ask, and receive up to the first sound or the word that the server is busy."""
        began = trio.current_time()
        await self.send(TextInput(text))
        while True:
            match await self.receive():
                case ReceivedAudio(sounds=True):
                    return Asked(trio.current_time(), trio.current_time() - began)
                case ReceivedError(code="busy", retry_after=retry_after):
                    now = trio.current_time()
                    return Asked(now, now - began, sounds=False, retry_after=retry_after)

    async def finish_turn(self, playback: float = 0.0) -> float:
        """Receive to the end of the turn, as a page does that plays at once; when all its sound was there.

        The page has played it all ``playback`` seconds later.
        """
        complete = trio.current_time()
        while True:
            match await self.receive():
                case ReceivedAudio(sounds=True):
                    complete = trio.current_time()
                case ReceivedSynthComplete():
                    await trio.sleep_until(complete + playback)
                    await self.send(FrontendPlaybackComplete())
                case ReceivedControl(ends_turn=True):
                    return complete

    async def switch_to(self, character: ListedCharacter) -> float:
        """Switch to ``character``, and wait until that very one is active; how long that took."""
        began = trio.current_time()
        await self.send(SwitchConfig(character.filename))
        while (await self.wait_for(ReceivedModelAndConf)).conf_name != character.name:
            pass  # one that was chosen before
        await self.wait_for(ReceivedConfigSwitched)
        return trio.current_time() - began

    async def reset(self) -> None:
        """Drop the connection without a close frame."""
        await self._wire.reset()


@asynccontextmanager
async def open_client(
    open_wire: ConnectWire, address: ServerAddress, *, receive_buffer: int | None = None
) -> AsyncIterator[TimedClient]:
    """A client that the server at ``address`` has greeted; it leaves with the block.

    Raises `NoConnection` where it cannot connect or is not greeted, `WireClosed` where the server closes.
    """
    async with open_wire(address, receive_buffer=receive_buffer) as wire:
        client = TimedClient(ServerConnection(wire), wire)
        with trio.move_on_after(GREETING_TIMEOUT) as timeout:
            await client.wait_for(ReceivedModelAndConf)
        if timeout.cancelled_caught:
            raise NoConnection(f"{address} sent no greeting within {GREETING_TIMEOUT:g} s")
        yield client


@asynccontextmanager
async def open_all(openings: Iterable[AbstractAsyncContextManager[T]]) -> AsyncIterator[list[T]]:
    """Enter all of ``openings``, one after the other; they leave with the block, all at once.

    Each is a task of its own. One that breaks, such as a connection that the server closes while others are
    being opened, cancels the rest and the block; what it raised comes out in an `ExceptionGroup`.
    """
    leaving = trio.Event()

    async def keep(opening: AbstractAsyncContextManager[T], *, task_status: trio.TaskStatus[T]) -> None:
        async with opening as opened:
            task_status.started(opened)
            await leaving.wait()

    async with trio.open_nursery() as nursery:
        yield [await nursery.start(keep, opening) for opening in openings]
        leaving.set()


def server_address(url: str, token: str = "") -> ServerAddress:
    """The server at ``url``; its path, if any, is that of the WebSocket. Raises `NoConnection`."""
    address = parse_address(url)
    if address.target != DEFAULT_PATH:
        raise NoConnection(
            f"{url!r} has a path or a query: give only the server's address, such as http://localhost:12393",
            lasting=True,
        )
    return attrs.evolve(address, token=token)
