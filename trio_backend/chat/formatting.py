"""Styled text for the terminal: what was said, thought, noted and listed. No I/O."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

import attrs
from rich.text import Text

from ..client.messages import ListedCharacter, ListedConversation, ListedMessage
from .commands import HELP

_EMOTICONS = {
    "joy": "☺", "smirk": "☻", "surprise": "☼",
    "sadness": "☹", "anger": "☹", "fear": "☹", "disgust": "☹",
}  # fmt: skip
_COLOURS = ("cyan", "magenta", "green", "yellow", "blue")
# What a terminal would obey instead of showing it: control characters, and marks that turn text around.
_COMMANDING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def harmless(text: str) -> str:
    """``text`` with nothing in it that commands a terminal."""
    return _COMMANDING.sub("", text).replace("\t", "    ")


def _one_line(text: str, longest: int) -> str:
    text = " ".join(harmless(text).split())
    return text if len(text) <= longest else text[: longest - 3] + "..."


def _moment(timestamp: str | None) -> str:
    """A time stamp of the wire in local time, as a person reads it."""
    try:
        return f"{datetime.fromisoformat(timestamp or '').astimezone():%Y-%m-%d %H:%M}"
    except ValueError:
        return harmless(timestamp or "")


@attrs.frozen
class Formatter:
    """With ``unicode`` the terminal can show more than ASCII."""

    unicode: bool = True

    @property
    def mark(self) -> str:
        """The prompt: it stands before the line that the user types, and before those that they have sent."""
        return "› " if self.unicode else "> "

    def mine(self, text: str) -> Text:
        """A message of the user."""
        return Text.assemble((self.mark, "bold"), harmless(text))

    def said(self, name: str, emotion: str, text: str) -> Text:
        """A sentence of the character; without ``name`` it goes on with what came before."""
        head = Text("" if name else "  ")
        if name:
            head.append(harmless(name), f"bold {_colour(name)}")
        feeling = self._feeling(emotion)
        if feeling:
            head.append(f"{' ' if name else ''}{feeling}", "italic dim")
        if name or feeling:
            head.append(": ", "dim")
        return head.append(harmless(text))

    def thought(self, name: str, text: str) -> Text:
        """A thought of the character, which is not spoken."""
        head = f"{harmless(name)} " if name else "  "
        return Text(head + harmless(text), "italic dim")

    def note(self, text: str) -> Text:
        """A note: the client tells the user something that needs no action."""
        return Text(f"{'·' if self.unicode else '-'} {harmless(text)}", "dim")

    def error(self, text: str) -> Text:
        """Something that went wrong."""
        return Text.assemble((f"{'✗' if self.unicode else '!'} ", "bold red"), (harmless(text), "red"))

    def characters(self, characters: Sequence[ListedCharacter], current: ListedCharacter | None) -> Text:
        """The numbered list of characters, the ``current`` one marked."""
        rows = [
            Text.assemble(
                ("* " if one == current else "  ", "bold"),
                f"{number:2} ",
                (harmless(one.name), "bold" if one == current else ""),
                (f"  {harmless(one.filename)}", "dim"),
            )
            for number, one in enumerate(characters, 1)
        ]
        return Text("\n").join(rows)

    def conversations(
        self, conversations: Sequence[ListedConversation], current: str | None, first: int = 1
    ) -> Text:
        """The list of conversations, numbered from ``first`` on, the ``current`` one marked."""
        if not conversations:
            return self.note("nothing has been said yet")
        rows = [
            Text.assemble(
                ("* " if one.uid == current else "  ", "bold"),
                f"{number:2} ",
                (f"{_moment(one.timestamp)}  ", "dim"),
                _one_line(one.latest_message.content if one.latest_message else "", 50),
            )
            for number, one in enumerate(conversations, first)
        ]
        return Text("\n").join(rows)

    def transcript(self, messages: Sequence[ListedMessage], character: str) -> Text:
        """The messages of a stored conversation, one a line."""
        rows = [
            self.mine(message.content)
            if message.role == "human"
            else self.said(message.name or character, "", message.content)
            for message in messages
        ]
        return Text("\n").join(rows)

    def help(self) -> Text:
        """The list of commands."""
        rows = [Text.assemble((f"  {usage:<15}", "bold"), (meaning, "dim")) for usage, meaning in HELP]
        return Text("\n").join(rows)

    def _feeling(self, emotion: str) -> str:
        if emotion in ("", "neutral"):
            return ""
        emoticons = {_EMOTICONS.get(one, "") for one in emotion.split("/")} if self.unicode else {""}
        emoticon = emoticons.pop() if len(emoticons) == 1 else ""
        return harmless(f"{emoticon} {emotion}".strip())


def _colour(name: str) -> str:
    """Always the same for a name, so that several speakers can be told apart."""
    return _COLOURS[sum(map(ord, name)) % len(_COLOURS)]
