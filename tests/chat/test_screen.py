"""What the terminal gets to see."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from tests.chat.users import plain_screen
from trio_backend.chat.formatting import Formatter, harmless
from trio_backend.chat.screen import Screen, make_screen
from trio_backend.client.messages import ListedCharacter


def terminal(width: int = 40) -> tuple[Screen, io.StringIO]:
    """A screen with a row for the user, without colours, and all that is written to it."""
    paper = io.StringIO()
    console = Console(file=paper, force_terminal=True, no_color=True, color_system=None, width=width)
    return Screen(console, console, Formatter(), edits=True), paper


def test_what_is_shown_appears_above_what_is_typed() -> None:
    """The row is erased, the line written, the row drawn again, with the cursor where it was."""
    screen, paper = terminal()
    screen.edit("hello", 2)
    paper.truncate(0)
    paper.seek(0)
    screen.note("a note")
    assert paper.getvalue() == "\r\x1b[K· a note\n› hello\x1b[5G"


def test_the_status_stands_in_the_row_of_the_user() -> None:
    """It comes and goes without a line of its own, and leaves half of the row to the user."""
    screen, paper = terminal(20)
    screen.status("Thinking about everything...")
    assert paper.getvalue().startswith("\r\x1b[KThinki")
    assert len(paper.getvalue().partition("›")[0]) <= 10 + len("\r\x1b[K")
    assert "\n" not in paper.getvalue()
    screen.status("")
    assert paper.getvalue().endswith("\r\x1b[K› \x1b[3G")


def test_a_terminal_is_asked_to_mark_what_is_pasted_and_left_as_it_was() -> None:
    """Whatever happens in between."""
    screen, paper = terminal()
    with pytest.raises(ZeroDivisionError), screen.user_row():
        raise ZeroDivisionError
    assert "\x1b[?2004h" in paper.getvalue()
    assert paper.getvalue().endswith("\r\x1b[K\x1b[?2004l")


def test_a_pipe_gets_lines_and_nothing_else() -> None:
    """No colours, no cursor, no wrapping; notes go aside."""
    out, aside = io.StringIO(), io.StringIO()
    screen = make_screen(io.StringIO(), out, aside)
    with screen.user_row():
        screen.edit("typed", 5)
        screen.status("Thinking...")
        screen.show(screen.format.said("Iris", "joy", "word " * 40))
        screen.error("no")
    assert out.getvalue() == f"Iris{' ☺ joy' if screen.format.unicode else ' joy'}: {'word ' * 40}\n"
    assert "Thinking..." in aside.getvalue()
    assert "no\n" in aside.getvalue()
    assert "\x1b" not in out.getvalue() + aside.getvalue()


def test_nothing_that_is_shown_commands_the_terminal() -> None:
    """Neither what the character says, nor what its name or a list holds."""
    evil = "a\x1b]0;b\x07\x9b2J\u202ec\r\td"
    assert harmless(evil) == "a]0;b2Jc    d"
    screen, paper = plain_screen()
    for format in (Formatter(), Formatter(unicode=False)):
        screen.show(format.said(evil, evil, evil))
        screen.show(format.thought(evil, evil))
        screen.show(format.mine(evil))
        screen.show(format.note(evil))
        screen.show(format.error(evil))
        screen.show(format.characters([ListedCharacter(evil, evil)], None))
    assert not set("\x1b\x07\x9b\r\u202e") & set(paper.getvalue())


def test_ascii_is_enough() -> None:
    """For a terminal that has no more."""
    format = Formatter(unicode=False)
    said = format.said("Iris", "joy", "b")
    texts = [format.mine("a"), said, format.note("c"), format.error("d"), format.help()]
    assert all(text.plain.isascii() for text in texts)
