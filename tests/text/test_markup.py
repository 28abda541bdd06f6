"""Markup: what of a line is spoken."""

from __future__ import annotations

import pytest
from hypothesis import given

from trio_backend.text.markup import SpeechFilters, spoken, take_keywords

from .streams import texts

ALL = SpeechFilters()
NONE = SpeechFilters(
    remove_special_char=False,
    ignore_brackets=False,
    ignore_parentheses=False,
    ignore_asterisks=False,
    ignore_angle_brackets=False,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # actions and what stands in brackets
        ("*waves* Hello there!", "Hello there!"),
        ("Hello *waves* there *sits*.", "Hello there."),
        ("This is **bold *and* more** text.", "This is text."),
        ("***Wow*** ok", "ok"),
        ("你好*挥手*再见。", "你好 再见。"),
        ("2 * 3 is 6, 2*3 too.", "2 × 3 is 6, 2 × 3 too."),
        ("A lone* star and *another", "A lone star and another"),
        ("Hi (smiles) there（笑）。", "Hi there。"),
        ("a (b (c) d) e", "a e"),
        ("a [b [c] d] e", "a e"),
        ("(all of it)", ""),
        ("An (unclosed one, and more", "An unclosed one, and more"),
        ("An unopened) one", "An unopened one"),
        ("[sighs] Fine.", "Fine."),
        ("<b>Yes</b>, <br/>no <i>it <b>is</i>.", "Yes, no it is."),
        ("<smile> Hi <a <b> c> there", "Hi there"),
        ("3 < 5 and 6 > 2.", "3 < 5 and 6 > 2."),
        # Markdown
        ("# A title", "A title"),
        ("- one\n* two\n• three\n> four", "one two three four"),
        ("1. Apples", "1. Apples"),
        ("-5 degrees", "-5 degrees"),
        ("See [the docs](https://a.b/c) now.", "See the docs now."),
        ("See ![a cat](https://a.b/c.png) now.", "See now."),
        ("At https://www.example.com/a/b?c=d#e.", "At example.com."),
        ("看https://example.com/a。好", "看example.com。好"),
        ("看 https://example.com/a。好", "看 example.com。好"),
        ("Run `pip install` now, __please__, my snake_case.", "Run pip install now, please, my snake case."),
        ("| a | b |", "a b"),
        ("---", ""),
        # symbols
        ("Great! 😊👩‍💻 How❤️nice ♪.", "Great! How nice."),
        ("It is $5 or €4, 20% off, 21°C, C++ & 1+1=2.", "It is $5 or €4, 20% off, 21°C, C++ & 1+1=2."),
        ("Hi :) you :-( there <3 ;)", "Hi you there"),
        ("At 10:30 (3) it's :30.", "At 10:30 it's :30."),
        ("𝓗𝓮𝓵𝓵𝓸 Ｗｏｒｌｄ １２ ½ ①", "Hello World 12 ½ ①"),
        ("ﾊﾞｶ です〜～", "バカ です〜"),
        ("Привет, नमस्ते, שלום, สวัสดี, مرحبا, می‌خواهم!", "Привет, नमस्ते, שלום, สวัสดี, مرحبا, می‌خواهم!"),
        ("1️⃣ one\u200b\ue000 two", "1 one two"),
        ("“Hi,” she said. ‘No.’", "“Hi,” she said. ‘No.’"),
        ("Hello   \n there", "Hello there"),
        # nothing to say
        ("...", ""),
        ("？！", ""),
        ('"—"', ""),
        ("😊", ""),
        ("$ % &", ""),
        ("", ""),
        ("*waves*, hello", "hello"),
    ],
)
def test_a_voice_gets_what_is_meant_for_the_ear(text: str, expected: str) -> None:
    """With the usual switches: words, numbers and the signs that are read aloud."""
    assert spoken(text, ALL) == expected


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (SpeechFilters(remove_special_char=False), "Ha ♪!"),
        (SpeechFilters(ignore_brackets=False), "Ha [b]!"),
        (SpeechFilters(ignore_parentheses=False), "Ha (p)!"),
        (SpeechFilters(ignore_asterisks=False), "Ha s!"),
        (SpeechFilters(ignore_angle_brackets=False), "Ha <t>!"),
        (NONE, "Ha [b] (p) s <t> ♪!"),
    ],
)
def test_each_switch_spares_its_own_kind(filters: SpeechFilters, expected: str) -> None:
    """What a switch does not leave out is spoken; asterisks themselves never are."""
    assert spoken("Ha [b] (p) *s* <t> ♪!", filters) == expected


@given(texts)
def test_what_is_spoken_has_something_to_say(text: str) -> None:
    """What is spoken is nothing, or something with a letter or a digit, on one line."""
    said = spoken(text, ALL)

    assert said == "" or any(character.isalnum() for character in said)
    assert said == " ".join(said.split())


@pytest.mark.parametrize(
    ("text", "display", "found"),
    [
        ("[joy] Hi!", " Hi!", ("joy",)),
        ("Hi [JOY] there [ sad ].", "Hi there.", ("joy", "sad")),
        ("Hi [laughs] there [joy]", "Hi [laughs] there", ("joy",)),
        ("你好[Joy]世界", "你好世界", ("joy",)),
        ("[[joy]] [joy", "[] [joy", ("joy",)),
        ("no brackets: joy", "no brackets: joy", ()),
    ],
)
def test_emotion_keywords_are_taken_out(text: str, display: str, found: tuple[str, ...]) -> None:
    """Known keywords in any case, with the space before them; other brackets stay."""
    assert take_keywords(text, {"joy", "sad"}) == (display, found)
