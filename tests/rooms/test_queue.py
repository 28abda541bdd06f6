"""The queue, the tracker and the head by themselves: no tasks, no clock."""

from __future__ import annotations

import json
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from trio_backend import protocol as say
from trio_backend.protocol.head import MessageHead, read_head
from trio_backend.rooms.queue import QueuedMessage, QueuePlace, QueueRefusal, RoomQueue
from trio_backend.rooms.turns import TurnResult, TurnTracker

LENGTH, SIZE, PER_SENDER, MAX_AGE = 5, 60, 2, 10.0


class QueueMachine:
    """The queue beside a list that anyone can read."""

    def __init__(self) -> None:
        self.queue: RoomQueue[str] = RoomQueue(LENGTH, SIZE, PER_SENDER, MAX_AGE)
        self.model: list[QueuedMessage[str]] = []
        self.now = 0.0

    def put(self, sender: str, size: int) -> None:
        message = QueuedMessage(sender, "", "x" * size, self.now)
        fits = (
            len(self.model) < LENGTH
            and Counter(m.sender for m in self.model)[sender] < PER_SENDER
            and sum(m.size for m in self.model) + size <= SIZE
        )
        answer = self.queue.put(message)
        assert isinstance(answer, QueuePlace if fits else QueueRefusal)
        if fits:
            self.model.append(message)
            assert answer == QueuePlace(len(self.model), len(self.model))

    def take(self) -> None:
        assert self.queue.take() == (self.model.pop(0) if self.model else None)

    def expire(self) -> None:
        old = [m for m in self.model if self.now - m.since > MAX_AGE]
        assert self.queue.drop_expired(self.now) == old
        self.model = self.model[len(old) :]

    def empty(self) -> None:
        assert self.queue.drop_all() == len(self.model)
        self.model.clear()


steps = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.sampled_from("abc"), st.integers(0, 40)),
        st.tuples(st.just("take")),
        st.tuples(st.just("expire")),
        st.tuples(st.just("empty")),
        st.tuples(st.just("wait"), st.floats(0, 8)),
    ),
    max_size=60,
)


@given(steps)
def test_the_queue_is_a_bounded_list(steps: list[tuple[object, ...]]) -> None:
    """First in, first out, with every bound kept and no place lost, whatever is done in whatever order."""
    machine = QueueMachine()
    for step in steps:
        match step:
            case ("put", str(sender), int(size)):
                machine.put(sender, size)
            case ("take",):
                machine.take()
            case ("expire",):
                machine.expire()
            case ("empty",):
                machine.empty()
            case ("wait", float(seconds)):
                machine.now += seconds
        assert len(machine.queue) == len(machine.model)


def test_without_an_age_nothing_expires() -> None:
    """Zero is off."""
    queue: RoomQueue[str] = RoomQueue(LENGTH, SIZE, PER_SENDER)
    queue.put(QueuedMessage("a", "", "", 0.0))
    assert queue.drop_expired(1e9) == []


def test_a_refusal_says_which_bound_was_met() -> None:
    """So that the sender knows whether to wait, to be shorter, or to let others speak."""
    queue: RoomQueue[str] = RoomQueue(3, 100, 2)
    texts = [
        queue.put(QueuedMessage(sender, "", frame, 0))
        for sender, frame in zip("aaabbb", "11121", strict=False)
    ]
    assert [type(text) for text in texts] == [QueuePlace, QueuePlace, QueueRefusal, QueuePlace, QueueRefusal]
    assert "2 of your messages" in str(texts[2])
    assert "3 messages wait" in str(texts[4])
    queue.take()
    assert "too large" in str(queue.put(QueuedMessage("b", "", "x" * 99, 0)))


START = MessageHead("control", "conversation-chain-start")
END = MessageHead("control", "conversation-chain-end")
ACK = MessageHead("heartbeat-ack")


def test_what_comes_before_the_barrier_is_of_the_past() -> None:
    """An old turn's end, and an error about something else, do not touch the turn that was just asked for."""
    tracker: TurnTracker[str] = TurnTracker()
    tracker.add_barrier()
    turn = tracker.begin("mine")
    for old in [START, MessageHead("error"), END]:
        assert tracker.follow(old, 10) is None
    assert not turn.over.is_set()

    tracker.follow(ACK, 10)
    tracker.follow(END, 10)  # of a turn that was superseded by this one
    assert not turn.over.is_set()
    assert tracker.follow(START, 10) is turn
    tracker.follow(END, 10)
    assert turn.result is TurnResult.ENDED
    assert tracker.turn is None


def test_two_barriers_need_two_acks() -> None:
    """An interrupt and the next turn each have their own."""
    tracker: TurnTracker[str] = TurnTracker()
    tracker.add_barrier()
    tracker.add_barrier()
    tracker.follow(ACK, 10)
    assert tracker.follow(START, 10) is None
    tracker.follow(ACK, 10)
    assert tracker.follow(START, 10) is tracker.turn is not None


def test_sound_is_measured_by_its_size() -> None:
    """A second of 16-bit sound in base64 is no longer than what the slowest voice makes of it."""
    tracker: TurnTracker[str] = TurnTracker()
    tracker.follow(START, 10)
    assert tracker.turn is not None
    tracker.follow(MessageHead("audio"), 64_000)
    assert tracker.turn.longest_playback == 3.0
    assert not tracker.turn.spoken.is_set()
    tracker.follow(MessageHead("backend-synth-complete"), 10)
    assert tracker.turn.spoken.is_set()


def test_a_head_sees_the_type_wherever_it_stands() -> None:
    """Ours and the old backend's, short and long, and what is no message at all."""
    long = "x" * 5000
    assert read_head(say.encode(say.Control("start-mic")).decode()) == MessageHead("control", "start-mic")
    assert read_head(say.encode(say.Error(long, "bad-config")).decode()) == MessageHead("error")
    assert read_head(json.dumps({"type": "audio", "audio": long})) == MessageHead("audio")
    assert read_head(json.dumps({"audio": long, "type": "audio"})) == MessageHead("audio")
    assert read_head(json.dumps({"text": long, "type": "audio"})).type == "audio"
    for nonsense in ["", "[]", "{", '{"type": 5}', "[" * 100_000, '{"type": "control", "text": 5}']:
        assert read_head(nonsense) == MessageHead()
