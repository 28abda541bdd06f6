"""Days and times in the words of one language: what "tomorrow" is, and how today is said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta

import attrs

Words = tuple[str, ...]

DAY = "day"
"""The slot that holds words for a day, and the word class of them."""

_WEEK = 7


@attrs.frozen
class Calendar:
    """One language's words and forms.

    ``near`` are days by their distance from today, ``later`` by that from the day spoken of before; ``dates``
    come every year; ``parts`` are names for what begins at an hour. The forms have ``{hour}``, ``{hour12}``,
    ``{minute}`` and ``{half}`` for a time (``whole_form`` for a full hour), ``{weekday}``, ``{number}``,
    ``{month}`` and ``{year}`` for a date; ``on_form`` has ``{day}``.
    """

    time_form: str = "{hour}:{minute}"
    whole_form: str = "{hour}:{minute}"
    halves: tuple[str, ...] = ("", "")
    date_form: str = "{year}-{month}-{number}"
    on_form: str = "{day}"
    days: tuple[str, ...] = ()
    months: tuple[str, ...] = ()
    parts: Mapping[int, str] = attrs.field(factory=dict)
    one_day: str = "1"
    many_days: str = "{days}"
    near: Mapping[Words, int] = attrs.field(factory=dict)
    near_names: Mapping[int, str] = attrs.field(factory=dict)
    later: Mapping[Words, int] = attrs.field(factory=dict)
    weekdays: Mapping[Words, int] = attrs.field(factory=dict)
    dates: Mapping[Words, tuple[int, int]] = attrs.field(factory=dict)

    def known_words(self) -> list[Words]:
        """All words for days."""
        return [*self.near, *self.later, *self.weekdays, *self.dates]

    def day(self, words: Words, today: date, spoken_of: date) -> date | None:
        """The day that ``words`` mean; weekdays and dates are the next ones, today included."""
        if words in self.near:
            return today + timedelta(self.near[words])
        if words in self.later:
            return spoken_of + timedelta(self.later[words])
        if words in self.weekdays:
            return today + timedelta((self.weekdays[words] - today.weekday()) % _WEEK)
        if words in self.dates:
            month, number = self.dates[words]
            this_year = date(today.year, month, number)
            return this_year if this_year >= today else date(today.year + 1, month, number)
        return None

    def said_time(self, moment: time) -> str:
        """``moment`` as it is said."""
        form = self.time_form if moment.minute else self.whole_form
        return form.format(
            hour=moment.hour,
            hour12=(moment.hour - 1) % 12 + 1,
            minute=f"{moment.minute:02}",
            half=self.halves[moment.hour >= 12],
        )

    def said_date(self, day: date) -> str:
        """``day`` with its date."""
        return self.date_form.format(
            weekday=self.weekday(day), number=day.day, month=self.month(day), year=day.year
        )

    def weekday(self, day: date) -> str:
        return self.days[day.weekday()] if self.days else ""

    def month(self, day: date) -> str:
        return self.months[day.month - 1] if self.months else str(day.month)

    def on_day(self, day: date, today: date) -> str:
        """When ``day`` is: "tomorrow", "on Monday", or with its date where that is more than a week away."""
        distance = (day - today).days
        if distance in self.near_names:
            return self.near_names[distance]
        soon = 0 < distance < _WEEK
        return self.on_form.format(day=self.weekday(day) if soon else self.said_date(day))

    def part_of(self, moment: time) -> str:
        """Morning, evening, …"""
        begun = [hour for hour in sorted(self.parts) if hour <= moment.hour]
        return self.parts[begun[-1] if begun else max(self.parts)] if self.parts else ""

    def counted(self, days: int) -> str:
        return self.one_day if days == 1 else self.many_days.format(days=days)


def clock_values(calendar: Calendar, now: datetime) -> Mapping[str, str]:
    """What can be said of ``now``."""
    if not calendar.days:
        return {}
    return {
        "time": calendar.said_time(now.time()),
        "date": calendar.said_date(now),
        "weekday": calendar.weekday(now),
        "month": calendar.month(now),
        "year": str(now.year),
        "daypart": calendar.part_of(now.time()),
    }


def day_values(calendar: Calendar, day: date, today: date) -> Mapping[str, str]:
    """What can be said of ``day``, which was asked for."""
    distance = (day - today).days
    return {
        "day_name": calendar.on_day(day, today),
        "day_weekday": calendar.weekday(day),
        "day_date": calendar.said_date(day),
        **({"days_until": calendar.counted(distance)} if distance >= 0 else {}),
    }


CLOCK_VALUES = (
    *("time", "date", "weekday", "month", "year", "daypart"),
    *("day_name", "day_weekday", "day_date", "days_until"),
)


def day_spoken_of(calendar: Calendar, told: Sequence[Words], today: date) -> date:
    """The day that questions have come to one after the other: "tomorrow?", "and the day after?"."""
    day = today
    for words in told:
        day = calendar.day(words, today, day) or day
    return day
