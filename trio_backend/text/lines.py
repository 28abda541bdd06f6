"""Tokens in, lines out: the character's reply as it is shown, spoken and acted."""

from __future__ import annotations

import attrs


@attrs.frozen
class SpeechFilters:
    """What is shown but not spoken: the switches of ``tts_preprocessor_config``."""

    remove_special_char: bool = True
    ignore_brackets: bool = True
    ignore_parentheses: bool = True
    ignore_asterisks: bool = True
    ignore_angle_brackets: bool = True


@attrs.frozen
class Line:
    """One sentence of a reply.

    ``source`` is the text as the model wrote it, ``display`` what the client shows (emotion keywords
    removed, thoughts in parentheses), ``spoken`` what the voice gets (empty where nothing can be
    spoken), ``emotions`` the keywords found, in lower case and in order.
    """

    source: str
    display: str
    spoken: str
    emotions: tuple[str, ...] = ()
    thought: bool = False
