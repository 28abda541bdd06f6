"""What is read of a prompt: who said what, no more of it than can be read in a moment."""

from __future__ import annotations

import re
from collections.abc import Sequence
from hashlib import blake2b

import attrs

from ...base import Message, Nudge, Prompt
from .templates import plain

LONGEST = 800
"""Characters that are read of one message. Nobody types more than this to be talked with."""

FARTHEST = 30_000
"""Characters of the user's that are read in all, the newest first: some hundred messages."""

REPLIES = 40
"""Replies of the companion's own that it looks at, so as not to say a thing twice."""

_ENDED = re.compile(r"\W\s*$")


@attrs.frozen
class UserTurn:
    """One message of the user, and the companion's ``before`` it, as `plain` leaves it."""

    text: str
    before: str


@attrs.frozen
class Talk:
    """A conversation as the companion sees it.

    ``turns`` are those of the ``speaker``, the person who spoke last, oldest first; the last of them is to
    be answered, unless ``nudged``. The speaker is named only where several are about. ``said`` are the
    companion's own replies, as `plain` leaves them.
    """

    turns: tuple[UserTurn, ...]
    said: tuple[str, ...]
    nudged: bool = False
    picture: bool = False
    whole: int = 0
    cut_short: bool = False
    speaker: str = ""
    seed: bytes = b""

    @property
    def text(self) -> str:
        """What is to be answered."""
        return "" if self.nudged else self.turns[-1].text

    @property
    def before(self) -> str:
        return self.said[-1] if self.said else ""

    def pick(self, purpose: str, count: int) -> int:
        """A number in [0, count) that only this conversation and ``purpose`` decide."""
        return int.from_bytes(blake2b(purpose.encode(), key=self.seed, digest_size=8).digest()) % count


def read_talk(prompt: Prompt) -> Talk:
    """The part of ``prompt`` that is read; its time is bounded whatever the prompt's length."""
    last = prompt.messages[-1] if prompt.messages else None
    # With nothing to answer, it speaks of its own accord, too.
    asked = last if isinstance(last, Message) and last.role == "user" else None
    recent = _recent(prompt.messages)
    speaker = _speaker_and_text(asked)[0] if asked else ""
    said = tuple(plain(message.content[:LONGEST]) for message in recent if message.role == "assistant")
    return Talk(
        turns=_turns(recent, speaker),
        said=said[-REPLIES:],
        nudged=asked is None,
        picture=asked is not None and bool(asked.images),
        whole=0 if last is None else len(last.content),
        cut_short=bool(said) and not _ENDED.search(said[-1][-20:]),
        speaker=speaker,
        seed=_seed([*recent, Message("user", last.content)] if isinstance(last, Nudge) else recent),
    )


def _recent(messages: Sequence[Message | Nudge]) -> list[Message]:
    recent: list[Message] = []
    left = FARTHEST
    for message in reversed(messages):
        if left <= 0:
            break
        if isinstance(message, Nudge):
            continue
        left -= min(len(message.content), LONGEST) + 20 if message.role == "user" else 20
        recent.append(message)
    return recent[::-1]


def _turns(recent: Sequence[Message], speaker: str) -> tuple[UserTurn, ...]:
    turns: list[UserTurn] = []
    before = ""
    for message in recent:
        if message.role == "assistant":
            before = plain(message.content[:LONGEST])
        else:
            name, text = _speaker_and_text(message)
            turns += [UserTurn(text, before)] if name == speaker else []
    return tuple(turns)


def _speaker_and_text(message: Message) -> tuple[str, str]:
    """Who says what. Where there are several, a speaker's words have the name before them."""
    text = message.content[:LONGEST]
    named = message.name and text.startswith(f"{message.name}: ")
    return (message.name, text[len(message.name) + 2 :]) if named else ("", text)


def _seed(recent: Sequence[Message]) -> bytes:
    seed = blake2b(digest_size=16)
    for message in recent:
        seed.update(f"{message.role}:{message.content[:LONGEST]}\n".encode("utf-8", "surrogatepass"))
    return seed.digest()
