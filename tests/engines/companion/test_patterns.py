"""What patterns take apart, and how long they take for it."""

from __future__ import annotations

import time

import pytest

from trio_backend.engines.llm.companion.patterns import Captures, compile_pattern
from trio_backend.engines.llm.companion.words import Clause, Tokenizer, TypedWord
from trio_backend.errors import PatternError

from .dialogue import delivered

TOKENIZER = Tokenizer(same={"i'm": ("i", "am"), "u": ("you",)}, trims=(("a", "lot"),))
CLASSES = {"pet": "cat|dog|guinea pig", "very": "very|so"}


def taken(source: str, text: str) -> dict[str, str] | None:
    """What the slots of a pattern hold; None where it does not fit."""
    (clause,) = TOKENIZER.clauses(text)
    found: Captures | None = compile_pattern(source, TOKENIZER.words, CLASSES).match(clause, clause.text)
    if found is None:
        return None
    return {slot: " ".join(word.shown for word in words) for slot, words in found.items()}


@pytest.mark.parametrize(
    ("source", "text", "expected"),
    [
        ("i like {x}", "Well I like Big Cats", {"x": "Big Cats"}),
        ("^i like", "well I like cats", None),
        ("i like {x}", "I like", None),
        ("i am [<very>] sad", "i'm so sad today", {}),
        ("i am [<very>] sad$", "i'm so sad today", None),
        ("i am [<very>] sad", "i am unsad", None),
        ("my name is {name:2}", "my name is Ann Lee", {"name": "Ann Lee"}),
        ("my name is {name:2}", "my name is not your business", None),
        ("i am {Name:1}$", "i am Ann", {"name": "Ann"}),
        ("i am {Name:1}$", "i am ann", None),
        ("{x} is my {y}", "The sun is my friend", {"x": "the sun", "y": "friend"}),
        ("have {pet=a [<very>] [big] <pet>} (called|named) {name}", "I have a guinea pig called Tom",
         {"pet": "a guinea pig", "name": "Tom"}),
        ("love * cats", "I love small cats", {}),
        ("love * cats", "I love cats", {}),
        ("how *?", "how are you?", {}),
        ("how *?", "how nice", None),
        ("?", "really?", {}),
        ("*", "anything", {}),
        ("^{x:2}$", "one two", {"x": "one two"}),
        ("^{x:2}$", "one two three", None),
        ("我叫{name:4}$", "你好我叫小明", {"name": "小 明"}),
        ("我(喜欢|爱){x}", "我爱C++", {"x": "C++"}),
        ("are u there", "are you there", {}),
    ],
)  # fmt: skip
def test_a_pattern_keeps_what_its_slots_say(source: str, text: str, expected: dict[str, str] | None) -> None:
    """Words, choices, optional words, classes, gaps and anchors mean what the rules file says of them."""
    assert taken(source, text) == expected


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("i like (cats|dogs", "'(' is never closed"),
        ("i like [cats", "'[' is never closed"),
        ("i like (cats]", "'(' is never closed"),
        ("i like cats)", "unexpected ')'"),
        ("i | like", "unexpected '|'"),
        ("i like <animals>", "there is no word class <animals>"),
        ("i like {x} {y}", "two gaps stand side by side"),
        ("i like {x} and {x}", "two slots have the same name"),
        ("i like {x=cats} {x=dogs}", "two slots have the same name"),
        ("i like ({x=cats}|a {x=dog})", "two slots have the same name"),
        ("i like {1x=cats|dogs}", "'1x' is no name for a slot"),
        ("i like ...", "there is no word in '...'"),
        ("i like {x", "cannot read '{x'"),
    ],
)
def test_a_wrong_pattern_says_what_is_wrong(source: str, message: str) -> None:
    """A person who writes rules is told which bracket it is."""
    with pytest.raises(PatternError) as caught:
        compile_pattern(source, TOKENIZER.words, CLASSES)

    assert message in str(caught.value)


def test_fillers_are_no_part_of_what_was_meant() -> None:
    """ "cats a lot" are cats; but a lot alone is a lot."""
    (clause,) = TOKENIZER.clauses("cats a lot")

    assert [word.shown for word in TOKENIZER.trimmed(clause.words)] == ["cats"]
    assert len(TOKENIZER.trimmed(clause.words[1:])) == 2


@pytest.mark.parametrize(
    "source",
    ["* a * a * a * b", "{x} a {y} a {z} b", "(a|a a|a a a) [a] [a] (a|a a) b", "[a] [a] [a] [a] [a] [a] b$"],
)
def test_the_time_of_a_match_is_linear(source: str) -> None:
    """Eight times the text takes about eight times the time, and not sixty-four: nothing is tried twice."""
    pattern = compile_pattern(source, TOKENIZER.words, CLASSES)

    def seconds(count: int) -> float:
        clause = Clause(tuple(TypedWord("a", "a") for _ in range(count)))
        text, times = clause.text, []
        for _ in range(5):
            began = time.thread_time()
            pattern.match(clause, text)
            times.append(time.thread_time() - began)
        return min(times)

    seconds(1_000)
    assert seconds(32_000) < 24 * seconds(4_000) + 0.001


def test_all_patterns_that_are_delivered_can_be_compiled() -> None:
    """They are compiled later than they are read, when nobody could be told of a wrong one."""
    patterns = list(delivered().patterns())
    for pattern in patterns:
        pattern.compile()
    assert len(patterns) > 900
