"""Sentences: where they end, and that it does not depend on how the stream is torn."""

from __future__ import annotations

import sys
from types import FrameType
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from trio_backend.text.sentences import LONGEST_CODE, LONGEST_SENTENCE, SentenceSplitter

if TYPE_CHECKING:
    from _typeshed import TraceFunction

from .streams import ink, split, texts, torn_texts

# Sentences are separated by " | "; what stands there is also what is fed, with a space for it.
ENGLISH = """
Hello there. | How are you? | Fine!
hi there. | how are you? | fine.
Really?! | Yes!!! | Hey! | what's up
Pi is 3.14 today. | It was 1,000.50 yesterday.
Version 2.0.1 is out. | Use Python 3.11.
It is 10:30 a.m. now. | Come at 5 p.m. tomorrow. | We met at 6 p.m. | Then he left.
Dr. Smith met Mr. Jones, Mrs. Gray and Prof. White. | They talked.
Use e.g. this, i.e. that, or cats vs. dogs. | Fine.
I live in the U.S. | It is big. | The U.S. Government is, too.
Apple Inc. is big. | I work at Apple Inc. | We make phones.
No. 5 is alive. | See Fig. 3 and Vol. 2. | No. | I mean it.
J. R. R. Tolkien wrote it. | So do I. | Honestly.
We take plan B. | Then we go.
It is 21°C. | Nice weather.
He was born on Oct. 5. | She was, too.
Well... maybe. | Hmm... | I see. | Wait...what? | And then…
Well… maybe. | Hmm… | I see.
"Hello!" he said. | "Bye," she said. | "Why?" | Nobody knew.
He said: "Hi there. | All well?" | Then he left.
‘Go.’ | He went. | “Stay.” | She stayed.
(She smiles. Then she leaves.) | Hello (or not?) there. | [See also: x. Y.] | Yes.
*She waves. She sits.* | Hi! | *nods* Ok.
**Note.** | This is **very. very** bold.
It costs 2 * 3. | Or 2*3. | A 5* hotel.
See https://a.b/c.html?d=1. | Then open foo.py or a.b@example.com. | Done.
Run `a. b` now. | Ok.
I am sad :( But ok. | Bye.
Great!😊 | How nice!~ | Bye!
Great! | [joy] I love it! | [sad] Oh no.
Steps: 1. Wash. | 2. Cook. | 3. Eat.
Yes. | ... no. | ?! What.
I like it (really.) and you?
"""

CHINESE = """
你好！|我是小明。|你呢？|很好
今天天气不错……我们去散步吧。|好。
我……我不知道。|真的吗？|嗯…… | “是的。”
“你好！”|他说。|「真的？」|她问。|『好。』|走吧
他说："你好。"|然后走了。|她说好。|"再见。"
圆周率是3.14。|价格是１．５元。|版本2.0发布了。
你好!|我是小明.|再见?|好
（她笑了。然后走了。）|你好（吗？）啊。|【注意。看】对。
太好了！😊|我喜欢。|太好了！～|再来！
太好了！|[joy]我喜欢。|*挥手。再见*走了。
真的吗？！|真的！！！|好
"""

JAPANESE = """
こんにちは。|元気ですか？|はい！
「今日は。|元気？」と言った。|はい。
「そうだ！」って。|『ええ。』|彼は言った。
えっと…そうですね。|うん
すごい！！|本当？！|ｗ
（笑う。座る。）|どうも。
"""

LINES = [
    (
        "1. Apples\n2. Pears. They are good.\n3) Plums",
        ["1. Apples", "2. Pears.", "They are good.", "3) Plums"],
    ),
    ("- one\n- two. three\n* four\n• five", ["- one", "- two.", "three", "* four", "• five"]),
    ("**1.** Apples.\na. b\n\nA. c\nIV. d", ["**1.** Apples.", "a. b", "A. c", "IV.", "d"]),
    ("1.苹果\n2.梨。好吃", ["1.苹果", "2.梨。", "好吃"]),
    ("# Title\n\nA paragraph\r\nand another\rlast", ["# Title", "A paragraph", "and another", "last"]),
    ("I met Dr.\nSmith (who\nknew. Me).", ["I met Dr.", "Smith (who", "knew.", "Me)."]),
    ('"Hello!"\nhe said', ['"Hello!"', "he said"]),
    ("Look:\n```py\na = 1. \n\nb! c\n```\nDone.", ["Look:", "```py\na = 1. \n\nb! c\n```", "Done."]),
    ("Look: ```a. b``` Done.", ["Look:", "```a. b```", "Done."]),
    ("```\nnever closed. Ever\n", ["```\nnever closed. Ever"]),
    ("A lone ` tick. Goes on.\nNext. One.", ["A lone ` tick. Goes on.", "Next.", "One."]),
    ("``a ` b. c`` d. E.", ["``a ` b. c`` d.", "E."]),
    ("An (open bracket. Here\nNext. One.", ["An (open bracket. Here", "Next.", "One."]),
    (" \n\t ", []),
    ("", []),
    ("...", ["..."]),
]


def rows(table: str, between: str) -> list[tuple[str, list[str]]]:
    """Each row's text and its sentences; ``between`` takes the place of the bars."""
    expected = [[part.strip() for part in row.split("|")] for row in table.strip().splitlines()]
    return [(between.join(sentences), sentences) for sentences in expected]


@pytest.mark.parametrize(
    ("text", "expected"), [*rows(ENGLISH, " "), *rows(CHINESE, ""), *rows(JAPANESE, ""), *LINES]
)
def test_a_text_has_the_sentences_that_a_reader_sees(text: str, expected: list[str]) -> None:
    """Whole or letter by letter, a text falls into the sentences of the table."""
    assert split([text]) == expected
    assert split(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "Oh well then, let me think, ok. Now, this, too.",
            ["Oh well then,", "let me think, ok.", "Now, this, too."],
        ),
        ("Well, I think, yes.", ["Well, I think,", "yes."]),
        ("There are 1,000,000 of them: a lot.", ["There are 1,000,000 of them:", "a lot."]),
        ("At about 10:30 we met.", ["At about 10:30 we met."]),
        ("[joy] Well, (you and I, no) yes.", ["[joy] Well, (you and I, no) yes."]),
        ("*waves, and smiles* Hi. Let me see, now.", ["*waves, and smiles* Hi.", "Let me see, now."]),
        ("*waves*\nLet me see, now.", ["*waves*", "Let me see,", "now."]),
        ("Look at `a, b` there; ok", ["Look at `a, b` there;", "ok"]),
        ("你好，我是小明，你好，再见。", ["你好，我是小明，", "你好，再见。"]),
        ("没问题，我来。", ["没问题，", "我来。"]),
        ("大概１，０００个人，是吗", ["大概１，０００个人，", "是吗"]),
        ("ええと、そうですね、はい。", ["ええと、", "そうですね、はい。"]),
        ("Short. But then, a comma", ["Short.", "But then, a comma"]),
    ],
)
def test_the_first_sentence_may_end_at_a_comma(text: str, expected: list[str]) -> None:
    """Only the first one with words, only where enough was said, and never inside a number."""
    assert split([text], first_early=True) == expected
    assert split(text, first_early=True) == expected


@pytest.mark.parametrize(
    ("text", "given_out"),
    [
        ("Hello there. ", ["Hello there."]),
        ("Hello there.", []),
        ('He said "Hello." ', []),
        ('He said "Hello." Y', ['He said "Hello."']),
        ("你好。", []),
        ("你好。我", ["你好。"]),
        ("“你好。”", []),
        ("“你好。”我", ["“你好。”"]),
        ("A title\n", ["A title"]),
        ("In the U.S. He", []),
        ("In the U.S. He ", ["In the U.S."]),
    ],
)
def test_a_sentence_comes_as_soon_as_it_is_certain(text: str, given_out: list[str]) -> None:
    """One character more than the sentence is enough, where no name or quote makes it doubtful."""
    assert SentenceSplitter().feed(text) == given_out


@pytest.mark.parametrize(
    ("text", "given_out"),
    [
        ("Oh well then,", ["Oh well then,"]),
        ("I don't think,", ["I don't think,"]),
        ("[joy] *waves* Oh well,", ["[joy] *waves* Oh well,"]),
        ("没问题，", ["没问题，"]),
        ("没问题,", ["没问题,"]),
        ("ええと、", ["ええと、"]),
        ("我来了。", ["我来了。"]),
        ("[joy]はい。", ["[joy]はい。"]),
        ("我来了。你好。", ["我来了。"]),  # no sound waits for the second one
        # One more character tells what these are.
        ("There are about 1,", []),
        ("The numbers x,", []),
        ("Look at a.b/see,", []),
        ("See for yourself:", []),
        ("Tom & Jerry &amp;", []),
        ('"Oh well then,', []),
        ("“Oh well then,", []),
        ("He said ‘oh well,", []),
        ("(Oh well then,", []),
        ("*Oh well then,", []),
        ("大概１，", []),
        ("“我来了。", []),
        ("「我来了。", []),
        ('"我来了。', []),
        ("（我来了。", []),
        ("*我来了。", []),
        ("圆周率是3。", []),
        ("我来了！", []),
        ("我来了？", []),
        ("我来了…", []),
        ("Oh well then.", []),
        ("Really?", []),
    ],
)
def test_the_first_clause_comes_with_its_mark_where_that_is_certain(text: str, given_out: list[str]) -> None:
    """Sound does not wait for one more token; but for a quote that closes, "..." and 1,000 it does."""
    assert SentenceSplitter(first_early=True).feed(text) == given_out


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I like salt,pepper too.", ["I like salt,", "pepper too."]),
        ("Oh well then,😊 yes.", ["Oh well then,", "😊 yes."]),
        ("Oh well then,, yes.", ["Oh well then,", ", yes."]),
        ("好的。😊我来。", ["好的。", "😊我来。"]),
        ("好的。。。我来。", ["好的。", "。。我来。"]),
    ],
)
def test_what_comes_behind_a_certain_mark_belongs_to_the_next_sentence(
    text: str, expected: list[str]
) -> None:
    """These texts are cut otherwise than later in a reply, but in the same way however the stream is torn."""
    assert split([text], first_early=True) == expected
    assert split(text, first_early=True) == expected


@pytest.mark.parametrize(
    ("text", "expected"), [*rows(ENGLISH, " "), *rows(CHINESE, ""), *rows(JAPANESE, ""), *LINES]
)
def test_an_early_first_clause_leaves_the_other_sentences_alone(text: str, expected: list[str]) -> None:
    """Of the sentences that a reader sees, one at most is in two parts, torn letter by letter or not."""
    early = split([text], first_early=True)

    assert split(text, first_early=True) == early
    two = [at for at in range(len(expected)) if early[: at + 1] != expected[: at + 1]][:1]
    for at in two:
        assert ink(early[at] + early[at + 1]) == ink(expected[at])
        assert early[at + 2 :] == expected[at + 1 :]
    assert two or early == expected


@given(torn_texts(), st.booleans())
@example(("a" * (LONGEST_SENTENCE - 2) + ".\" 'b", ["a" * (LONGEST_SENTENCE - 2) + ".", "\" 'b"]), False)
def test_tearing_the_stream_elsewhere_gives_the_same_sentences(
    torn: tuple[str, list[str]], first_early: bool
) -> None:
    """What a reply sounds like does not depend on a model's tokens."""
    text, tokens = torn

    assert split(tokens, first_early=first_early) == split([text], first_early=first_early)
    assert split(text, first_early=first_early) == split([text], first_early=first_early)


@given(texts, st.booleans())
def test_nothing_but_white_space_is_lost(text: str, first_early: bool) -> None:
    """Every character of the reply is in one of its sentences, in order."""
    sentences = split([text], first_early=first_early)

    assert ink("".join(sentences)) == ink(text)
    assert all(sentence and sentence == sentence.strip() for sentence in sentences)


@given(texts)
def test_no_sentence_and_nothing_kept_is_longer_than_the_limit(text: str) -> None:
    """However a model rambles, speech synthesis gets it in bounded pieces."""
    splitter = SentenceSplitter()
    pieces = splitter.feed_pieces(text * 5) + splitter.flush_pieces()

    assert all(len(piece.text) <= (LONGEST_CODE if piece.code else LONGEST_SENTENCE) for piece in pieces)


@pytest.mark.parametrize(
    ("flood", "ends"),
    [
        ("word " * 1000, "word"),
        ("some words, and more " * 300, "some words,"),
        ("他们说" * 1000, "他"),
        ("他们说，" * 1000, "，"),
        ("(a b c. " * 1000, "c."),
    ],
)
def test_a_flood_without_end_is_cut_between_words(flood: str, ends: str) -> None:
    """A full stop in brackets is the best place, then a comma, then a space; anywhere if there is none."""
    first, *others = SentenceSplitter().feed(flood)

    assert LONGEST_SENTENCE // 2 < len(first) <= LONGEST_SENTENCE
    assert first.endswith(ends)
    assert all(len(sentence) <= LONGEST_SENTENCE for sentence in others)
    assert split("One. Two. " * 5 + flood[:2000]) == split(["One. Two. " * 5 + flood[:2000]])


def test_code_that_is_too_long_stays_code() -> None:
    """A block over the limit is cut after a line, and no part of it is taken for a sentence."""
    splitter = SentenceSplitter()
    pieces = splitter.feed_pieces("```\n" + "a = b. c\n" * 1000 + "```\nDone. ")

    *code, done = pieces
    assert len(code) == 3
    assert all(piece.code for piece in code)
    assert all(piece.text.endswith("\n") for piece in code[:-1])
    assert (done.text, done.code) == ("\nDone.", False)


def steps(text: str, size: int) -> int:
    """How many lines of Python, and calls of C, it takes to split ``text`` in tokens of ``size``."""
    count = 0

    def line(_frame: FrameType, _event: str, _argument: object) -> TraceFunction:
        nonlocal count
        count += 1
        return line

    def call(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal count
        count += event == "c_call"

    tokens = [text[at : at + size] for at in range(0, len(text), size)]
    tracer = sys.gettrace()
    sys.settrace(line)
    sys.setprofile(call)
    try:
        split(tokens)
    finally:
        sys.setprofile(None)
        sys.settrace(tracer)
    return count


@pytest.mark.parametrize("size", [1, 4, 10_000])
@pytest.mark.parametrize(
    "unit",
    [
        "A sentence, with (some) words in it. ",
        "no end ",
        ".",
        '."',
        "(a. ",
        "a *b c. ",
        "```\nx\n```\n",
        "Dr. ",
        "\n",
        "你好，",
        "`a. ",
    ],
)
def test_twice_the_text_is_twice_the_work(unit: str, size: int) -> None:
    """The steps taken grow with the text and no faster, whatever it holds and however it comes."""
    text = unit * (4000 // len(unit))

    assert steps(text * 2, size) < 2.2 * steps(text, size) + 200


@pytest.mark.parametrize("unit", ["x", ". ", "(a. ", '"', "你", "`", "*", ".", " ", "Dr. "])
def test_little_is_kept_between_tokens(unit: str) -> None:
    """A step looks at what is kept and at the token, and what is kept is bounded: time stays linear."""
    splitter = SentenceSplitter()
    kept = 0
    for _ in range(3000):
        splitter.feed(unit)
        kept = max(kept, len(splitter._text))

    assert kept <= LONGEST_SENTENCE + len(unit)


def test_a_splitter_reads_one_text_after_another() -> None:
    """After a flush nothing of the text before matters."""
    splitter = SentenceSplitter()
    splitter.feed('An "open (quote. And *more')
    splitter.flush()

    assert splitter.feed('好。"好。" ') == ["好。", '"好。"']
    assert splitter.flush() == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("नमस्ते। आप कैसे हैं? ठीक।", ["नमस्ते।", "आप कैसे हैं?", "ठीक।"]),
        ("کیا حال ہے؟ ٹھیک ہوں۔ شکریہ۔", ["کیا حال ہے؟", "ٹھیک ہوں۔", "شکریہ۔"]),
        ("It is approx. ten. Fine.", ["It is approx. ten.", "Fine."]),
        ('Bye." Then he left.', ['Bye."', "Then he left."]),
        # The quote of the first line is not the one that stands behind the second.
        ('他说"你好\n再见。"然后走。', ['他说"你好', "再见。", '"然后走。']),
    ],
)
def test_marks_quotes_and_abbreviations(text: str, expected: list[str]) -> None:
    """Hindi, Arabic and Urdu marks; abbreviations of six letters; quotes that nobody closed."""
    assert split([text]) == expected


def test_a_number_with_full_width_commas_is_no_clause() -> None:
    """The first sentence may end at a comma, but not inside １，０００."""
    splitter = SentenceSplitter(first_early=True)
    assert splitter.feed("我们一共有１，０００元，都给你。好。") == ["我们一共有１，０００元，", "都给你。"]


def test_a_forced_cut_prefers_the_end_of_a_sentence_inside_brackets() -> None:
    """A bracket that nobody closes is cut where a sentence ends, not at a comma or between two words."""
    said = "(" + "so it goes on, " * 10 + "and there it ends. "
    splitter = SentenceSplitter()
    first, *_ = splitter.feed(said + "and then, again, more " * 40)
    assert first == said.strip()
