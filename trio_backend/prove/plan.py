"""How much of each scenario is done: the small size that takes about five minutes, and the whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias

import attrs

EnginePlace: TypeAlias = Literal["http", "inside", "voice", "eager"]
"""Where the engines of our own server are: in a process of their own behind HTTP, or in the server.

``voice``: those that hear and speak, behind HTTP too; ``eager``: with these, a server that begins a turn in
each pause.
"""
PLACES: Mapping[str, EnginePlace] = {"voice": "voice", "discard": "eager"}
"""Those of the scenarios that have a server of their own."""

# Idle connections come early: memory that a server took for a crowd would serve them too.
SCENARIOS = (
    "start", "idle", "reload", "leave", "switch", "interrupt", "crowd", "overload", "queue", "long", "voice",
    "discard", "soak",
)  # fmt: skip

WITH_HTTP_ENGINES = ("idle", "interrupt", "crowd", "overload", "long")
"""Scenarios whose figures depend on where the engines are; the others are about engines that are slow."""


@attrs.frozen
class Plan:
    """The sizes. ``scale`` multiplies the slowness of the stand-in engines and how long users stay.

    At a scale of 1 the model streams a token each 30 ms, the TTS does one sentence at a time and takes
    1 s for each, and a user leaves 2.5 s after the question.
    """

    scale: float = 0.4
    visits: Sequence[int] = (0, 1, 3, 5, 10, 20)
    """After how many visits the first sound is measured."""
    median_of: int = 5
    leave_rounds: int = 5
    switch_rounds: int = 3
    interrupts: int = 40
    crowd: Sequence[int] = (1, 10, 50, 100, 200)
    """How many ask at once."""
    crowd_turns: int = 3
    overload: int = 300
    """How many more begin to talk where `talkers` do."""
    overload_seconds: float = 8.0
    long_turns: int = 500
    """Of each of the long conversations."""
    talkers: int = 50
    """How many others talk while some of the barge-ins are measured, with engines behind HTTP."""
    conversations: int = 5_000
    """How many the store has from the beginning, with engines behind HTTP."""
    idle: int = 300
    """How many connect, and send nothing."""
    idle_settling: float = 15.0
    """Seconds from then on in which the server may clean up."""
    idle_seconds: float = 20.0
    room_messages: int = 200
    """How many are sent to an idle room, one after the other."""
    room_flood: int = 1_000
    """How many are sent to a room at once."""
    voice_turns: int = 2
    """Of one who talks alone, with each recogniser."""
    voice_forms: bool = False
    """Whether each recogniser is tried with both kinds of page, ours and the official one."""
    voice_talkers: int = 14
    """How many talk at once."""
    voice_crowd_turns: int = 4
    """Of each of them."""
    voice_interrupters: int = 6
    """How many others interrupt, murmur and cough meanwhile."""
    voice_interjections: int = 2
    """Of each of them."""
    voice_silences: Sequence[int] = ()
    """Other silences that end a turn of which nothing is known, in windows of 32 ms, for the curve."""
    voice_microphones: int = 100
    voice_mic_seconds: float = 5.0
    """How long these are open."""
    voice_discards: int = 60
    """How many turns are begun and not wanted."""
    voice_discarders: int = 12
    """How many users that is divided among."""
    soak_minutes: float = 0.4
    starts: int = 3
    engines: EnginePlace = "http"
    engine_port: int = 0
    """The port on which our own server finds the engine server."""
    sound_timeout: float = 60.0
    """Seconds that a page waits for a sound."""
    settle_timeout: float = 13.0
    """Seconds after which what a scenario left behind counts as left over."""
    # Trio keeps a worker thread for 10 s after its last job, so a count of threads takes that long to settle.

    @property
    def stay(self) -> float:
        """Seconds that a user stays after the question."""
        return 2.5 * self.scale


def small(scale: float | None = None) -> Plan:
    """What takes about five minutes."""
    return Plan() if scale is None else Plan(scale=scale)


def full(scale: float | None = None) -> Plan:
    """Everything, in the sizes by which the project is measured: 45 minutes."""
    return Plan(
        scale=1.0 if scale is None else scale,
        visits=(0, 1, 3, 5, 10, 20, 50, 100),
        leave_rounds=20,
        switch_rounds=10,
        interrupts=500,
        crowd_turns=10,
        overload_seconds=20.0,
        idle=2_000,
        idle_settling=20.0,
        idle_seconds=60.0,
        room_flood=10_000,
        voice_turns=10,
        voice_forms=True,
        voice_talkers=50,
        voice_crowd_turns=8,
        voice_interrupters=20,
        voice_interjections=6,
        voice_silences=(12, 36, 50),
        voice_mic_seconds=20.0,
        voice_discards=1_000,
        voice_discarders=50,
        soak_minutes=20.0,
        starts=10,
    )
