"""Texts to read, and ways to tear them."""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import strategies as st

from trio_backend.text.sentences import SentenceSplitter

# What the rules are about, so that chance meets them often.
FRAGMENTS = [
    *"abAB19 \n\t.!?,;:。！？…，、：．\"'“”’「」()[]（）【】*`_<>-#~😊と你好",
    *("Dr.", "Mr. ", "e.g. ", "U.S. ", "No. ", "Inc. ", "p.m. ", "J. R. ", " He ", " The "),
    *("...", "……", "?!", "```", "```py\n", "\n```\n", "`x. y`", "**", "*waves*", "[joy]", "[sad]", "[other]"),
    *("3.14", "1,000", "https://a.b/c?d=1", "file.py", "1. ", "- ", "\n\n", "\r\n", ":(", "<3"),
    *("<think>", "</think>", "<THINK>", "<thi", "<b>", "Hello there", "how are you", "你好吗", "です"),
    *("x" * 90, "word " * 30, "（笑）", " " * 60),
]

texts = st.lists(st.sampled_from(FRAGMENTS), max_size=40).map("".join) | st.text(max_size=60)


@st.composite
def torn_texts(draw: st.DrawFn) -> tuple[str, list[str]]:
    """A text, and the same text in tokens, some of them empty."""
    text = draw(texts)
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=30)))
    return text, [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]


def split(tokens: Iterable[str], *, first_early: bool = False) -> list[str]:
    """The sentences of ``tokens``."""
    splitter = SentenceSplitter(first_early=first_early)
    return [sentence for token in tokens for sentence in splitter.feed(token)] + splitter.flush()


def ink(text: str) -> str:
    """``text`` without white space."""
    return "".join(text.split())
