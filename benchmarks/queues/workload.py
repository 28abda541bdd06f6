"""The load for all: pages that open, say ten things, and are reloaded before everything is answered."""

from __future__ import annotations

import attrs

# Pages that are open at the same time, each in a conversation of its own.
PAGES = 4
MESSAGES = 10
# A person, or a live chat, says something so often.
PAUSE = 0.06
# The page is reloaded so long after its last message.
STAYS = 0.1
# An answer: sentences, each of which takes a while, and then the sound is played.
SENTENCES = 3
SENTENCE = 0.05
SOUND = b"\x00" * 60_000
PLAYBACK = 0.05
# How long an answer waits for a page that does not say that it has played everything.
PATIENCE = 2.0
FORWARDERS = 5


@attrs.define(eq=False)
class Forward:
    """One message: when it was said, when its answer began and ended, and for which session (from 1)."""

    session: int
    said: float
    began: float | None = None
    ended: float | None = None
    for_nobody: bool = False
    dropped: bool = False
    """Whether it was taken out of the queue when its page left."""


@attrs.define(eq=False)
class Session:
    """One visit of one page."""

    number: int
    forwards: list[Forward] = attrs.field(factory=list)
    tasks_alive: int = 0
    """Of the whole process, at the end of the visit."""


@attrs.define(eq=False)
class Visits:
    """All that happened, in the order in which the pages came."""

    sessions: list[Session] = attrs.field(factory=list)

    end: float = 0.0
    """When it was over."""

    def open(self) -> Session:
        session = Session(len(self.sessions) + 1)
        self.sessions.append(session)
        return session


@attrs.frozen
class Result:
    """What a strategy did. Latencies are in seconds, per session in the order of the sessions."""

    name: str
    median: float
    p99: float
    answered_per_second: float
    for_nobody: int
    never_begun: int
    at_once: int
    """The most answers that ran at the same time in one conversation."""
    tasks_left: int
    megabytes: float
    latencies: list[float]
    tasks: list[int]


def latencies(session: Session, end: float) -> list[float]:
    """How long each message waited although its conversation was free for it.

    One that was never begun has waited until ``end`` at least.
    """
    waits, free = [], 0.0
    for forward in session.forwards:
        if forward.dropped:
            continue
        began = end if forward.began is None else forward.began
        waits.append(began - max(forward.said, free if free <= began else 0.0))
        if forward.ended is not None:
            free = max(free, forward.ended)
    return waits


def most_at_once(session: Session) -> int:
    """How many answers of one conversation overlapped."""
    events: list[tuple[float, int]] = []
    for forward in session.forwards:
        if forward.began is not None:
            events.append((forward.began, 1))
            if forward.ended is not None:
                events.append((forward.ended, -1))
    most = now = 0
    for _, step in sorted(events):
        now += step
        most = max(most, now)
    return most


def quantile(values: list[float], q: float) -> float:
    """The smallest value that ``q`` of all do not exceed; 0 for none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))] if ordered else 0.0


def summary(name: str, visits: Visits, *, seconds: float, tasks_left: int, megabytes: float) -> Result:
    """The figures of a strategy that took ``seconds`` for all visits."""
    waits = [wait for session in visits.sessions for wait in latencies(session, visits.end)]
    forwards = [forward for session in visits.sessions for forward in session.forwards]
    heard = [forward for forward in forwards if forward.ended is not None and not forward.for_nobody]
    return Result(
        name,
        quantile(waits, 0.5),
        quantile(waits, 0.99),
        len(heard) / seconds,
        sum(forward.for_nobody for forward in forwards),
        sum(forward.began is None and not forward.dropped for forward in forwards),
        max(map(most_at_once, visits.sessions), default=0),
        tasks_left,
        megabytes,
        [quantile(latencies(session, visits.end), 0.5) for session in visits.sessions],
        [session.tasks_alive for session in visits.sessions],
    )
