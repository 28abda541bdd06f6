"""What every store promises, asked of each."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from functools import partial

import pytest
import trio

from tests.history.samples import ANN, BOBS_MAO, EVES_MAO, FIRST, MAO, SECOND, ai, human
from trio_backend.errors import NoSuchHistory
from trio_backend.history.store import (
    PREVIEW,
    History,
    HistoryUid,
    Owner,
    StoredConversation,
    utc_timestamp,
    well_formed,
)


async def test_messages_come_back_as_they_were_in_their_order(history: History) -> None:
    """A message is what it was when it was stored, and the oldest is first."""
    await history.append(MAO, FIRST, human("Grüße, 世界 🎈\0", second=7), ai(second=8))
    await history.append(MAO, FIRST, human("", second=9))

    expected = [human("Grüße, 世界 🎈\0", second=7), ai(second=8), human("", second=9)]
    assert expected == await history.messages(MAO, FIRST)


async def test_nothing_is_listed_before_the_first_message(history: History) -> None:
    """Opening a page writes nothing: a conversation without a message does not exist."""
    await history.append(MAO, FIRST)

    assert await history.conversations(MAO) == []
    with pytest.raises(NoSuchHistory):
        await history.messages(MAO, FIRST)


async def test_the_list_has_each_latest_message_newest_first(history: History) -> None:
    """The list shows the last message of each conversation, sorted by that message's time."""
    await history.append(MAO, FIRST, human("Hello!", second=1))
    await history.append(MAO, SECOND, human("How are you?", second=2), ai(second=3))
    await history.append(MAO, FIRST, ai("Back again.", second=4))

    listed = await history.conversations(MAO)

    assert [
        StoredConversation.of(FIRST, ai("Back again.", second=4), "Hello!"),
        StoredConversation.of(SECOND, ai(second=3), "How are you?"),
    ] == listed


async def test_a_conversation_is_called_what_the_user_said_first(history: History) -> None:
    """Not what the character greeted with, nor a picture without words; nothing if the user said nothing."""
    await history.append(
        MAO, FIRST, ai("Welcome!"), human(""), human("x" * 2 * PREVIEW), ai("Oh."), human("y")
    )
    await history.append(MAO, SECOND, ai("Is anybody there?"))

    listed = {one.uid: one.title for one in await history.conversations(MAO)}

    assert listed == {FIRST: "x" * PREVIEW, SECOND: ""}


async def test_a_conversation_is_called_what_the_user_calls_it(history: History) -> None:
    """Until they take the title away again; its place in the list and the others' titles stay."""
    await history.append(MAO, FIRST, human("What are tides?"), ai())
    await history.append(MAO, SECOND, ai("Is anybody there?"))

    async def listed() -> list[tuple[str, str]]:
        return [(one.uid, one.title) for one in await history.conversations(MAO)]

    assert await history.rename(MAO, FIRST, "The 海 \ud800") == "The 海 \ufffd"
    assert await history.rename(MAO, SECOND, "y" * 3 * PREVIEW) == "y" * PREVIEW
    assert await listed() == [(SECOND, "y" * PREVIEW), (FIRST, "The 海 \ufffd")]
    await history.append(MAO, FIRST, human("And why?"))
    assert await listed() == [(FIRST, "The 海 \ufffd"), (SECOND, "y" * PREVIEW)]
    assert await history.rename(MAO, FIRST, "") == "What are tides?"
    assert await history.rename(MAO, SECOND, "") == ""
    assert await listed() == [(FIRST, "What are tides?"), (SECOND, "")]


async def test_an_imported_conversation_has_a_title(history: History) -> None:
    """As one that was said here has."""
    await history.adopt(MAO, FIRST, ai("Welcome!"), human("Who are you?"), human("Well?"))

    assert [one.title for one in await history.conversations(MAO)] == ["Who are you?"]


async def test_a_title_is_deleted_with_its_conversation(history: History) -> None:
    """Who begins one of the same name begins without it."""
    await history.append(MAO, FIRST, human("one"))
    await history.rename(MAO, FIRST, "Mine")
    await history.delete(MAO, FIRST)

    with pytest.raises(NoSuchHistory):
        await history.rename(MAO, FIRST, "Mine again")
    await history.append(MAO, FIRST, human("two"))
    assert [one.title for one in await history.conversations(MAO)] == ["two"]


async def test_of_a_long_message_the_list_has_the_beginning(history: History) -> None:
    """Whatever letters it is made of; a short one is whole."""
    texts = ["x" * PREVIEW, "猫" * 10 * PREVIEW, "🎈" * (PREVIEW + 1), "a\0b" * PREVIEW, "", "\0"]
    for number, text in enumerate(texts):
        await history.append(MAO, HistoryUid(f"{number}"), human("Before it."), human(text))

    listed = [one.latest.content for one in await history.conversations(MAO)]

    assert [text[:PREVIEW] for text in texts] == listed[::-1]


async def test_of_two_latest_messages_of_one_time_the_later_stored_is_first(history: History) -> None:
    """Equal times fall back to the order of storing."""
    await history.append(MAO, FIRST, human())
    await history.append(MAO, SECOND, human())
    assert [conversation.uid for conversation in await history.conversations(MAO)] == [SECOND, FIRST]

    await history.append(MAO, FIRST, human())

    assert [conversation.uid for conversation in await history.conversations(MAO)] == [FIRST, SECOND]


async def test_a_clock_that_is_set_back_changes_no_order(history: History) -> None:
    """Times never run backwards within a conversation, and who spoke last is first in the list."""
    await history.append(MAO, FIRST, human(second=100))
    await history.append(MAO, FIRST, ai(second=10), human(second=11))
    await history.append(MAO, FIRST, ai(second=101))
    await history.append(MAO, SECOND, human(second=12))

    seconds = [message.timestamp for message in await history.messages(MAO, FIRST)]
    assert [human(second=second).timestamp for second in (100, 100, 100, 101)] == seconds
    assert [conversation.uid for conversation in await history.conversations(MAO)] == [SECOND, FIRST]


async def test_what_must_continue_does_not_begin(history: History) -> None:
    """Who speaks on in a conversation that was deleted does not bring it back."""
    await history.append(MAO, FIRST, human("one"))
    await history.append(MAO, FIRST, ai("two"), continues=True)
    await history.delete(MAO, FIRST)

    with pytest.raises(NoSuchHistory):
        await history.append(MAO, FIRST, ai("three"), continues=True)

    assert await history.conversations(MAO) == []


async def test_the_list_comes_in_pages(history: History) -> None:
    """The newest first, then those that follow the last one seen; of a long message only its beginning."""
    for number in range(7):
        await history.append(MAO, HistoryUid(f"{number}"), human(f"{number}" * 5_000))

    pages = [await history.conversations(MAO, limit=3)]
    while pages[-1]:
        pages.append(await history.conversations(MAO, limit=3, before=pages[-1][-1].uid))

    assert [[one.uid for one in page] for page in pages] == [["6", "5", "4"], ["3", "2", "1"], ["0"], []]
    assert pages[0][0].latest.content == "6" * PREVIEW
    with pytest.raises(NoSuchHistory):
        await history.conversations(MAO, before=HistoryUid("never was"))
    with pytest.raises(NoSuchHistory):
        await history.conversations(ANN, before=HistoryUid("1"))


async def test_of_a_long_conversation_the_newest_messages_are_read(history: History) -> None:
    """So many of them, as far as they fit into so many bytes; one that does not fit by itself is cut."""
    await history.append(MAO, FIRST, *(human(f"{number}é") for number in range(9)))

    assert [human("7é"), human("8é")] == await history.messages(MAO, FIRST, limit=2)
    assert [human("7é"), human("8é")] == await history.messages(MAO, FIRST, size=8)
    assert [human("8é")] == await history.messages(MAO, FIRST, size=5)
    assert [human("8")] == await history.messages(MAO, FIRST, size=2)


async def test_an_import_stands_below_what_was_said_here(history: History) -> None:
    """However late it is imported; among themselves the imported ones stand by their time."""
    await history.append(MAO, FIRST, human(second=1))
    for number in (5, 7, 6):
        await history.adopt(MAO, HistoryUid(f"{number}"), human(second=number), ai(second=number))

    assert [one.uid for one in await history.conversations(MAO)] == [FIRST, "7", "6", "5"]
    await history.append(MAO, HistoryUid("5"), human(second=8), continues=True)
    assert [one.uid for one in await history.conversations(MAO)] == ["5", FIRST, "7", "6"]


async def test_a_character_sees_only_its_own(history: History) -> None:
    """Another character's conversation is not listed, read, continued or deleted."""
    await history.append(MAO, FIRST, human("a secret"))

    assert await history.conversations(ANN) == []
    with pytest.raises(NoSuchHistory):
        await history.messages(ANN, FIRST)
    with pytest.raises(NoSuchHistory):
        await history.append(ANN, FIRST, human())
    with pytest.raises(NoSuchHistory):
        await history.delete(ANN, FIRST)
    with pytest.raises(NoSuchHistory):
        await history.rename(ANN, FIRST, "hers")
    assert [one.title for one in await history.conversations(MAO)] == ["a secret"]
    assert [human("a secret")] == await history.messages(MAO, FIRST)


async def test_what_one_user_may_not_see_does_not_exist_for_them(history: History) -> None:
    """Another user's conversation, and one that never was, have the same answer, word for word."""
    never = HistoryUid("never was")
    await history.append(EVES_MAO, FIRST, human("a secret"))

    for stranger in (BOBS_MAO, MAO):
        assert await history.conversations(stranger) == []
        answers = []
        for uid in (FIRST, never):
            for ask in (
                partial(history.messages, stranger, uid),
                partial(history.append, stranger, uid, human(), continues=True),
                partial(history.conversations, stranger, before=uid),
                partial(history.delete, stranger, uid),
                partial(history.rename, stranger, uid, "Theirs"),
            ):
                with pytest.raises(NoSuchHistory) as caught:
                    await ask()
                answers.append(str(caught.value))
        assert len(set(answers)) == 1
    assert [one.title for one in await history.conversations(EVES_MAO)] == ["a secret"]
    assert [human("a secret")] == await history.messages(EVES_MAO, FIRST)


async def test_each_user_has_a_list_of_their_own(history: History) -> None:
    """With the same character, in the order in which each of them spoke."""
    await history.append(EVES_MAO, HistoryUid("eve 1"), human())
    await history.append(BOBS_MAO, HistoryUid("bob 1"), human())
    await history.append(EVES_MAO, HistoryUid("eve 2"), human())
    await history.adopt(BOBS_MAO, HistoryUid("bob 2"), human())
    await history.append(MAO, HistoryUid("shared"), human())

    async def listed(owner: Owner) -> list[str]:
        return [one.uid for one in await history.conversations(owner)]

    assert [await listed(owner) for owner in (EVES_MAO, BOBS_MAO, MAO)] == [
        ["eve 2", "eve 1"],
        ["bob 1", "bob 2"],
        ["shared"],
    ]
    await history.delete(BOBS_MAO, HistoryUid("bob 1"))
    assert [await listed(owner) for owner in (EVES_MAO, BOBS_MAO)] == [["eve 2", "eve 1"], ["bob 2"]]


async def test_a_deleted_conversation_is_gone_and_its_name_is_free(history: History) -> None:
    """Deleting leaves nothing behind, and the other conversations alone."""
    await history.append(MAO, FIRST, human("one"))
    await history.append(MAO, SECOND, human("two"))

    await history.delete(MAO, FIRST)

    assert [StoredConversation.of(SECOND, human("two"), "two")] == await history.conversations(MAO)
    with pytest.raises(NoSuchHistory):
        await history.delete(MAO, FIRST)
    await history.append(ANN, FIRST, human("three"))
    assert [human("three")] == await history.messages(ANN, FIRST)


async def test_half_a_surrogate_pair_is_stored_as_the_replacement_character(history: History) -> None:
    """A text that UTF-8 does not know is no reason to lose the rest of it, nor to fall over its name."""
    broken = HistoryUid("\ud800")

    await history.append(Owner("\udfff"), broken, human("ab\ud83d"), human("\ud83d\ude00"))

    assert [human("ab\ufffd"), human("😀")] == await history.messages(Owner("\udfff"), broken)
    assert [HistoryUid("\ufffd")] == [found.uid for found in await history.conversations(Owner("\udfff"))]
    await history.delete(Owner("\udfff"), broken)


async def test_a_cancel_before_the_call_stores_nothing(history: History) -> None:
    """Every call is a checkpoint first."""
    with trio.CancelScope() as scope:
        scope.cancel()
        await history.append(MAO, FIRST, human())

    assert scope.cancelled_caught
    assert await history.conversations(MAO) == []


async def test_even_storing_nothing_is_a_checkpoint(history: History) -> None:
    """A caller in a loop can be cancelled whatever it stores."""
    with trio.CancelScope() as scope:
        scope.cancel()
        await history.append(MAO, FIRST)

    assert scope.cancelled_caught


def test_timestamps_sort_as_text() -> None:
    """Whatever the zone and the fraction, a later moment has the greater text."""
    earlier = datetime(2026, 1, 31, 12, tzinfo=timezone(timedelta(hours=2)))

    assert utc_timestamp(earlier) == "2026-01-31T10:00:00.000000+00:00"
    assert utc_timestamp(earlier) < utc_timestamp(earlier + timedelta(microseconds=1))


def test_well_formed_text_is_left_alone() -> None:
    """Only what cannot be encoded changes."""
    assert well_formed("Grüße 世界 🎈\0") == "Grüße 世界 🎈\0"
