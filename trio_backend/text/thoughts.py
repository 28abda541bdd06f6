"""`<think>` tags in a stream: which part of a reply is thought, and which is said."""

from __future__ import annotations

import re

import attrs

_TAG = re.compile(r"<(/?)think>", re.IGNORECASE)
_TAGS = ("<think>", "</think>")


@attrs.frozen
class Part:
    """A part of a reply, without tags."""

    text: str
    thought: bool


@attrs.define(eq=False)
class ThoughtReader:
    """Tells thoughts from what is said, wherever the stream is torn. Tags may be of any case.

    Tags do not nest, a closing tag that closes nothing is left out, and what is not closed is a
    thought up to the end.
    """

    thinking: bool = attrs.field(default=False, init=False)
    """Whether what comes next is a thought."""
    _held: str = attrs.field(default="", init=False)  # what may be the beginning of a tag

    def is_plain(self, token: str) -> bool:
        """Whether ``token`` would be one part as it stands: it has nothing of a tag, and nothing is held."""
        return not self._held and "<" not in token

    def feed(self, token: str) -> list[Part]:
        """The parts of ``token``; the beginning of a tag at its end waits for the next one."""
        if self.is_plain(token):
            return [Part(token, self.thinking)]
        text = self._held + token
        whole = len(text) - _length_of_begun_tag(text)
        self._held = text[whole:]
        return self._parts(text[:whole])

    def flush(self) -> list[Part]:
        """What was still waiting; the reader is as new afterwards."""
        parts = [Part(self._held, self.thinking)]
        self._held, self.thinking = "", False
        return parts

    def _parts(self, text: str) -> list[Part]:
        parts, at = [], 0
        for tag in _TAG.finditer(text):
            parts.append(Part(text[at : tag.start()], self.thinking))
            self.thinking = not tag.group(1)
            at = tag.end()
        parts.append(Part(text[at:], self.thinking))
        return parts


def _length_of_begun_tag(text: str) -> int:
    begun = text[max(text.rfind("<"), 0) :].lower()
    return len(begun) if begun and any(tag.startswith(begun) and tag != begun for tag in _TAGS) else 0
