"""What is read of a prompt: who said what, and what is noticed of the newest message."""

from __future__ import annotations

import re
import weakref
from collections.abc import Mapping, Sequence
from functools import cached_property
from hashlib import blake2b

import attrs

from ...base import Message, Nudge, Prompt, ToolResult
from .calendar import Words
from .facts import FactChange
from .rules import Language
from .templates import Template, plain
from .words import Clause, TypedWord, script_of

LONGEST = 800
"""Characters that are read of one message. Nobody types more than this to be talked with."""

FARTHEST = 30_000
"""Characters of the user's that are read in all, the newest first: some hundred messages."""

REPLIES = 40
"""Replies of the companion's own that it looks at, so as not to say a thing twice."""

_ENDED = re.compile(r"\W\s*$")


@attrs.frozen
class TurnReading:
    """What is left of a turn that was understood once: enough for the replies to all later ones."""

    language: Language
    words: str
    changes: tuple[FactChange, ...]
    about: str = ""
    """What the best of its rules is about."""
    follows: frozenset[str] = frozenset()
    """What its rules go on with, if the message before was about that."""
    day: Words = ()
    """The words for a day in it."""


@attrs.define(eq=False)
class UserTurn:
    """One message of the user, its text without the speaker's name, and what the companion said before it.

    ``reading`` is what was understood of it, which ``before`` decides too; None until it was.
    """

    text: str
    before: str = ""
    reading: TurnReading | None = None

    @cached_property
    def script(self) -> str:
        """What `script_of` says of its text."""
        return script_of(self.text, self.before)


@attrs.define(eq=False)
class _MessageText:
    """The text of a message, as it is read: without the name of the ``speaker``, or as `plain` leaves it."""

    speaker: str
    text: str
    hashed: bytes
    """What it adds to the seed of a reply."""
    turn: UserTurn


@attrs.define(eq=False)
class TurnReadings:
    """What was read of messages that are still in somebody's memory, so that each is read once.

    A reading goes when its message does: what is kept is bounded by what conversations remember, and
    nothing that was said outlives its conversation here. Without it a reply costs what the whole
    conversation does: 30 ms after 500 turns.
    """

    # By identity: messages are compared by value, and one value has another meaning in another place.
    _texts: dict[int, tuple[weakref.ref[Message], _MessageText]] = attrs.field(factory=dict, init=False)

    def __len__(self) -> int:
        """How many messages' texts are kept."""
        return len(self._texts)

    def text_of(self, message: Message) -> _MessageText:
        """The text of ``message``, which is read when it is first asked for."""
        kept = self._texts.get(id(message))
        return kept[1] if kept else self._read(message)

    def _read(self, message: Message) -> _MessageText:
        key, texts = id(message), self._texts

        def forget(_message: object) -> None:
            texts.pop(key, None)

        content = message.content[:LONGEST]
        if message.role == "assistant":
            speaker, text = "", plain(content)
        else:
            speaker, text = _speaker_and_text(message)
        hashed = f"{message.role}:{content}\n".encode("utf-8", "surrogatepass")
        read = _MessageText(speaker, text, hashed, UserTurn(text))
        texts[key] = (weakref.ref(message, forget), read)
        return read


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

    def last_said(self, template: Template | None) -> int:
        """The number of the reply in ``said`` that had it last; -1 for none."""
        # Nearly all of what might be said was not said: one search tells, instead of forty.
        if template is None or not template.fragments or template.fragments[0] not in self.all_said:
            return -1
        numbers = reversed(range(len(self.said)))
        return next((number for number in numbers if template.place_in(self.said[number]) >= 0), -1)

    def pick(self, purpose: str, count: int) -> int:
        """A number in [0, count) that only this conversation and ``purpose`` decide."""
        return int.from_bytes(blake2b(purpose.encode(), key=self.seed, digest_size=8).digest()) % count


def read_talk(prompt: Prompt, readings: TurnReadings | None = None) -> Talk:
    """The part of ``prompt`` that is read; its time is bounded whatever the prompt's length.

    With the ``readings`` of earlier replies only the texts of new messages are read.
    """
    readings = TurnReadings() if readings is None else readings
    last = prompt.messages[-1] if prompt.messages else None
    # With nothing to answer, it speaks of its own accord, too.
    asked = last if isinstance(last, Message) and last.role == "user" else None
    recent = _recent(prompt.messages)
    texts = [readings.text_of(message) for message in recent]
    speaker = texts[-1].speaker if asked else ""
    roles = [message.role for message in recent]
    said = [text.text for role, text in zip(roles, texts, strict=True) if role == "assistant"][-REPLIES:]
    nudged = [Message("user", last.content)] if isinstance(last, Nudge) else []
    return Talk(
        turns=_turns(roles, texts, speaker),
        said=tuple(said),
        nudged=asked is None,
        picture=asked is not None and bool(asked.images),
        whole=0 if last is None else len(last.content),
        cut_short=bool(said) and not _ENDED.search(said[-1][-20:]),
        speaker=speaker,
        seed=_seed([*texts, *map(readings.text_of, nudged)]),
    )


def _recent(messages: Sequence[Message | Nudge | ToolResult]) -> list[Message]:
    recent: list[Message] = []
    left = FARTHEST
    for message in reversed(messages):
        if left <= 0:
            break
        if isinstance(message, Message):
            left -= min(len(message.content), LONGEST) + 20 if message.role == "user" else 20
            recent.append(message)
    return recent[::-1]


def _turns(roles: Sequence[str], texts: Sequence[_MessageText], speaker: str) -> tuple[UserTurn, ...]:
    turns: list[UserTurn] = []
    before = ""
    for role, text in zip(roles, texts, strict=True):
        if role == "assistant":
            before = text.text
        elif text.speaker == speaker:
            if text.turn.before != before:
                text.turn = UserTurn(text.text, before)
            turns.append(text.turn)
    return tuple(turns)


def _speaker_and_text(message: Message) -> tuple[str, str]:
    """Who says what. Where there are several, a speaker's words have the name before them."""
    text = message.content[:LONGEST]
    named = message.name and text.startswith(f"{message.name}: ")
    return (message.name, text[len(message.name) + 2 :]) if named else ("", text)


def _seed(texts: Sequence[_MessageText]) -> bytes:
    return blake2b(b"".join([text.hashed for text in texts]), digest_size=16).digest()


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
        "foreign": talk.turns[-1].script not in ("", language.script),
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
