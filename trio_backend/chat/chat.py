"""The terminal client as a whole: its tasks, its signals, its exit code."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import AsyncIterator

import attrs
import trio

from ..client.address import DEFAULT_ADDRESS, ServerAddress, parse_address
from ..concurrency import Slot
from ..errors import NoConnection
from .keyboard import LineSource, open_lines, watch_resume
from .link import RoomOptions, ServerLink
from .loop import ChatEvent, ChatLoop, InputEnded, InterruptPressed, LineEntered
from .player import SpeechPlayer, find_players
from .screen import Screen, make_screen

# Seconds that closing the connection may take.
CLOSE_TIMEOUT = 2.0
# Seconds that a line of a pipe waits for the end of all that the line before it has caused.
LINE_TIMEOUT = 600.0

_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


@attrs.frozen
class ChatOptions:
    """``url`` is the server's address as a person writes it; with ``once`` a lost connection is the end."""

    url: str = DEFAULT_ADDRESS
    voice: bool = True
    once: bool = False
    room: RoomOptions = attrs.field(factory=RoomOptions)


@attrs.frozen
class Terminal:
    """The user's side. With ``one_by_one`` each line waits until all that the last one has caused is over."""

    lines: LineSource
    screen: Screen
    player: SpeechPlayer
    one_by_one: bool = False
    room: RoomOptions = attrs.field(factory=RoomOptions)


async def chat(options: ChatOptions) -> int:
    """Talk with the character at ``options.url`` until the user leaves; the program's exit code.

    It is 0 when the user ended the conversation, 1 when there was no connection or it was lost.
    """
    screen = make_screen(sys.stdin, sys.stdout, sys.stderr)
    try:
        address = options.room.address(parse_address(options.url))
    except NoConnection as error:
        screen.error(str(error))
        return 1
    player = SpeechPlayer(find_players(), screen.note, options.voice)
    player.switch(options.voice)
    piped = sys.stdin is None or not sys.stdin.isatty()
    code = 1
    try:
        with open_lines(sys.stdin, screen) as lines, screen.user_row():
            terminal = Terminal(lines, screen, player, piped, options.room)
            code = await converse(address, terminal, once=options.once or piped)
    except* BrokenPipeError:
        # The reader of the pipe has left. What is left in the buffer must not fail once more at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return code


async def converse(address: ServerAddress, terminal: Terminal, *, once: bool = False) -> int:
    """Run the client until the user leaves; the exit code. Needs the main thread, for Ctrl-C."""
    inbox_send, inbox = trio.open_memory_channel[ChatEvent](0)
    link = ServerLink(address, inbox_send, once)
    with trio.open_signal_receiver(*_SIGNALS) as signals:
        async with trio.open_nursery() as outer:
            outer.start_soon(link.run, name="link")
            async with trio.open_nursery() as nursery:
                slot = Slot(nursery)
                loop = ChatLoop(terminal.screen, terminal.player, link, slot, inbox_send, room=terminal.room)
                nursery.start_soon(_watch_signals, signals, inbox_send, name="signals")
                nursery.start_soon(_read_lines, terminal, inbox_send, name="keyboard")
                if terminal.screen.edits:
                    nursery.start_soon(watch_resume, sys.stdin.fileno(), terminal.screen, name="resume")
                code = await loop.run(inbox)
                nursery.cancel_scope.cancel("the user has left")
            outer.cancel_scope.deadline = trio.current_time() + CLOSE_TIMEOUT
    return code


async def _watch_signals(signals: AsyncIterator[int], inbox: trio.MemorySendChannel[ChatEvent]) -> None:
    async for number in signals:
        await inbox.send(InterruptPressed() if number == signal.SIGINT else InputEnded())


async def _read_lines(terminal: Terminal, inbox: trio.MemorySendChannel[ChatEvent]) -> None:
    line: str | None = ""  # it sends nothing, and is settled once the conversation is open
    while line is not None:
        settled = trio.Event()
        await inbox.send(LineEntered(line, settled))
        if terminal.one_by_one:
            with trio.move_on_after(LINE_TIMEOUT) as timeout:
                await settled.wait()
            if timeout.cancelled_caught:
                terminal.screen.error(f"the answer did not end within {LINE_TIMEOUT:.0f} s")
                await inbox.send(InputEnded(1))
        line = await terminal.lines.next_line()
    await inbox.send(InputEnded())
