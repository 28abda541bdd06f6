"""Where a sentence ends: the rules, as questions about one place of a text.

Each answers with the position of the cut, or `NONE`, or `WAIT` where only more text can tell. An
answer other than `WAIT` never changes when more text comes: that makes it the same wherever the
stream is torn. A full stop after an abbreviation need not end one: Dr., e.g., Inc., U.S., No. 5, J. R. R.
Tolkien.

Most marks wait for the character behind them, and so for one more token, which takes a model 30 ms: "." may
go on as "..." or as "foo.py", "?" as "?!", and each may have a closing quote or a smiley behind it. The first
sound of a reply hangs on that wait, so two marks do without where the rest of the text makes them certain:
a comma behind a word, and 。 (`clause_end`, `early_sentence_end`).
"""

from __future__ import annotations

import re

import attrs

from .scripts import CJK


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


WAIT = -1
NONE = 0

MARKS = ".!?。！？…．｡‼⁇⁈⁉।؟۔"
CLAUSE_MARKS = ",;:，、；："

_SYMBOLS = "\u2600-\u27bf\ufe0f\u200d\U0001f000-\U0001faff"

_RUN = re.compile(f"[{MARKS}]+")
# What belongs to the sentence that ended just before it; hearts, smileys and waves, too.
_CLOSING = re.compile(rf"[\"'”’»)\]）】」』〉》〕］*~～{_SYMBOLS}]*")
_STRONG = re.compile("[。！？｡．‼⁇⁈⁉।؟۔]")
_ELLIPSIS = re.compile(r"\.\.+|[.…]*…[.…]*")
_BRACKET = re.compile(r"\[")
_OPENING = re.compile(r"[\[(（【「『“《〈*]")
_CJK_CHARACTER = re.compile(f"[{CJK}]")
_WORD = re.compile(r"\w")
_GAP = re.compile(r"[^\S\n\r]*")
_LATIN_WORD = re.compile(r"[A-Za-z]+")
_LAST_WORD = re.compile(r"(?<![A-Za-z0-9°&.'’-])[A-Za-z]+(?:\.[A-Za-z]+)*$")
_LIST_MARKER = re.compile(r"[\s*_#>+•-]*(?:\d{1,3}|[A-Za-z])")
_INLINE_LIST_MARKER = re.compile(r"[:：]\s*\d{1,2}$")
# Characters: the tables have up to six, and four letters with dots between them are seven.
_LONGEST_ABBREVIATION = 8

# A quote that is open may close behind the mark, and one that was closed is too rare to be told apart.
_QUOTE = re.compile(r"[\"“„«‘「『《〈]|(?<!\w)['’]")
# Two letters at least, and nothing but letters since the last space: not 1,000, not x,y, not a path.
_PLAIN_WORD = re.compile(r"(?:^|[\s\])*])[^\W\d_](?:['’-]?[^\W\d_])+$")
_LONGEST_WORD = 40

_UNSPOKEN_GROUP = re.compile(r"\[[^\]]*\]|\([^)]*\)|（[^）]*）|\*+[^*]*\*+")
_SPACED_WORD = re.compile(rf"[^\W{CJK}]+(?:[.'’-][^\W{CJK}]+)*")
# Fewer would make the first sound end before the second is ready, and sound breathless.
_EARLY_WORDS = 2
_EARLY_CJK = 3


@attrs.frozen
class Window:
    """The part of a text that may be looked at: from ``start``, where the sentence begins, to ``end``.

    ``final`` says that nothing comes after ``end``.
    """

    text: str
    start: int
    end: int
    final: bool

    @property
    def unknown(self) -> int:
        """The answer to a question that reaches the end: wait, or there is nothing to wait for."""
        return NONE if self.final else WAIT

    def after_gap(self, at: int) -> str:
        """The first character from ``at`` on that is neither space nor tab; empty at the end."""
        gap = _GAP.match(self.text, at, self.end)
        assert gap is not None  # it matches nothing, too
        return self.text[gap.end() : min(gap.end() + 1, self.end)]


def run_end(window: Window, at: int) -> int:
    """Where the run of marks that begins at ``at`` ends."""
    run = _RUN.match(window.text, at, window.end)
    assert run is not None
    return run.end()


def sentence_end(window: Window, at: int, *, starred: bool, quoted: bool) -> int:
    """Where the sentence ends that the run of marks at ``at`` may end: after the quotes and brackets.

    ``starred`` and ``quoted`` say that an asterisk or a straight double quote is open.
    """
    text, mark_end = window.text, run_end(window, at)
    run = text[at:mark_end]
    cut = mark_end + len(_closing(window, mark_end, starred=starred, quoted=quoted or run.isascii()))
    if cut == window.end:
        return window.unknown
    if not _WORD.search(text, window.start, at):
        return NONE
    if _STRONG.search(run):
        return _after_strong(window, at, cut)
    if _ELLIPSIS.fullmatch(run):
        return _after_ellipsis(window, cut)
    if run == ".":
        return _after_dot(window, at, cut)
    return _after_mark(window, cut, directly=_OPENING, closed=cut > mark_end)


def _closing(window: Window, at: int, *, starred: bool, quoted: bool) -> str:
    """The closing quotes and brackets from ``at`` on, as far as they can be closing ones."""
    match = _CLOSING.match(window.text, at, window.end)
    assert match is not None
    closing = match.group()
    if not starred:
        closing = closing.partition("*")[0]
    return closing if quoted else closing.partition('"')[0]


def _after_strong(window: Window, at: int, cut: int) -> int:
    """Marks that need no space after them, save in ３．１４ and in 「はい。」と言った."""
    text = window.text
    if text[at] == "．" and text[at - 1].isdigit() and text[cut].isdigit():
        return NONE
    if text[cut - 1] in "」』" and text[cut] in "とっ":
        return NONE
    return cut


def _after_ellipsis(window: Window, cut: int) -> int:
    """A pause, unless a new sentence visibly follows: "Well... maybe" and 我……我 stay whole."""
    if not window.text[cut].isspace():
        return cut if _OPENING.match(window.text, cut) else NONE
    following = window.after_gap(cut)
    if not following:
        return window.unknown
    return NONE if following.islower() else cut


def _after_mark(window: Window, cut: int, *, directly: re.Pattern[str], closed: bool) -> int:
    """A mark ends a sentence before a space, a CJK character, or what ``directly`` matches.

    After a closing quote or bracket (``closed``) a small letter goes on: “Hi!” he said.
    """
    text = window.text
    if not text[cut].isspace():
        return cut if directly.match(text, cut) or _CJK_CHARACTER.match(text, cut) else NONE
    if not closed:
        return cut
    following = window.after_gap(cut)
    if not following:
        return window.unknown
    return NONE if following.islower() else cut


def _after_dot(window: Window, at: int, cut: int) -> int:
    """A single full stop: also found in numbers, names, abbreviations and list markers."""
    text = window.text
    if _LIST_MARKER.fullmatch(text, window.start, at):
        return NONE
    if _INLINE_LIST_MARKER.search(text, max(window.start, at - 6), at):
        return NONE
    closed = cut > at + 1
    word = _LAST_WORD.search(text[max(window.start, at - _LONGEST_ABBREVIATION - 1) : at])
    if word is None or closed or not text[cut].isspace() or not is_abbreviation(word.group()):
        return _after_mark(window, cut, directly=_BRACKET, closed=closed)
    following = _following_word(window, cut)
    if not following:
        return window.unknown
    return cut if ends_sentence(word.group(), following) else NONE


def _following_word(window: Window, at: int) -> str:
    """The next Latin word if it is known to be whole, else the next character; empty if unknown."""
    gap = _GAP.match(window.text, at, window.end)
    assert gap is not None
    word = _LATIN_WORD.match(window.text, gap.end(), window.end)
    if word is None:
        return window.after_gap(at)
    return word.group() if word.end() < window.end or window.final else ""


def clause_end(window: Window, at: int) -> int:
    """Where the clause ends that the comma (colon, semicolon) at ``at`` closes, if it is worth a sound.

    A comma behind a plain word ends it whatever follows, and a full-width one that is not behind a digit.
    """
    text, cut = window.text, at + 1
    certain = _is_certain_comma(window, at)
    if cut == window.end and not certain:
        return window.unknown
    if certain:
        ends = True
    elif text[at].isascii():
        ends = text[cut].isspace() or _CJK_CHARACTER.match(text, cut) is not None
    else:
        ends = not text[cut].isdigit()
    return cut if ends and _is_worth_a_sound(text[window.start : at]) else NONE


def _is_certain_comma(window: Window, at: int) -> bool:
    """Whether nothing that may follow the mark at ``at`` makes anything else of it.

    A colon may be https://, 10:30 or :). Where no space follows the comma ("salt,pepper"), the cut is only
    a pause where one was written.
    """
    text = window.text
    if not text[at].isascii():
        return not text[at - 1 : at].isdigit()
    word = text[max(window.start, at - _LONGEST_WORD) : at]
    return text[at] == "," and _PLAIN_WORD.search(word) is not None and not _has_quote(window, at)


def early_sentence_end(window: Window, at: int) -> int:
    """Where the sentence ends that the mark at ``at`` ends whatever follows; `NONE` if that is not certain.

    Only 。 behind a Chinese or Japanese character does, where no quote is about. A smiley behind it becomes
    part of the next sentence; behind ！ and ？, where most are, it still belongs to its own.
    """
    text = window.text
    certain = text[at] == "。" and at > window.start and _CJK_CHARACTER.match(text, at - 1) is not None
    return at + 1 if certain and not _has_quote(window, at) else NONE


def _has_quote(window: Window, at: int) -> bool:
    return _QUOTE.search(window.text, window.start, at) is not None


def has_words(text: str) -> bool:
    """Whether there is something to say outside brackets and asterisks."""
    return _WORD.search(_UNSPOKEN_GROUP.sub("", text)) is not None


def _is_worth_a_sound(text: str) -> bool:
    said = _UNSPOKEN_GROUP.sub("", text)
    return len(_CJK_CHARACTER.findall(said)) >= _EARLY_CJK or len(_SPACED_WORD.findall(said)) >= _EARLY_WORDS
