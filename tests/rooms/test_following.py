"""Which turn runs: told by events, or by the order of another server's messages. No tasks, no clock."""

from __future__ import annotations

from trio_backend.identity import RequestId
from trio_backend.protocol.codec import MessageHead
from trio_backend.rooms.session import RequestDropped, TurnBegan, TurnOver, TurnSpoken
from trio_backend.rooms.turns import RoomTurns, TurnResult
from trio_backend.rooms.upstream import TurnTracker

START = MessageHead("control", "conversation-chain-start")
END = MessageHead("control", "conversation-chain-end")
ERROR, SOUND, SPOKEN = MessageHead("error"), MessageHead("audio"), MessageHead("backend-synth-complete")
ACK = MessageHead("heartbeat-ack")
INTERRUPTED = MessageHead("control", "interrupt")
MINE = RequestId(7)


def asked() -> tuple[RoomTurns[str], RequestId]:
    """A room that has asked for one turn."""
    turns: RoomTurns[str] = RoomTurns()
    request = turns.ask("mine").request
    assert request is not None
    return turns, request


# What another server's messages mean.


def test_what_comes_before_the_barrier_is_of_the_past() -> None:
    """An old turn's end, and an error about something else, do not touch the turn that was just asked for."""
    tracker = TurnTracker()
    tracker.add_barrier()
    tracker.ask(MINE)
    assert [tracker.follow(old, 10) for old in (START, ERROR, END, ACK)] == [None] * 4
    assert tracker.follow(END, 10) is None  # of a turn that was superseded by this one
    assert tracker.follow(START, 10) == TurnBegan(1, MINE)
    assert tracker.follow(END, 10) == TurnOver(1, MINE)
    assert tracker.follow(START, 10) == TurnBegan(2, None)


def test_two_barriers_need_two_acks() -> None:
    """An interrupt and the next turn each have their own."""
    tracker = TurnTracker()
    tracker.add_barrier()
    tracker.add_barrier()
    tracker.follow(ACK, 10)
    assert tracker.follow(START, 10) is None
    tracker.follow(ACK, 10)
    assert tracker.follow(START, 10) == TurnBegan(1, None)


def test_an_ack_too_many_changes_nothing() -> None:
    """A server may answer a heartbeat twice; the next barrier holds all the same."""
    tracker = TurnTracker()
    tracker.follow(ACK, 10)
    assert tracker.follow(START, 10) == TurnBegan(1, None)
    tracker.follow(END, 10)
    tracker.add_barrier()
    assert tracker.follow(START, 10) is None


def test_sound_is_measured_by_its_size() -> None:
    """A second of 16-bit sound in base64 is no longer than what any TTS engine makes of it."""
    tracker = TurnTracker()
    tracker.follow(START, 10)
    tracker.follow(SOUND, 32_000)
    tracker.follow(SOUND, 32_000)
    assert tracker.follow(SPOKEN, 10) == TurnSpoken(1, 3.0)


def test_a_second_start_within_a_turn_starts_none() -> None:
    """It is the same turn until its end; an error in it does not end it."""
    tracker = TurnTracker()
    tracker.ask(MINE)
    assert tracker.follow(START, 10) == TurnBegan(1, MINE)
    assert tracker.follow(START, 10) is None
    assert tracker.follow(ERROR, 10) is None
    assert tracker.follow(END, 10) == TurnOver(1, MINE)


def test_a_start_after_somebody_spoke_is_another_turn() -> None:
    """Perhaps the same that was stopped: its sound is waited for anew. One that had not begun is the same."""
    tracker = TurnTracker()
    tracker.follow(INTERRUPTED, 10)
    tracker.ask(MINE)
    tracker.follow(INTERRUPTED, 10)
    assert tracker.follow(START, 10) == TurnBegan(1, MINE)
    tracker.follow(SOUND, 32_000)
    tracker.follow(INTERRUPTED, 10)
    assert tracker.follow(START, 10) == TurnBegan(2, None)
    assert tracker.follow(SPOKEN, 10) == TurnSpoken(2, 0.0)
    assert tracker.follow(START, 10) is None
    assert tracker.follow(END, 10) == TurnOver(2, None)


def test_an_error_before_the_turn_refuses_it() -> None:
    """What it was about cannot be known; one that comes when nothing was asked for says nothing."""
    tracker = TurnTracker()
    assert tracker.follow(ERROR, 10) is None
    tracker.ask(MINE)
    assert tracker.follow(ERROR, 10) == RequestDropped(MINE, refused=True)
    assert tracker.follow(ERROR, 10) is None


def test_an_interrupt_ends_only_what_ran_when_it_was_said() -> None:
    """What is asked for while it is on its way is behind it."""
    tracker = TurnTracker()
    tracker.ask(RequestId(1))
    interrupted = tracker.turn
    tracker.ask(MINE)
    tracker.end(interrupted)
    assert tracker.follow(START, 10) == TurnBegan(1, MINE)


# What events mean to a room.


def test_a_turn_is_known_by_its_request() -> None:
    """One that nobody in the queue asked for is another, whenever it begins and ends."""
    turns, request = asked()
    mine = turns.current
    assert mine is not None
    other = turns.follow(TurnBegan(1, None))
    assert other is not None
    assert (other.message, turns.current) == (None, mine)
    turns.follow(TurnSpoken(1, 9.0))
    turns.follow(TurnOver(1, None))
    assert (other.result, mine.result) == (TurnResult.ENDED, None)
    assert turns.follow(TurnBegan(2, request)) is mine
    turns.follow(TurnSpoken(2, 3.0))
    assert mine.spoken.is_set()
    assert mine.longest_playback == 3.0
    turns.follow(TurnOver(2, request))
    assert (mine.result, turns.current) == (TurnResult.ENDED, None)


def test_an_input_that_is_not_answered_leaves_the_turn_that_runs() -> None:
    """The room waits for that before it asks again."""
    for refused, result in (True, TurnResult.REFUSED), (False, TurnResult.INTERRUPTED):
        turns, request = asked()
        mine = turns.current
        assert mine is not None
        other = turns.follow(TurnBegan(1, None))
        turns.follow(RequestDropped(request, refused))
        assert (mine.result, turns.current) == (result, other)


def test_a_turn_that_nobody_saw_begin_was_interrupted() -> None:
    """Its end comes alone."""
    turns, request = asked()
    mine = turns.current
    assert mine is not None
    turns.follow(TurnOver(1, request))
    assert (mine.result, mine.started) == (TurnResult.INTERRUPTED, False)


def test_late_news_of_an_old_turn_mean_nothing() -> None:
    """It was interrupted by the room, which has asked for the next one since."""
    turns, request = asked()
    turns.follow(TurnBegan(1, request))
    turns.end(TurnResult.INTERRUPTED)
    mine = turns.ask("next")
    turns.follow(TurnSpoken(1, 3.0))
    turns.follow(TurnOver(1, request))
    turns.follow(RequestDropped(request, refused=True))
    assert turns.current is mine
    assert not mine.spoken.is_set()
    assert turns.follow(TurnBegan(2, mine.request)) is mine
    turns.follow(TurnSpoken(1, 3.0))
    turns.follow(TurnOver(1, request))
    assert turns.current is mine
    assert not mine.spoken.is_set()


def test_a_session_has_one_turn_at_a_time() -> None:
    """Where the next one begins, the last one has ended, whether that was told or not."""
    turns: RoomTurns[str] = RoomTurns()
    first = turns.follow(TurnBegan(1, None))
    second = turns.follow(TurnBegan(2, None))
    assert first is not None
    assert first.result is TurnResult.ENDED
    assert turns.current is second


def test_the_first_result_of_a_turn_counts() -> None:
    """A turn that was lost and is ended afterwards was lost."""
    turns, _ = asked()
    turn = turns.current
    assert turn is not None
    turn.finish(TurnResult.LOST)
    assert turns.end(TurnResult.CLOSED) is turn
    assert turn.result is TurnResult.LOST
    assert turns.end(TurnResult.ENDED) is None
