"""Talking by voice: what is being said shows before it is certain, and a stop may be taken back."""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.web.conftest import Connect
from tests.web.stand_in import StandIn, voice
from tests.web.test_appearance import options, serious

WORDS = "The tide is high today, and it brings me a button from the harbour."
STAGES = {
    "end_of_turn": 312.4,
    "transcript": 41,
    "first_token": 380,
    "first_sentence": 64,
    "sound_made": 290,
    "sound_sent": 3,
    "sound_played": 46,
}
SHOTS = os.environ.get("TRIO_BACKEND_SCREENSHOTS", "")


def reply(server: StandIn, *sentences: str) -> None:
    """One whole turn, played to its end."""
    server.begin()
    for sentence in sentences:
        server.speak(sentence, voice(0.4))
    server.complete()
    server.end()


def test_what_is_being_said_shows_and_becomes_what_was_said(connect: Connect) -> None:
    """Grey and growing at the end of the conversation, read aloud by nobody; the final words replace it."""
    server = connect()
    unsure = server.page.locator(".unsure")
    for text in ("what", "what does the", "what does the tide bring"):
        server.say("partial-transcription", text=text)
        expect(unsure).to_have_text(text)
    expect(unsure).to_have_attribute("aria-hidden", "true")
    server.begin()
    server.say("user-input-transcription", text="What does the tide bring?")

    expect(unsure).to_have_count(0)
    expect(server.page.locator(".human .words")).to_have_text("What does the tide bring?")
    server.speak(WORDS, voice(0.3))
    expect(server.page.locator(".entry").last).to_contain_text("The tide is high")


def test_what_is_said_into_a_reply_shows_below_it(connect: Connect) -> None:
    """The reply goes on above; what was only a backchannel is gone after a while."""
    server = connect()
    server.begin()
    server.speak("It is high.", voice(1.0))
    server.page.wait_for_selector(".sentence.now")
    server.say("partial-transcription", text="uh-huh")
    tool = {"tool_id": "1", "tool_name": "tide_table", "name": "Mao", "content": "", "timestamp": ""}
    server.say("tool_call_status", status="completed", **tool)
    server.speak("It is round.", voice(0.5))
    expect(server.page.locator(".ai .sentence")).to_have_count(2)

    assert server.page.locator(".log > *").evaluate_all("all => all.map((one) => one.className)") == [
        "entry ai",
        "entry tool completed",
        "entry ai",
        "entry human unsure",
    ]
    expect(server.page.locator(".unsure")).to_have_count(0, timeout=9000)


def test_a_stop_that_was_nothing_is_taken_back(connect: Connect) -> None:
    """The sentence that was cut comes again: it stands in its bubble once, whole, and without the mark."""
    server = connect()
    server.begin()
    server.speak("Listen.", voice(0.5))
    server.speak(WORDS, voice(4))
    expect(server.page.locator(".ai .sentence")).to_have_count(2)
    server.page.wait_for_timeout(1500)
    server.say("control", text="interrupt")
    expect(server.page.locator(".ai .cut")).to_have_count(1)
    heard = server.wait_for("interrupt-signal")["text"]
    assert heard.startswith("Listen. The tide")
    assert len(heard) < len(f"Listen. {WORDS}")

    reply(server, WORDS, "That is all.")

    expect(server.page.locator(".ai")).to_have_count(1)
    expect(server.page.locator(".ai .sentence")).to_have_text(["Listen.", WORDS, "That is all."])
    expect(server.page.locator(".ai .words")).to_have_text(f"Listen. {WORDS} That is all.")
    expect(server.page.locator(".cut, .sentence.now")).to_have_count(0)


def test_a_stop_between_two_sentences_is_taken_back_too(connect: Connect) -> None:
    """Nothing was cut then: the next sentence goes on in the same bubble."""
    server = connect()
    server.begin()
    server.speak("Listen.", voice(0.3))
    expect(server.page.locator(".sentence:not(.now)")).to_have_count(1)
    server.say("control", text="interrupt")
    server.wait_for("interrupt-signal")

    reply(server, WORDS)

    expect(server.page.locator(".ai")).to_have_count(1)
    expect(server.page.locator(".ai .words")).to_have_text(f"Listen. {WORDS}")


def test_what_comes_again_stands_there_once(connect: Connect) -> None:
    """By the server's clock the sentence before was not quite heard: it begins with that."""
    server = connect()
    server.begin()
    server.speak("Listen.", voice(0.5))
    server.speak(WORDS, voice(4))
    expect(server.page.locator(".ai .sentence")).to_have_count(2)
    server.page.wait_for_timeout(1000)
    server.say("control", text="interrupt")
    server.wait_for("interrupt-signal")

    reply(server, "Listen.", WORDS)

    expect(server.page.locator(".ai .words")).to_have_text(f"Listen. {WORDS}")
    expect(server.page.locator(".cut, .sentence.now")).to_have_count(0)


def test_what_was_cut_at_its_end_counts_as_said(connect: Connect) -> None:
    """By the server's clock it was heard: the sentence after it comes, and it stands there whole."""
    server = connect()
    server.begin()
    server.speak(WORDS, voice(2))
    server.page.wait_for_selector(".sentence.now")
    server.page.wait_for_timeout(1200)
    server.say("control", text="interrupt")
    server.wait_for("interrupt-signal")

    reply(server, "That is all.")

    expect(server.page.locator(".ai .words")).to_have_text(f"{WORDS} That is all.")
    expect(server.page.locator(".cut")).to_have_count(0)


def test_a_stop_before_the_reply_is_heard_again_tells_the_same(connect: Connect) -> None:
    """Two coughs, one right after the other: what was heard is what was heard before the first."""
    server = connect()
    server.begin()
    server.speak(WORDS, voice(4))
    server.page.wait_for_selector(".sentence.now")
    server.page.wait_for_timeout(1200)
    server.say("control", text="interrupt")
    first = server.wait_for("interrupt-signal")["text"]
    server.begin()
    server.say("control", text="interrupt")

    assert server.wait_for("interrupt-signal", 2)["text"] == first

    reply(server, WORDS)
    expect(server.page.locator(".ai .words")).to_have_text(WORDS)


def test_a_stop_after_one_that_was_nothing_tells_all_that_was_heard(connect: Connect) -> None:
    """What was heard of the reply before it was taken up again belongs to it: the character remembers it."""
    server = connect()
    server.begin()
    server.speak("Listen.", voice(0.5))
    server.speak(WORDS, voice(4))
    expect(server.page.locator(".ai .sentence")).to_have_count(2)
    server.page.wait_for_timeout(1000)
    server.say("control", text="interrupt")
    server.wait_for("interrupt-signal")
    server.begin()
    server.speak(WORDS, voice(0.4))
    server.speak("That is all that I have to say today.", voice(4))
    expect(server.page.locator(".ai .sentence")).to_have_count(3)
    server.page.wait_for_timeout(1500)
    server.page.keyboard.press("Escape")

    heard = server.wait_for("interrupt-signal", 2)["text"]

    assert heard.startswith(f"Listen. {WORDS} That")
    assert len(heard) < len(f"Listen. {WORDS} That is all that I have to say today.")
    expect(server.page.locator(".ai .words")).to_contain_text(heard)


def test_a_stop_that_was_meant_stays(connect: Connect) -> None:
    """Words came of it: the reply stays cut; the next one has its own bubble, even if it says the same."""
    server = connect()
    server.begin()
    server.speak(WORDS, voice(3))
    server.page.wait_for_selector(".sentence.now")
    server.page.wait_for_timeout(1200)
    server.say("control", text="interrupt")
    server.wait_for("interrupt-signal")
    server.begin()
    server.say("user-input-transcription", text="Say that again.")
    server.speak(WORDS, voice(0.3))
    server.complete()

    expect(server.page.locator(".ai")).to_have_count(2)
    expect(server.page.locator(".ai .cut")).to_have_count(1)
    assert server.page.locator(".ai .sentence").first.inner_text() != WORDS


def test_a_small_clock_says_where_the_time_went(connect: Connect) -> None:
    """By mouse or keyboard: the stages in order, in the page's language; together they are the whole."""
    server = connect()
    reply(server, WORDS)
    server.say("latency", **STAGES)
    clock, stages = server.page.locator(".clock"), server.page.locator(".stages")
    expect(clock).to_contain_text("1.1 s")
    expect(clock).to_have_accessible_name("1.1 s Where the time went")
    expect(stages).to_be_hidden()
    clock.focus()
    server.page.keyboard.press("Enter")

    expect(stages).to_be_visible()
    expect(clock).to_have_attribute("aria-expanded", "true")
    assert server.page.locator(".stages li .ms").all_inner_texts() == [
        f"{ms:.0f} ms" for ms in STAGES.values()
    ]
    assert server.page.locator(".step").first.inner_text() == "End of your turn"
    expect(server.page.locator(".total .ms")).to_have_text("1136 ms")
    bars = server.page.locator(".bit").evaluate_all(
        "all => all.map((one) => one.getBoundingClientRect().toJSON())"
    )
    for bar, after in itertools.pairwise(bars):
        assert after["left"] == pytest.approx(bar["right"], abs=2)
    assert bars[2]["width"] == max(bar["width"] for bar in bars)
    server.page.keyboard.press("Escape")
    expect(stages).to_be_hidden()
    expect(clock).to_be_focused()

    server.page.click("#open-settings")
    server.page.select_option("#set-language", "zh")
    server.page.keyboard.press("Escape")
    clock.click()
    assert server.page.locator(".step").all_inner_texts()[1] == "语音识别"


def test_escape_at_the_clock_does_not_stop_the_reply(connect: Connect) -> None:
    """It closes what is open, and only then it silences."""
    server = connect()
    reply(server, WORDS)
    server.say("latency", **STAGES)
    server.begin()
    server.speak(WORDS, voice(4))
    server.page.wait_for_selector(".sentence.now")
    server.page.locator(".clock").click()
    server.page.keyboard.press("Escape")
    expect(server.page.locator(".stages")).to_be_hidden()
    assert server.says("interrupt-signal") == []

    server.page.keyboard.press("Escape")

    server.wait_for("interrupt-signal")


def test_stages_that_say_nothing_show_no_clock(connect: Connect) -> None:
    """No numbers, no clock; a stage of a newer server is shown by its name."""
    server = connect()
    reply(server, "One.")
    server.say("latency")
    server.say("latency", first_token="soon")
    reply(server, "Two.")
    server.say("latency", tool_calls=1200, first_token=None)

    expect(server.page.locator(".clock")).to_have_count(1)
    server.page.locator(".clock").click()
    expect(server.page.locator(".stages li")).to_have_count(1)
    expect(server.page.locator(".step")).to_have_text("tool calls")


def test_a_character_that_waits_for_its_wake_word_says_so(connect: Connect) -> None:
    """To be "ready" would be wrong: it answers nothing else."""
    server = connect()
    fields: dict[str, Any] = {
        "action": "sleep",
        "matched_word": None,
        "language": None,
        "client_uid": "",
        "stats": {},
    }
    server.say("wake-word-state", current_state="listening", **fields)
    expect(server.page.locator("#state")).to_contain_text("wake word")

    server.say("wake-word-state", current_state="active", **fields)

    expect(server.page.locator("#state")).to_contain_text("ready")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", ["desktop", "phone", "kiosk"])
def test_both_fit_the_screen_and_can_be_used_by_everybody(
    connect: Connect, tmp_path: Path, size: str, theme: str
) -> None:
    """Nothing serious for axe, nothing wider than the screen, in a partial transcript and the open clock."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed").Axe()
    server = connect(**options(size, theme), reduced_motion="reduce")
    server.begin()
    server.say("user-input-transcription", text="What does the tide bring?")
    server.speak(WORDS, voice(0.3))
    server.complete()
    server.end()
    server.say("latency", **STAGES)
    server.page.locator(".clock").click()
    server.page.wait_for_timeout(200)
    server.page.screenshot(path=Path(SHOTS or tmp_path) / f"latency-{size}-{theme}.png")
    assert serious(axe, server.page) == []
    expect(server.page.locator(".total")).to_be_in_viewport(ratio=1)

    server.say("partial-transcription", text="and what do you do with all the buttons that you have")
    server.page.wait_for_timeout(200)
    server.page.screenshot(path=Path(SHOTS or tmp_path) / f"partial-{size}-{theme}.png")
    assert serious(axe, server.page) == []
    assert (
        server.page.evaluate("document.documentElement.scrollWidth")
        <= options(size, theme)["viewport"]["width"]
    )
    expect(server.page.locator(".unsure")).to_be_in_viewport(ratio=1)
