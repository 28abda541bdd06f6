"""Which request an answer or an error belongs to."""

from __future__ import annotations

from tests.chat.users import plain_screen
from trio_backend.chat.requests import (
    ClientState,
    PendingRequests,
    list_characters,
    list_conversations,
    list_older_conversations,
    new_conversation,
    resume,
)
from trio_backend.client.messages import (
    ListedConversation,
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


def test_answers_go_to_the_request_that_waits_for_them() -> None:
    """In whatever order they come; what nobody waits for is left."""
    sent: list[Incoming] = []
    pending, state, (screen, paper) = (
        PendingRequests(sent.append),
        ClientState(character="Iris"),
        plain_screen(),
    )
    pending.start("characters", list_characters(state, screen))
    pending.start("history", list_conversations(state, screen))
    assert sent == [FetchConfigs(), FetchHistoryList()]
    assert pending.busy()
    assert pending.busy("history")

    assert not pending.answer(ReceivedControl("start-mic"))
    assert pending.answer(ReceivedHistoryList([]))
    assert not pending.busy("history")
    assert pending.answer(ReceivedConfigFiles([]))
    assert not pending.answer(ReceivedConfigFiles([]))
    assert not pending.busy()
    assert "nothing has been said yet" in paper.getvalue()


def test_older_conversations_are_listed_page_by_page() -> None:
    """Their numbers go on; a page that cannot come leaves the list as it was."""
    sent: list[Incoming] = []
    pending, state, (screen, paper) = PendingRequests(sent.append), ClientState(), plain_screen()
    pending.start("history", list_older_conversations(state, screen))
    assert "/history comes first" in paper.getvalue()

    pending.start("history", list_conversations(state, screen))
    pending.answer(ReceivedHistoryList([ListedConversation("c"), ListedConversation("b")], more=True))
    assert "/history more" in paper.getvalue()
    pending.start("history", list_older_conversations(state, screen))
    assert pending.fail(ReceivedError("none", "no-such-history"), in_turn=False) is False
    pending.start("history", list_older_conversations(state, screen))
    pending.answer(ReceivedHistoryList([ListedConversation("a")]))
    pending.start("history", list_older_conversations(state, screen))

    assert sent == [FetchHistoryList(), FetchHistoryList("b"), FetchHistoryList("b")]
    assert [one.uid for one in state.listed] == ["c", "b", "a"]
    assert "   3 " in paper.getvalue()
    assert "no older conversations" in paper.getvalue()


def test_an_error_goes_to_the_request_whose_answer_it_replaces() -> None:
    """By its code; without one, to a request if no turn runs that it could be about."""
    pending, state = PendingRequests(list[Incoming]().append), ClientState()
    pending.start("history", new_conversation(state))
    assert not pending.fail(ReceivedError("no voice", "engine-error"), in_turn=True)
    assert not pending.fail(ReceivedError("no such file", "bad-config"), in_turn=False)
    assert pending.busy("history")

    assert not pending.fail(ReceivedError("disk full", "history-error"), in_turn=True)
    assert not pending.busy("history"), "it cannot bear it: the user is told"

    pending.start("history", new_conversation(state))
    pending.fail(ReceivedError("what?"), in_turn=False)
    assert not pending.busy()


def test_a_resumed_conversation_whose_character_is_gone_begins_anew() -> None:
    """With the character whom everybody meets first."""
    sent: list[Incoming] = []
    pending, state, (screen, paper) = (
        PendingRequests(sent.append),
        ClientState("Mao", "mao.yaml"),
        plain_screen(),
    )
    state.set_conversation("uid-1", spoken=True)
    pending.start("welcome", resume(state, screen))

    assert pending.fail(ReceivedError("there is no mao.yaml", "bad-config"), in_turn=False)

    assert sent == [SwitchConfig("mao.yaml"), CreateNewHistory()]
    assert state.file is None
    pending.answer(ReceivedNewHistory("uid-2"))
    assert state.history_uid == "uid-2"
    assert "cannot be continued" in paper.getvalue()


def test_a_conversation_in_which_nothing_was_said_is_no_loss() -> None:
    """The server does not keep it, and the user need not know."""
    sent: list[Incoming] = []
    pending, state, (screen, paper) = PendingRequests(sent.append), ClientState(), plain_screen()
    state.set_conversation("uid-1")
    pending.start("welcome", resume(state, screen))
    assert pending.fail(ReceivedError("none", "no-such-history"), in_turn=False)
    pending.answer(ReceivedNewHistory("uid-2"))
    assert sent == [FetchAndSetHistory("uid-1"), CreateNewHistory()]
    assert "cannot be continued" not in paper.getvalue()


def test_abandoned_requests_ask_nothing_more() -> None:
    """With the connection go its answers."""
    sent: list[Incoming] = []
    pending = PendingRequests(sent.append)
    pending.start("history", new_conversation(ClientState()))
    pending.abandon()
    assert not pending.answer(ReceivedNewHistory("uid"))
    assert not pending.busy()
