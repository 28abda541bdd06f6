"""What the user typed: a message, or one of the commands. No I/O."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import attrs

from ..client.messages import ListedCharacter


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
class ListOlderConversations:
    """``/history more``: those that follow the list that the user saw last."""


@attrs.frozen
class OpenConversation:
    """``/history N``: by its number in the list, from 1."""

    number: int


@attrs.frozen
class NewConversation:
    """``/new``"""


@attrs.frozen
class LetSpeak:
    """``/say``: let the character speak unprompted."""


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
class InvalidCommand:
    """A command that does not exist, or is used wrongly; ``why`` says how to use it."""

    why: str


Command: TypeAlias = (
    Say
    | ListCharacters
    | Switch
    | ListConversations
    | ListOlderConversations
    | OpenConversation
    | NewConversation
    | LetSpeak
    | SetVoice
    | Help
    | Quit
    | InvalidCommand
)

HELP = (
    ("/characters", "list the characters"),
    ("/switch NAME", "switch to another character: its name, file or number"),
    ("/history", "list the conversations with this character"),
    ("/history more", "list older ones"),
    ("/history N", "go on with one of them"),
    ("/new", "start a new conversation"),
    ("/say", "let the character speak unprompted"),
    ("/voice on|off", "play speech, or only show the text"),
    ("/quit", "leave; so does Ctrl-D. Ctrl-C interrupts the character, or leaves"),
)

_PLAIN: dict[str, Command] = {
    "characters": ListCharacters(),
    "new": NewConversation(),
    "say": LetSpeak(),
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
            return InvalidCommand("/switch needs a name or a number: /characters lists them")
        case "switch", name:
            return Switch(name)
        case "history", "":
            return ListConversations()
        case "history", "more":
            return ListOlderConversations()
        case "history", number:
            return _open(number)
        case "voice", ("on" | "off"):
            return SetVoice(rest == "on")
        case "voice", _:
            return InvalidCommand("/voice needs on or off")
        case _ if word in _PLAIN and not rest:
            return _PLAIN[word]
        case _ if word in _PLAIN:
            return InvalidCommand(f"/{word} takes no argument")
    return InvalidCommand(f"there is no command /{word}: /help lists them; start with // to say a slash")


def _open(number: str) -> Command:
    if number.isdecimal() and len(number) < 9 and int(number) > 0:
        return OpenConversation(int(number))
    return InvalidCommand("/history needs a number of the list that it shows")


def choose(characters: Sequence[ListedCharacter], wanted: str) -> ListedCharacter | str:
    """The character that ``wanted`` means, or why it is not clear, for a person.

    A number counts from 1. Names are compared without case; a file name may lack its ending; the
    beginning of a name will do if only one has it.
    """
    if wanted.isdecimal() and len(wanted) < 9:
        if 1 <= int(wanted) <= len(characters):
            return characters[int(wanted) - 1]
        return f"there is no number {wanted}: /characters lists {len(characters)}"
    for found in _readings(characters, wanted.casefold()):
        if len(found) == 1:
            return found[0]
        if found:
            names = ", ".join(f"{one.name} ({one.filename})" for one in found)
            return f"{wanted!r} may be {names}: use the file name or the number"
    return f"there is no character {wanted!r}: /characters lists them"


def _readings(characters: Sequence[ListedCharacter], wanted: str) -> list[list[ListedCharacter]]:
    """The characters that ``wanted`` may mean, for each way to read it, the strictest first."""
    return [
        [one for one in characters if one.filename.casefold() == wanted],
        [one for one in characters if wanted in (one.name.casefold(), _stem(one).casefold())],
        [one for one in characters if one.name.casefold().startswith(wanted)],
    ]


def _stem(character: ListedCharacter) -> str:
    return character.filename.rpartition(".")[0] or character.filename
