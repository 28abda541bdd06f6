"""`Metrics`: what happened, counted, in the text format of Prometheus."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial

import attrs
import trio
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from ..conversation.timeline import STAGES, Timeline
from .log import log_statistics

CONTENT_TYPE = CONTENT_TYPE_LATEST
PREFIX = "trio_backend"
RECENT = 120

_SOON = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0, 60.0)
# As fine as the engines that are to be told apart: 50 ms matter up to half a second, 0.4 s above.
_STAGE = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.8, 1.2, 1.6, 2.5, 5.0, 10.0, 30.0)
_STAGE_HELP = "What a stage of a turn added to the user's wait, from the last word to the first sound."
_WAIT_HELP = (
    "From the last word, or from the typed input, to the first sound: to its playback if that is told."
)
_AT_ONCE = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)


@attrs.frozen
class Reading:
    """The value of a gauge at this moment, such as how full a queue is. ``labels`` are few and fixed."""

    name: str
    help: str
    value: float
    labels: Mapping[str, str] = attrs.field(factory=dict)


def log_readings() -> Iterator[Reading]:
    """What became of the lines of the log."""
    log = log_statistics()
    yield Reading("log_lines_dropped", "Lines of the log that were not read in time.", log.dropped)
    yield Reading("log_waiting_characters", "Characters of the log that wait for its reader.", log.waiting)


@attrs.define(eq=False)
class Metrics:
    """An `Observer` that counts. ``sources`` are asked for their readings at each `render`.

    ``first_audio`` holds what the last `RECENT` turns that sounded took to the first sound, the newest last.

    Readings of one name have the same label names. Every name comes out prefixed with ``trio_backend_``.
    """

    sources: list[Callable[[], Iterable[Reading]]] = attrs.field(factory=list)
    first_audio: deque[float] = attrs.field(factory=partial(deque, maxlen=RECENT), init=False)
    _registry: CollectorRegistry = attrs.field(factory=partial(CollectorRegistry, auto_describe=False))
    _gauges: dict[str, Gauge] = attrs.field(factory=dict, init=False)
    _rendering: trio.CapacityLimiter = attrs.field(factory=partial(trio.CapacityLimiter, 1), init=False)

    _sessions: Counter = attrs.field(init=False)
    _turns: Counter = attrs.field(init=False)
    _discarded: Counter = attrs.field(init=False)
    _committed: Counter = attrs.field(init=False)
    _wasted_tokens: Counter = attrs.field(init=False)
    _wasted_sound: Counter = attrs.field(init=False)
    _wasted_recognitions: Counter = attrs.field(init=False)
    _resumed: Counter = attrs.field(init=False)
    _errors: Counter = attrs.field(init=False)
    _bugs: Counter = attrs.field(init=False)
    _first_token: Histogram = attrs.field(init=False)
    _first_audio: Histogram = attrs.field(init=False)
    _last_audio: Histogram = attrs.field(init=False)
    _gone: Histogram = attrs.field(init=False)
    _stage: Histogram = attrs.field(init=False)
    _wait: Histogram = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        ProcessCollector(registry=self._registry)
        self._sessions = self._counter("sessions", "Clients that have connected.")
        self._turns = self._counter("turns", "Turns that ended, by how.", "end")
        self._discarded = self._counter("turns_discarded", "Turns begun provisionally that were not wanted.")
        self._committed = self._counter("turns_committed", "Turns begun provisionally that were wanted.")
        self._wasted_tokens = self._counter("wasted_tokens", "Pieces of replies that were not wanted.")
        self._wasted_sound = self._counter("wasted_sound_seconds", "Sound made of replies not wanted.")
        self._resumed = self._counter(
            "turns_resumed", "Turns that speech had stopped which turned out to be no interruption."
        )
        self._wasted_recognitions = self._counter(
            "recognitions_discarded", "Recognitions begun in a pause after which more was said."
        )
        self._errors = self._counter("errors", "Errors told to clients, by code.", "code")
        self._bugs = self._counter("bugs", "Bugs that ended a part of the server, by part.", "part")
        self._first_token = self._histogram("first_token", "From a turn's input to the first token.", _SOON)
        self._first_audio = self._histogram("first_audio", "From a turn's input to the first sound.", _SOON)
        self._last_audio = self._histogram("last_audio", "From a turn's input to the last sound.", _SOON)
        self._gone = self._histogram(
            "gone", "From the cut of a turn until this part of it had ended.", _AT_ONCE, "part"
        )
        self._stage = self._histogram("stage", _STAGE_HELP, _STAGE, "stage")
        for stage in STAGES:
            self._stage.labels(stage)  # there from the start: what a query adds up is never missing one
        self._wait = self._histogram("wait", _WAIT_HELP, _SOON)

    # What sessions report.

    def session_began(self) -> None:
        """See `Observer`."""
        self._sessions.inc()

    def turn_over(self, timeline: Timeline) -> None:
        """See `Observer`."""
        self._turns.labels(timeline.outcome).inc()
        if timeline.committed is not None:
            self._committed.inc()
        for histogram, seconds in (
            (self._first_token, timeline.first_token),
            (self._first_audio, timeline.first_audio),
            (self._last_audio, timeline.last_audio),
        ):
            if seconds is not None:
                histogram.observe(seconds)
        if timeline.first_audio is not None:
            self.first_audio.append(timeline.first_audio)
        for stage, seconds in timeline.stages.items():
            self._stage.labels(stage).observe(seconds)
        if (wait := timeline.wait) is not None:
            self._wait.observe(wait)
        for part, seconds in timeline.gone.items():
            self._gone.labels(part).observe(seconds)

    def turn_discarded(self, timeline: Timeline) -> None:
        """See `Observer`."""
        self._discarded.inc()
        self._wasted_tokens.inc(timeline.tokens)
        self._wasted_sound.inc(timeline.sound)

    def recognition_discarded(self) -> None:
        """See `Observer`."""
        self._wasted_recognitions.inc()

    def turn_resumed(self) -> None:
        """See `Observer`."""
        self._resumed.inc()

    def error_told(self, code: str) -> None:
        """See `Observer`."""
        self._errors.labels(code).inc()

    def bug_found(self, part: str) -> None:
        """See `Observer`."""
        self._bugs.labels(part).inc()

    # What is read.

    async def render(self) -> bytes:
        """Everything, as `CONTENT_TYPE`. The text is put together in a thread."""
        async with self._rendering:
            self._read_gauges()
            return await trio.to_thread.run_sync(generate_latest, self._registry)

    def _read_gauges(self) -> None:
        """On the loop, where what is read does not change meanwhile."""
        for gauge in self._gauges.values():
            gauge.clear()
        for source in self.sources:
            for reading in source():
                self._gauge(reading).set(reading.value)

    def _gauge(self, reading: Reading) -> Gauge:
        gauge = self._gauges.get(reading.name)
        if gauge is None:
            gauge = Gauge(
                f"{PREFIX}_{reading.name}", reading.help, sorted(reading.labels), registry=self._registry
            )
            self._gauges[reading.name] = gauge
        return gauge.labels(**reading.labels) if reading.labels else gauge

    def _counter(self, name: str, help: str, *labels: str) -> Counter:
        return Counter(f"{PREFIX}_{name}", help, labels, registry=self._registry)

    def _histogram(self, name: str, help: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(f"{PREFIX}_{name}_seconds", help, labels, buckets=buckets, registry=self._registry)
