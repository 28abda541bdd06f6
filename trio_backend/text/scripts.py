"""Scripts that put no space between words: one table, in the form of a regular expression's character class.

Whatever splits a text into words, joins sentences or counts what is worth a sound uses it, so that all agree
on every character. Ranges are those of Unicode's blocks. Korean puts spaces, and so is not here.
"""

from __future__ import annotations

HAN = "\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
"""Chinese characters, with the marks of repetition and the Han zero (々〆〇)."""

HIRAGANA = "\u3040-\u309f"

KATAKANA = "\u30a0-\u30ff\u31f0-\u31ff"

CJK = HAN + HIRAGANA + KATAKANA
"""The letters of Chinese and Japanese."""

WIDE = CJK + "\u3000-\u303f\uff00-\uff9f"
"""`CJK`, its punctuation, full-width forms, half-width Katakana: no space stands beside any of them."""

UNSPACED = HAN + HIRAGANA + "\u0e00-\u109f\u1780-\u17ff"
"""Letters of which each counts as a word: of Thai, Lao, Tibetan, Burmese and Khmer, too.

Katakana is missing on purpose: it writes foreign words, whose letters belong together.
"""
