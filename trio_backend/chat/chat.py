"""The terminal client as a whole: who reads, who hears, who ends it."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import AsyncIterator

import attrs
import trio

from ..client.address import DEFAULT_ADDRESS, Address, parse_address
from ..concurrency import Slot
from ..errors import NoConnection
from .company import Company
from .conversation import Conversation
from .happening import Happening, InputEnded, Interrupted, LineEntered
from .keyboard import Lines, open_lines
from .link import Link
from .player import find_players
from .screen import Screen, make_screen
from .voice import Voice

# How long saying goodbye may take.
FAREWELL = 2.0
# How long a line of a pipe waits for the end of all that the one before it has set off.
PATIENCE = 600.0

_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


@attrs.frozen
class ChatOptions:
    """``url`` is the server's address as a person writes it; with ``once`` a lost connection is the end."""

    url: str = DEFAULT_ADDRESS
    voice: bool = True
    once: bool = False
    company: Company = attrs.field(factory=Company)


@attrs.frozen
class Seat:
    """Where the user sits. With ``one_by_one`` each line waits until all that came of the last is over."""

    lines: Lines
    screen: Screen
    voice: Voice
    one_by_one: bool = False
    company: Company = attrs.field(factory=Company)


async def chat(options: ChatOptions) -> int:
    """Talk with the character at ``options.url`` until the user leaves; the program's exit code.

    0 is a conversation that ended as the user wanted, 1 one that could not be had or was lost.
    """
    screen = make_screen(sys.stdin, sys.stdout, sys.stderr)
    try:
        address = options.company.address(parse_address(options.url))
    except NoConnection as error:
        screen.error(str(error))
        return 1
    voice = Voice(find_players(), screen.note, options.voice)
    voice.turn(options.voice)
    piped = sys.stdin is None or not sys.stdin.isatty()
    code = 1
    try:
        with open_lines(sys.stdin, screen) as lines, screen.user_row():
            seat = Seat(lines, screen, voice, piped, options.company)
            code = await converse(address, seat, once=options.once or piped)
    except* BrokenPipeError:
        # Nobody reads any more. What is left in the buffer must not fail once more at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return code


async def converse(address: Address, seat: Seat, *, once: bool = False) -> int:
    """The conversation at ``seat``, to its end; its exit code. Needs the main thread, for Ctrl-C."""
    inbox_send, inbox = trio.open_memory_channel[Happening](0)
    link = Link(address, inbox_send, once)
    with trio.open_signal_receiver(*_SIGNALS) as signals:
        async with trio.open_nursery() as around:
            around.start_soon(link.run, name="link")
            async with trio.open_nursery() as nursery:
                slot = Slot(nursery)
                conversation = Conversation(
                    seat.screen, seat.voice, link, slot, inbox_send, company=seat.company
                )
                nursery.start_soon(_watch_signals, signals, inbox_send, name="signals")
                nursery.start_soon(_read_lines, seat, inbox_send, name="keyboard")
                if seat.screen.edits:
                    from .terminal import watch_resume  # which Windows cannot import

                    nursery.start_soon(watch_resume, sys.stdin.fileno(), seat.screen, name="resume")
                code = await conversation.live(inbox)
                nursery.cancel_scope.cancel("the user has left")
            around.cancel_scope.deadline = trio.current_time() + FAREWELL
    return code


async def _watch_signals(signals: AsyncIterator[int], inbox: trio.MemorySendChannel[Happening]) -> None:
    async for number in signals:
        await inbox.send(Interrupted() if number == signal.SIGINT else InputEnded())


async def _read_lines(seat: Seat, inbox: trio.MemorySendChannel[Happening]) -> None:
    line: str | None = ""  # nothing is said by it, and it is settled once the conversation can begin
    while line is not None:
        settled = trio.Event()
        await inbox.send(LineEntered(line, settled))
        if seat.one_by_one:
            with trio.move_on_after(PATIENCE) as patience:
                await settled.wait()
            if patience.cancelled_caught:
                seat.screen.error(f"no end of the answer came within {PATIENCE:.0f} s")
                await inbox.send(InputEnded(1))
        line = await seat.lines.next_line()
    await inbox.send(InputEnded())
