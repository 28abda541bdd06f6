"""The life of a session: its reader, its writer and its loop, and the clean-up when one of them ends."""

from __future__ import annotations

import attrs
import trio
from loguru import logger

from ..concurrency import names_of_tasks
from ..conversation.conversation import Conversation
from ..errors import WireClosed
from ..protocol import SoundForSome
from ..user import STRANGER, SessionPeer
from .client import SessionClient, ToClient
from .presenter import Presenter
from .scenes import SessionEvent
from .services import SessionServices
from .session import ClientUid, Session

# How long a session may take to clean up, whatever the store does: what is not on disk by then is the store's
# to keep, and whatever task is still there then is named in the log.
CLEAN_UP_TIME = 1.0


@attrs.frozen
class Services(SessionServices):
    """What all sessions share, and which of them there are: those that have begun and not ended.

    ``conversations`` are those that belong to no session.
    """

    sessions: set[Session] = attrs.field(factory=set)
    conversations: set[Conversation] = attrs.field(factory=set)

    @property
    def turns_running(self) -> int:
        """How many turns run."""
        return sum(one.turn_running for one in self._with_turns)

    async def wait_turns_over(self) -> None:
        """Wait until each turn that runs has ended."""
        async with trio.open_nursery() as nursery:
            for one in self._with_turns:
                nursery.start_soon(one.wait_turn_over)

    @property
    def _with_turns(self) -> list[Session | Conversation]:
        return [*self.sessions, *self.conversations]


async def run_session(
    client: SessionClient, services: Services, client_uid: ClientUid, peer: SessionPeer = STRANGER
) -> None:
    """Serve ``client``, that of ``peer``, until it leaves; all that the session started has ended on return.

    However it ends, by a cancel too, what was said in its last turn is stored, within `CLEAN_UP_TIME`.
    """
    inbox_send, inbox = trio.open_memory_channel[SessionEvent](0)
    outbox, to_client = trio.open_memory_channel[ToClient](0)
    direct = client.outbox
    presenter = Presenter(
        client_uid,
        direct or outbox,
        services.observer,
        client.accepted,
        with_events=direct is not None,
        audio_pieces=services.system.audio_pieces,
    )
    async with trio.open_nursery() as watch:
        began = trio.current_time()
        try:
            async with trio.open_nursery() as nursery:
                session = Session(
                    client_uid, services, nursery, inbox_send, presenter,
                    quota=client.quota, peer=peer,
                )  # fmt: skip
                if direct is None:
                    nursery.start_soon(_write, client, to_client, name=f"{session}/writer")
                nursery.start_soon(_read, client, session, name=f"{session}/reader")
                services.sessions.add(session)
                services.renames.add(session.conversation_renamed)
                services.observer.session_began()
                try:
                    await session.live(inbox)
                finally:
                    began = trio.current_time()
                    services.sessions.discard(session)
                    services.renames.discard(session.conversation_renamed)
                    logger.info("clean-up begins; to end: {}", names_of_tasks(nursery))
                    watch.start_soon(_name_the_slow, nursery, name=f"{session}/watch")
        finally:
            with trio.CancelScope(deadline=began + CLEAN_UP_TIME, shield=True):
                await session.finalize()
            logger.info("clean-up took {:.0f} ms", 1000 * (trio.current_time() - began))
            watch.cancel_scope.cancel("clean-up is over")


async def _read(client: SessionClient, session: Session) -> None:
    """The client's messages, in order, to the loop. Ends the session when the client is gone."""
    try:
        while True:
            frame = await client.receive(session.tell)
            await session.receive(frame, client.send_at_once)
            # A task that waits for the next message must not keep the last one alive.
            del frame
    except WireClosed as closed:
        session.end(f"client left: {closed}")


async def _write(client: SessionClient, messages: trio.MemoryReceiveChannel[ToClient]) -> None:
    with messages:
        try:
            async for message in messages:
                assert not isinstance(message, tuple | SoundForSome)
                await client.send(message)
                del message
        except WireClosed:
            pass  # the reader notices too, and ends the session


async def _name_the_slow(nursery: trio.Nursery) -> None:
    """Say which tasks still live when a clean-up takes longer than it should. Cancelled when it is over."""
    await trio.sleep(CLEAN_UP_TIME)
    logger.warning("clean-up takes longer than {} s; still there: {}", CLEAN_UP_TIME, names_of_tasks(nursery))
