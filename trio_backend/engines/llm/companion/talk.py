"""What is read of a prompt: who said what, and what is noticed of the newest message."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from hashlib import blake2b

import attrs

from ...base import Message, Nudge, Prompt, ToolResult
from .rules import Language
from .templates import plain
from .words import Clause, TypedWord, script_of

LONGEST = 800
"""Characters that are read of one message. Nobody types more than this to be talked with."""

FARTHEST = 30_000
"""Characters of the user's that are read in all, the newest first: some hundred messages."""

REPLIES = 40
"""Replies of the companion's own that it looks at, so as not to say a thing twice."""

_ENDED = re.compile(r"\W\s*$")


@attrs.frozen
class UserTurn:
    """One message of the user, its text without the speaker's name, and what the companion said before it."""

    message: Message
    text: str
    before_written: str

    @property
    def before(self) -> str:
        """What the companion said before it, as `plain` leaves it."""
        return plain(self.before_written)


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
    all_said: str = attrs.field(
        default=attrs.Factory(lambda talk: "\n".join(talk.said), takes_self=True), init=False
    )
    """All of ``said`` at once: what does not stand in it stands in none of them."""

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
    replies = [message for message in recent if message.role == "assistant"]
    said = tuple(plain(message.content[:LONGEST]) for message in replies[-REPLIES:])
    return Talk(
        turns=_turns(recent, speaker),
        said=said,
        nudged=asked is None,
        picture=asked is not None and bool(asked.images),
        whole=0 if last is None else len(last.content),
        cut_short=bool(said) and not _ENDED.search(said[-1][-20:]),
        speaker=speaker,
        seed=_seed([*recent, Message("user", last.content)] if isinstance(last, Nudge) else recent),
    )


def _recent(messages: Sequence[Message | Nudge | ToolResult]) -> list[Message]:
    recent: list[Message] = []
    left = FARTHEST
    for message in reversed(messages):
        if left <= 0:
            break
        if not isinstance(message, Message):
            continue
        left -= min(len(message.content), LONGEST) + 20 if message.role == "user" else 20
        recent.append(message)
    return recent[::-1]


def _turns(recent: Sequence[Message], speaker: str) -> tuple[UserTurn, ...]:
    turns: list[UserTurn] = []
    before = ""
    for message in recent:
        if message.role == "assistant":
            before = message.content[:LONGEST]
        else:
            name, text = _speaker_and_text(message)
            if name == speaker:
                turns.append(UserTurn(message, text, before))
    return tuple(turns)


def _speaker_and_text(message: Message) -> tuple[str, str]:
    """Who says what. Where there are several, a speaker's words have the name before them."""
    text = message.content[:LONGEST]
    named = message.name and text.startswith(f"{message.name}: ")
    return (message.name, text[len(message.name) + 2 :]) if named else ("", text)


def _seed(recent: Sequence[Message]) -> bytes:
    # At once, not message by message: this is the part of a reply that grows with what is remembered.
    text = "".join([f"{message.role}:{message.content[:LONGEST]}\n" for message in recent])
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


Values = Mapping[str, str]

EVENTS = (
    "start",  # nothing has been said at all
    "nudge",  # it is to speak of its own accord
    "silence",  # the message is empty
    "marks",  # nothing but punctuation
    "emoji",  # nothing but emoji
    "picture",  # there is a picture with it
    "long",  # it is longer than is read
    "code",  # it is a piece of a program
    "keys",  # somebody tries the keyboard
    "sum",  # {sum} is asked for; {result} is what comes out
    "zero",  # {sum} divides by zero
    "foreign",  # it is in a script that no language of the file is written in
    "repeated",  # the user said the same a moment ago
    "interrupted",  # the companion's last reply was cut short
    "nothing",  # always: for replies when no rule fits
)

_CODE = re.compile(r"[{}<>=;|\\_$#/*&()\[\]]")
_VOWELS = re.compile("[aeiouy\u00c0-\u024f]")


def events(talk: Talk, language: Language, clauses: tuple[Clause, ...]) -> Mapping[str, Values]:
    """The events of the message that is to be answered, with the values that they bring.

    All but ``repeated``: that one is seen where the messages before it are read.
    """
    if talk.nudged:
        return {"nudge" if talk.said or talk.turns else "start": {}}
    found = {
        "picture": talk.picture,
        "silence": not talk.text.strip(),
        "marks": not clauses and bool(talk.text.strip()),
        "emoji": bool(clauses) and not any(word.matched[0].isalnum() for word in _words(clauses)),
        "long": talk.whole > LONGEST,
        "code": _is_code(talk.text),
        "keys": _is_key_mash(clauses),
        "foreign": script_of(talk.text, talk.before) not in ("", language.script),
        "interrupted": talk.cut_short,
        "nothing": True,
    }
    empty: Values = {}
    return {**{name: empty for name, here in found.items() if here}, **_sum(talk.text, language)}


def _sum(text: str, language: Language) -> Mapping[str, Values]:
    found = language.sums.find(text)
    if found is None:
        return {}
    values = {"sum": found.text, "result": found.result}
    return {"sum": values} if found.result else {"zero": values}


def _words(clauses: tuple[Clause, ...]) -> list[TypedWord]:
    return [word for clause in clauses for word in clause.words]


def _is_code(text: str) -> bool:
    signs = len(_CODE.findall(text))
    return "```" in text or (len(text) >= 12 and signs >= 4 and signs * 8 >= len(text))


def _is_key_mash(clauses: tuple[Clause, ...]) -> bool:
    """One word of four letters or more, without a vowel or with five consonants in a row."""
    words = _words(clauses)
    if len(words) != 1:
        return False
    word = words[0].matched
    letters = len(word) >= 4 and word.isascii() and word.isalpha()
    return letters and (not _VOWELS.search(word) or re.search("[bcdfghjklmnpqrstvwxz]{5}", word) is not None)
