"""The first five minutes with the delivered companion."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

import trio_backend
from trio_backend.engines.base import Message, Prompt

from .dialogue import EMOTIONS, Dialogue, delivered, reply, shipped

FOLDER = Path(__file__).parent / "dialogues"

SMALL_TALK = """
hi | how are you? | who are you | what can you do? | tell me a joke | I'm bored | I like cats | ok
how old are you | where are you from | what's the weather like | what time is it | sing something | I love you
you're stupid | are you an AI? | why | do you like music | lol | tell me a story
what do you think about pizza | I don't know
can you help me with my homework | who made you | thanks | no | yes | you are nice | I am tired | goodbye
""".replace("\n", " | ").strip(" |")

SMALL_TALK_ZH = """
你好 | 你好吗 | 你是谁 | 你会做什么 | 讲个笑话 | 好无聊 | 我喜欢猫 | 你喜欢音乐吗 | 你多大了 | 你从哪里来
今天天气怎么样 | 几点了 | 唱首歌 | 我爱你 | 你好笨 | 你是机器人吗 | 为什么 | 好的 | 哈哈 | 讲个故事
你觉得苹果怎么样 | 不知道 | 帮我写作业 | 谁做的你 | 谢谢 | 不 | 嗯 | 你真可爱 | 我好累 | 再见
""".replace("\n", " | ").strip(" |")


WHEN = datetime(2026, 11, 20, 14, 5)
"""A Friday."""

ALL = ("iris", "barnaby", "kito", "mia", "kiosk")


def dialogues() -> Iterator[object]:
    """Each dialogue of the folder, with each character that it is for: who, and its lines."""
    for file in sorted(FOLDER.glob("*.txt")):
        blocks = file.read_text(encoding="utf-8").split("\n\n")
        for number, block in enumerate(blocks):
            who, *lines = [line for line in block.splitlines() if line and line[:2] != "# "] or [""]
            for name in ALL if who == "all" else (who,) * bool(lines):
                yield pytest.param(name, lines, id=f"{file.stem}-{number}-{name}")


def held(who: str) -> Dialogue:
    """A dialogue with the shipped character of that name, or with a manner of the rules file."""
    if who not in ALL:
        return Dialogue(who, now=WHEN)
    character = shipped()[who]
    return Dialogue(
        character.manner,
        character.name,
        companion=character.companion,
        emotions=character.emotions or EMOTIONS,
        now=WHEN,
    )


@pytest.mark.parametrize(("who", "lines"), list(dialogues()))
def test_a_dialogue_goes_as_written(who: str, lines: list[str]) -> None:
    """What a newcomer types finds the answer that it deserves."""
    dialogue, said, before = held(who), "", ""
    for line in lines:
        mark, rest = line[:1], line[1:].strip()
        choices = [choice.strip() for choice in rest.split(" | ")]
        if line == "(nudge)":
            said = dialogue.nudge()
        elif mark == "@":
            dialogue.now = datetime.fromisoformat(rest)
        elif mark == ">":
            before, said = said, dialogue.say(rest)
            assert said.strip(), rest
            assert said != before, rest
            assert "{" not in said or "{" in rest, (rest, said)
            assert is_answered_in_its_language(rest, said), (rest, said)
        elif mark == "<":
            assert any(choice in said for choice in choices), (choices, said)
        else:
            assert mark == "!", line
            assert not any(choice in said for choice in choices), (choices, said)


def test_what_the_page_offers_is_among_them() -> None:
    """In its three languages: whoever presses a button is answered well by every shipped character."""
    words = (Path(trio_backend.__file__).parent / "web" / "words.js").read_text(encoding="utf-8")
    offered = re.findall(r"starter\d: \[(.*)\]", words)
    starters = [json.loads(f"[{line}]") for line in offered]
    assert [len(each) for each in starters] == [3, 3, 3]
    asked = [
        block for block in (FOLDER / "starters.txt").read_text("utf-8").split("\n\n") if "all\n" in block
    ]
    for starter in (text for each in starters for text in each):
        assert any(f"> {starter}\n" in block for block in asked), starter


def is_answered_in_its_language(typed: str, said: str) -> bool:
    """A text that is all in one script has an answer with that script in it."""
    if re.search("[0-9]", said):
        return True
    kana, han, latin = ("[\u3040-\u30ff]", "[\u4e00-\u9fff]", "[A-Za-z]{2}")
    if re.search(latin, typed) and not re.search(f"{kana}|{han}", typed):
        return re.search(latin, said) is not None
    if re.search(kana, typed) and not re.search(latin, typed):
        return re.search(kana, said) is not None
    return re.search(han, typed) is None or re.search(f"{han}|{latin}", said) is not None


@pytest.mark.parametrize("manner", ["warm", "dry", "brief", "cheerful"])
@pytest.mark.parametrize("talk", [SMALL_TALK, SMALL_TALK_ZH], ids=["en", "zh"])
def test_no_reply_comes_twice_within_ten_turns(talk: str, manner: str) -> None:
    """Somebody who asks this and that never hears the same twice in a row of ten."""
    dialogue = Dialogue(manner)
    said = [dialogue.say(text.strip()) for text in talk.split("|")]
    for start in range(len(said)):
        row = said[start : start + 10]
        assert len(row) == len(set(row))


@pytest.mark.parametrize(("ask", "count"), [("tell me a joke", 14), ("讲个笑话", 12)])
def test_all_jokes_are_told_before_one_comes_again(ask: str, count: int) -> None:
    """A variant is not repeated while others are unused."""
    dialogue = Dialogue()
    told = [dialogue.say(ask).split("? Do you")[0][:25] for _ in range(count)]

    assert len(set(told)) == count


@pytest.mark.parametrize(("manner", "most"), [("warm", 5), ("cheerful", 5), ("dry", 4), ("brief", 3)])
def test_a_manner_has_its_length(manner: str, most: int) -> None:
    """The brief ones are brief: on average over small talk."""
    dialogue = Dialogue(manner)
    said = [dialogue.say(text.strip()) for text in SMALL_TALK.split("|")]

    ends = [sum(text.count(mark) for mark in ".!?") for text in said]
    assert sum(ends) / len(ends) < most


def test_the_same_prompt_has_the_same_reply_and_another_one_may_have_another() -> None:
    """The choice among variants hangs on the conversation alone."""
    hello = Prompt("", [Message("user", "hello")], "Mia", EMOTIONS)
    jokes = {
        reply(Prompt("", [Message("user", f"{n}"), Message("assistant", "x."), Message("user", "a joke")]))
        for n in range(20)
    }

    assert len({reply(hello) for _ in range(5)}) == 1
    assert len(jokes) > 5


def test_only_the_character_s_own_faces_are_shown() -> None:
    """A face that knows `happy` gets that for joy; one that knows nothing gets no keyword at all."""
    assert "[happy]" in Dialogue(emotions=("happy",)).say("you are so nice and funny, I am happy")
    assert "[" not in Dialogue(emotions=()).say("I am happy")


def test_a_conversation_without_a_message_begins_with_an_introduction() -> None:
    """Nudged before anybody spoke, it greets and asks for a name."""
    said = Dialogue().nudge()

    assert "Mia" in said or "welcome" in said
    assert said.endswith("?")
    assert reply(Prompt("", [], "Mia"))


def test_a_nudge_speaks_the_language_of_the_conversation() -> None:
    """After Chinese it goes on in Chinese, and never answers the nudge's own words."""
    dialogue = Dialogue()
    dialogue.say("我叫小明")

    assert not dialogue.nudge().isascii()


def test_something_told_earlier_is_brought_up_when_nothing_else_fits() -> None:
    """ELIZA's memory: what the user said some turns ago comes back."""
    dialogue = Dialogue()
    for text in ("I like sailing", "well", "the blue door", "seven green bottles"):
        dialogue.say(text)

    said = [dialogue.say(f"the blue door number {n}") for n in range(8)]

    assert any("sailing" in text for text in said)


def test_a_picture_is_noticed_and_honestly_not_seen() -> None:
    """With words or without, in either language."""
    picture = ["data:image/png;base64,AAAA"]

    assert "vision model" in Dialogue().say("", images=picture)
    assert "视觉模型" in Dialogue().say("你好，看这张图", images=picture)


def test_in_company_the_facts_of_one_are_not_those_of_another() -> None:
    """Where several speak, their words have their names before them: the companion answers the last one."""
    dialogue = Dialogue()
    dialogue.say("Ann: I like cats", name="Ann")
    dialogue.say("Bob: I like dogs", name="Bob")

    said = dialogue.say("Ann: what do I like?", name="Ann")

    assert "cats" in said
    assert "dogs" not in said
    assert "Ann" in dialogue.say("Ann: what is my name?", name="Ann")


def test_the_configured_name_of_the_user_is_no_name() -> None:
    """A lone user's messages are all signed with the configuration's `human_name`, which nobody told."""
    assert "Human" not in Dialogue().say("what is my name?")


def test_every_emotion_of_the_delivered_rules_can_be_shown() -> None:
    """Each keyword of the file has one among the usual eight of a character."""
    assert all(delivered().face(keyword, EMOTIONS) for keyword in delivered().faces)
