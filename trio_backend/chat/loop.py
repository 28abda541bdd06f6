"""The loop of the terminal client: it handles the user's input and the server's messages."""

from __future__ import annotations

from typing import TypeAlias

import attrs
import trio

from ..client import messages
from ..concurrency import Slot
from . import commands, requests
from .commands import Command, parse
from .link import Connected, GaveUp, LinkEvent, Lost, RoomOptions, ServerLink, Unreadable
from .player import SpeechPlayer
from .requests import ClientState, PendingRequests
from .screen import Screen
from .turn import PlaybackDone, TurnView

# How many lines that were entered without a connection are kept until there is one.
MAX_KEPT = 20

RequestCommand: TypeAlias = (
    commands.ListCharacters
    | commands.Switch
    | commands.ListConversations
    | commands.ListOlderConversations
    | commands.OpenConversation
    | commands.NewConversation
)


@attrs.frozen
class LineEntered:
    """The user entered a line; ``settled`` is set when all that it has caused is over."""

    text: str
    settled: trio.Event


@attrs.frozen
class InterruptPressed:
    """The user pressed Ctrl-C."""


@attrs.frozen
class InputEnded:
    """The input has ended; ``code`` is the program's exit code."""

    code: int = 0


ChatEvent: TypeAlias = LinkEvent | LineEntered | InterruptPressed | InputEnded | PlaybackDone


@attrs.define(eq=False)
class ChatLoop:
    """`run` handles one event at a time, and only it changes this; ``playback`` has the task that plays."""

    _screen: Screen
    _player: SpeechPlayer
    _link: ServerLink
    _playback: Slot
    _inbox: trio.MemorySendChannel[ChatEvent]
    _room: RoomOptions = attrs.field(factory=RoomOptions, kw_only=True)
    _turn: TurnView = attrs.field(init=False)
    _pending: PendingRequests = attrs.field(init=False)
    _state: ClientState = attrs.field(factory=ClientState, init=False)
    _connected: bool = attrs.field(default=False, init=False)
    _was_connected: bool = attrs.field(default=False, init=False)
    """Whether there has been a connection before."""
    _in_room: bool = attrs.field(default=False, init=False)
    _was_in_room: bool = attrs.field(default=False, init=False)
    _kept: list[str] = attrs.field(factory=list, init=False)
    _interrupt_pressed: bool = attrs.field(default=False, init=False)
    """Whether Ctrl-C was the last thing that the user did."""
    _settled: trio.Event | None = attrs.field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        self._pending = PendingRequests(self._link.send)
        self._turn = TurnView(self._screen, self._player, self._playback, self._inbox, self._link.send)

    async def run(self, inbox: trio.MemoryReceiveChannel[ChatEvent]) -> int:
        """Handle the events of ``inbox`` until the user leaves; the program's exit code."""
        code = None
        while code is None:
            code = await self._handle(await inbox.receive())
            await self._after_event()
        await self._turn.interrupt()
        self._link.close()
        return code

    async def _handle(self, event: ChatEvent) -> int | None:
        """Handle ``event``; the exit code if the user leaves."""
        match event:
            case LineEntered(text, settled):
                self._settled, self._interrupt_pressed = settled, False
                return await self._run_command(text.strip(), parse(text))
            case InputEnded(code):
                return code
            case InterruptPressed():
                return await self._interrupt()
            case GaveUp(why):
                if why:
                    self._screen.error(why)
                return 1
            case PlaybackDone(turn):
                self._turn.playback_done(turn)
            case Connected():
                self._connection_made()
            case Lost(why):
                await self._connection_lost(why)
            case Unreadable(why):
                self._screen.note(why)
            case _:
                await self._handle_message(event)
        return None

    async def _after_event(self) -> None:
        """Send the lines that waited, and see whether all that the user's line has caused is over."""
        if self._ready and self._kept:
            text = "\n".join(self._kept)
            self._kept.clear()
            await self._send_line(text)
        if self._settled is not None and self._ready and self._turn.done and not self._pending.busy():
            self._settled.set()

    # The user.

    async def _run_command(self, line: str, command: Command | None) -> int | None:
        if command is not None:
            self._screen.mine(line)
        match command:
            case commands.Say(text):
                await self._send_line(text)
            case commands.Quit():
                return 0
            case commands.Help():
                self._screen.show(self._screen.format.help())
            case commands.InvalidCommand(why):
                self._screen.error(why)
            case commands.SetVoice(on):
                self._player.switch(on)
                self._screen.note(f"the voice is {'on' if on else 'off'}")
            case commands.LetSpeak():
                self._let_speak()
            case None:
                pass
            case _ if not self._ready:
                self._screen.error("there is no connection at the moment")
            case _:
                await self._start_request(command)
        return None

    async def _start_request(self, command: RequestCommand) -> None:
        state, screen = self._state, self._screen
        match command:
            case commands.ListCharacters():
                self._pending.start("characters", requests.list_characters(state, screen))
            case commands.Switch(name):
                self._pending.start("switch", requests.switch(state, screen, name))
            case commands.ListConversations():
                self._pending.start("history", requests.list_conversations(state, screen))
            case commands.ListOlderConversations():
                self._pending.start("history", requests.list_older_conversations(state, screen))
            case commands.OpenConversation(number):
                await self._turn.interrupt()
                self._pending.start("history", requests.open_conversation(state, screen, number))
            case commands.NewConversation():
                await self._turn.interrupt()
                self._pending.start("history", requests.start_new(state, screen))

    async def _send_line(self, text: str) -> None:
        if self._ready:
            self._state.spoken = True
            await self._turn.ask(self._room.message(text), interrupt=not self._room.room)
        elif len(self._kept) < MAX_KEPT:
            self._kept.append(text)
            if self._was_connected and not self._connected:
                self._screen.note("this line is sent when the connection is back")
        else:
            self._screen.error(f"this line is dropped: {MAX_KEPT} lines already wait for the connection")

    def _let_speak(self) -> None:
        if not self._ready:
            self._screen.error("there is no connection at the moment")
        elif self._turn.running:
            self._screen.note(f"{self._state.character} is already speaking")
        else:
            self._turn.nudge()

    async def _interrupt(self) -> int | None:
        if self._interrupt_pressed or self._turn.done:
            return 0
        self._interrupt_pressed = True
        await self._turn.interrupt()
        self._screen.note("interrupted")
        return None

    # The connection.

    @property
    def _ready(self) -> bool:
        """Whether there is a connection, and the conversation in which the user was."""
        return self._connected and not self._pending.busy("welcome")

    def _connection_made(self) -> None:
        welcome = requests.resume if self._was_connected else requests.introduce
        self._connected = self._was_connected = True
        self._screen.status("")
        # A client that joins a room must not begin a new conversation for the others.
        if not self._room.room:
            self._pending.start("welcome", welcome(self._state, self._screen))

    def _entered(self) -> None:
        """The server has greeted us: a room that refuses us does not."""
        if self._room.room and not self._in_room:
            again, self._in_room, self._was_in_room = self._was_in_room, True, True
            self._screen.note("reconnected" if again else f"you are in the room {self._room.room}")

    async def _connection_lost(self, why: str) -> None:
        self._connected = self._in_room = False
        self._pending.abandon()
        await self._turn.drop()
        self._screen.error(f"the connection is lost: {why}")
        self._screen.status("reconnecting...")

    # The server.

    async def _handle_message(self, message: messages.ServerMessage) -> None:
        if self._pending.answer(message):
            return
        match message:
            case messages.ReceivedModelAndConf(name, model):
                self._state.character = name
                self._turn.reply.set_character(name, model)
                self._entered()
            case messages.ReceivedControl(starts_turn=True):
                await self._turn.begin()
            case messages.ReceivedControl(ends_turn=True):
                self._turn.end()
            case messages.ReceivedAudio():
                self._turn.add(message)
            case messages.ReceivedSynthComplete():
                self._turn.await_playback()
            case messages.ReceivedForceNewMessage():
                self._turn.reply.end()
            case messages.ReceivedFullText(text):
                self._show_status(text)
            case messages.ReceivedTranscription(text, name):
                self._screen.show(self._screen.format.mine(f"{name}: {text}" if name else text))
            case messages.ReceivedQueuePosition(position, length):
                if position > 1:
                    self._screen.note(f"number {position} of {length} in the queue")
            case messages.ReceivedInterrupt():
                await self._turn.drop()
            case messages.ReceivedToolCall(tool, status):
                self._screen.note(f"{tool}: {status}")
            case messages.ReceivedError():
                self._show_error(message)

    def _show_status(self, text: str) -> None:
        # The status of the greeting says nothing new; "Thinking..." may be of a turn that was interrupted.
        if self._ready and (self._turn.running or text != "Thinking..."):
            self._screen.status(text)

    def _show_error(self, error: messages.ReceivedError) -> None:
        if not self._pending.fail(error, in_turn=self._turn.running):
            self._screen.error(error.message)
            self._turn.failed()
