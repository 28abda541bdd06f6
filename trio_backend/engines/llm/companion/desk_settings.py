"""The settings `places`, `hours`, `faq` and `contact` of a character, checked key by key."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, time
from itertools import pairwise
from typing import TypeVar

import attrs

from ....config.diagnostics import did_you_mean
from ....errors import PatternError, SettingsError
from .desk import Desk, DeskPlace, Faq, Texts
from .hours import END_OF_DAY, DayHours, Hours
from .patterns import compile_pattern
from .words import Tokenizer

T = TypeVar("T")

MOST = 200
"""Places, and questions, of one character. Each is some patterns in each language."""

LONGEST = 400
"""Characters of one text: it is spoken."""

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

_CLOSED = "closed"
_SPAN = re.compile(r"(\d{1,2}):(\d\d)\s*(?:-|–|to)\s*(\d{1,2}):(\d\d)")
_DATE = re.compile(r"(?:(\d{4})-)?(\d{1,2})-(\d{1,2})")
_CODE = re.compile(r"[a-z]{2,3}(?:-[A-Za-z]+)?")


class _AnyClass(dict[str, str]):
    """Word classes are known only with the rules file; here each name will do."""

    def __contains__(self, name: object) -> bool:
        return True

    def __missing__(self, name: str) -> str:
        return "x"


def read_desk(settings: Mapping[str, object]) -> Desk:
    """What these settings say. Raises `SettingsError` for the first wrong one, with the others in it."""
    reader = _DeskReader()
    desk = Desk(
        places=reader.listed("places", settings.get("places"), reader.place),
        hours=reader.hours("hours", settings["hours"]) if settings.get("hours") is not None else None,
        faq=reader.listed("faq", settings.get("faq"), reader.question),
        contact=reader.texts("contact", settings["contact"]) if settings.get("contact") is not None else {},
    )
    if reader.wrong:
        first, *others = reader.wrong
        raise SettingsError(first.key, first.message, others=others)
    return desk


@attrs.define(eq=False)
class _DeskReader:
    """Reads values, and collects what is wrong with them; what is wrong is read as if it were not there."""

    wrong: list[SettingsError] = attrs.field(factory=list)

    def refuse(self, key: str, message: str) -> None:
        self.wrong.append(SettingsError(key, message))

    def listed(
        self, key: str, value: object, read: Callable[[str, Mapping[str, object]], T]
    ) -> tuple[T, ...]:
        """The items of a list of sections."""
        if value is None:
            return ()
        if not isinstance(value, list | tuple):
            self.refuse(key, "must be a list: each item begins with a dash")
            return ()
        if len(value) > MOST:
            self.refuse(key, f"must have at most {MOST} items")
        return tuple(
            read(f"{key}[{number}]", section)
            for number, item in enumerate(value[:MOST])
            if (section := self._section(f"{key}[{number}]", item)) is not None
        )

    def place(self, key: str, section: Mapping[str, object]) -> DeskPlace:
        self._only(key, section, ("names", "way", "hours"), required=("names", "way"))
        names = self._words(f"{key}.names", section.get("names", "x"))
        for language, found in names.items():
            for name in found:
                if not Tokenizer().words(name):
                    self.refuse(_below(f"{key}.names", language), f"there is no word in {name!r}")
        hours = section.get("hours")
        return DeskPlace(
            names=names,
            way=self.texts(f"{key}.way", section.get("way", "x")),
            hours=self.hours(f"{key}.hours", hours) if hours is not None else None,
        )

    def question(self, key: str, section: Mapping[str, object]) -> Faq:
        self._only(key, section, ("ask", "answer"), required=("ask", "answer"))
        ask = self._words(f"{key}.ask", section.get("ask", "x"))
        for language, patterns in ask.items():
            for pattern in patterns:
                try:
                    compile_pattern(pattern, Tokenizer().words, _AnyClass())
                except PatternError as error:
                    self.refuse(_below(f"{key}.ask", language), f"in the pattern {pattern!r}: {error}")
        return Faq(ask, self.texts(f"{key}.answer", section.get("answer", "x")))

    def texts(self, key: str, value: object) -> Texts:
        """One text for all languages, or one for each."""
        return {language: text for language, (text, *_) in self._words(key, value, several=False).items()}

    def hours(self, key: str, value: object) -> Hours | None:
        """Hours by day, run of days, or date; a day of its own wins over a run that it is in."""
        section = self._section(key, value)
        week: dict[int, tuple[int, DayHours]] = {}
        dates: dict[tuple[int, int, int], DayHours] = {}
        for name, written in (section or {}).items():
            below = f"{key}.{name}"
            found = self._day_hours(below, written)
            if day := _DATE.fullmatch(name):
                year, month, number = (int(part or 0) for part in day.groups())
                if _exists(year, month, number):
                    dates[year, month, number] = found
                else:
                    self.refuse(below, "there is no such day")
                continue
            for weekday in (run := self._run(below, name)):
                length, _ = week.get(weekday, (8, None))
                if length == len(run):
                    self.refuse(below, f"{DAYS[weekday]} is here twice")
                if len(run) < length:
                    week[weekday] = len(run), found
        known = tuple(week[day][1] if day in week else None for day in range(7))
        return Hours(known, dates) if section is not None else None

    def _run(self, key: str, name: str) -> tuple[int, ...]:
        run = _run(name)
        if not run:
            hint = did_you_mean(name.lower().partition("-")[0], DAYS)
            known = "a day (monday), days (monday-friday) or a date (2026-12-25, or 12-25 each year)"
            self.refuse(key, "; ".join(part for part in (f"must be {known}", hint) if part))
        return run

    def _day_hours(self, key: str, value: object) -> DayHours:
        if isinstance(value, Mapping):
            self._only(key, value, (_CLOSED,), required=(_CLOSED,))
            return DayHours((), self.texts(f"{key}.{_CLOSED}", value.get(_CLOSED, "x")))
        text = str(value).strip()
        if text.lower() == _CLOSED:
            return DayHours()
        spans = [self._span(key, part.strip()) for part in text.split(",")]
        good = tuple(span for span in spans if span is not None)
        if any(later[0] < earlier[1] for earlier, later in pairwise(good)):
            self.refuse(key, "must be in the order of the day, one span after the other")
        return DayHours(good)

    def _span(self, key: str, text: str) -> tuple[time, time] | None:
        found = _SPAN.fullmatch(text)
        if found is None:
            self.refuse(
                key, f"must be like '9:00-18:00', several with a comma between, or closed; not {text!r}"
            )
            return None
        start, end = _time(found[1], found[2]), _time(found[3], found[4])
        if start is None or end is None:
            self.refuse(key, f"{text!r} has no such time; the day ends at 24:00")
            return None
        if start >= end:
            self.refuse(key, f"{text!r} ends before it begins; write a night as two days")
            return None
        return start, end

    def _words(self, key: str, value: object, *, several: bool = True) -> dict[str, tuple[str, ...]]:
        """Texts by language; for all with the key ""."""
        if not isinstance(value, Mapping):
            return {"": found} if (found := self._some(key, value, several=several)) else {}
        read: dict[str, tuple[str, ...]] = {}
        for language, texts in value.items():
            if not _CODE.fullmatch(str(language)):
                self.refuse(f"{key}.{language}", "must be a language, such as en, zh or ja")
            elif found := self._some(f"{key}.{language}", texts, several=several):
                read[str(language)] = found
        if not value:
            self.refuse(key, "must have a text")
        return read

    def _some(self, key: str, value: object, *, several: bool) -> tuple[str, ...]:
        texts = value if several and isinstance(value, list | tuple) else [value]
        for text in texts:
            if isinstance(text, Mapping | list | tuple) or not str(text).strip():
                self.refuse(key, "must be text" + (" or a list of texts" if several else ""))
                return ()
            if len(str(text)) > LONGEST:
                self.refuse(key, f"must have at most {LONGEST} characters")
        if not texts:
            self.refuse(key, "must have a text")
        return tuple(str(text).strip() for text in texts)

    def _section(self, key: str, value: object) -> Mapping[str, object] | None:
        if isinstance(value, Mapping):
            return value
        self.refuse(key, "must be a section with keys of its own")
        return None

    def _only(
        self, key: str, section: Mapping[str, object], allowed: tuple[str, ...], *, required: tuple[str, ...]
    ) -> None:
        for name in section:
            if name not in allowed:
                meant = did_you_mean(name, allowed, likeness=0.6)
                known = ", ".join(allowed)
                self.refuse(
                    f"{key}.{name}",
                    "; ".join(
                        part for part in ("this key is not known", meant, f"known are: {known}") if part
                    ),
                )
        for name in required:
            if name not in section:
                self.refuse(f"{key}.{name}", "is missing")


def _below(key: str, language: str) -> str:
    return f"{key}.{language}" if language else key


def _run(name: str) -> tuple[int, ...]:
    """The weekdays that ``name`` means: monday, mon, monday-friday, friday-monday; none if it is no day."""
    ends = [_weekday(part.strip()) for part in name.lower().split("-")]
    if any(end is None for end in ends) or len(ends) > 2:
        return ()
    first, last = ends[0] or 0, ends[-1] or 0
    return tuple((first + number) % 7 for number in range((last - first) % 7 + 1))


def _weekday(name: str) -> int | None:
    return next((number for number, day in enumerate(DAYS) if len(name) >= 3 and day.startswith(name)), None)


def _time(hour: str, minute: str) -> time | None:
    if (hour, minute) == ("24", "00"):
        return END_OF_DAY
    return time(int(hour), int(minute)) if int(hour) < 24 and int(minute) < 60 else None


def _exists(year: int, month: int, day: int) -> bool:
    try:
        date(year or 2024, month, day)
    except ValueError:
        return False
    return True
