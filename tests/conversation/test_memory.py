"""What the model remembers: what was heard, as far as the budget reaches."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import Connect
from trio_backend.backend import Backend
from trio_backend.conversation.memory import Memory, tokens_in
from trio_backend.engines.base import Message
from trio_backend.errors import QuotaExceeded
from trio_backend.quota import MemoryQuota


def said(*texts: str) -> list[Message]:
    """Messages of a user."""
    return [Message("user", text) for text in texts]


def test_nothing_is_kept_of_a_reply_of_which_nothing_was_heard() -> None:
    """An empty message would puzzle a model."""
    memory = Memory(1000)
    memory.hear(Message("user", "Hello?"))
    memory.say("")
    assert [message.content for message in memory.so_far()] == ["Hello?"]


def test_recalling_forgets_what_was_before() -> None:
    """Another conversation is another memory, and its budget starts anew."""
    memory = Memory(1000)
    memory.say("old " * 900)
    memory.recall(said("a", "b"))
    memory.hear(Message("user", "c"))
    assert [message.content for message in memory.so_far()] == ["a", "b", "c"]


@given(st.lists(st.text(max_size=200), min_size=1, max_size=60), st.integers(100, 2000))
def test_the_budget_holds_and_the_newest_stay(texts: list[str], budget: int) -> None:
    """What is kept is the end of the conversation, as much of it as fits, and at least the last message."""
    memory = Memory(budget)
    for message in said(*texts):
        memory.hear(message)
    kept = [message.content for message in memory.so_far()]
    assert kept == texts[len(texts) - len(kept) :]
    assert kept
    cost = sum(map(tokens_in, kept))
    assert cost <= budget or len(kept) == 1
    if len(kept) < len(texts):
        assert cost + tokens_in(texts[-len(kept) - 1]) > budget


def test_what_does_not_fit_is_forgotten() -> None:
    """Of ten messages of 104 tokens each, a budget of 320 holds the last three."""
    memory = Memory(320)
    for number in range(10):
        memory.hear(Message("user", f"{number}" * 300))
    assert [message.content[0] for message in memory.so_far()] == ["7", "8", "9"]


async def test_a_resumed_conversation_of_several_people_names_them(
    connect: Connect, backend: Backend
) -> None:
    """The model reads who said what, as it did when they said it."""
    client = await connect()
    await client.say("create-new-history")
    uid = (await client.until("new-history-created"))[-1]["history_uid"]
    for name in ("Ann", "Bob"):
        await client.say("text-input", text="Hi.", name=name)
        await client.until("backend-synth-complete")
        await client.say("frontend-playback-complete")
        await client.until("control", text="conversation-chain-end")
    (session,) = backend.services.sessions
    memory = session.conversation.memory
    read = [message.content for message in memory.so_far()]
    await client.say("create-new-history")
    await client.until("new-history-created")
    assert not memory.so_far()
    await client.say("fetch-and-set-history", history_uid=uid)
    await client.until("history-data")
    assert read[::2] == ["Ann: Hi.", "Bob: Hi."]
    assert [message.content for message in memory.so_far()][::2] == read[::2]


def test_the_budget_may_be_used_up() -> None:
    """To the last token; one more is too many."""
    cost = tokens_in("a" * 300)
    for budget, kept in ((3 * cost, 3), (3 * cost - 1, 2)):
        memory = Memory(budget)
        for message in said("a" * 300, "b" * 300, "c" * 300):
            memory.hear(message)
        assert len(memory.so_far()) == kept


def test_the_last_message_stays_however_long_it_is() -> None:
    """Or the model would be asked nothing."""
    memory = Memory(100)
    memory.hear(Message("user", "a"))
    memory.hear(Message("user", "b" * 10_000))
    assert [message.content[0] for message in memory.so_far()] == ["b"]


def test_half_a_surrogate_pair_is_counted_like_anything_else() -> None:
    """A client may send one."""
    assert tokens_in("\ud83d" * 30) == 30 // 3 + 4


def shown(*texts: str) -> list[Message]:
    """Messages of a user, each with a picture of 10 kB."""
    return [Message("user", text, images=("A" * 10_000,)) for text in texts]


def test_pictures_stay_in_the_last_two_messages_that_have_any() -> None:
    """A model reads them with each reply; what was written beside the others stays."""
    memory = Memory(1000)
    for message in [*shown("a"), *said("b"), *shown("c"), *said("d"), *shown("e"), *said("f")]:
        memory.hear(message)
    remembered = [(message.content, len(message.images)) for message in memory.so_far()]
    assert remembered == [("a", 0), ("b", 0), ("c", 1), ("d", 0), ("e", 1), ("f", 0)]
    assert [len(message.images) for message in memory.with_more(*shown("g"))] == [0, 0, 0, 0, 1, 0, 1]


def test_old_pictures_make_room_for_what_is_new() -> None:
    """The oldest goes first, and no more of them than need be; what fits in no case is refused."""
    quota = MemoryQuota(25_000)
    memory = Memory(1000, quota)
    for message in shown("a", "b"):
        claim = quota.claim()
        memory.hold(claim, 10_100)
        memory.hear(message, claim)
    claim = quota.claim()
    memory.hold(claim, 10_100)
    assert [len(message.images) for message in memory.so_far()] == [0, 1]
    with pytest.raises(QuotaExceeded):
        memory.hold(claim, 26_000)
    assert claim.size == 10_100
    assert [len(message.images) for message in memory.so_far()] == [0, 0]
