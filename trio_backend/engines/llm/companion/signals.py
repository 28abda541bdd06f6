"""What is noticed of a message besides its words."""

from __future__ import annotations

import re
from collections.abc import Mapping

from .rules import Language
from .talk import LONGEST, Talk
from .words import Clause, Tokenizer, TypedWord, script_of

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
    """The events of the message that is to be answered, with the values that they bring."""
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
        "foreign": script_of(talk.text) == "other",
        "repeated": _is_repeated(talk, language.tokenizer),
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


def _is_repeated(talk: Talk, tokenizer: Tokenizer) -> bool:
    words = tokenizer.words(talk.text)
    return bool(words) and any(tokenizer.words(turn.text) == words for turn in talk.turns[-4:-1])
