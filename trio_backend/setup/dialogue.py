"""`Dialogue`: questions in a terminal, each with a suggestion that Enter takes; blocking.

A Ctrl-C at any of them is a KeyboardInterrupt, the end of the input `SetupRefused`.
"""

from __future__ import annotations

import getpass
import unicodedata
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import attrs

from ..errors import SetupRefused
from .texts import AskedTexts

T = TypeVar("T")

MOST_TRIES = 20
"""Wrong answers to one question, before the dialogue ends: who types them is no person."""


@attrs.frozen
class MenuItem(Generic[T]):
    """One line of a menu: the answer that it is, what it is called, and what is said of it."""

    value: T
    name: str
    about: str = ""


@attrs.define(eq=False)
class Dialogue:
    """Prints questions and reads answers. ``texts`` are those of the language that was chosen last."""

    texts: AskedTexts

    def head(self, number: int, question: str, help: str) -> None:
        """Begin one of the five questions."""
        print(f"\n{self.texts.of_five.format(number=number)} · {question}")
        self.say(help)

    def say(self, text: str) -> None:
        """Lines below a question."""
        for line in text.splitlines():
            print(f"  {line}")

    def text(self, suggested: str, read: Callable[[str], T | None], wrong: str, *, label: str = "") -> T:
        """What ``read`` makes of a line, asked again with ``wrong`` where that is None."""
        prompt = "  " + " ".join(filter(None, [label, f"[{suggested}]" if suggested else "", "› "]))
        for _ in range(MOST_TRIES):
            given = self._line(prompt)
            answer = None if given is None else read(given or suggested)
            if answer is not None:
                return answer
            self.say(wrong)
        raise SetupRefused("too many answers that cannot be used; nothing was written")

    def choose(
        self,
        items: Sequence[MenuItem[T]],
        suggested: T,
        read: Callable[[str], T],
        *,
        title: str = "",
        notes: Sequence[str] = (),
    ) -> T:
        """The value of an item, chosen by its number or its name; or what ``read`` makes of something else.

        ``read`` raises `SetupRefused` where it makes nothing of it: that is said, and asked again. ``notes``
        stand below the items.
        """
        if title:
            print(f"\n  {title}")
        width = max(columns(item.name) for item in items)
        for number, item in enumerate(items, 1):
            space = " " * (width - columns(item.name))
            print(f"  {number:>3})  {item.name}{space}  {item.about}".rstrip())

        for note in notes:
            self.say(note)

        def understand(given: str) -> T | None:
            # No menu has a thousand items, and Python refuses to read numbers of thousands of digits.
            if given.isdecimal() and len(given) < 4:
                return items[int(given) - 1].value if 1 <= int(given) <= len(items) else None
            for item in items:
                if item.name == given:
                    return item.value
            try:
                return read(given)
            except SetupRefused as error:
                self.say(str(error))
                return None

        number = next(number for number, item in enumerate(items, 1) if item.value == suggested)
        return self.text(str(number), understand, self.texts.choose.format(most=len(items)))

    def secret(self, text: str) -> str:
        """A line that is not shown."""
        self.say(text)
        try:
            return getpass.getpass("  › ").strip()
        except EOFError:
            raise self._ended() from None

    def agrees(self, question: str) -> bool:
        """Yes or no, yes by Enter."""
        yes, no = ("y", "yes", "是", "はい", "1"), ("n", "no", "否", "いいえ", "0")
        answers = {**dict.fromkeys(yes, True), **dict.fromkeys(no, False)}
        return self.text(
            "Y/n", lambda given: answers.get(given.lower(), given == "Y/n" or None), "y / n", label=question
        )

    def _line(self, prompt: str) -> str | None:
        try:
            return input(prompt).strip()
        except EOFError:
            raise self._ended() from None
        except UnicodeDecodeError:
            # Bytes that are no text in the terminal's encoding.
            return None

    def _ended(self) -> SetupRefused:
        print()
        return SetupRefused("the input ended before all was answered; nothing was written")


def columns(text: str) -> int:
    """How many columns of a terminal ``text`` takes: Chinese and Japanese characters take two."""
    return sum(2 if unicodedata.east_asian_width(one) in "WF" else 1 for one in text)
