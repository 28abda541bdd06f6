"""What is counted comes out in Prometheus' text format, and only as much as is bounded."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from trio_backend.conversation.timeline import STAGES, Timeline
from trio_backend.observe.metrics import RECENT, Metrics, Reading


async def lines(metrics: Metrics) -> dict[str, float]:
    """Every sample by its name and labels."""
    text = (await metrics.render()).decode()
    samples = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, value in samples}


async def test_a_turn_is_counted_by_its_end_and_measured() -> None:
    """A complete turn and one that was cut; the moments that did not happen are not measured."""
    metrics = Metrics()
    metrics.turn_over(Timeline(first_token=0.2, first_audio=0.7, last_audio=4.0, end=9.0))
    cut = Timeline(first_token=0.3)
    cut.mark_cut("barge-in")
    cut.gone["synthesis"] = 0.004
    metrics.turn_over(cut)
    metrics.turn_over(Timeline())
    metrics.turn_discarded(Timeline(tokens=7, sound=1.5))
    metrics.recognition_discarded()
    metrics.turn_over(Timeline(committed=0.3, cut=1, reason="somebody spoke"))
    found = await lines(metrics)
    assert found["trio_backend_turns_discarded_total"] == 1
    assert found["trio_backend_wasted_tokens_total"] == 7
    assert found["trio_backend_wasted_sound_seconds_total"] == 1.5
    assert found["trio_backend_recognitions_discarded_total"] == 1
    assert found["trio_backend_turns_committed_total"] == 1
    assert found['trio_backend_turns_total{end="complete"}'] == 1
    assert found['trio_backend_turns_total{end="barge-in"}'] == 1
    assert found['trio_backend_turns_total{end="the session ended"}'] == 1
    assert found["trio_backend_first_token_seconds_count"] == 2
    assert found['trio_backend_first_audio_seconds_bucket{le="0.5"}'] == 0
    assert found['trio_backend_first_audio_seconds_bucket{le="0.75"}'] == 1
    assert found['trio_backend_gone_seconds_bucket{le="0.005",part="synthesis"}'] == 1


async def test_each_stage_of_a_turn_is_measured() -> None:
    """One sample for each stage that it had; all stages are there before the first turn, and no others."""
    metrics = Metrics()
    counts = [name for name in await lines(metrics) if name.startswith("trio_backend_stage_seconds_count")]
    assert sorted(counts) == sorted(
        f'trio_backend_stage_seconds_count{{stage="{stage}"}}' for stage in STAGES
    )
    metrics.turn_over(Timeline(ended=-0.9, decided=-0.1, transcribed=0.2, first_audio=0.3, played=0.34))
    metrics.turn_over(Timeline(first_audio=0.4))
    found = await lines(metrics)
    assert found['trio_backend_stage_seconds_sum{stage="end_of_turn"}'] == pytest.approx(0.8)
    assert found['trio_backend_stage_seconds_count{stage="end_of_turn"}'] == 1
    assert found['trio_backend_stage_seconds_count{stage="sound_sent"}'] == 2
    assert found['trio_backend_stage_seconds_bucket{le="0.05",stage="sound_played"}'] == 1
    assert found['trio_backend_stage_seconds_bucket{le="0.025",stage="sound_played"}'] == 0
    assert found["trio_backend_wait_seconds_sum"] == pytest.approx(1.24 + 0.4)


async def test_the_last_times_to_first_sound_are_kept_and_no_more() -> None:
    """As they were, for whoever wants to see them one by one; turns without sound are not among them."""
    metrics = Metrics()
    for number in range(RECENT + 5):
        metrics.turn_over(Timeline(first_audio=float(number)))
        metrics.turn_over(Timeline())
    assert list(metrics.first_audio) == [float(number) for number in range(5, RECENT + 5)]


async def test_errors_and_sessions_are_counted() -> None:
    """By the code that the client was told."""
    metrics = Metrics()
    metrics.session_began()
    metrics.error_told("queue-full")
    metrics.error_told("queue-full")
    found = await lines(metrics)
    assert found["trio_backend_sessions_total"] == 1
    assert found['trio_backend_errors_total{code="queue-full"}'] == 2


async def test_what_is_gone_is_no_longer_read() -> None:
    """An engine that was closed does not stay in the metrics with its last value."""
    engines = {"espeak": 2.0, "openai": 1.0}

    def readings() -> Iterator[Reading]:
        yield Reading("tasks", "Tasks.", 7)
        for name, leases in engines.items():
            yield Reading("leases", "Leases.", leases, {"engine": name})

    metrics = Metrics([readings])
    assert (await lines(metrics))['trio_backend_leases{engine="openai"}'] == 1
    del engines["openai"]
    found = await lines(metrics)
    assert found['trio_backend_leases{engine="espeak"}'] == 2
    assert 'trio_backend_leases{engine="openai"}' not in found
    assert found["trio_backend_tasks"] == 7
