"""What was measured in `prove voice`, as figures with their bounds. No I/O."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from statistics import mean
from typing import Literal, TypeAlias

import attrs

from .outcome import Check, Series, quantile
from .voice_corpus import CorpusUtterance
from .voice_engine_log import EngineLog
from .voice_engine_times import CLAUSE_SOUND, EAGER, TIMES
from .voice_lines import Kind

Listening: TypeAlias = Literal["whole", "streaming"]
"""Which recogniser a character has: one that takes whole utterances, or one that streams and judges."""

# Seconds. The bounds of issue 13, by how many talk: half of all turns wait so much longer, and nearly all.
BEYOND = {1: (0.02, 0.05), 50: (0.05, 0.15)}
WAIT: dict[Listening, float] = {"whole": 1.3, "streaming": 1.0}
FIRST_PIECE = 0.06
END_OF_TURN: dict[Listening, float] = {"whole": 1.3, "streaming": 0.7}
CUT_OFFS = 0.05
"""Of all utterances, those that may be taken for finished in the middle."""
LATE = 0.03
"""By so much later than it was recorded sound may be sent, before the waits are the load generator's."""
FIXED = 1.6
"""A silence that ends every turn, and is longer than the pauses that people make."""
MIN_INTERRUPT, SILENT_AFTER = 0.3, 0.05
FALSE_STOPS = 0.1
RESUMED = 1.0
HEARTBEAT = 0.02


@attrs.frozen
class Exchange:
    """One utterance that was said, and what came of it; moments in seconds after its last sample of speech.

    ``cut`` is when it was taken for finished though more was to come, before that sample; ``decided`` when it
    was taken for finished after it; ``heard`` when the reply could be heard; ``arrived`` when its first sound
    came, and ``piece`` how long that was after the voice had sent its first 0.3 s. None of what never was.
    """

    utterance: CorpusUtterance
    listening: Listening
    cut: float | None = None
    decided: float | None = None
    heard: float | None = None
    arrived: float | None = None
    piece: float | None = None
    understood: str = ""
    plain: bool = False
    """Said on a page without additions to the protocol, which has the first clause whole."""
    number: int | None = None
    came: float | None = None
    """Of the first sound: the number of its request, and when it came, on the system's monotonic clock."""
    silence: int = 0
    """The windows of silence that end a turn of which nothing is known; 0: as they are by default."""

    def with_piece(self, log: EngineLog) -> Exchange:
        """With ``piece``, if ``log`` knows the first sound."""
        speech = None if self.number is None else log.speech_of(self.number)
        if speech is None or speech.begun is None or self.came is None:
            return self
        return attrs.evolve(self, piece=self.came - speech.begun)

    @property
    def beyond(self) -> float | None:
        """How long the reply took beyond the engines' own time.

        That is the longer of two: until the end of the turn was decided, and the pipeline, which may begin
        after `EAGER` seconds of silence.
        """
        if self.heard is None:
            return None
        pipeline = EAGER + TIMES.pipeline(streaming=self.listening == "streaming")
        pipeline += CLAUSE_SOUND if self.plain else 0.0
        return self.heard - max(pipeline, self.decided or 0.0)


@attrs.frozen
class Interjection:
    """Something that was said or coughed while a reply was played.

    ``stopped`` is when nothing was heard of the reply any more, in seconds after its first sample of speech;
    ``resumed`` when the reply was heard again, after its last. ``answered``: it was taken for a turn.
    """

    kind: Kind
    listening: Listening = "streaming"
    stopped: float | None = None
    resumed: float | None = None
    answered: bool = False
    words: str = ""
    understood: str = ""
    """What was said, and what it was taken for, where it was answered."""


@attrs.frozen
class Waste:
    """What the engines were asked, and how many turns were told."""

    transcriptions: int = 0
    replies: int = 0
    turns: int = 0
    sound: float = 0.0
    """Seconds that were synthesized."""
    heard: float = 0.0
    """Seconds that clients were sent."""


def exchange_checks(exchanges: Sequence[Exchange], talking: int, *, late: float = 0.0) -> list[Check]:
    """How long who speaks with whole sentences waits, ``talking`` at the same time.

    ``late`` are the seconds by which sound was sent too late: where those are many, the figures are the load
    generator's.
    """
    checks: list[Check] = []
    silent = sum(one.heard is None for one in exchanges)
    checks.append(Check(f"utterances without a reply, {talking} talking", silent, "", 0))
    bounds = BEYOND[1] if talking == 1 else BEYOND[50]
    for listening, plain in itertools.product(_TOLD, (False, True)):
        found = [one for one in exchanges if one.listening == listening and one.plain == plain]
        waits = [one.heard for one in found if one.heard is not None]
        if not found:
            continue
        name = f"{listening} recognition, {'official page, ' * plain}{talking} talking"
        most = 1000 * (WAIT[listening] + (CLAUSE_SOUND if plain else 0.0))
        checks.append(Check(f"wait, {name} (p50)", 1000 * quantile(waits, 0.5), "ms", most))
        checks.append(Check(f"wait, {name} (p99)", 1000 * quantile(waits, 0.99), "ms"))
        if listening == "streaming" and not plain:
            beyond = [one.beyond for one in found if one.beyond is not None]
            for share, bound in zip((0.5, 0.99), bounds, strict=True):
                what = f"wait beyond the engines' own time, {talking} talking (p{100 * share:.0f})"
                checks.append(Check(what, 1000 * quantile(beyond, share), "ms", 1000 * bound))
    pieces = [one.piece for one in exchanges if one.piece is not None and not one.plain]
    if pieces:
        what = f"sound after the voice's first 0.3 s, {talking} talking (p50)"
        checks.append(Check(what, 1000 * quantile(pieces, 0.5), "ms", 1000 * FIRST_PIECE))
    wrong = sum(one.cut is None and bool(one.understood) and not _same(one) for one in exchanges)
    checks.append(Check(f"utterances understood wrongly, {talking} talking", wrong, "", 0))
    checks.append(Check(f"sound was sent late, {talking} talking (p99)", 1000 * late, "ms"))
    return [attrs.evolve(check, client_bound=late > LATE and check.unit == "ms") for check in checks]


def end_of_turn_checks(exchanges: Sequence[Exchange]) -> list[Check]:
    """How long the server waits before it takes an utterance for finished, and how often it is wrong."""
    checks: list[Check] = []
    for told, these in _by_listening(exchanges):
        found = [one for one in these if not one.silence]
        decided, bound = decisions(found), 1000 * END_OF_TURN[these[0].listening]
        checks.append(Check(f"false cut-offs, {told}", 100 * cut_offs(found), "%", 100 * CUT_OFFS))
        checks.append(Check(f"end of turn, {told} (mean)", 1000 * _mean(decided), "ms", bound))
        checks.append(Check(f"end of turn, {told} (p90)", 1000 * quantile(decided, 0.9), "ms"))
        if len(points := operating_points(these)) > 1:
            few = [wait for cut, wait in points if cut <= 100 * CUT_OFFS]
            # Without such a setting, what a silence takes that is longer than every pause.
            best = min(few, default=1000 * FIXED)
            checks.append(Check(f"end of turn at 5 % false cut-offs, {told} (mean)", best, "ms", bound))
    return checks


def interjection_checks(found: Sequence[Interjection], talking: int) -> list[Check]:
    """Whether who means to interrupt is heard, and who does not is not."""
    meant = [one for one in found if one.kind == "interruption"]
    stops = [one.stopped for one in meant if one.stopped is not None]
    bound = 1000 * (MIN_INTERRUPT + SILENT_AFTER)
    silent = f"silent after a meant interruption, {talking} talking"
    checks = [
        Check(f"{silent} (p50)", 1000 * quantile(stops, 0.5), "ms"),
        Check(f"{silent} (p99)", 1000 * quantile(stops, 0.99), "ms", bound),
        Check("missed interruptions", sum(one.stopped is None for one in meant), "", 0),
    ]
    for kind, listening in itertools.product(_UNMEANT, _TOLD):
        these = [one for one in found if one.kind == kind and one.listening == listening]
        if not these:
            continue
        told = f"{kind}s with {listening} recognition"
        stopped = [one for one in these if one.stopped is not None]
        # Who hears a word only when it is over cannot tell it from one that is meant before it has lasted
        # `min_interrupt`: then it counts that the reply goes on.
        most = 100 * FALSE_STOPS if listening == "streaming" else None
        checks.append(Check(f"{told} that stop the reply", 100 * len(stopped) / len(these), "%", most))
        lost = sum(one.resumed is None for one in stopped)
        checks.append(Check(f"{told} after which it did not resume", lost, "", 0))
        checks.append(Check(f"{told} that were answered", sum(one.answered for one in these), "", 0))
    resumes = [one.resumed for one in found if one.resumed is not None and one.kind != "interruption"]
    if resumes:
        what = "resumed after the end of what meant nothing (slowest)"
        checks.append(Check(what, 1000 * max(resumes), "ms", 1000 * RESUMED))
    return checks


def waste_checks(waste: Waste) -> list[Check]:
    """Work that nobody heard of, relative to the turns that were told."""
    turns = max(1, waste.turns)
    return [
        Check("replies asked of the model for each turn", waste.replies / turns, ""),
        Check("recognitions of whole utterances for each turn", waste.transcriptions / turns, ""),
        Check("sound made for each second that was sent", waste.sound / max(waste.heard, 1e-9), "s"),
    ]


def curves(exchanges: Sequence[Exchange]) -> list[Series]:
    """Waits against cut-offs, as benchmarks of the end of turn draw them, and how the waits are spread."""
    if not exchanges:
        return []
    against, found = "end of turn against false cut-offs: a fixed silence", list[Series]()
    fixed = [
        (100 * cut, 1000 * silence) for silence, cut in fixed_silences(one.utterance for one in exchanges)
    ]
    ours = [Series(told, _CUT, "ms", operating_points(these)) for told, these in _by_listening(exchanges)]
    found.append(Series(against, _CUT, "ms", fixed, [curve for curve in ours if curve.points]))
    for told, these in _by_listening(exchanges):
        waits = sorted(one.heard for one in these if one.heard is not None and one.cut is None)
        spread = [(100 * (at + 1) / len(waits), 1000 * wait) for at, wait in enumerate(waits)]
        found.append(Series(f"last word to first sound, {told}", "of the utterances, %", "ms", spread))
    return found


_UNMEANT: tuple[Kind, ...] = ("backchannel", "cough")
_CUT = "false cut-offs, %"
_TOLD: dict[Listening, str] = {"whole": "bare", "streaming": "with the engine's judgement"}


def _by_listening(exchanges: Sequence[Exchange]) -> list[tuple[str, list[Exchange]]]:
    """What each recogniser is called where its end of turn is told, and its exchanges, if there are any."""
    found = [
        (told, [one for one in exchanges if one.listening == listening]) for listening, told in _TOLD.items()
    ]
    return [(told, these) for told, these in found if these]


def operating_points(exchanges: Sequence[Exchange]) -> list[tuple[float, float]]:
    """Cut-offs in percent and the mean wait in ms, of each silence that was tried; fewest cut-offs first."""
    points = []
    for silence in {one.silence for one in exchanges}:
        found = [one for one in exchanges if one.silence == silence]
        if waits := decisions(found):
            points.append((100 * cut_offs(found), 1000 * _mean(waits)))
    return sorted(points)


def fixed_silences(utterances: Iterable[CorpusUtterance]) -> list[tuple[float, float]]:
    """For each silence that could end every turn: its seconds, and which share of utterances it would cut."""
    longest = [max(utterance.pauses, default=0.0) for utterance in utterances]
    silences = sorted({round(0.1 * step, 1) for step in range(2, 17)})
    return [(silence, mean(pause > silence for pause in longest)) for silence in silences]


def cut_offs(exchanges: Sequence[Exchange]) -> float:
    """Which share of utterances was taken for finished in the middle."""
    return mean(one.cut is not None for one in exchanges) if exchanges else 0.0


def decisions(exchanges: Sequence[Exchange]) -> list[float]:
    """Seconds of silence after which those that were not cut were taken for finished."""
    return [one.decided for one in exchanges if one.decided is not None and one.cut is None]


def _mean(values: Sequence[float]) -> float:
    return mean(values) if values else float("nan")


def _same(exchange: Exchange) -> bool:
    return exchange.understood.strip().lower() == exchange.utterance.text.strip().lower()
