"""No text, however odd, holds up the others: reading costs time in proportion to its length, in small steps.

Finding 8, the part about text.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import attrs
import pytest
import trio
from trio.testing import MockClock

from tests.conftest import WAKE_WORDS, Connect
from trio_backend.conversation.wake_word import WakeWord
from trio_backend.engines.llm.companion.words import Tokenizer, script_of
from trio_backend.text.lines import LineReader
from trio_backend.text.markup import SpeechFilters, spoken, take_keywords

UNITS = [
    *(
        "a",
        "a ",
        "aaa ",
        "1",
        "1.",
        "1,",
        "9.9",
        "½",
        "你",
        "你。",
        "カ",
        "ｶﾞ",
        "か\u3099",
        "ﬁ",
        "가",
        "\u1100",
    ),
    *(
        ".",
        "?",
        "!",
        "…",
        "。",
        "，",
        ",",
        ";",
        ":",
        "-",
        "~",
        "—",
        "+",
        "&",
        "a&",
        "a-",
        "a'",
        "a.",
        "a b [joy] ",
    ),
    *(
        "\n",
        "\r\n",
        " ",
        "\t",
        "\u00a0",
        "\u3000",
        "\x00",
        "\u202e",
        "\u200d",
        "a\u200d",
        "👩\u200d",
        "😀",
        "😀\ufe0f",
    ),
    *("\u0301", "a\u0301", "\u0327\u0301", "\ufdfa", "क\u094d", "\u0e33", "\ud800", "'", '"', "“", "”", "’"),
    *(
        "[",
        "]",
        "[[",
        "[]",
        "[a]",
        "[joy]",
        "[joy]\n",
        "[ ",
        "[\n",
        "(",
        ")",
        "（",
        "*",
        "* ",
        "**a",
        "*a* ",
        "_",
        "_a",
    ),
    *(
        "__ ",
        "`",
        "```",
        "```\n",
        "<",
        "<a",
        "<a>",
        "</",
        "<!",
        "<think",
        "<think>",
        "</think>",
        "<think></think>",
    ),
    *(
        "http://",
        "https://a.b/",
        "http://a.",
        "![",
        "![](",
        "![a]",
        "[a](",
        "[a]()",
        "# ",
        "- ",
        "> ",
        "•",
        ":)",
        ":-",
    ),
    *(
        "<3",
        "e.g. ",
        "U.S.",
        "Mr. ",
        "J. ",
        "ha",
        "hahaha",
        "^_^",
        "1 * ",
        "2*3",
        "- 1",
        "=1",
        "hey ",
        "hey iris ",
    ),
]
FILTERS = SpeechFilters()
EMOTIONS = ("joy", "anger")
# So many times longer takes at most so many times as long; quadratic time would be 64 times.
LONGER, AT_MOST = 8, 24
SHORT = 500


def read_lines(text: str) -> None:
    """A reply, in tokens of some characters."""
    reader = LineReader(EMOTIONS, FILTERS, first_early=True)
    for start in range(0, len(text), 200):
        reader.feed(text[start : start + 200])
    reader.flush()


def hear(text: str) -> None:
    """Typed to a character that sleeps, and to one that is awake."""
    wake_word = WakeWord(WAKE_WORDS)
    wake_word.hear(text, 0)
    wake_word.awake = True
    wake_word.hear(text, 0)


READERS: dict[str, Callable[[str], object]] = {
    "lines": read_lines,
    "spoken": lambda text: spoken(text, FILTERS),
    "keywords": lambda text: take_keywords(text, EMOTIONS),
    "wake word": hear,
    "companion": Tokenizer().words,
    "script": script_of,
}


def seconds(read: Callable[[str], object], text: str) -> float:
    """The processor's time that reading takes; other programs do not count."""
    began = time.thread_time()
    read(text)
    return time.thread_time() - began


@pytest.mark.parametrize("reader", READERS)
def test_reading_takes_time_in_proportion(reader: str) -> None:
    """Whatever is repeated, with and without an end; what is done in a moment is not looked at closely."""
    read = READERS[reader]
    superlinear = []
    for unit in UNITS:
        for end in ("", "x. "):
            short, long = (unit * (size // len(unit)) + end for size in (SHORT, SHORT * LONGER))
            if seconds(read, long) < 0.01:
                continue
            ratio = min(seconds(read, long) / max(seconds(read, short), 1e-4) for _ in range(3))
            if ratio > AT_MOST:
                superlinear.append(f"{unit!r} {end!r}: {ratio:.0f} times")
    assert superlinear == []


@pytest.mark.parametrize("opener", ["<a", "*a ", "[", "(", "[(", "<b *", "![[", "> "])
def test_nesting_takes_time_in_proportion(opener: str) -> None:
    """Groups in groups in groups, all of them closed."""
    closer = {"<": ">", "[": "]", "(": ")", "*": "*", "!": "]]"}.get(opener[0], "")

    def text(size: int) -> str:
        return opener * size + "x" + closer * size

    once = seconds(lambda size: spoken(text(len(size)), FILTERS), "x" * SHORT * LONGER)
    if once > 0.01:
        short = min(seconds(lambda _: spoken(text(SHORT), FILTERS), "") for _ in range(3))
        long = min(seconds(lambda _: spoken(text(SHORT * LONGER), FILTERS), "") for _ in range(3))
        assert long / short < AT_MOST


@attrs.define(eq=False)
class Steps(trio.abc.Instrument):
    """How much was read in each step of a task."""

    now: int = 0
    longest: int = 0
    total: int = 0

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        del task
        self.now = 0

    def read(self, text: str) -> None:
        """So much more in this step."""
        self.now += len(text)
        self.total += len(text)
        self.longest = max(self.longest, self.now)


async def test_a_long_token_is_read_in_small_steps(
    autojump_clock: MockClock, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model sends thousands of characters at once: between pieces of it others have their turn."""
    steps = Steps()
    feed = LineReader.feed

    def counted(self: LineReader, text: str, *, thought: bool = False) -> object:
        steps.read(text)
        return feed(self, text, thought=thought)

    monkeypatch.setattr(LineReader, "feed", counted)
    trio.lowlevel.add_instrument(steps)
    client = await connect()
    await client.say("text-input", text="```" + "x" * 9_000)
    await client.until("control", text="conversation-chain-end")
    trio.lowlevel.remove_instrument(steps)
    assert steps.total > 9_000
    assert steps.longest < 1_000


def test_keywords_alone_do_not_add_up() -> None:
    """A model that sends nothing but emotions: what waits for a line to stand in is bounded."""
    reader = LineReader(EMOTIONS, FILTERS, first_early=False)
    lines = [line for _ in range(10_000) for line in reader.feed("[joy]\n")] + reader.flush()
    assert "".join(line.source for line in lines) == ("[joy]\n" * 10_000).rstrip()
    assert sum(len(line.emotions) for line in lines) == 10_000
    assert max(len(line.source) for line in lines) < 1_000


def test_a_long_message_still_wakes_up() -> None:
    """Its beginning is looked at; all of it is the request."""
    wake_word = WakeWord(WAKE_WORDS)
    story = "tell me a story " * 1_000
    assert wake_word.hear(f"Hey Iris, {story}", 0).request == story.strip()
    wake_word.awake = False
    assert wake_word.hear("x " * 10_000 + "hey iris", 0).action == "ignored"
    assert wake_word.hear("Ｈｅｙ Iris ﬁ " + story, 0).request == f"fi {story.strip()}"


def test_a_long_message_is_no_end_phrase() -> None:
    """Though it begins like one."""
    wake_word = WakeWord(WAKE_WORDS)
    wake_word.awake = True
    assert wake_word.hear("thanks" + " " * 5_000 + "for nothing", 0).action is None
    assert wake_word.hear("thanks", 0).action == "sleep"


@pytest.mark.parametrize("unit", ["\ufdfa", "\u0327\u0301", "a\u0300\u0301" * 50])
def test_what_is_spoken_is_bounded(unit: str) -> None:
    """A voice gets no more for a line than it would for a long one."""
    assert len(spoken("a" + unit * 400, FILTERS)) <= 1_000
