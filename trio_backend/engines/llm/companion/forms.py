"""The sections of a language in a rules file that are no rules: words, sums, `clock` and `desk`."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from string import Formatter

from .calendar import Calendar, Words
from .desk import DeskForms
from .nodes import Fields, RulesNode, unknown
from .sums import SIGNS, Sums
from .words import ClauseBreak, Tokenizer, TypedWord

_CLOCK = (
    *("time", "whole", "halves", "date", "on", "days", "months", "parts", "counted"),
    *("near", "near_names", "later", "weekdays", "dates"),
)
_TIME = ("hour", "hour12", "minute", "half")
_DATE = ("weekday", "number", "month", "year")
_DESK = (
    *("place", "no_place", "more_place", "place_hours", "hours_rule"),
    *("span", "days", "on_days", "between", "closed", "midnight"),
)


def read_calendar(place: RulesNode, tokenizer: Tokenizer) -> Calendar:
    """A language's `clock`. Its words are in the tokenizer's normal form, as those of a message are."""
    fields = place.fields(_CLOCK, required=("time", "date", "days", "months", "near"))

    def mapping(name: str, low: int, high: int) -> dict[Words, int]:
        return {_words(key, tokenizer): value.number(low, high) for key, value in fields.entries(name)}

    time = _form(fields["time"], _TIME)
    counted = _exactly(2, fields["counted"]) if "counted" in fields else ("1", "{days}")
    return Calendar(
        time_form=time,
        whole_form=_form(fields["whole"], _TIME) if "whole" in fields else time,
        halves=_exactly(2, fields["halves"]) if "halves" in fields else ("", ""),
        date_form=_form(fields["date"], _DATE),
        on_form=_form(fields["on"], ("day",)) if "on" in fields else "{day}",
        days=_exactly(7, fields["days"]),
        months=_exactly(12, fields["months"]),
        parts={_number(key, 0, 23): value.text() for key, value in fields.entries("parts")},
        one_day=counted[0],
        many_days=counted[1],
        near=mapping("near", -1000, 1000),
        near_names={_number(key, -7, 7): value.text() for key, value in fields.entries("near_names")},
        later=mapping("later", -1000, 1000),
        weekdays=mapping("weekdays", 0, 6),
        dates={_words(key, tokenizer): _month_and_day(value) for key, value in fields.entries("dates")},
    )


def read_desk_forms(place: RulesNode, rules: Collection[str]) -> DeskForms:
    """A language's `desk`. Its patterns are compiled for each character that has places."""
    fields = place.fields(_DESK)

    def texts(name: str) -> tuple[str, ...]:
        return fields.read(name, RulesNode.texts, ())

    def form(name: str, names: tuple[str, ...], otherwise: str) -> str:
        return fields.read(name, lambda at: _form(at, names), otherwise)

    answering = fields.read("hours_rule", RulesNode.text, "")
    if answering and answering not in rules:
        raise fields["hours_rule"].wrong(unknown("rule", answering, rules))
    plain = DeskForms()
    return DeskForms(
        place=texts("place"),
        no_place=texts("no_place"),
        more_place=texts("more_place"),
        place_hours=texts("place_hours"),
        hours_rule=answering,
        span=form("span", ("opens", "closes"), plain.span),
        days=form("days", ("first", "last"), plain.days),
        on_days=form("on_days", ("days", "hours"), plain.on_days),
        between=fields.read("between", RulesNode.text, plain.between),
        closed=fields.read("closed", RulesNode.text, plain.closed),
        midnight=fields.read("midnight", RulesNode.text, ""),
    )


def day_class(calendar: Calendar) -> str:
    """The words for days as a word class, the longest first."""
    return "|".join(" ".join(words) for words in sorted(calendar.known_words(), key=len, reverse=True))


def _form(place: RulesNode, names: Collection[str]) -> str:
    """A form of speech with these values."""
    text = place.text()
    try:
        used = {name for _, name, _, _ in Formatter().parse(text) if name is not None}
    except ValueError as error:
        raise place.wrong(f"{text!r}: {error}") from error
    for name in sorted(used - set(names)):
        raise place.wrong(unknown("value", name, names))
    return text


def _exactly(count: int, place: RulesNode) -> tuple[str, ...]:
    texts = place.texts()
    if len(texts) != count:
        raise place.wrong(f"{count} texts are expected here, not {len(texts)}")
    return texts


def _number(key: RulesNode, low: int, high: int) -> int:
    return key.number(low, high)


def _words(place: RulesNode, tokenizer: Tokenizer) -> Words:
    words = tokenizer.words(place.text())
    if not words:
        raise place.wrong(f"there is no word in {place.text()!r}")
    return words


def _month_and_day(place: RulesNode) -> tuple[int, int]:
    month, _, day = place.text().partition("-")
    if not (month.isdecimal() and day.isdecimal() and 1 <= int(month) <= 12 and 1 <= int(day) <= 28 + 3):
        raise place.wrong("a month and a day are expected here, such as 12-25")
    # The 29th of February is not in every year; nobody asks a companion for it.
    if int(day) > (28 if int(month) == 2 else 30 if int(month) in (4, 6, 9, 11) else 31):
        raise place.wrong(f"there is no such day: {place.text()!r}")
    return int(month), int(day)


def read_tokenizer(fields: Fields) -> Tokenizer:
    """How a language tells words and clauses apart: `same`, `breaks`, `cuts`, `resumes`, `trims`."""
    return Tokenizer(
        same={key.text().lower(): word_sequence(value) for key, value in fields.entries("same")},
        breaks=(*_breaks(fields), *_cuts(fields), *_resumes(fields)),
        trims=_sequences(fields, "trims"),
    )


def _breaks(fields: Fields) -> Iterator[ClauseBreak]:
    for item in fields["breaks"].items() if "breaks" in fields else ():
        words, dropped = _barred(item)
        yield ClauseBreak(words, 0, 1 if dropped is None else dropped)


def _cuts(fields: Fields) -> Iterator[ClauseBreak]:
    for item in fields["cuts"].items() if "cuts" in fields else ():
        words, kept = _barred(item)
        if kept is None:
            raise item.wrong("a | must show where the clause ends")
        yield ClauseBreak(words, kept, kept)


def _resumes(fields: Fields) -> Iterator[ClauseBreak]:
    for key, value in fields.entries("resumes"):
        words, resumed = word_sequence(key), word_sequence(value)
        yield ClauseBreak(
            words, 0, len(words), tuple(TypedWord(word, word) for word in resumed), subject=resumed[0]
        )


def _barred(place: RulesNode) -> tuple[tuple[str, ...], int | None]:
    """The words, and how many of them stand before the ``|``, if there is one."""
    before, bar, _ = place.text().partition("|")
    return word_sequence(place), len(Tokenizer().words(before)) if bar else None


def _sequences(fields: Fields, name: str) -> tuple[tuple[str, ...], ...]:
    return tuple(word_sequence(item) for item in fields[name].items()) if name in fields else ()


def word_sequence(place: RulesNode) -> tuple[str, ...]:
    """The words of a text, of which there must be one."""
    words = Tokenizer().words(place.text())
    if not words:
        raise place.wrong(f"there is no word in {place.text()!r}")
    return words


def read_sums(place: RulesNode) -> Sums:
    """A language's `sums`."""
    fields = place.fields(("numbers", "signs", "around", "joins"))
    signs = {key.text(): value.text() for key, value in fields.entries("signs")}
    for key, value in fields.entries("signs"):
        if value.text() not in SIGNS:
            raise value.wrong(f"{key.text()!r} must mean one of {' '.join(SIGNS)}")
    return Sums(
        fields.mapping("numbers", RulesNode.text),
        signs,
        fields.read("around", RulesNode.texts, ()),
        fields.read("joins", RulesNode.texts, ()),
    )
