"""Which errand an answer or an error belongs to."""

from __future__ import annotations

from tests.chat.seats import plain_screen
from trio_backend.chat.board import Board
from trio_backend.chat.errands import begin, list_characters, list_conversations, resume
from trio_backend.chat.whereabouts import Whereabouts
from trio_backend.client.messages import (
    ReceivedConfigFiles,
    ReceivedControl,
    ReceivedError,
    ReceivedHistoryList,
    ReceivedNewHistory,
)
from trio_backend.protocol.incoming import (
    CreateNewHistory,
    FetchAndSetHistory,
    FetchConfigs,
    FetchHistoryList,
    Incoming,
    SwitchConfig,
)


def test_answers_go_to_the_errand_that_waits_for_them() -> None:
    """In whatever order they come; what nobody waits for is left."""
    sent: list[Incoming] = []
    board, where, (screen, paper) = Board(sent.append), Whereabouts(character="Iris"), plain_screen()
    board.start("characters", list_characters(where, screen))
    board.start("history", list_conversations(where, screen))
    assert sent == [FetchConfigs(), FetchHistoryList()]
    assert board.busy()
    assert board.busy("history")

    assert not board.answer(ReceivedControl("start-mic"))
    assert board.answer(ReceivedHistoryList([]))
    assert not board.busy("history")
    assert board.answer(ReceivedConfigFiles([]))
    assert not board.answer(ReceivedConfigFiles([]))
    assert not board.busy()
    assert "nothing has been said yet" in paper.getvalue()


def test_an_error_goes_to_the_errand_whose_answer_it_replaces() -> None:
    """By its code; without one, to an errand if no turn runs that it could be about."""
    board, where = Board(list[Incoming]().append), Whereabouts()
    board.start("history", begin(where))
    assert not board.refuse(ReceivedError("no voice", "engine-error"), in_turn=True)
    assert not board.refuse(ReceivedError("no such file", "bad-config"), in_turn=False)
    assert board.busy("history")

    assert not board.refuse(ReceivedError("disk full", "history-error"), in_turn=True)
    assert not board.busy("history"), "it cannot bear it: the user is told"

    board.start("history", begin(where))
    board.refuse(ReceivedError("what?"), in_turn=False)
    assert not board.busy()


def test_a_resumed_conversation_whose_character_is_gone_begins_anew() -> None:
    """With the character whom everybody meets first."""
    sent: list[Incoming] = []
    board, where, (screen, paper) = Board(sent.append), Whereabouts("Mao", "mao.yaml"), plain_screen()
    where.enter("uid-1", spoken=True)
    board.start("welcome", resume(where, screen))

    assert board.refuse(ReceivedError("there is no mao.yaml", "bad-config"), in_turn=False)

    assert sent == [SwitchConfig("mao.yaml"), CreateNewHistory()]
    assert where.file is None
    board.answer(ReceivedNewHistory("uid-2"))
    assert where.history_uid == "uid-2"
    assert "cannot be continued" in paper.getvalue()


def test_a_conversation_in_which_nothing_was_said_is_no_loss() -> None:
    """The server does not keep it, and the user need not know."""
    sent: list[Incoming] = []
    board, where, (screen, paper) = Board(sent.append), Whereabouts(), plain_screen()
    where.enter("uid-1")
    board.start("welcome", resume(where, screen))
    assert board.refuse(ReceivedError("none", "no-such-history"), in_turn=False)
    board.answer(ReceivedNewHistory("uid-2"))
    assert sent == [FetchAndSetHistory("uid-1"), CreateNewHistory()]
    assert "cannot be continued" not in paper.getvalue()


def test_abandoned_errands_ask_nothing_more() -> None:
    """With the connection go its answers."""
    sent: list[Incoming] = []
    board = Board(sent.append)
    board.start("history", begin(Whereabouts()))
    board.abandon()
    assert not board.answer(ReceivedNewHistory("uid"))
    assert not board.busy()
