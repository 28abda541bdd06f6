"""Whether what somebody has said so far is complete: by its last words, in English, Chinese and Japanese."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from enum import Enum, auto

from . import turn_words as known
from .scripts import HAN, HIRAGANA, KATAKANA
from .spelling import is_spelling

# Of a long utterance only the end matters, and what is looked for is looked for in the session's loop: some
# 50 µs, however much was said.
LONGEST_LOOKED_AT = 300

_KANA = re.compile(f"[{HIRAGANA}{KATAKANA}]")
_HAN = re.compile(f"[{HAN}]")
_ENGLISH = re.compile(r"[a-z0-9\s'’\-/.,:&]*", re.IGNORECASE)

# Marks that recognisers write where the pitch goes on: Whisper ends a cut utterance with "..." or "-".
_GOES_ON = re.compile(r"(\.\.+|…|[,、，;；:：–—-])\s*$")
_ASKS = re.compile(r"[?？!！]\s*$")
_STOPS = re.compile(r"[.。．]\s*$")
_PUNCTUATION = " \t\r\n.。．,、，;；:：!！?？…–—-\"'“”‘’「」『』()（）~〜～"


class Completeness(Enum):
    """What the words of an utterance say about its end."""

    FINISHED = auto()
    """A whole sentence or question."""
    UNKNOWN = auto()
    """It may end here, and may go on."""
    UNFINISHED = auto()
    """Something has to follow: the last word asks for it, or is a hesitation."""
    SPELLING = auto()
    """A number or a name is being spelled."""


def completeness(text: str) -> Completeness:
    """What the end of ``text`` says; its language is told by its script.

    Kana is Japanese, Chinese characters without kana are Chinese, and Latin letters without accents are
    English. Of other languages only the punctuation is looked at. The words decide before a full stop does,
    since some recognisers put one behind whatever they hear.
    """
    end = unicodedata.normalize("NFKC", text.strip()[-LONGEST_LOOKED_AT:]).replace("’", "'").casefold()
    said = end.strip(_PUNCTUATION)
    if not said:
        return Completeness.UNKNOWN
    if is_spelling(said):
        return Completeness.SPELLING
    if _ASKS.search(end):
        return Completeness.FINISHED
    if _GOES_ON.search(end):
        return Completeness.UNFINISHED
    found = _by_words(said)
    if found is Completeness.UNKNOWN and _STOPS.search(end):
        return Completeness.FINISHED
    return found


def _by_words(said: str) -> Completeness:
    if _KANA.search(said):
        return _japanese(said)
    if _HAN.search(said):
        return _chinese(said)
    if _ENGLISH.fullmatch(said):
        return _english(_last_clause(said).split())
    return Completeness.UNKNOWN


def _last_clause(said: str) -> str:
    """What comes after the last full stop or question mark, without its commas."""
    return re.sub(r"[,:;/&-]", " ", re.split(r"[.?!]\s", said)[-1])


def _english(words: Sequence[str]) -> Completeness:
    if not words:
        return Completeness.UNKNOWN
    last, bare = words[-1], [word.replace("'", "") for word in words]
    before = bare[-2] if len(bare) > 1 else ""
    asked = any(word in known.EN_QUESTION_WORDS for word in bare[:-1])
    stranded = any(word in known.EN_STRANDING for word in bare[:-1]) or (
        # As an answer: "kind of"; "I don't want to".
        bare in (["kind", "of"], ["sort", "of"])
        or (last == "to" and any(word in known.EN_NEGATIONS for word in bare))
    )
    if (
        last in known.EN_CONTRACTED
        or last in known.EN_CONTRACTED_BARE
        or last in known.EN_CONJUNCTIONS
        or last in known.EN_DETERMINERS
        or last in known.EN_FILLERS
        or (last in known.EN_PREPOSITIONS and not stranded)
        or (last in known.EN_SUBJECTS and before not in known.EN_AUXILIARIES)
        or (_ends_with(bare, known.EN_FILLER_PHRASES) and not asked and not stranded)
        or _is_beginning(bare)
        or _lacks_complement(bare)
        # On their own, or behind another hesitation, these begin something.
        or (last in ("so", "well", "like", "then") and not set(bare[:-1]) - known.EN_FILLERS - {"and", "but"})
    ):
        return Completeness.UNFINISHED
    if (not asked and last in known.EN_SUBJECTS) or last in known.EN_PREPOSITIONS:
        return Completeness.UNKNOWN
    finished = _ends_with(bare, known.EN_LAST) or _is_question(bare)
    return Completeness.FINISHED if finished else Completeness.UNKNOWN


def _is_beginning(words: Sequence[str]) -> bool:
    at = 0
    while at < len(words) and (words[at] in known.EN_OPENERS or words[at] in known.EN_FILLERS):
        at += 1
    return tuple(words[at:]) in known.EN_BEGINNINGS


def _lacks_complement(words: Sequence[str]) -> bool:
    """Whether a form of "be" stands last, behind a noun: "the name of the street is".

    An indirect question and a comparison end so: "where the station is", "as tall as my brother is". Not
    "what I wanted to ask is", where somebody says what they are about to say.
    """
    if len(words) < 3 or words[-1] not in known.EN_BE or words[-2] in known.EN_BEFORE_LAST_BE:
        return False
    if "than" in words or "as" in words or "whether" in words or "if" in words:
        return False
    asked = [at for at, word in enumerate(words) if word in known.EN_QUESTION_WORDS]
    return not asked or (asked == [0] and words[0] == "what" and words[1] in known.EN_SUBJECTS)


def _is_question(words: Sequence[str]) -> bool:
    """Whether a verb of questions comes before any subject, at the beginning or behind a question word."""
    told = [word for word in words if word not in known.EN_FILLERS and word not in ("and", "so")]
    if len(words) < 3 or not told:
        return False
    if told[0] not in known.EN_QUESTION_WORDS:
        return told[0] in known.EN_VERBS_OF_QUESTIONS
    kinds = (known.EN_VERBS_OF_QUESTIONS, known.EN_SUBJECTS_BEFORE_VERBS)
    first = next((word for word in told if any(word in kind for kind in kinds)), "")
    return first in known.EN_VERBS_OF_QUESTIONS


def _ends_with(words: Sequence[str], phrases: Iterable[Sequence[str]]) -> bool:
    return any(list(words[-len(phrase) :]) == list(phrase) for phrase in phrases)


def _chinese(said: str) -> Completeness:
    clause = _after_last(said, "。！？!?，,、；;")
    if clause in known.ZH_FILLER_ALONE:
        return Completeness.UNFINISHED
    return _by_ending(clause, known.ZH_UNFINISHED, known.ZH_FINISHED, ())


def _japanese(said: str) -> Completeness:
    return _by_ending(_after_last(said, "。！？!?"), known.JA_UNFINISHED, known.JA_FINISHED, known.JA_EITHER)


def _after_last(said: str, marks: str) -> str:
    return re.split(f"[{re.escape(marks)}]", said)[-1].strip().replace(" ", "")


def _by_ending(
    clause: str, unfinished: Iterable[str], finished: Iterable[str], either: Iterable[str]
) -> Completeness:
    """The class of the longest ending that is known; a longer one knows more of what stands before."""
    classes = (
        (Completeness.UNKNOWN, either),
        (Completeness.FINISHED, finished),
        (Completeness.UNFINISHED, unfinished),
    )
    longest, found = 0, Completeness.UNKNOWN
    for what, endings in classes:
        for ending in endings:
            if len(ending) > longest and clause.endswith(ending):
                longest, found = len(ending), what
    return found
