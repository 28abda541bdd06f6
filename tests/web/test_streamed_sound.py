"""Sound that comes in pieces: what is played is what was sent, and it can be cut off anywhere."""

from __future__ import annotations

import numpy as np
import pytest
from playwright.sync_api import expect

from tests.web.conftest import Connect
from tests.web.recorder import difference, recording, shown, stopped
from tests.web.stand_in import ACCEPTS, voice

WORDS = "The tide is high today, and it brings me a button from the harbour; "


def test_the_first_message_says_what_the_page_understands(connect: Connect) -> None:
    """`hello` comes before all else, so that the first turn can come as bytes."""
    server = connect()

    assert server.heard[0] == {"type": "hello", "accepts": ACCEPTS}


@pytest.mark.parametrize("answer", [False, None], ids=["an error", "nothing"])
def test_a_server_that_knows_no_hello_is_heard_as_well(connect: Connect, answer: bool | None) -> None:
    """It sends whole sentences as WAV: they play without a gap, and nobody is bothered with its error."""
    server = connect(knows_hello=answer)
    first, second = voice(1.0, seed=1), voice(0.7, seed=2)
    server.begin()
    server.speak_whole("The tide is high today.", first)
    server.speak_whole("It is round.", second)
    server.complete()
    server.end()

    heard = recording(server.page, 48_000)

    places = [heard.find(sent)[0] for sent in (first, second)]
    assert places[1] - places[0] == len(heard.converted(first))
    assert heard.silences() == []
    expect(server.page.locator(".ai .sentence")).to_have_text(["The tide is high today.", "It is round."])
    expect(server.page.locator(".notice")).to_have_count(0)


@pytest.mark.parametrize("rate", [48_000, 44_100])
def test_what_is_played_is_what_was_sent(connect: Connect, rate: int) -> None:
    """No sample is missing or doubled, no seam can be heard, and the next sentence follows without a gap."""
    server = connect(rate)
    first, second = voice(3.01, seed=1), voice(1.7, seed=2)
    server.begin()
    server.speak(WORDS, first)
    server.speak("It is round.", second)
    server.complete()
    server.end()

    heard = recording(server.page, rate)

    places = []
    for sent in (first, second):
        place, played = heard.find(sent)
        places.append(place)
        assert difference(played, heard.converted(sent), rate) < 0.02
    assert places[1] - places[0] == len(heard.converted(first))
    assert heard.silences() == []


def test_a_sentence_is_shown_when_its_sound_begins(connect: Connect) -> None:
    """Its text, and `audio-play-start` for the server, come with its first sample, not its first byte."""
    server = connect()
    first, second = voice(1.5, seed=1), voice(1.0, seed=2)
    server.begin()
    server.speak("The tide is high today.", first)
    server.speak("It is round.", second)
    server.complete()

    heard = recording(server.page, 48_000)

    places = [heard.find(sent)[0] / heard.rate for sent in (first, second)]
    assert [text for text, _ in shown(server.page)] == ["The tide is high today.", "It is round."]
    for place, (_, when) in zip(places, shown(server.page), strict=True):
        assert place - 0.02 <= when <= place + 0.25
    assert [said["display_text"]["text"] for said in server.says("audio-play-start")] == [
        "The tide is high today.",
        "It is round.",
    ]


def test_a_voice_of_which_nothing_is_known_starts_with_its_first_piece(connect: Connect) -> None:
    """Most are faster than speech: to wait for more would be heard at every reply."""
    server = connect()
    sound = voice(1.5)
    server.begin()
    sentence = server.announce("The tide is high today.")
    server.send_piece(sentence, 0, sound[:7200], last=False)

    server.wait_for("audio-play-start")

    server.send_piece(sentence, 1, sound[7200:], last=True)
    server.complete()


def test_a_voice_that_falls_behind_after_a_second_is_not_heard_to_stop(connect: Connect) -> None:
    """A second of sound comes at once, the rest at 0.9 of real time: it starts at once, and plays through."""
    server = connect()
    sound = voice(4.5)
    server.begin()
    server.speak(WORDS, sound, pieces=(0.3, 0.3, 0.4), due=1, pace=0.9)
    server.complete()

    heard = recording(server.page, 48_000)

    assert heard.silences() == []
    assert difference(heard.find(sound)[1], heard.converted(sound), heard.rate) < 0.02


def test_a_slow_voice_stops_once_at_most_and_never_after_its_first_second(connect: Connect) -> None:
    """A voice at 0.9 of real time may stop in its first second; from then on it waits long enough."""
    server = connect()
    first, second = voice(5, seed=1), voice(5, seed=2)
    server.begin()
    server.speak(WORDS, first, pieces=(0.3, 0.4), pace=0.9)
    server.page.wait_for_selector("#app[data-turn=thinking], .sentence:not(.now)")
    server.speak(WORDS, second, pieces=(0.3, 0.4), pace=0.9)
    server.complete()

    heard = recording(server.page, 48_000)

    _place, played = heard.find(second)
    assert difference(played, heard.converted(second), heard.rate) < 0.02
    pauses = [when for when, _ in heard.silences() if when < 5]
    assert all(when < 1 for when in pauses)
    assert len(pauses) <= 1
    # Nothing of the first is lost in the pause.
    tail = first[-3 * 24_000 :]
    assert difference(heard.find(tail)[1], heard.converted(tail), heard.rate) < 0.05


def test_a_barge_in_silences_within_ten_milliseconds_and_tells_the_words_that_were_played(
    connect: Connect,
) -> None:
    """In the middle of a piece; of its words the same share is told as was heard of its sound."""
    server = connect()
    sound = voice(6)
    server.begin()
    server.speak(WORDS, sound)
    server.page.wait_for_selector(".sentence.now")
    server.page.wait_for_timeout(2300)
    server.page.keyboard.press("Escape")
    heard_words = server.wait_for("interrupt-signal")["text"]
    server.page.wait_for_timeout(300)

    heard = recording(server.page, 48_000)

    start, end = heard.bounds
    assert end - stopped(server.page) < 0.010
    assert WORDS.startswith(heard_words)
    share = (end - start) / 6
    assert abs(len(heard_words) - share * len(WORDS)) < 8
    expect(server.page.locator(".ai .sentence")).to_have_text(heard_words)
    # It fades: cut from one sample to the next, it would click.
    [sounding] = np.nonzero(heard.sound)
    assert np.max(np.abs(heard.sound[sounding[-1] - 24 : sounding[-1]])) < 0.05


def test_words_are_told_by_share_also_while_the_sound_still_comes(connect: Connect) -> None:
    """How long it will be is not known then: its text says it, by the voice that was heard before."""
    server = connect()
    server.begin()
    server.speak(WORDS, voice(6))
    server.complete()
    server.end()
    server.begin()
    sentence = server.announce(WORDS)
    server.send_piece(sentence, 0, voice(3), last=False)
    server.page.wait_for_selector("#app[data-turn=speaking]")
    server.page.wait_for_timeout(1500)
    server.page.keyboard.press("Escape")

    heard_words = server.wait_for("interrupt-signal")["text"]
    server.page.wait_for_timeout(300)

    end = recording(server.page, 48_000).bounds[1]
    second_began = [when for _, when in shown(server.page)][1]
    share = (end - second_began) / 6
    assert 0.6 * share < len(heard_words) / len(WORDS) < 1.4 * share


def test_the_mouth_moves_with_the_samples_that_play(connect: Connect) -> None:
    """Open in the sound, shut in a silence in the middle of it."""
    server = connect()
    sound = voice(3)
    sound[24_000:48_000] = 0
    server.begin()
    server.speak(WORDS, sound, pieces=(0.5,))
    server.page.wait_for_selector(".sentence.now")
    look = "[tap.context.currentTime, document.querySelector('#mouth').getBoundingClientRect().height]"
    looks = []
    while server.page.locator("#app[data-turn=speaking]").count():
        looks.append(server.page.evaluate(look))
        server.page.wait_for_timeout(15)

    start = recording(server.page, 48_000).bounds[0]
    loud = [height for when, height in looks if start < when < start + 1 or start + 2 < when < start + 3]
    still = [height for when, height in looks if start + 1.4 < when < start + 1.95]
    assert max(loud) > 3 * max(still)


def test_a_sentence_whose_sound_breaks_off_ends_with_its_turn(connect: Connect) -> None:
    """An engine that fails in the middle: what came is played, and the page says that it is through."""
    server = connect()
    server.begin()
    sentence = server.announce("The tide is high today.")
    server.send_piece(sentence, 0, voice(0.5), last=False)

    server.complete()

    expect(server.page.locator(".sentence.now")).to_have_count(0)
    expect(server.page.locator(".ai .sentence")).to_have_text("The tide is high today.")


def test_frames_that_belong_to_nothing_are_left_out(connect: Connect) -> None:
    """Of a turn that was cut off, of no sentence, or no frame at all: nothing is played, nothing breaks."""
    server = connect()
    server.begin()
    sentence = server.announce(WORDS)
    for junk in (b"", b"short", bytes(16), bytes(17)):
        server.send_bytes(junk)
    server.send_piece(77, 0, voice(1), last=True)
    server.send_piece(sentence, 0, voice(2), last=False)
    server.page.wait_for_selector(".sentence.now")
    server.page.keyboard.press("Escape")
    server.wait_for("interrupt-signal")
    server.send_piece(sentence, 1, voice(2), last=True)
    server.page.wait_for_timeout(500)

    heard = recording(server.page, 48_000)

    assert heard.bounds[1] < stopped(server.page) + 0.010
    expect(server.page.locator("#app")).to_have_attribute("data-turn", "idle")
