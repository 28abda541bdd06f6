"""What a typed line asks for, and which character is meant."""

from __future__ import annotations

import pytest

from trio_backend.chat.commands import (
    Command,
    Help,
    InvalidCommand,
    LetSpeak,
    ListCharacters,
    ListConversations,
    ListOlderConversations,
    NewConversation,
    OpenConversation,
    Quit,
    Say,
    SetVoice,
    Switch,
    choose,
    parse,
)
from trio_backend.client.messages import ListedCharacter


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("", None),
        ("  \t", None),
        (" Hello there. ", Say("Hello there.")),
        ("1/2", Say("1/2")),
        ("//characters", Say("/characters")),
        ("/characters", ListCharacters()),
        ("/CHARACTERS ", ListCharacters()),
        ("/switch  Old Barnaby ", Switch("Old Barnaby")),
        ("/history", ListConversations()),
        ("/history 12", OpenConversation(12)),
        ("/history more", ListOlderConversations()),
        ("/new", NewConversation()),
        ("/say", LetSpeak()),
        ("/voice on", SetVoice(True)),
        ("/voice off", SetVoice(False)),
        ("/help", Help()),
        ("/quit", Quit()),
        ("/exit", Quit()),
    ],
)
def test_a_line_is_a_command_or_something_to_say(line: str, command: Command | None) -> None:
    """Commands begin with one slash; case and space around them do not matter."""
    assert parse(line) == command


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("/", "/help"),
        ("/dance", "/dance"),
        ("/switch", "/characters"),
        ("/history x", "number"),
        ("/history 0", "number"),
        ("/history ²", "number"),
        ("/history 99999999999", "number"),
        ("/voice", "on or off"),
        ("/voice loud", "on or off"),
        ("/quit now", "no argument"),
        ("/say hello", "no argument"),
    ],
)
def test_a_wrong_command_says_how_it_is_meant(line: str, word: str) -> None:
    """Nothing that begins with a slash is said to the character by mistake."""
    command = parse(line)
    assert isinstance(command, InvalidCommand)
    assert word in command.why


CHARACTERS = [
    ListedCharacter("conf.yaml", "Iris"),
    ListedCharacter("barnaby.yaml", "Barnaby"),
    ListedCharacter("bart.yaml", "Bart"),
    ListedCharacter("twin.yaml", "Twin"),
    ListedCharacter("other.yaml", "Twin"),
    ListedCharacter("mia.yaml", "米娅"),
]


@pytest.mark.parametrize(
    ("wanted", "file"),
    [
        ("1", "conf.yaml"),
        ("6", "mia.yaml"),
        ("barnaby.yaml", "barnaby.yaml"),
        ("BARNABY", "barnaby.yaml"),
        ("mia", "mia.yaml"),
        ("米", "mia.yaml"),
        ("barn", "barnaby.yaml"),
        ("Bart", "bart.yaml"),
        ("other", "other.yaml"),
    ],
)
def test_a_character_is_found(wanted: str, file: str) -> None:
    """By number, file, name, or the beginning of a name that only one has; the strictest reading wins."""
    found = choose(CHARACTERS, wanted)
    assert isinstance(found, ListedCharacter)
    assert found.filename == file


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        ("bar", "barnaby.yaml"),
        ("nobody", "no character 'nobody'"),
        ("7", "no number 7"),
        ("0", "no number 0"),
    ],
)
def test_an_unclear_character_is_told(wanted: str, told: str) -> None:
    """The user learns who might have been meant, or where to look."""
    found = choose(CHARACTERS, wanted)
    assert isinstance(found, str)
    assert told in found


def test_two_of_one_name_are_told_apart_by_their_files() -> None:
    """ "twin" is the file of one and the name of both."""
    found = choose(CHARACTERS, "twin")
    assert isinstance(found, str)
    assert "twin.yaml" in found
    assert "other.yaml" in found
