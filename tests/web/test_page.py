"""The page in a browser: what a person does, and what they see and the server hears of it."""

from __future__ import annotations

from playwright.sync_api import Playwright, expect

from tests.web.conftest import SOUND_AFTER_A_CLICK, Open, open_browser
from tests.web.house import House
from tests.web.visitor import LONG, THREE, Visitor

SENTENCES = ["The tide is high today.", "It brings me a button.", "I keep them all."]


def test_a_reply_comes_sentence_by_sentence_as_it_is_spoken(visit: Open) -> None:
    """Each sentence appears when its sound begins, the mouth moves meanwhile, and the bubble ends."""
    visitor = visit()
    shut = mouth_height(visitor)
    visitor.type(THREE)
    heights, seen = [], []
    visitor.page.wait_for_selector(".sentence.now")

    while visitor.find("#app[data-turn=speaking]").count():
        seen.append(visitor.find(".ai .sentence").count())
        # The second sentence smiles, which opens a mouth too.
        if seen[-1] == 1:
            heights.append(mouth_height(visitor))
        visitor.page.wait_for_timeout(15)

    assert sorted(seen) == seen
    assert {1, 2, 3} == set(seen)
    assert max(heights) > 3 * shut
    assert visitor.words(".ai .sentence") == SENTENCES
    assert visitor.find(".ai").count() == 1
    visitor.until(lambda: any(m.get("text") == "conversation-chain-end" for _, m in visitor.received))
    assert len(visitor.says("frontend-playback-complete")) == 1
    assert [message["display_text"]["text"] for message in visitor.says("audio-play-start")] == SENTENCES
    assert visitor.find(".sentence.now").count() == 0


def mouth_height(visitor: Visitor) -> float:
    box = visitor.find("#mouth").bounding_box()
    return box["height"] if box else 0.0


def test_the_face_shows_what_the_words_feel(visit: Open) -> None:
    """An emotion keyword changes the face when its sentence is spoken, not when it is sent."""
    visitor = visit()
    visitor.type(THREE)
    visitor.page.wait_for_selector(".sentence.now")
    assert visitor.find("#face").get_attribute("data-feeling") == "neutral"

    expect(visitor.find("#face")).to_have_attribute("data-feeling", "joy")

    assert 1 <= visitor.find(".sentence").count() <= 3


def test_typing_during_a_reply_reports_exactly_what_was_heard(visit: Open) -> None:
    """The server is told the words played so far, cut at a word, and the bubble shows the same, marked."""
    visitor = visit()
    visitor.type(LONG)
    visitor.page.wait_for_selector(".sentence.now")
    visitor.page.wait_for_timeout(900)

    visitor.type("Stop.")

    visitor.until(lambda: bool(visitor.says("interrupt-signal")))
    [heard] = [message["text"] for message in visitor.says("interrupt-signal")]
    assert LONG.startswith(heard)
    assert LONG[len(heard)] == " "
    # 0.9 s of sound at 40 characters a second, give or take what a busy machine needs.
    assert 20 <= len(heard) <= 75
    assert heard == visitor.words(".ai .sentence")[0]
    assert visitor.find(".ai .cut").count() == 1
    expect(visitor.find(".ai .sentence").nth(1)).to_have_text("Stop.")
    kinds = [m["type"] for m in visitor.sent]
    assert kinds.index("interrupt-signal") < len(kinds) - 1 - kinds[::-1].index("text-input")


def test_escape_stops_a_reply(visit: Open) -> None:
    """Who wants silence need not say anything."""
    visitor = visit()
    visitor.type(LONG)
    visitor.page.wait_for_selector(".sentence.now")

    visitor.page.keyboard.press("Escape")

    expect(visitor.find("#app")).to_have_attribute("data-turn", "idle")
    assert len(visitor.says("interrupt-signal")) == 1


def test_a_switch_can_be_changed_mind_about(visit: Open) -> None:
    """While a slow character loads, the page says so, and another can be chosen at once."""
    visitor = visit()
    visitor.page.click("#open-characters")
    slow = visitor.find("#character-list .item").filter(has_text="Slow")
    slow.get_by_role("button").click()
    expect(slow).to_have_class("item busy")
    expect(visitor.find("#switching")).to_contain_text("Slow")
    assert visitor.find("#name").inner_text() == "Mao"

    visitor.find("#character-list .item").filter(has_text="Ann").get_by_role("button").click()

    expect(visitor.find("#name")).to_have_text("Ann")
    expect(visitor.find("#switching")).to_be_hidden()
    visitor.page.keyboard.press("Escape")
    visitor.type("Who are you?")
    expect(visitor.find(".ai .who")).to_contain_text("Ann")


def test_a_character_who_cannot_come_is_excused_where_one_looks(visit: Open) -> None:
    """The list says why, nobody is on the way any more, and who was here goes on answering."""
    visitor = visit()
    visitor.page.click("#open-characters")
    broken = visitor.find("#character-list .item").filter(has_text="Broken")
    broken.get_by_role("button").click()

    expect(visitor.find("#switching")).to_contain_text("could not be loaded")
    expect(broken).not_to_have_class("item busy")
    assert visitor.find(".notice").count() == 0
    visitor.page.keyboard.press("Escape")
    visitor.type("Are you still there?")
    expect(visitor.find(".ai .who")).to_contain_text("Mao")


def test_each_script_runs_its_own_way(visit: Open) -> None:
    """The full stop of an Arabic sentence is at its left end, that of an English one at its right."""
    visitor = visit()
    for text in ("أنا بخير.", "I am well."):
        visitor.type(text)
        visitor.wait_quiet()
    assert visitor.words(".ai .sentence") == ["أنا بخير.", "I am well."]

    def stop_is_right_of_start(at: int) -> bool:
        return bool(
            visitor.find(".ai .sentence")
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


def test_a_reply_of_which_nothing_was_heard_leaves_no_bubble(visit: Open) -> None:
    """Cut within its first word, it was never said; the server is told so."""
    visitor = visit()
    visitor.type("A" * 400)
    visitor.page.wait_for_selector(".sentence.now")

    visitor.page.keyboard.press("Escape")

    expect(visitor.find(".ai")).to_have_count(0)
    assert [message["text"] for message in visitor.says("interrupt-signal")] == [""]


def test_a_picture_stands_in_for_the_face_where_there_is_one(visit: Open) -> None:
    """A model whose entry points to a picture is shown as that; if the picture is missing, as the face."""
    visitor = visit()
    visitor.page.click("#open-characters")
    visitor.find("#character-list .item").filter(has_text="painted").get_by_role("button").click()
    expect(visitor.find("#portrait")).to_be_visible()
    expect(visitor.find("#face")).to_be_hidden()

    visitor.find("#character-list .item").filter(has_text="torn").get_by_role("button").click()

    expect(visitor.find("#name")).to_have_text("torn")
    expect(visitor.find("#face")).to_be_visible()
    expect(visitor.find("#portrait")).to_be_hidden()


def test_a_tenth_reload_answers_as_fast_as_the_first(visit: Open, house: House) -> None:
    """Nothing of the pages that were left stays behind."""
    visitor = visit()
    first = seconds_to_sound(visitor)

    for _ in range(10):
        visitor.received.clear()
        visitor.page.goto(house.url)
        visitor.wait_here()
    tenth = seconds_to_sound(visitor)

    assert tenth < first + 0.25


def seconds_to_sound(visitor: Visitor) -> float:
    """From Enter to the first sentence on the line."""
    visitor.received.clear()
    visitor.type("Hello there.")
    visitor.until(lambda: any(m["type"] == "audio" for _, m in visitor.received))
    began = next(at for at, m in visitor.received if m.get("text") == "conversation-chain-start")
    sound = next(at for at, m in visitor.received if m["type"] == "audio")
    visitor.page.wait_for_selector("#app[data-turn=idle]")
    return sound - began


def test_a_reload_comes_back_to_the_conversation_and_the_draft(visit: Open, house: House) -> None:
    """What was said, and what was typed and not sent, is there again."""
    visitor = visit()
    visitor.type("Remember this.")
    visitor.wait_quiet()
    visitor.page.fill("#text", "not sent yet")

    visitor.received.clear()
    visitor.page.goto(house.url)
    visitor.wait_here()

    expect(visitor.find(".human .words")).to_have_text(["Remember this."])
    expect(visitor.find(".ai .sentence")).to_have_text(["Remember this."])
    expect(visitor.find("#text")).to_have_value("not sent yet")


def test_a_conversation_is_deleted_only_after_a_question(visit: Open) -> None:
    """The first press asks, the second deletes."""
    visitor = visit()
    visitor.type("A secret to forget.")
    visitor.wait_quiet()
    visitor.page.click("#open-conversations")
    row = visitor.find("#conversation-list .item").filter(has_text="A secret to forget.")
    expect(row).to_have_count(1)

    row.get_by_role("button", name="Delete conversation").click()
    assert visitor.says("delete-history") == []
    visitor.find("#conversation-list .danger").click()

    expect(row).to_have_count(0)
    expect(visitor.find(".entry")).to_have_count(0)


def test_a_server_that_comes_back_finds_the_page_as_it_was(visit: Open, house: House) -> None:
    """The page says that the line is lost, tries again, and shows the conversation and the draft."""
    visitor = visit()
    visitor.type("Before the storm.")
    visitor.wait_quiet()
    house.kill()
    visitor.page.wait_for_selector("#app[data-link=lost]")
    visitor.page.fill("#text", "typed in the dark")
    visitor.page.press("#text", "Enter")
    expect(visitor.find(".notice")).to_contain_text("kept here")
    expect(visitor.find("#state")).to_contain_text("lost")

    house.start()
    visitor.page.wait_for_selector("#app[data-link=open]", timeout=25_000)

    expect(visitor.find(".human .words")).to_have_text(["Before the storm."])
    expect(visitor.find("#text")).to_have_value("typed in the dark")
    visitor.page.press("#text", "Enter")
    expect(visitor.find(".ai .sentence").nth(1)).to_have_text("typed in the dark")


def test_what_people_and_models_say_is_never_html(visit: Open) -> None:
    """Markup in messages, replies and names of characters stays text; `visit` fails on any dialog."""
    evil = "Look: <script>alert(1)</script> <img src=x onerror=alert(2)> done."
    visitor = visit()
    visitor.page.click("#open-characters")
    visitor.find("#character-list .item").filter(has_text="Evil").get_by_role("button").click()
    expect(visitor.find("#name")).to_have_text("<b>Evil</b>")
    visitor.page.keyboard.press("Escape")

    visitor.type(evil)
    visitor.wait_quiet()

    assert [evil] == visitor.words(".human .words")
    expect(visitor.find(".ai .who")).to_contain_text("<img src=x onerror=alert(1)>")
    assert visitor.find("#log script, #log img:not(.avatar), #name b, #character-list b").count() == 0


def test_the_arrow_key_brings_back_what_was_sent(visit: Open) -> None:
    """Up goes back in what was typed, down comes forward to an empty field."""
    visitor = visit()
    for text in ("One.", "Two."):
        visitor.type(text)
    visitor.page.press("#text", "ArrowUp")
    visitor.page.press("#text", "ArrowUp")
    expect(visitor.find("#text")).to_have_value("One.")
    visitor.page.press("#text", "ArrowDown")
    visitor.page.press("#text", "ArrowDown")
    expect(visitor.find("#text")).to_have_value("")


def test_a_picture_from_the_camera_goes_with_the_words(visit: Open) -> None:
    """It is shown before it is sent, can be taken back, and arrives as a data URL."""
    visitor = visit()
    visitor.page.click("#attach")
    visitor.page.click("#from-camera")
    visitor.until(lambda: bool(visitor.find("#camera-view").evaluate("view => view.videoWidth > 0")))
    visitor.page.click("#camera-take")
    expect(visitor.find("#pictures img")).to_have_count(1)

    visitor.type("What is this?")

    visitor.until(lambda: bool(visitor.says("text-input")))
    [image] = visitor.says("text-input")[0]["images"]
    assert image["source"] == "camera"
    assert image["data"].startswith("data:image/jpeg;base64,")
    expect(visitor.find("#pictures img")).to_have_count(0)
    expect(visitor.find(".human .shown img")).to_have_count(1)


def test_the_settings_outlive_a_reload(visit: Open, house: House) -> None:
    """Language and theme are kept in the browser, and shown at once."""
    visitor = visit()
    visitor.page.click("#open-settings")
    visitor.page.select_option("#set-language", "ja")
    visitor.page.select_option("#set-theme", "dark")
    visitor.received.clear()
    visitor.page.goto(house.url)
    visitor.wait_here()

    expect(visitor.find("html")).to_have_attribute("lang", "ja")
    expect(visitor.find("html")).to_have_attribute("data-theme", "dark")
    expect(visitor.find("#text")).to_have_attribute("placeholder", "話しかけてみて…")


def test_a_browser_that_wants_a_click_first_says_so(playwright: Playwright, house: House) -> None:
    """Without a click the words go on in silence and a hint shows; the click takes it away."""
    with open_browser(playwright, SOUND_AFTER_A_CLICK) as strict:
        visitor = Visitor(strict.new_page())
        visitor.arrive(house.url)
        # A press by script is no press of a person: the browser gives no sound for it.
        visitor.page.evaluate("document.querySelector('.starters button').click()")

        expect(visitor.find("#sound-hint")).to_be_visible()
        expect(visitor.find(".ai .sentence")).to_have_text(["Who are you?"])
        visitor.page.click("#sound-hint")
        expect(visitor.find("#sound-hint")).to_be_hidden()
        assert visitor.wrong == []
