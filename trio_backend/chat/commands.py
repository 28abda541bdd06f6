"""What the user typed: something to say, or one of the commands. No I/O."""

from __future__ import annotations

from typing import TypeAlias

import attrs


@attrs.frozen
class Say:
    """Say this to the character."""

    text: str


@attrs.frozen
class ListCharacters:
    """``/characters``"""


@attrs.frozen
class Switch:
    """``/switch NAME``: a file name, the character's name, or its number in the list."""

    name: str


@attrs.frozen
class ListConversations:
    """``/history``"""


@attrs.frozen
class OpenConversation:
    """``/history N``: by its number in the list, from 1."""

    number: int


@attrs.frozen
class NewConversation:
    """``/new``"""


@attrs.frozen
class Nudge:
    """``/say``: let the character speak of its own accord."""


@attrs.frozen
class SetVoice:
    """``/voice on`` and ``/voice off``"""

    on: bool


@attrs.frozen
class Help:
    """``/help``"""


@attrs.frozen
class Quit:
    """``/quit``"""


@attrs.frozen
class Misunderstood:
    """A command that does not exist, or is used wrongly; ``why`` tells the user how it is meant."""

    why: str


Command: TypeAlias = (
    Say
    | ListCharacters
    | Switch
    | ListConversations
    | OpenConversation
    | NewConversation
    | Nudge
    | SetVoice
    | Help
    | Quit
    | Misunderstood
)

HELP = (
    ("/characters", "who there is to talk with"),
    ("/switch NAME", "talk with another character: its name, file or number"),
    ("/history", "conversations with this character"),
    ("/history N", "go on with one of them"),
    ("/new", "begin a new conversation"),
    ("/say", "let the character speak of its own accord"),
    ("/voice on|off", "hear the character, or just read"),
    ("/quit", "leave; so does Ctrl-D. Ctrl-C interrupts the character, or leaves"),
)

_PLAIN: dict[str, Command] = {
    "characters": ListCharacters(),
    "new": NewConversation(),
    "say": Nudge(),
    "help": Help(),
    "quit": Quit(),
    "exit": Quit(),
}


def parse(line: str) -> Command | None:
    """What ``line`` asks for; None if it is blank. ``//`` at its start stands for a slash that is said."""
    line = line.strip()
    if not line.startswith("/"):
        return Say(line) if line else None
    if line.startswith("//"):
        return Say(line[1:])
    word, _, rest = line[1:].partition(" ")
    return _command(word.lower(), rest.strip())


def _command(word: str, rest: str) -> Command:
    match word, rest:
        case "switch", "":
            return Misunderstood("/switch wants a name or a number: /characters lists them")
        case "switch", name:
            return Switch(name)
        case "history", "":
            return ListConversations()
        case "history", number:
            return _open(number)
        case "voice", ("on" | "off"):
            return SetVoice(rest == "on")
        case "voice", _:
            return Misunderstood("/voice wants on or off")
        case _ if word in _PLAIN and not rest:
            return _PLAIN[word]
        case _ if word in _PLAIN:
            return Misunderstood(f"/{word} stands alone")
    return Misunderstood(f"there is no command /{word}: /help lists them, and // says a slash")


def _open(number: str) -> Command:
    if number.isdecimal() and len(number) < 9 and int(number) > 0:
        return OpenConversation(int(number))
    return Misunderstood("/history wants a number of the list that it shows")
