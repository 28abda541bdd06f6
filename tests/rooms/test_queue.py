"""The queue and the head by themselves: no tasks, no clock."""

from __future__ import annotations

import json
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from trio_backend import protocol as say
from trio_backend.protocol.codec import MessageHead, head_of, read_head
from trio_backend.quota import MemoryQuota
from trio_backend.rooms.queue import QueuedMessage, QueuePlace, QueueRefusal, RoomQueue

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


def test_nothing_is_kept_of_senders_who_wait_for_nothing() -> None:
    """Whoever was refused, was answered, or has expired leaves no trace; an emptied queue has no size."""
    queue: RoomQueue[str] = RoomQueue(2, 10, 1, 5.0)
    assert isinstance(queue.put(QueuedMessage("a", "", "x" * 10, 0)), QueuePlace)
    assert isinstance(queue.put(QueuedMessage("b", "", "x", 0)), QueueRefusal)
    assert set(queue._of_sender) == {"a"}
    assert queue.drop_expired(5.0) == []
    queue.take()
    assert not queue._of_sender
    queue.put(QueuedMessage("a", "", "x" * 9, 0))
    queue.put(QueuedMessage("b", "", "x", 1))
    assert [message.sender for message in queue.drop_expired(7.0)] == ["a", "b"]
    queue.put(QueuedMessage("c", "", "x" * 10, 7.0))
    assert queue.drop_all() == 1
    assert isinstance(queue.put(QueuedMessage("d", "", "x" * 10, 8.0)), QueuePlace)


def test_what_waits_is_counted_as_it_waits() -> None:
    """Pictures of a decoded message, and all of a frame; what is small is not counted."""
    quota = MemoryQuota(100_000)
    queue: RoomQueue[str] = RoomQueue(5, 10**6, 5, 0.0, quota)
    image = say.Image("data:image/png;base64," + "A" * 50_000)
    text = say.TextInput("Look.", [image])
    queue.put(QueuedMessage("a", text.text, say.Decoded(text, 50_100), 0))
    assert 50_000 < quota.used < 51_000
    queue.put(QueuedMessage("a", "", "x" * 40_000, 0))
    assert 90_000 < quota.used < 92_000
    queue.put(QueuedMessage("a", "Hello.", say.Decoded(say.TextInput("Hello."), 40), 0))
    assert quota.used < 92_000
    refused = queue.put(QueuedMessage("a", text.text, say.Decoded(text, 50_100), 0))
    assert isinstance(refused, QueueRefusal)
    assert refused.code == "too-much-data"
    while queue.take():
        pass
    assert quota.used == 0


def test_the_head_of_an_object_is_that_of_its_frame() -> None:
    """So that a room need not know where its session is."""
    for message in (
        say.Control("conversation-chain-start"),
        say.BackendSynthComplete(),
        say.HeartbeatAck(),
        say.Error("No.", "bad-config"),
    ):
        assert head_of(message) == read_head(say.encode(message).decode())
