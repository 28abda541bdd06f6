"""What was read of a message is used again: for the same replies, and only as long as the message lives."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import attrs
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from trio_backend.engines.base import Message, Nudge, Prompt
from trio_backend.engines.llm import scripted
from trio_backend.engines.llm.companion.answer import answer
from trio_backend.engines.llm.companion.patterns import compile_pattern
from trio_backend.engines.llm.companion.reading import read_companion
from trio_backend.engines.llm.companion.talk import TurnReadings
from trio_backend.engines.llm.scripted import ScriptedLlmConfig

from .dialogue import EMOTIONS, NUDGE, RULES, Dialogue, delivered
from .test_dialogues import SMALL_TALK, SMALL_TALK_ZH

TEXTS = [text.strip() for text in f"{SMALL_TALK} | {SMALL_TALK_ZH}".split("|")]
TOLD = [
    *(
        "my name is Ann",
        "我叫小明",
        "i like cats",
        "i don't like cats",
        "Ann: i like tea",
        "Bob: my name is Tom",
    ),
    *(
        "what is my name?",
        "what do I like?",
        "my sister is called Eve",
        "forget it",
        "2+2",
        "…",
        "😂",
        "yes",
        "no",
    ),
    "I like tea and I hate rain. My cat is old, and you? Tell me a story!",
]


def items(
    messages: Sequence[Message | Nudge], readings: TurnReadings | None, manner: str = "warm"
) -> list[str]:
    """The steps of a reply; the last one is its text."""
    return list(answer(delivered(), Prompt("", messages, "Mia", EMOTIONS), manner, readings))


def conversation(texts: Sequence[str], readings: TurnReadings | None) -> list[Message]:
    """What is said when the user says ``texts``."""
    messages: list[Message] = []
    for text in texts:
        messages.append(Message("user", text, text.partition(":")[0]))
        messages.append(Message("assistant", items(messages, readings)[-1]))
    return messages


@given(
    texts=st.lists(st.sampled_from([*TOLD, *TEXTS]), min_size=1, max_size=12),
    window=st.integers(1, 12),
    manner=st.sampled_from(["warm", "dry", "brief", "cheerful"]),
)
@settings(max_examples=50, deadline=None)
def test_a_reply_is_the_same_whatever_was_read_before(texts: list[str], window: int, manner: str) -> None:
    """Even if memory forgets the oldest, replies are cut short, or the character is nudged."""
    readings, messages = TurnReadings(), list[Message]()
    for number, text in enumerate(texts):
        messages.append(Message("user", text, text.partition(":")[0]))
        said = items(messages[-window:], readings, manner)[-1]
        assert said == items(messages[-window:], None, manner)[-1]
        messages.append(Message("assistant", said[: 9 if number % 5 == 4 else None]))
        nudged: list[Message | Nudge] = [*messages[-window:], NUDGE]
        assert items(nudged, readings, manner)[-1] == items(nudged, None, manner)[-1]


def test_a_reply_costs_what_is_new_and_not_what_the_conversation_does() -> None:
    """After a hundred turns a reply takes as many steps as after none; without readings, hundreds."""
    readings = TurnReadings()
    messages = conversation([f"well, i like number {number}" for number in range(100)], readings)
    messages.append(Message("user", "hello, you"))

    assert len(items(messages, readings)) == len(items(messages[-1:], TurnReadings())) < 5
    assert len(items(messages, TurnReadings())) > 200


def test_a_long_message_is_read_in_steps() -> None:
    """No step is longer than a clause takes, so that the event loop can do something else in between."""
    assert len(items([Message("user", "i like cats. " * 20)], TurnReadings())) > 20


def test_what_was_read_goes_with_its_message() -> None:
    """Nothing that was said stays here when nobody remembers it any more."""
    readings = TurnReadings()
    messages = conversation(["my name is Ann", "I like cats", "hello"], readings)
    # All but the last reply, which no message has followed yet.
    assert len(readings) == 5

    del messages[:2]
    assert len(readings) == 3
    messages.clear()
    assert len(readings) == 0


def test_one_message_after_another_question_is_read_again() -> None:
    """ "Ann" is a name only where somebody asked for one."""
    ann, readings = Message("user", "ann"), TurnReadings()
    asked = [Message("assistant", "I'm Mia. What should I call you?"), ann]
    later = [Message("assistant", "ok."), Message("user", "what is my name?")]
    unasked = [Message("assistant", "It is raining."), ann]

    for before in (unasked, asked, unasked):
        assert items(before, readings)[-1] == items(before, None)[-1]
        assert items([*before, *later], readings)[-1] == items([*before, *later], None)[-1]
    assert "Ann" in items([*asked, *later], readings)[-1]
    assert "Ann" not in items([*unasked, *later], readings)[-1]


def test_a_message_without_letters_is_read_in_the_conversation_s_language() -> None:
    """A number after Chinese is matched by the Chinese rules, although English is the first language."""
    five = "{rule: five, hear: '5', say: %s}"
    rules = f"{{rules: [{five}, {{rule: else, event: nothing, rank: 0, say: %s}}], script: %s}}"
    languages = f"en: {rules % ('Five!', 'Go on.', 'latin')}, zh: {rules % ('五！', '说吧。', 'han')}"
    companion = read_companion(
        f"manners: {{warm: {{sentences: 3, asks: 0}}}}\nlanguages: {{{languages}}}", "two.yaml"
    )

    chinese, english = Dialogue(companion=companion), Dialogue(companion=companion)
    assert (chinese.say("你好"), chinese.say("5")) == ("说吧。", "五！")
    assert (english.say("hello"), english.say("5")) == ("Go on.", "Five!")


def test_a_new_name_takes_the_place_of_the_old_one() -> None:
    """Where there can be one fact of a kind only, the one before is not told any more."""
    dialogue = Dialogue()
    dialogue.say("my name is Ann")
    dialogue.say("my name is Eve")

    said = dialogue.say("what do you know about me?")

    assert "Eve" in said
    assert "Ann" not in said


def test_a_reply_that_is_given_up_leaves_nothing_that_matters() -> None:
    """Cancelled after any of its steps, the next reply is the same."""
    messages = conversation(["my name is Ann", "I like cats and I like dogs. You?", "hello"], None)
    messages.append(Message("user", "what do you know about me?"))
    expected = items(messages, None)

    for steps in range(len(expected)):
        readings = TurnReadings()
        given_up = answer(delivered(), Prompt("", messages, "Mia", EMOTIONS), "warm", readings)
        for _ in range(steps):
            next(given_up)
        given_up.close()
        assert items(messages, readings)[-1] == expected[-1]


@attrs.define(eq=False)
class Steps(trio.abc.Instrument):
    """Counts how often any task has run."""

    count: int = 0

    def before_task_step(self, _task: trio.lowlevel.Task) -> None:
        self.count += 1


async def test_the_engine_reads_a_message_once(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second reply to a long memory takes far fewer steps of the event loop than the first."""
    monkeypatch.setattr(scripted, "BREATH", 0)
    messages = conversation([f"well, i like number {number}" for number in range(60)], None)
    prompt = Prompt("", [*messages, Message("user", "hello")], "Mia", EMOTIONS)
    counts = []
    async with scripted.open(ScriptedLlmConfig(RULES, token_delay=0)) as companion:
        for _ in range(2):
            trio.lowlevel.add_instrument(steps := Steps())
            async with companion.reply(prompt) as parts:
                assert [part async for part in parts]
            trio.lowlevel.remove_instrument(steps)
            counts.append(steps.count)

    first, second = counts
    assert first - second >= 120


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("i (really|[so]) like", "i like"),
        ("(a b|c) d", "c d"),
        ("[very] good", "good"),
        ("{x=a [big] cat|dog} runs", "dog runs"),
    ],
)
def test_only_words_that_must_be_there_rule_a_pattern_out(source: str, text: str) -> None:
    """What may be missing, and what is one of several, is not asked for."""
    tokenizer = delivered().languages[0].tokenizer
    (clause,) = tokenizer.clauses(text)

    assert compile_pattern(source, tokenizer.words, {}).match(clause, clause.text) is not None


def test_no_pattern_is_ruled_out_that_would_fit() -> None:
    """Of all delivered rules, with all texts of the dialogues."""
    for language in delivered().languages:
        clauses = [clause for text in [*TEXTS, *TOLD] for clause in language.tokenizer.clauses(text)]
        answers = chain.from_iterable(question.answers for question in language.questions.values())
        for rule in (*language.rules, *answers):
            for pattern in (*rule.hear, *rule.unlike):
                searched = attrs.evolve(pattern, required=())
                for clause in clauses:
                    assert pattern.match(clause, clause.text) == searched.match(clause, clause.text)
