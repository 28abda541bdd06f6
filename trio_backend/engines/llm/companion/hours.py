"""Opening hours: of a week, with dates that differ. Pure: the time now is given."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime, time, timedelta

import attrs

FARTHEST = 60
"""Days that are looked ahead for the next opening: longer holidays are told as closed, without an end."""

Spans = tuple[tuple[time, time], ...]
"""From when to when, in order, none touching the next; empty where it is closed. 24:00 is `END_OF_DAY`."""

END_OF_DAY = time(23, 59, 59)


@attrs.frozen
class DayHours:
    """The hours of one day; ``reason`` is why it is closed or different, by language."""

    spans: Spans = ()
    reason: Mapping[str, str] = attrs.field(factory=dict, hash=False)


@attrs.frozen
class Hours:
    """``week`` has seven days from Monday on, None where nothing is known; ``dates`` win over it.

    A date without a year (its year is 0) comes every year.
    """

    week: tuple[DayHours | None, ...] = (None,) * 7
    dates: Mapping[tuple[int, int, int], DayHours] = attrs.field(factory=dict, hash=False)

    def on(self, day: date) -> DayHours | None:
        """The hours of ``day``; None where nobody wrote them down."""
        for key in ((day.year, day.month, day.day), (0, day.month, day.day)):
            if key in self.dates:
                return self.dates[key]
        return self.week[day.weekday()]

    def closes(self, now: datetime) -> time | None:
        """When it closes, if it is open ``now``."""
        found = self.on(now.date())
        return next((end for start, end in found.spans if start <= now.time() < end), None) if found else None

    def opens(self, now: datetime) -> tuple[date, time] | None:
        """When it opens next after ``now``; None if that is not known, or too far away."""
        return next(
            ((day, start) for day, start in self._openings(now) if (day, start) > (now.date(), now.time())),
            None,
        )

    def _openings(self, now: datetime) -> Iterator[tuple[date, time]]:
        for distance in range(FARTHEST):
            day = now.date() + timedelta(distance)
            found = self.on(day)
            for start, _ in found.spans if found else ():
                yield day, start

    def grouped(self) -> Iterator[tuple[int, int, DayHours]]:
        """The week in runs of days that have the same hours: first day, last day, hours."""
        first = 0
        for day in range(1, 8):
            if day == 7 or self.week[day] != self.week[first]:
                hours = self.week[first]
                if hours is not None:
                    yield first, day - 1, hours
                first = day
