"""Conversations get titles on the page, by mouse and by keyboard, in the sight of other pages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import trio
from playwright.sync_api import Locator, expect

from tests.history.samples import MAO, ai, human
from tests.web.conftest import Connect, Open
from tests.web.page_server import PageServer, build_page_server
from tests.web.page_user import PageUser
from trio_backend.history.sqlite import open_sqlite_history
from trio_backend.history.store import HistoryUid

# One for each test, which may then run in any order.
FIRST_WORDS = ["Mouse", "Keys", "Escape", "Empty", "HTML", "Gone", "Short", "Long " * 50, "Other"]


@pytest.fixture(scope="module")
def page_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PageServer]:
    """A server with a conversation for each test."""
    folder = tmp_path_factory.mktemp("renaming")
    page_server = build_page_server(folder)
    trio.run(store, folder / "history.sqlite3")
    page_server.start()
    yield page_server
    page_server.kill()


async def store(path: Path) -> None:
    """Say something in each."""
    async with open_sqlite_history(path) as history:
        for words in FIRST_WORDS:
            await history.append(MAO, HistoryUid(words.strip()), human(words), ai("And then?"))


def row(user: PageUser, words: str) -> Locator:
    """The row of that title, in the list that is open."""
    if not user.find("#conversations").is_visible():
        user.page.click("#open-conversations")
    title = user.page.locator(".title").get_by_text(words, exact=True)
    return user.find("#conversation-list .item").filter(has=title)


def edit(user: PageUser, words: str) -> Locator:
    """Press the pencil of that row; the field."""
    row(user, words).get_by_role("button", name="Rename conversation").click()
    field = user.page.get_by_role("textbox", name="Title (empty: your first words)")
    expect(field).to_be_focused()
    return field


def title_in_focus(user: PageUser) -> str | None:
    """The title of the row that the keyboard is in."""
    found = user.page.evaluate("document.activeElement.closest('.pick')?.querySelector('.title').textContent")
    return None if found is None else str(found)


def test_a_conversation_is_renamed_before_the_eyes_of_another_page(open_page: Open) -> None:
    """And stays so: the field has the old title, marked, and what is written takes its place."""
    user, other = open_page(), open_page()
    expect(row(other, "Mouse")).to_be_visible()
    field = edit(user, "Mouse")
    assert field.input_value() == "Mouse"

    user.page.keyboard.type("The sea")
    user.page.get_by_role("button", name="Save").click()

    expect(row(user, "The sea")).to_be_visible()
    expect(row(other, "The sea")).to_be_visible()
    expect(row(other, "Mouse")).to_have_count(0)
    assert title_in_focus(user) == "The sea"
    user.page.reload()
    user.wait_connected()
    expect(row(user, "The sea")).to_be_visible()
    assert user.wrong == other.wrong == []


def test_it_is_renamed_with_the_keyboard_alone(open_page: Open) -> None:
    """F2 on the row begins, Enter saves, and the keyboard is in the row again."""
    user = open_page()
    row(user, "Keys").locator(".pick").press("F2")
    user.page.keyboard.type("By hand")
    user.page.keyboard.press("Enter")

    user.until(lambda: title_in_focus(user) == "By hand")
    assert user.says("rename-history") == [
        {"type": "rename-history", "history_uid": "Keys", "title": "By hand"}
    ]


def test_escape_keeps_the_title_and_the_sheet(open_page: Open) -> None:
    """So does the button; nothing is sent, nor where nothing was changed."""
    user = open_page()
    for leave in ("Escape", "Keep", "Enter"):
        field = edit(user, "Escape")
        if leave != "Enter":
            field.fill("Never")
        if leave == "Keep":
            user.page.get_by_role("button", name="Keep").click()
        else:
            field.press(leave)
        user.until(lambda: title_in_focus(user) == "Escape")
        assert user.find("#conversations").is_visible()
    assert user.says("rename-history") == []
    user.page.keyboard.press("Escape")
    expect(user.find("#conversations")).not_to_be_visible()


def test_an_empty_title_is_the_first_words_again(open_page: Open) -> None:
    """Which the field says while it is empty."""
    user = open_page()
    edit(user, "Empty").fill("Full")
    user.page.keyboard.press("Enter")
    expect(row(user, "Full")).to_be_visible()
    field = edit(user, "Full")
    field.fill("")
    assert field.get_attribute("placeholder") == "Title (empty: your first words)"
    user.page.keyboard.press("Enter")

    expect(row(user, "Empty")).to_be_visible()


def test_a_title_is_no_markup(open_page: Open) -> None:
    """It is shown as it was written, but for what would turn text around; no longer than the server takes."""
    user = open_page()
    html = "<img src=x onerror=alert(1)>"
    edit(user, "HTML")
    user.page.keyboard.insert_text(f"\u202e{html}")
    user.page.keyboard.press("Enter")
    expect(row(user, html)).to_be_visible()
    assert user.find("#conversation-list img").count() == 0

    edit(user, html)
    user.page.keyboard.insert_text("y" * 500)
    user.page.keyboard.press("Enter")
    expect(row(user, "y" * 120)).to_be_visible()
    assert user.texts("#notices .notice") == []


def test_first_words_that_are_long_can_be_shortened(open_page: Open) -> None:
    """The field has as many of them as a title may have, and they are no title where nothing was changed."""
    user = open_page()
    words = FIRST_WORDS[7].strip()[:199]
    field = edit(user, words)
    assert field.input_value() == words[:120]
    field.press("Enter")
    field = edit(user, words)
    field.press("End")
    field.press("Backspace")
    field.press("Enter")

    expect(row(user, words[:119].strip())).to_be_visible()
    assert len(user.says("rename-history")) == 1


def test_what_was_deleted_elsewhere_meanwhile_leaves_the_list(open_page: Open) -> None:
    """No error is shown: the list is."""
    user, other = open_page(), open_page()
    field = edit(user, "Gone")
    row(other, "Gone").get_by_role("button", name="Delete conversation").click()
    other.page.click("#conversation-list .danger")
    expect(row(other, "Gone")).to_have_count(0)

    field.fill("Too late")
    field.press("Enter")

    expect(row(user, "Gone")).to_have_count(0)
    assert user.texts("#notices .notice") == []


def test_the_other_row_is_no_field_any_more(open_page: Open) -> None:
    """One thing is asked at a time: whether another is deleted, or what it is called."""
    user = open_page()
    edit(user, "Short")
    row(user, "Other").get_by_role("button", name="Delete conversation").click()
    expect(user.find("#conversation-list input")).to_have_count(0)
    expect(user.page.locator("#conversation-list .sure button:focus")).to_have_text("Keep")
    edit(user, "Short")
    expect(user.find("#conversation-list .danger")).to_have_count(0)
    user.page.click("#conversations h2 + .round")
    user.page.click("#open-conversations")
    expect(user.find("#conversation-list input")).to_have_count(0)


@pytest.mark.parametrize(("width", "height"), [(320, 640), (844, 390)])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_field_fits_small_screens(open_page: Open, width: int, height: int, theme: str) -> None:
    """With both buttons in sight, however long the title."""
    user = open_page(viewport={"width": width, "height": height}, color_scheme=theme)
    # Where it grows out of sight: as the last one that is in sight.
    row(user, "Short").evaluate("row => row.scrollIntoView({ block: 'end' })")
    edit(user, "Short")
    user.page.keyboard.insert_text("W" * 120)

    assert user.page.evaluate("document.querySelector('#conversations').scrollWidth") <= width
    for name in ("Save", "Keep"):
        button = user.page.get_by_role("button", name=name)
        expect(button).to_be_in_viewport(ratio=0.99)
    box = user.page.get_by_role("textbox", name="Title (empty: your first words)").bounding_box()
    assert box is not None
    assert box["width"] >= 190
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= width


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("zh", ("重命名对话", "标题（留空用第一句话）", "保存")),
        ("ja", ("会話の名前を変更", "タイトル（空欄なら最初の言葉）", "保存")),
    ],
)
def test_renaming_has_words_in_each_language(
    open_page: Open, language: str, words: tuple[str, str, str]
) -> None:
    """Those that are heard too."""
    user = open_page(locale=language)
    user.page.click("#open-conversations")
    user.page.get_by_role("button", name=words[0]).first.click()

    expect(user.page.get_by_role("textbox", name=words[1])).to_be_focused()
    expect(user.page.get_by_role("button", name=words[2])).to_be_visible()


def test_who_types_is_not_disturbed_by_a_new_list(connect: Connect) -> None:
    """It is shown when the field is left; a lost line leaves the field as it is."""
    server = connect()
    page = server.page
    said = {"role": "human", "content": "Hi.", "timestamp": "2026-01-01T12:00:00"}
    listed = [
        {
            "uid": f"told {number}",
            "latest_message": said,
            "timestamp": said["timestamp"],
            "title": f"T{number}",
        }
        for number in (1, 2)
    ]
    server.ours |= {"fetch-history-list", "rename-history"}
    page.click("#open-conversations")
    server.wait_for("fetch-history-list")
    server.say("history-list", histories=listed, more=False)
    page.get_by_role("button", name="Rename conversation").first.click()
    page.keyboard.type("Half")

    server.say("history-list", histories=listed[::-1], more=False)
    server.say("history-renamed", history_uid="told 2", title="Theirs")
    page.keyboard.type(" and half")
    page.keyboard.press("Enter")

    expect(page.locator("#conversation-list .title")).to_have_text(["Theirs", "T1"])
    assert server.wait_for("rename-history")["title"] == "Half and half"
    server.say("history-renamed", history_uid="told 1", title="Half and half")
    expect(page.locator("#conversation-list .title")).to_have_text(["Theirs", "Half and half"])


def test_an_older_server_gets_no_titles(connect: Connect) -> None:
    """There is no pencil where nobody would understand what it says."""
    server = connect(knows_hello=False)
    page = server.page
    page.click("#open-conversations")

    expect(page.get_by_role("button", name="Delete conversation").first).to_be_visible()
    expect(page.get_by_role("button", name="Rename conversation")).to_have_count(0)
    page.locator("#conversation-list .pick").first.press("F2")
    expect(page.locator("#conversation-list input")).to_have_count(0)
