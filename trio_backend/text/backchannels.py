"""Backchannels: “uh-huh”, 嗯, うん, coughs and laughter, by which a listener does not ask for the turn.

Yngve (1970) named them; the English ones are those that Jurafsky and others (1998, “Lexical, prosodic, and
syntactic cues for dialog acts”) counted as continuers in the Switchboard corpus, the Japanese ones are
aizuchi (Maynard, 1989), the Chinese ones from Clancy and others (1996, “The conversational use of reactive
tokens in English, Japanese, and Mandarin”). Words that answer or order something are in no list, even where
they are often backchannels: who says “yes”, “no”, “stop”, “wait”, 是 or いいえ is let speak.
"""

from __future__ import annotations

import re
import unicodedata

# Said more often in a row, they are impatience, and ask for the turn.
MOST = 4

# Somebody hesitates, coughs, clears their throat, sighs or laughs: nothing is said, whatever was asked.
_NOISES = (
    *(
        "u+h+",
        "u+m+",
        "uhm+",
        "e+rm*",
        "h+m+",
        "m{2,}(?![- ]?h+m)",
        "a+h+",
        "e+h+",
        "ugh+",
        "ahem",
        "achoo",
        "psst",
    ),
    *("ha(?:[- ]?ha)+h?", "he(?:[- ]?he)+", "lol", "coughs?", "coughing", "laughs?", "laughter", "sighs?"),
    *("呃+", "额+", "唔+", "咳+", "哈{2,}", "嘿{2,}", "呵{2,}", "唉+", "阿嚏"),
    *(
        "えー+と?",
        "ええと",
        "えっと",
        "う[ーぅ]+ん",
        "んー*",
        "あー+",
        "ふ{2,}",
        "あ?は{2,}",
        "ゴホン*",
        "(?:ごほ|ゴホ){2,}",
    ),
    *("コホン", "(?:こほ|コホ){2,}", "ハ{2,}", "はっくしょん", "ハクション"),
)

# Go on, I am listening. Where a question was asked, they are its answer.
_CONTINUERS = (
    *(
        "uh[- ]?hu+h+",
        "m+[- ]?h+m+",
        "a+ha+",
        "y[eu]+a+h*",
        "ye+p",
        "yup",
        "o+h+",
        "o?k",
        "okay",
        "right",
        "sure",
    ),
    *("i see", "got it", "wow", "really", "of course", "huh", "cool", "nice", "true", "go on", "oh really"),
    *(
        "嗯+哼?",
        "哦+",
        "噢+",
        "喔+",
        "啊+",
        "哇+",
        "对+",
        "对啊",
        "对呀",
        "是吗",
        "是啊",
        "是呀",
        "这样啊",
        "原来如此",
        "真的吗",
    ),
    *("明白", "知道了", "懂了", "没错"),
    *(
        "うん+",
        "はい",
        "ええ",
        "へえ+",
        "へー+",
        "ほう+",
        "ほー+",
        "ふー*ん",
        "ふうん",
        "ああ+",
        "おお+",
        "おー+",
        "わあ+",
    ),
    *(
        "そう",
        "そうです[かね]",
        "そうですよね",
        "そうなんですか?",
        "そうなんだ",
        "そっか+",
        "そうか",
        "なるほどね?",
        "たしかに",
        "確かに",
    ),
    *("ほんと", "本当", "マジ", "すごい"),
)

# Sound like the above, and say no.
_NO = re.compile(r"uh[- ]uh|nuh[- ]?uh|m+-m+|ううん|うううん")

# What recognisers write for sounds that are no words: [cough], (laughs), *sighs*, ♪.
_ANNOTATION = re.compile(r"\[[^\]]*\]|\([^)]*\)|<[^>]*>|\*[^*]*\*|♪[^♪]*♪?")
_BETWEEN = r"[^\w]*"
# Nobody says so much in passing, and the patterns need not look at more.
_LONGEST = 80


def _units(patterns: tuple[str, ...]) -> re.Pattern[str]:
    """One of ``patterns`` as a whole word, the longest ones first where one begins another."""
    ordered = sorted(patterns, key=len, reverse=True)
    return re.compile(rf"(?:{'|'.join(ordered)})(?![a-z'])")


_NOISE, _ANY = _units(_NOISES), _units(_NOISES + _CONTINUERS)
_SKIP = re.compile(_BETWEEN)


def is_backchannel(text: str, *, asked: bool = False) -> bool:
    """Whether what was understood is no more than this; true as well where nothing was understood.

    ``asked`` says that the character has just asked something: then “uh-huh” is an answer, and only what is
    no word at all is left.
    """
    # An annotation may be longer than all that is said.
    said = unicodedata.normalize("NFKC", text[: 10 * _LONGEST]).replace("’", "'").casefold()
    said = _ANNOTATION.sub(" ", said).strip()
    if len(said) > _LONGEST or _NO.search(said):
        return False
    return _is_row_of(_NOISE if asked else _ANY, said)


def _is_row_of(unit: re.Pattern[str], said: str) -> bool:
    """Whether ``said`` is at most `MOST` units, with nothing but punctuation between them."""
    at, count = _skip(said, 0), 0
    while at < len(said):
        found = unit.match(said, at)
        if found is None:
            return False
        count += 1
        at = _skip(said, found.end())
    return count <= MOST


def _skip(said: str, at: int) -> int:
    found = _SKIP.match(said, at)
    return found.end() if found else at
