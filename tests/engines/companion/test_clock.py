"""Days and times: the companion's, and the opening hours of a place."""

from __future__ import annotations

from datetime import UTC, date, datetime, time

import pytest
import trio

from trio_backend.engines.base import Message, Prompt, Text
from trio_backend.engines.llm import scripted
from trio_backend.engines.llm.companion.calendar import day_spoken_of
from trio_backend.engines.llm.companion.desk_settings import read_desk
from trio_backend.engines.llm.companion.hours import END_OF_DAY, Hours
from trio_backend.engines.llm.scripted import ScriptedLlmConfig
from trio_backend.identity import source

from .dialogue import EMOTIONS, RULES, delivered

EN, ZH, JA = (language.calendar for language in delivered().languages)
FRIDAY = date(2026, 11, 20)


def hours(**written: object) -> Hours:
    found = read_desk({"hours": {name.replace("_", "-"): value for name, value in written.items()}}).hours
    assert found
    return found


@pytest.mark.parametrize(
    ("words", "day"),
    [
        ("tomorrow", date(2026, 11, 21)),
        ("friday", FRIDAY),
        ("thursday", date(2026, 11, 26)),
        ("christmas", date(2026, 12, 25)),
        ("new year", date(2027, 1, 1)),
        ("the day before yesterday", date(2026, 11, 18)),
    ],
)
def test_words_for_days(words: str, day: date) -> None:
    """A weekday or a date is the next one, today included."""
    assert EN.day(tuple(words.split()), FRIDAY, FRIDAY) == day


def test_the_day_after_is_after_the_day_spoken_of() -> None:
    """A row of questions goes on from day to day."""
    told = [("tomorrow",), ("the", "day", "after"), (), ("no", "day")]
    assert day_spoken_of(EN, told, FRIDAY) == date(2026, 11, 22)


@pytest.mark.parametrize(
    ("moment", "said"),
    [((0, 5), "12:05 am"), ((12, 0), "12:00 pm"), ((23, 59), "11:59 pm"), ((9, 30), "9:30 am")],
)
def test_times_have_twelve_hours_in_english(moment: tuple[int, int], said: str) -> None:
    """Noon and midnight are twelve."""
    assert EN.said_time(time(*moment)) == said


def test_dates_are_said_as_each_language_says_them() -> None:
    """With the weekday."""
    assert EN.said_date(FRIDAY) == "Friday, 20 November 2026"
    assert ZH.said_date(FRIDAY) == "2026年11月20日星期五"
    assert JA.said_date(FRIDAY) == "2026年11月20日金曜日"
    assert JA.said_time(time(19)) == "19時"
    assert EN.part_of(time(3)) == "night"
    assert EN.part_of(time(14)) == "afternoon"


class _Stopped:
    """A wall clock that stands."""

    def id(self) -> object:
        raise NotImplementedError

    def now(self) -> datetime:
        return datetime(2026, 11, 20, 14, 5, tzinfo=UTC)


async def test_the_engine_tells_the_time_of_the_server_s_clock(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That of `identity`, in the time zone of the machine."""
    prompt = Prompt("", [Message("user", "what day is it?")], "Mia", EMOTIONS)
    with source(_Stopped()):  # type: ignore[arg-type]
        async with scripted.open(ScriptedLlmConfig(RULES)) as llm, llm.reply(prompt) as parts:
            said = "".join([part.text async for part in parts if isinstance(part, Text)])
    assert "Friday" in said or "Saturday" in said  # where the machine is far in the east


WEEK = hours(monday_friday="9:00-12:00, 13:00-18:00", saturday="22:00-24:00")


@pytest.mark.parametrize(
    ("now", "closes"),
    [
        ("2026-11-20T09:00", time(12)),
        ("2026-11-20T12:00", None),
        ("2026-11-20T17:59", time(18)),
        ("2026-11-20T18:00", None),
        ("2026-11-21T23:30", END_OF_DAY),
        ("2026-11-22T10:00", None),
    ],
)
def test_open_until(now: str, closes: time | None) -> None:
    """From the first minute on, and no longer at the last."""
    assert WEEK.closes(datetime.fromisoformat(now)) == closes


@pytest.mark.parametrize(
    ("now", "opens"),
    [
        ("2026-11-20T08:00", "2026-11-20T09:00"),
        ("2026-11-20T12:30", "2026-11-20T13:00"),
        ("2026-11-20T19:00", "2026-11-21T22:00"),
        ("2026-11-21T23:59", "2026-11-23T09:00"),
    ],
)
def test_the_next_opening(now: str, opens: str) -> None:
    """Today's second span, tomorrow's, or that of the day after a day without hours."""
    expected = datetime.fromisoformat(opens)
    assert WEEK.opens(datetime.fromisoformat(now)) == (expected.date(), expected.time())


def test_dates_win_over_days_and_come_again_without_a_year() -> None:
    """Christmas Day of each year; one afternoon of this."""
    found = hours(monday_sunday="9:00-18:00", **{"12_25": "closed", "2026_12_24": "9:00-13:00"})
    assert found.closes(datetime(2030, 12, 25, 10)) is None
    assert found.closes(datetime(2026, 12, 24, 10)) == time(13)
    assert found.closes(datetime(2027, 12, 24, 10)) == time(18)
    assert hours(monday="closed").opens(datetime(2026, 11, 20)) is None


def test_runs_of_days_go_round_the_week() -> None:
    """friday-monday is four days."""
    found = hours(friday_monday="9:00-10:00", wed="closed")
    assert [day is not None for day in found.week] == [True, False, True, False, True, True, True]
    assert [(first, last) for first, last, _ in found.grouped()] == [(0, 0), (2, 2), (4, 6)]
