"""Words whose full stop need not end a sentence: Dr., e.g., Inc., U.S., No. 5, J. R. R. Tolkien."""

from __future__ import annotations

import re


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Something always follows these.
_NEVER_LAST = _words("dr mr mrs ms messrs prof e.g i.e vs cf approx")

# These are words or names of their own, unless a number follows.
_BEFORE_NUMBER = _words(
    "no nos nr vol fig figs p pp ch sec art eq v ver jan feb mar apr jun jul aug sep sept oct nov dec"
)

# These may end a sentence, and only the next word tells.
_MAYBE_LAST = _words(
    "inc ltd co corp llc etc jr sr bros dept est tel ave blvd rd st mt gov sen capt lt sgt rev ph.d al"
)

# U.S, a.m, e.g; and one capital, which is an initial unless it is the pronoun.
_DOTTED = re.compile(r"[A-Za-z](?:\.[A-Za-z])+|[A-HJ-Z]")

# The words that most often begin an English sentence; hardly any of them begins a name.
_STARTERS = _words(
    "a an the i you he she it we they this that these those there here what who when where why how which "
    "my your his her its our their and but or so if in on at as for from with to by of after before since "
    "then now not no yes yeah oh ah well ok okay let please maybe perhaps just also however although while "
    "is are was were do does did can could will would should have has had don one some all many most"
)


def is_abbreviation(word: str) -> bool:
    """Whether the full stop after ``word`` (written without it) needs a look at what follows."""
    lower = word.lower()
    return (
        lower in _NEVER_LAST
        or lower in _BEFORE_NUMBER
        or lower in _MAYBE_LAST
        or _DOTTED.fullmatch(word) is not None
    )


def ends_sentence(word: str, following: str) -> bool:
    """Whether a sentence ends between the abbreviation ``word`` and ``following``.

    ``following`` is the next word if it is made of Latin letters, else the next character.
    """
    lower = word.lower()
    if lower in _NEVER_LAST:
        return False
    if lower in _BEFORE_NUMBER:
        return not following[:1].isdigit()
    return following[:1].isupper() and following.lower() in _STARTERS
