"""What a character knows of its place, as rules of each language and as values that they may say.

The patterns are those that the rules file has for places, with the names of each place put in: so its rules
are ranked, chosen and said like all others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, time

import attrs

from ....errors import EngineError, PatternError
from .desk import Desk, DeskPlace, said_in, subject_of
from .hours import END_OF_DAY, DayHours, Hours
from .patterns import Pattern, compile_pattern
from .rules import ANY_MANNER, Companion, Language, Rule, Sayings
from .templates import literal_template

PLACE = "place"
"""The word class that stands for a place's names in the patterns of a rules file."""

PLACE_RANK = 66
"""Above small talk and what people tell; below danger, grief and names."""

HOURS_RANK = 68
ANSWER_RANK = 67

DESK_VALUES = (
    *("closes", "opens", "opens_day", "open_day", "spans", "closed_day", "reason"),
    *("week", "contact", "places"),
)


def with_desk(companion: Companion, desk: Desk) -> Companion:
    """``companion`` with rules for ``desk``. Raises `EngineError` where a pattern of it is wrong."""
    if not desk:
        return companion
    languages = tuple(
        attrs.evolve(language, rules=(*language.rules, *_rules(language, desk)))
        for language in companion.languages
    )
    return attrs.evolve(companion, languages=languages, desk=desk)


def _rules(language: Language, desk: Desk) -> Iterator[Rule]:
    for number, place in enumerate(desk.places):
        classes = {**language.classes, PLACE: "|".join(_names(place, language))}
        way = _sayings(said_in(place.way, language.name))
        yield Rule(
            name=f"places[{number}]",
            line=0,
            rank=PLACE_RANK,
            hear=_frames(language, language.desk.place, classes),
            unlike=_frames(language, language.desk.no_place, classes),
            say=way,
            aside=way,
            about=PLACE,
            again=True,
            due=True,
        )
        yield Rule(
            name=f"places[{number}], in short",
            line=0,
            rank=PLACE_RANK,
            hear=_frames(language, language.desk.more_place, classes),
            say=way,
            aside=way,
            about=PLACE,
            after=PLACE,
            again=True,
            due=True,
        )
        if place.hours and language.desk.hours_rule:
            yield Rule(
                name=f"places[{number}].hours",
                line=0,
                rank=HOURS_RANK,
                hear=_frames(language, language.desk.place_hours, classes),
                goto=language.desk.hours_rule,
                about=subject_of(number),
                again=True,
                due=True,
            )
    for number, faq in enumerate(desk.faq):
        sources = faq.ask.get(language.name, ()) + faq.ask.get("", ())
        answer = _sayings(said_in(faq.answer, language.name))
        hear = tuple(
            _compiled(f"faq[{number}].ask", source, language, language.classes) for source in sources
        )
        if hear:
            yield Rule(
                f"faq[{number}]",
                0,
                ANSWER_RANK,
                hear=hear,
                say=answer,
                aside=answer,
                about="faq",
                again=True,
                due=True,
            )


def _frames(language: Language, sources: Sequence[str], classes: Mapping[str, str]) -> tuple[Pattern, ...]:
    return tuple(compile_pattern(source, language.tokenizer.words, classes) for source in sources)


def _compiled(key: str, source: str, language: Language, classes: Mapping[str, str]) -> Pattern:
    try:
        return compile_pattern(source, language.tokenizer.words, classes)
    except PatternError as error:
        raise EngineError(f"{key}: in the pattern {source!r}: {error}") from error


def _names(place: DeskPlace, language: Language) -> list[str]:
    """All names, of whichever language, since visitors mix them; long words with usual slips of the pen."""
    names: dict[str, None] = {}
    for written in (name for found in place.names.values() for name in found):
        words = language.tokenizer.words(written)
        names[" ".join(words)] = None
        if len(words) == 1:
            names.update(dict.fromkeys(_slips(words[0])))
    return [name for name in names if name]


def _slips(word: str) -> Iterator[str]:
    """``word`` with a letter missing, or two that changed places. Of short words that may be another word.

    And more than one of it, where English has them.
    """
    if not word.isascii():
        return
    yield f"{word}s"
    if len(word) < 6:
        return
    for at in range(1, len(word)):
        yield word[:at] + word[at + 1 :]
        if at + 1 < len(word):
            yield word[:at] + word[at + 1] + word[at] + word[at + 2 :]


def _sayings(text: str) -> Sayings:
    return Sayings({ANY_MANNER: (literal_template(text),)})


def desk_values(desk: Desk, language: Language) -> Mapping[str, str]:
    """What can be said of the place at any time: whom to ask, what is where, and the hours of the week."""
    values = {
        "contact": said_in(desk.contact, language.name),
        "places": language.listing([_first_name(place, language.name) for place in desk.places[:4]]),
        "week": _week(desk.hours, language) if desk.hours else "",
    }
    return {name: value for name, value in values.items() if value}


def _first_name(place: DeskPlace, language: str) -> str:
    names = place.names.get(language) or place.names.get("") or next(iter(place.names.values()), ())
    return names[0] if names else ""


def hours_values(hours: Hours, language: Language, now: datetime, day: date) -> Mapping[str, str]:
    """What can be said of ``hours``, now and on ``day``.

    ``closes`` is there only while it is open, ``opens`` only while it is closed; so are ``spans`` and
    ``closed_day``: a text that needs what is not so is not said.
    """
    calendar, values = language.calendar, dict[str, str]()
    if closes := hours.closes(now):
        values["closes"] = _time(closes, language)
    elif opens := hours.opens(now):
        values["opens_day"] = calendar.on_day(opens[0], now.date())
        values["opens"] = _time(opens[1], language)
    found = hours.on(day)
    if found is None:
        return values
    name = calendar.on_day(day, now.date())
    reason = said_in(found.reason, language.name)
    if found.spans:
        values |= {"open_day": name, "spans": _spans(found, language)}
    else:
        values |= {"closed_day": name}
    return values | ({"reason": reason} if reason else {})


def _week(hours: Hours, language: Language) -> str:
    forms, parts = language.desk, []
    for first, last, found in hours.grouped():
        days = [language.calendar.days[day] for day in (first, last)]
        run = days[0] if first == last else forms.days.format(first=days[0], last=days[1])
        parts.append(forms.on_days.format(days=run, hours=_spans(found, language)))
    return forms.between.join(parts)


def _spans(found: DayHours, language: Language) -> str:
    if not found.spans:
        return language.desk.closed
    return language.listing(
        [
            language.desk.span.format(opens=_time(start, language), closes=_time(end, language))
            for start, end in found.spans
        ]
    )


def _time(moment: time, language: Language) -> str:
    midnight = language.desk.midnight
    return midnight if midnight and moment == END_OF_DAY else language.calendar.said_time(moment)
