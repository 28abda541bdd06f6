"""The page's list of conversations, where there are more than come at once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import trio
from playwright.sync_api import expect

from tests.history.samples import MAO, ai, human
from tests.web.conftest import Connect, Open
from tests.web.page_server import PageServer, build_page_server
from tests.web.page_user import PageUser
from trio_backend.history.sqlite import open_sqlite_history
from trio_backend.history.store import HistoryUid

# Conversations of each page, and of all.
LISTED, STORED = 3, 8


@pytest.fixture(scope="module")
def page_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PageServer]:
    """A server with a long list."""
    folder = tmp_path_factory.mktemp("listing")
    page_server = build_page_server(folder, system=f", history_list: {LISTED}")
    trio.run(store, folder / "history.sqlite3")
    page_server.start()
    yield page_server
    page_server.kill()


async def store(path: Path) -> None:
    """Say something in each of them, to which the character always says the same."""
    async with open_sqlite_history(path) as history:
        for number in range(STORED):
            await history.append(MAO, HistoryUid(f"{number}"), human(f"Hello {number}."), ai("And then?"))


def shown(user: PageUser) -> list[str]:
    """What the user said first in each that is listed."""
    return user.texts("#conversation-list .title")


def test_older_conversations_come_when_they_are_asked_for(open_page: Open) -> None:
    """With the keyboard: its place is then where the new ones begin. At the end there is no button."""
    user = open_page()
    user.page.click("#open-conversations")
    user.until(lambda: shown(user) == ["Hello 7.", "Hello 6.", "Hello 5."])
    older = user.page.get_by_role("button", name="Show older conversations")

    older.press("Enter")
    user.until(lambda: len(shown(user)) == 6)
    assert user.page.evaluate("document.activeElement.querySelector('.title').textContent") == "Hello 4."
    assert user.says("fetch-history-list")[-1] == {"type": "fetch-history-list", "before": "5"}

    older.click()
    user.until(lambda: shown(user) == [f"Hello {number}." for number in range(STORED - 1, -1, -1)])
    assert not older.is_visible()

    user.find("#conversation-list .pick").last.click()
    user.until(lambda: "Hello 0." in user.texts("#log")[0])
    user.page.click("#open-conversations")
    user.until(lambda: shown(user) == ["Hello 7.", "Hello 6.", "Hello 5."])
    assert older.is_visible()


@pytest.mark.parametrize("language", ["zh", "ja"])
def test_the_button_has_words_in_each_language(open_page: Open, language: str) -> None:
    """As the rest of the page."""
    user = open_page(locale=language)
    user.page.click("#open-conversations")

    words = {"zh": "显示更早的对话", "ja": "さらに前の会話を表示"}
    user.page.get_by_role("button", name=words[language]).click()
    user.until(lambda: len(shown(user)) == 6)


def test_a_list_that_was_changed_elsewhere_is_shown_anew(open_page: Open) -> None:
    """The last one that is shown was deleted by another page: no error is shown, but what there is."""
    user, other = open_page(), open_page()
    for each in (user, other):
        each.page.click("#open-conversations")
        each.until(lambda each=each: len(shown(each)) == LISTED)  # type: ignore[misc]
    last = other.find("#conversation-list .item").last
    last.get_by_role("button", name="Delete conversation").click()
    last.locator(".danger").click()
    other.until(lambda: shown(other) == ["Hello 7.", "Hello 6.", "Hello 4."])

    user.page.get_by_role("button", name="Show older conversations").click()

    user.until(lambda: shown(user) == ["Hello 7.", "Hello 6.", "Hello 4."])
    assert user.texts("#notices .notice") == []


def test_the_question_before_a_deletion_stands_while_the_list_comes_anew(connect: Connect) -> None:
    """As when the list arrives only after the button was pressed: the answer, and the focus, stay."""
    server = connect()
    page = server.page
    kept = {"role": "human", "content": "A secret.", "timestamp": "2026-01-01T12:00:00"}
    listed = [
        {"uid": f"told {number}", "latest_message": kept, "timestamp": kept["timestamp"]} for number in (1, 2)
    ]
    server.ours.add("fetch-history-list")
    page.click("#open-conversations")
    server.wait_for("fetch-history-list")
    server.say("history-list", histories=listed, more=False)
    rows = page.locator("#conversation-list .item").filter(has_text="A secret.")
    expect(rows).to_have_count(2)
    rows.first.get_by_role("button", name="Delete conversation").click()

    server.say("history-list", histories=listed[::-1], more=False)

    expect(rows).to_have_count(1)
    expect(page.locator("#conversation-list .sure button:focus")).to_have_text("Keep")
    page.click("#conversation-list .danger")
    assert server.wait_for("delete-history") == {"type": "delete-history", "history_uid": "told 1"}
