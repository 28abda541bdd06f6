"""A session from hello to goodbye: its reader, its writer, its loop, and the end of all three."""

from __future__ import annotations

import trio
from loguru import logger

from ..concurrency import names_of_tasks
from ..errors import WireClosed
from ..protocol import Outgoing, encode
from ..protocol.rate import RateLimit
from ..wire import Wire, receive_within
from .house import House
from .loop import ClientUid, Happening, Session

# How long a session may take to clean up before the log names what holds it, and to store its last words.
CLEAN_UP_EXPECTED = 1.0


async def run_session(wire: Wire, house: House, client_uid: ClientUid) -> None:
    """Serve ``wire`` until the client leaves; all that the session started has ended when this returns."""
    inbox_send, inbox = trio.open_memory_channel[Happening](0)
    outbox, to_wire = trio.open_memory_channel[Outgoing](0)
    async with trio.open_nursery() as watch:
        async with trio.open_nursery() as nursery:
            session = Session(client_uid, house, nursery, inbox_send, outbox)
            nursery.start_soon(_write, wire, to_wire, name=f"{session}/writer")
            nursery.start_soon(_read, wire, session, name=f"{session}/reader")
            house.sessions.add(session)
            house.observer.session_began()
            try:
                await session.live(inbox)
            finally:
                house.sessions.discard(session)
                logger.info("clean-up begins; to end: {}", names_of_tasks(nursery))
                began = trio.current_time()
                watch.start_soon(_name_the_slow, nursery, name=f"{session}/watch")
        with trio.move_on_after(CLEAN_UP_EXPECTED, shield=True):
            await session.farewell()
        logger.info("clean-up took {:.0f} ms", 1000 * (trio.current_time() - began))
        watch.cancel_scope.cancel("clean-up is over")


async def _read(wire: Wire, session: Session) -> None:
    """The wire's messages, decoded and in order, to the loop. Ends the session with the wire."""
    limit = RateLimit(session.house.system.messages_per_second, session.house.system.message_burst)
    try:
        while True:
            frame = await receive_within(limit, wire, session.tell)
            await session.hear(frame)
            # A task that waits for the next message must not keep the last one alive.
            del frame
    except WireClosed as closed:
        session.end(f"client left: {closed}")


async def _write(wire: Wire, messages: trio.MemoryReceiveChannel[Outgoing]) -> None:
    with messages:
        try:
            async for message in messages:
                await wire.send(encode(message))
                del message
        except WireClosed:
            pass  # the reader notices too, and ends the session


async def _name_the_slow(nursery: trio.Nursery) -> None:
    """Say which tasks still live when a clean-up takes longer than it should. Cancelled when it is over."""
    await trio.sleep(CLEAN_UP_EXPECTED)
    logger.warning(
        "clean-up takes longer than {} s; still there: {}", CLEAN_UP_EXPECTED, names_of_tasks(nursery)
    )
