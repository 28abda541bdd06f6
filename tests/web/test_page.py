"""The page in a browser: what a person does, and what they see and the server hears of it."""

from __future__ import annotations

from playwright.sync_api import Playwright, expect

from tests.web.conftest import SOUND_AFTER_A_CLICK, Open, open_browser
from tests.web.page_server import PageServer
from tests.web.page_user import LONG, THREE, PageUser

SENTENCES = ["The tide is high today.", "It brings me a button.", "I keep them all."]


def test_a_reply_comes_sentence_by_sentence_as_it_is_spoken(open_page: Open) -> None:
    """Each sentence appears when its sound begins, the mouth moves meanwhile, and the bubble ends."""
    user = open_page()
    shut = mouth_height(user)
    # Long enough for a busy machine to see it.
    first = "The tide is high today" + " and it goes on rising" * 5 + "."
    user.page.evaluate(
        """() => {
          const log = document.querySelector("#log"), app = document.querySelector("#app");
          const note = () => seen.push([log.querySelectorAll(".ai .sentence").length, app.dataset.turn]);
          window.seen = [];
          new MutationObserver(note).observe(log, { childList: true, subtree: true });
        }"""
    )
    sentences = [first, *SENTENCES[1:]]
    user.type(THREE.replace(SENTENCES[0], first))
    heights = []
    user.page.wait_for_selector(".sentence.now")

    while user.find("#app[data-turn=speaking]").count():
        height = mouth_height(user)
        # The second sentence smiles, which opens a mouth too.
        if user.find(".ai .sentence").count() == 1:
            heights.append(height)
        user.page.wait_for_timeout(15)

    seen = [count for count, turn in user.page.evaluate("seen") if turn == "speaking"]
    assert sorted(seen) == seen
    assert {1, 2, 3} == set(seen) - {0}
    assert max(heights) > 3 * shut
    assert user.texts(".ai .sentence") == sentences
    assert user.find(".ai").count() == 1
    user.until(lambda: any(m.get("text") == "conversation-chain-end" for _, m in user.received))
    assert len(user.says("frontend-playback-complete")) == 1
    assert [message["display_text"]["text"] for message in user.says("audio-play-start")] == sentences
    assert user.find(".sentence.now").count() == 0


def mouth_height(user: PageUser) -> float:
    box = user.find("#mouth").bounding_box()
    return box["height"] if box else 0.0


def test_the_avatar_shows_the_emotion_of_a_sentence(open_page: Open) -> None:
    """An emotion keyword changes the face when its sentence is spoken, not when it is sent."""
    user = open_page()
    user.page.evaluate(
        """() => {
          const face = document.querySelector("#face"), log = document.querySelector("#log");
          const note = () => seen.push([log.querySelectorAll(".sentence").length, face.dataset.feeling]);
          const observer = new MutationObserver(note);
          window.seen = [];
          observer.observe(face, { attributes: true });
          observer.observe(log, { childList: true, subtree: true });
        }"""
    )
    user.type(THREE)

    expect(user.find("#face")).to_have_attribute("data-feeling", "joy")

    seen = {tuple(each) for each in user.page.evaluate("seen")}
    assert (1, "neutral") in seen
    assert (1, "joy") not in seen
    assert 1 <= user.find(".sentence").count() <= 3


def test_typing_during_a_reply_reports_exactly_what_was_heard(open_page: Open) -> None:
    """The server is told the words played so far, cut at a word, and the bubble shows the same, marked."""
    user = open_page()
    long = "This is a long sentence that goes on" + " and on for quite a while" * 8 + ". And another one."
    user.type(long)
    user.page.wait_for_selector(".sentence.now")
    user.page.wait_for_timeout(900)

    user.type("Stop.")

    user.until(lambda: bool(user.says("interrupt-signal")))
    [heard] = [message["text"] for message in user.says("interrupt-signal")]
    assert long.startswith(heard)
    assert long[len(heard)] == " "
    # 0.9 s of sound at 40 characters a second, give or take what a busy machine needs; it lasts 6 s.
    assert 20 <= len(heard) <= 200
    assert heard == user.texts(".ai .sentence")[0]
    assert user.find(".ai .cut").count() == 1
    expect(user.find(".ai .sentence").nth(1)).to_have_text("Stop.")
    kinds = [m["type"] for m in user.sent]
    assert kinds.index("interrupt-signal") < len(kinds) - 1 - kinds[::-1].index("text-input")


def test_escape_stops_a_reply(open_page: Open) -> None:
    """Who wants silence need not say anything."""
    user = open_page()
    user.type(LONG)
    user.page.wait_for_selector(".sentence.now")

    user.page.keyboard.press("Escape")

    expect(user.find("#app")).to_have_attribute("data-turn", "idle")
    assert len(user.says("interrupt-signal")) == 1


def test_a_switch_can_be_replaced_by_another(open_page: Open) -> None:
    """While a slow character loads, the page says so, and another can be chosen at once."""
    user = open_page()
    user.page.click("#open-characters")
    slow = user.find("#character-list .item").filter(has_text="Slow")
    slow.get_by_role("button").click()
    expect(slow).to_have_class("item busy")
    expect(user.find("#switching")).to_contain_text("Slow")
    assert user.find("#name").inner_text() == "Mao"

    user.find("#character-list .item").filter(has_text="Ann").get_by_role("button").click()

    expect(user.find("#name")).to_have_text("Ann")
    expect(user.find("#switching")).to_be_hidden()
    user.page.keyboard.press("Escape")
    user.type("Who are you?")
    expect(user.find(".ai .who")).to_contain_text("Ann")


def test_a_character_that_does_not_load_is_explained_in_the_list(open_page: Open) -> None:
    """The list says why, nothing is loading any more, and the character from before goes on answering."""
    user = open_page()
    user.page.click("#open-characters")
    broken = user.find("#character-list .item").filter(has_text="Broken")
    broken.get_by_role("button").click()

    expect(user.find("#switching")).to_contain_text("could not be loaded")
    expect(broken).not_to_have_class("item busy")
    assert user.find(".notice").count() == 0
    user.page.keyboard.press("Escape")
    user.type("Are you still there?")
    expect(user.find(".ai .who")).to_contain_text("Mao")


def test_each_script_runs_its_own_way(open_page: Open) -> None:
    """The full stop of an Arabic sentence is at its left end, that of an English one at its right."""
    user = open_page()
    for text in ("أنا بخير.", "I am well."):
        user.type(text)
        user.wait_quiet()
    assert user.texts(".ai .sentence") == ["أنا بخير.", "I am well."]

    def stop_is_right_of_start(at: int) -> bool:
        return bool(
            user.find(".ai .sentence")
            .nth(at)
            .evaluate(
                """sentence => {
                    const at = (from) => {
                        const range = document.createRange();
                        range.setStart(sentence.firstChild, from);
                        range.setEnd(sentence.firstChild, from + 1);
                        return range.getBoundingClientRect().left;
                    };
                    return at(sentence.textContent.length - 1) > at(0);
                }"""
            )
        )

    assert not stop_is_right_of_start(0)
    assert stop_is_right_of_start(1)


def test_a_reply_of_which_nothing_was_heard_leaves_no_bubble(open_page: Open) -> None:
    """Cut within its first word, it was never said; the server is told so."""
    user = open_page()
    user.type("A" * 400)
    user.page.wait_for_selector(".sentence.now")

    user.page.keyboard.press("Escape")

    expect(user.find(".ai")).to_have_count(0)
    assert [message["text"] for message in user.says("interrupt-signal")] == [""]


def test_a_picture_replaces_the_drawn_avatar_where_there_is_one(open_page: Open) -> None:
    """A model whose entry points to a picture is shown as that; if the picture is missing, as the face."""
    user = open_page()
    user.page.click("#open-characters")
    user.find("#character-list .item").filter(has_text="painted").get_by_role("button").click()
    expect(user.find("#portrait")).to_be_visible()
    expect(user.find("#face")).to_be_hidden()

    user.find("#character-list .item").filter(has_text="torn").get_by_role("button").click()

    expect(user.find("#name")).to_have_text("torn")
    expect(user.find("#face")).to_be_visible()
    expect(user.find("#portrait")).to_be_hidden()


def test_a_tenth_reload_answers_as_fast_as_the_first(open_page: Open, page_server: PageServer) -> None:
    """Nothing of the pages that were left stays behind."""
    user = open_page()
    first = seconds_to_sound(user)

    for _ in range(10):
        user.received.clear()
        user.page.goto(page_server.url)
        user.wait_connected()
    tenth = seconds_to_sound(user)

    assert tenth < first + 0.25


def seconds_to_sound(user: PageUser) -> float:
    """From Enter to the first sentence on the line."""
    user.received.clear()
    user.type("Hello there.")
    user.until(lambda: any(m["type"] == "audio" for _, m in user.received))
    began = next(at for at, m in user.received if m.get("text") == "conversation-chain-start")
    sound = next(at for at, m in user.received if m["type"] == "audio")
    user.page.wait_for_selector("#app[data-turn=idle]")
    return sound - began


def test_a_reload_comes_back_to_the_conversation_and_the_draft(
    open_page: Open, page_server: PageServer
) -> None:
    """What was said, and what was typed and not sent, is there again."""
    user = open_page()
    user.type("Remember this.")
    user.wait_quiet()
    user.page.fill("#text", "not sent yet")

    user.received.clear()
    user.page.goto(page_server.url)
    user.wait_connected()

    expect(user.find(".human .words")).to_have_text(["Remember this."])
    expect(user.find(".ai .sentence")).to_have_text(["Remember this."])
    expect(user.find("#text")).to_have_value("not sent yet")


def test_a_conversation_is_deleted_only_after_a_question(open_page: Open) -> None:
    """The first press asks, the second deletes."""
    user = open_page()
    user.type("A secret to forget.")
    user.wait_quiet()
    user.page.click("#open-conversations")
    row = user.find("#conversation-list .item").filter(has_text="A secret to forget.")
    expect(row).to_have_count(1)

    row.get_by_role("button", name="Delete conversation").click()
    assert user.says("delete-history") == []
    user.find("#conversation-list .danger").click()

    expect(row).to_have_count(0)
    expect(user.find(".entry")).to_have_count(0)


def test_a_server_that_comes_back_finds_the_page_as_it_was(open_page: Open, page_server: PageServer) -> None:
    """The page says that the line is lost, tries again, and shows the conversation and the draft.

    What was sent meanwhile: see test_waiting.py.
    """
    user = open_page()
    user.type("Before the storm.")
    user.wait_quiet()
    page_server.kill()
    user.page.wait_for_selector("#app[data-link=lost]")
    user.page.fill("#text", "typed in the dark")
    expect(user.find("#state")).to_contain_text("lost")

    page_server.start()
    user.page.wait_for_selector("#app[data-link=open]", timeout=25_000)

    expect(user.find(".human .words")).to_have_text(["Before the storm."])
    expect(user.find("#text")).to_have_value("typed in the dark")
    user.page.press("#text", "Enter")
    expect(user.find(".ai .sentence").nth(1)).to_have_text("typed in the dark")


def test_what_people_and_models_say_is_never_html(open_page: Open) -> None:
    """Markup in messages, replies and names of characters stays text; `open_page` fails on any dialog."""
    evil = "Look: <script>alert(1)</script> <img src=x onerror=alert(2)> done."
    user = open_page()
    user.page.click("#open-characters")
    user.find("#character-list .item").filter(has_text="Evil").get_by_role("button").click()
    expect(user.find("#name")).to_have_text("<b>Evil</b>")
    user.page.keyboard.press("Escape")

    user.type(evil)
    user.wait_quiet()

    assert [evil] == user.texts(".human .words")
    expect(user.find(".ai .who")).to_contain_text("<img src=x onerror=alert(1)>")
    assert user.find("#log script, #log img:not(.avatar), #name b, #character-list b").count() == 0


def test_the_arrow_key_brings_back_what_was_sent(open_page: Open) -> None:
    """Up goes back in what was typed, down comes forward to an empty field."""
    user = open_page()
    for text in ("One.", "Two."):
        user.type(text)
    user.page.press("#text", "ArrowUp")
    user.page.press("#text", "ArrowUp")
    expect(user.find("#text")).to_have_value("One.")
    user.page.press("#text", "ArrowDown")
    user.page.press("#text", "ArrowDown")
    expect(user.find("#text")).to_have_value("")


def test_a_picture_from_the_camera_goes_with_the_words(open_page: Open) -> None:
    """It is shown before it is sent, can be taken back, and arrives as a data URL."""
    user = open_page()
    user.page.click("#attach")
    user.page.click("#from-camera")
    user.until(lambda: bool(user.find("#camera-view").evaluate("view => view.videoWidth > 0")))
    user.page.click("#camera-take")
    expect(user.find("#pictures img")).to_have_count(1)

    user.type("What is this?")

    user.until(lambda: bool(user.says("text-input")))
    [image] = user.says("text-input")[0]["images"]
    assert image["source"] == "camera"
    assert image["data"].startswith("data:image/jpeg;base64,")
    expect(user.find("#pictures img")).to_have_count(0)
    expect(user.find(".human .shown img")).to_have_count(1)


def test_the_settings_outlive_a_reload(open_page: Open, page_server: PageServer) -> None:
    """Language and theme are kept in the browser, and shown at once."""
    user = open_page()
    user.page.click("#open-settings")
    user.page.select_option("#set-language", "ja")
    user.page.select_option("#set-theme", "dark")
    user.received.clear()
    user.page.goto(page_server.url)
    user.wait_connected()

    expect(user.find("html")).to_have_attribute("lang", "ja")
    expect(user.find("html")).to_have_attribute("data-theme", "dark")
    expect(user.find("#text")).to_have_attribute("placeholder", "話しかけてみて…")


def test_a_browser_that_wants_a_click_first_says_so(playwright: Playwright, page_server: PageServer) -> None:
    """Without a click the words go on in silence and a hint shows; the click takes it away."""
    with open_browser(playwright, SOUND_AFTER_A_CLICK) as strict:
        user = PageUser(strict.new_page())
        user.open(page_server.url)
        # A press by script is no press of a person: the browser gives no sound for it.
        user.page.evaluate("document.querySelector('.starters button').click()")

        expect(user.find("#sound-hint")).to_be_visible()
        expect(user.find(".ai .sentence")).to_have_text(["Who are you?"])
        user.page.click("#sound-hint")
        expect(user.find("#sound-hint")).to_be_hidden()
        assert user.wrong == []
