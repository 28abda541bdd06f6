"""Whose words come through the microphone: the character's, or the user's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_backend.text.echo import MOST_HEARD, EchoMatch, echo

STORY = (
    "Once upon a time, there was a little fox who lived near the river. "
    "He loved two things: berries, and stories."
)
CHINESE = "从前有一只小狐狸，住在河边的森林里。它喜欢吃草莓，也喜欢听故事。"
JAPANESE = "昔々、川のそばの森に小さなキツネが住んでいました。イチゴとお話が大好きでした。"


@pytest.mark.parametrize(
    ("heard", "played"),
    [
        ("once upon a time there was a little fox", STORY),
        ("Once upon a time there was a little fox who lived near the river he loved two things", STORY),
        ("little fox who lived", STORY),
        # A word misheard, lost, or added.
        ("once upon a time there was a little box who lived near a river", STORY),
        ("one upon time there was little fox lived near the river", STORY),
        ("once upon a uh time there was a little fox", STORY),
        ("he love two thing berry and story", STORY),
        # The loudspeaker's last word is cut.
        ("he loved two things ber", STORY),
        ("he loved two things bananas", STORY),
        ("从前有一只小狐狸", CHINESE),
        ("从前有一只小狐狸住在河边的深林里", CHINESE),
        ("它喜欢吃草没也喜欢", CHINESE),
        ("昔々川のそばの森に", JAPANESE),
        ("小さな狐が住んでいました", JAPANESE),
        ("イチゴとお話が大好きです", JAPANESE),
        ("I'm fine, thank you", "I'm fine, thank you!"),
        ("ＯＮＣＥ　ＵＰＯＮ　Ａ　ＴＩＭＥ", STORY),
    ],
)
def test_the_characters_words_are_an_echo(heard: str, played: str) -> None:
    """With the mistakes that recognition makes."""
    assert echo(heard, played) is EchoMatch.CERTAIN


@pytest.mark.parametrize(
    ("heard", "played"),
    [
        ("stop", STORY),
        ("tell me another story please", STORY),
        ("what color is the fox", STORY),
        ("how many berries did he eat", STORY),
        ("wait what river", STORY),
        ("a", "the"),
        # The user speaks into the echo.
        ("once upon a time there was a little fox stop", STORY),
        ("once upon a time there was a little fox can you stop please", STORY),
        ("little fox who lived near the river no wait", STORY),
        ("once upon a time there was a little fox who lived thank you", STORY),
        # The user quotes, and asks.
        ("what do you mean by once upon a time", STORY),
        ("did you say a little fox", STORY),
        ("停", CHINESE),
        ("狐狸是什么颜色的", CHINESE),
        ("我不想听这个故事", CHINESE),
        ("从前有一只小狐狸停", CHINESE),
        ("从前有一只小狐狸我不想听", CHINESE),
        ("やめてください", JAPANESE),
        ("違う話をして", JAPANESE),
        ("昔々川のそばの森にちょっと待って", JAPANESE),
        ("hello", ""),
        ("", STORY),
        ("", ""),
    ],
)
def test_the_users_words_are_not(heard: str, played: str) -> None:
    """Nor are those with something of the user in them."""
    assert echo(heard, played) is EchoMatch.NONE


@pytest.mark.parametrize(
    ("heard", "played"),
    [
        ("berries", STORY),
        ("a fox", "There was a fox."),
        ("Once upon", STORY),
        ("狐狸", CHINESE),
        ("キツネ", JAPANESE),
    ],
)
def test_one_word_may_be_quoted(heard: str, played: str) -> None:
    """It may also be the beginning of an echo."""
    assert echo(heard, played) is EchoMatch.POSSIBLE


@given(st.text(), st.text())
def test_any_texts_can_be_compared(heard: str, played: str) -> None:
    """Whatever a recogniser writes."""
    assert echo(heard, played) in EchoMatch


words = st.lists(st.sampled_from(STORY.replace(",", "").split()), min_size=3, max_size=MOST_HEARD)


@given(words, st.text(alphabet="xyz ", max_size=30))
def test_what_is_played_is_an_echo_wherever_it_stands(said: list[str], before: str) -> None:
    """Unless an order to stop ends it."""
    heard = " ".join(said)
    assert echo(heard, before + " " + heard) is EchoMatch.CERTAIN
