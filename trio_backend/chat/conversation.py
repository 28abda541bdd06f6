"""The conversation: the loop that owns what the user, the server and the voice do to each other."""

from __future__ import annotations

from typing import TypeAlias

import attrs
import trio

from ..client import messages
from ..concurrency import Slot
from . import commands, errands
from .board import Board
from .commands import Command, parse
from .company import Company
from .exchange import Exchange
from .happening import Happening, InputEnded, Interrupted, LineEntered
from .link import Connected, GaveUp, Link, Lost, Unreadable
from .screen import Screen
from .turn import Heard
from .voice import Voice
from .whereabouts import Whereabouts

# So many lines that were entered without a connection are kept until there is one.
KEPT = 20

ErrandCommand: TypeAlias = (
    commands.ListCharacters
    | commands.Switch
    | commands.ListConversations
    | commands.OpenConversation
    | commands.NewConversation
)


@attrs.define(eq=False)
class Conversation:
    """Only the loop, `live`, changes anything here. ``listener`` is where the running turn is heard."""

    _screen: Screen
    _voice: Voice
    _link: Link
    _listener: Slot
    _inbox: trio.MemorySendChannel[Happening]
    _company: Company = attrs.field(factory=Company, kw_only=True)
    _exchange: Exchange = attrs.field(init=False)
    _board: Board = attrs.field(init=False)
    _where: Whereabouts = attrs.field(factory=Whereabouts, init=False)
    _connected: bool = attrs.field(default=False, init=False)
    _met: bool = attrs.field(default=False, init=False)
    """Whether there has been a connection before."""
    _kept: list[str] = attrs.field(factory=list, init=False)
    _pressed: bool = attrs.field(default=False, init=False)
    """Whether Ctrl-C was the last thing that the user did."""
    _settled: trio.Event | None = attrs.field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        self._board = Board(self._link.send)
        self._exchange = Exchange(self._screen, self._voice, self._listener, self._inbox, self._link.send)

    async def live(self, inbox: trio.MemoryReceiveChannel[Happening]) -> int:
        """Handle what happens, one thing at a time, until the user leaves; the program's exit code."""
        code = None
        while code is None:
            code = await self._handle(await inbox.receive())
            await self._go_on()
        await self._exchange.cut_in()
        self._link.hang_up()
        return code

    async def _handle(self, happening: Happening) -> int | None:
        """Do what ``happening`` asks for; the exit code if that is to leave."""
        match happening:
            case LineEntered(text, settled):
                self._settled, self._pressed = settled, False
                return await self._obey(text.strip(), parse(text))
            case InputEnded(code):
                return code
            case Interrupted():
                return await self._interrupt()
            case GaveUp(why):
                self._screen.error(why)
                return 1
            case Heard(turn):
                self._exchange.have_heard(turn)
            case Connected():
                self._greet()
            case Lost(why):
                await self._lose_connection(why)
            case Unreadable(why):
                self._screen.note(why)
            case _:
                await self._listen(happening)
        return None

    async def _go_on(self) -> None:
        """What can be done now that something has happened."""
        if self._ready and self._kept:
            text = "\n".join(self._kept)
            self._kept.clear()
            await self._say(text)
        if self._settled is not None and self._ready and self._exchange.over and not self._board.busy():
            self._settled.set()

    # The user.

    async def _obey(self, line: str, command: Command | None) -> int | None:
        if command is not None:
            self._screen.mine(line)
        match command:
            case commands.Say(text):
                await self._say(text)
            case commands.Quit():
                return 0
            case commands.Help():
                self._screen.show(self._screen.look.help())
            case commands.Misunderstood(why):
                self._screen.error(why)
            case commands.SetVoice(on):
                self._voice.turn(on)
                self._screen.note(f"the voice is {'on' if on else 'off'}")
            case commands.Nudge():
                self._nudge()
            case None:
                pass
            case _ if not self._ready:
                self._screen.error("there is no connection at the moment")
            case _:
                await self._run_errand(command)
        return None

    async def _run_errand(self, command: ErrandCommand) -> None:
        where, screen = self._where, self._screen
        match command:
            case commands.ListCharacters():
                self._board.start("characters", errands.list_characters(where, screen))
            case commands.Switch(name):
                self._board.start("switch", errands.switch(where, screen, name))
            case commands.ListConversations():
                self._board.start("history", errands.list_conversations(where, screen))
            case commands.OpenConversation(number):
                await self._exchange.cut_in()
                self._board.start("history", errands.open_conversation(where, screen, number))
            case commands.NewConversation():
                await self._exchange.cut_in()
                self._board.start("history", errands.begin_anew(where, screen))

    async def _say(self, text: str) -> None:
        if self._ready:
            self._where.spoken = True
            await self._exchange.ask(text, self._company)
        elif len(self._kept) < KEPT:
            self._kept.append(text)
            if self._met and not self._connected:
                self._screen.note("kept until the connection is back")
        else:
            self._screen.error(f"not kept: {KEPT} lines wait for the connection already")

    def _nudge(self) -> None:
        if not self._ready:
            self._screen.error("there is no connection at the moment")
        elif self._exchange.going_on:
            self._screen.note(f"{self._where.character} is speaking already")
        else:
            self._exchange.nudge()

    async def _interrupt(self) -> int | None:
        if self._pressed or self._exchange.over:
            return 0
        self._pressed = True
        await self._exchange.cut_in()
        self._screen.note("interrupted")
        return None

    # The connection.

    @property
    def _ready(self) -> bool:
        """Whether we are where we want to be, and may speak."""
        return self._connected and not self._board.busy("welcome")

    def _greet(self) -> None:
        welcome = errands.resume if self._met else errands.introduce
        again, self._connected, self._met = self._met, True, True
        self._screen.status("")
        if self._company.room:
            # Who comes in does not change what the others are talking about.
            self._screen.note("connected again" if again else f"you are in the room {self._company.room}")
        else:
            self._board.start("welcome", welcome(self._where, self._screen))

    async def _lose_connection(self, why: str) -> None:
        self._connected = False
        self._board.abandon()
        await self._exchange.drop()
        self._screen.error(f"the connection is lost: {why}")
        self._screen.status("connecting again...")

    # The server.

    async def _listen(self, message: messages.ServerMessage) -> None:
        if self._board.answer(message):
            return
        match message:
            case messages.ReceivedModelAndConf(name, face):
                self._where.character = name
                self._exchange.bubble.meet(name, face)
            case messages.ReceivedControl("conversation-chain-start"):
                await self._exchange.begin()
            case messages.ReceivedControl("conversation-chain-end"):
                self._exchange.end()
            case messages.ReceivedAudio():
                self._exchange.take(message)
            case messages.ReceivedSynthComplete():
                self._exchange.await_heard()
            case messages.ReceivedForceNewMessage():
                self._exchange.bubble.end()
            case messages.ReceivedFullText(text):
                self._take_status(text)
            case messages.ReceivedTranscription(text, name):
                self._screen.show(self._screen.look.mine(f"{name}: {text}" if name else text))
            case messages.ReceivedQueuePosition(position, length):
                if position > 1:
                    self._screen.note(f"number {position} of {length} in the queue")
            case messages.ReceivedInterrupt():
                await self._exchange.drop()
            case messages.ReceivedToolCall(tool, status):
                self._screen.note(f"{tool}: {status}")
            case messages.ReceivedError():
                self._take_error(message)

    def _take_status(self, text: str) -> None:
        # The greeting says what everybody sees, and a turn that was cut may still be said to think.
        if self._ready and (self._exchange.going_on or text != "Thinking..."):
            self._screen.status(text)

    def _take_error(self, error: messages.ReceivedError) -> None:
        if not self._board.refuse(error, in_turn=self._exchange.going_on):
            self._screen.error(error.message)
            self._exchange.refuse()
