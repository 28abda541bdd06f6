"""Keys in, lines out: the row in which the user types."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from trio_backend.chat.editor import LONGEST, Editor, EndOfInput, KeyReader, LineDone
from trio_backend.chat.keyboard import LONGEST_LINE, LineBuffer
from trio_backend.chat.screen import lay_out


def typed(data: bytes, *, cut: int = 10**6) -> tuple[list[str], Editor]:
    """The lines that come of ``data``, which arrives in pieces of ``cut`` bytes, and the editor after it."""
    reader, editor, lines = KeyReader(), Editor(), []
    for at in range(0, len(data), cut):
        for key in reader.feed(data[at : at + cut]):
            match editor.press(key):
                case LineDone(text):
                    lines.append(text)
                case EndOfInput():
                    lines.append("<end>")
    return lines, editor


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        (b"hello\r", "hello"),
        (b"hello\n", "hello"),
        ("grüß dich, 米娅 👋\r".encode(), "grüß dich, 米娅 👋"),
        (b"helo\x1b[Dl\r", "hello"),
        (b"ello\x01h\x05!\r", "hello!"),
        (b"ello\x1b[Hh\x1b[F!\r", "hello!"),
        (b"\x1bOCello\x1bOHh\r", "hello"),
        (b"helloo\x7f\r", "hello"),
        (b"\x7fxhello\x1b[1~\x1b[3~\r", "hello"),
        (b"xhello\x01\x04\r", "hello"),
        (b"say hello\x17goodbye\r", "say goodbye"),
        (b"say hello  \x1b\x7fgoodbye\r", "say goodbye"),
        (b"nonsense\x15hello\r", "hello"),
        (b"hello there\x1b[D\x1b[D\x1b[D\x1b[D\x1b[D\x1b[D\x0b\r", "hello"),
        (b"he\x1b[15~l\x1b[1;5Clo\x1bx\x00\x1c\r", "hello"),
        (b"a\tb\r", "a b"),
        (b"\x1b[200~one\r\ntwo\n\x1b[201~\r", "one  two "),
        (b"\xff\r", "\ufffd"),
    ],
)
def test_keys_edit_the_line(keys: bytes, line: str) -> None:
    """However the bytes are torn: terminals promise nothing."""
    for cut in (1, 2, 3, 1000):
        lines, editor = typed(keys, cut=cut)
        assert lines == [line]
        assert (editor.text, editor.cursor) == ("", 0)


def test_arrows_go_back_to_earlier_lines() -> None:
    """And forth again, to the line that was being typed."""
    up, down = b"\x1b[A", b"\x1b[B"
    lines, editor = typed(b"one\rtwo\rtwo\r \rthr" + up + up + up + down + down)
    assert lines == ["one", "two", "two", " "]
    assert editor.text == "thr"
    lines, _ = typed(b"one\rtwo\rtwo\rthr" + up + up + b"!\r")
    assert lines[-1] == "one!"


def test_ctrl_d_ends_the_input_only_on_an_empty_line() -> None:
    """Within a line it deletes."""
    assert typed(b"a\x04\r\x04")[0] == ["a", "<end>"]


def test_a_line_has_a_longest() -> None:
    """A stuck key does not fill the memory."""
    lines, _ = typed(b"x" * (LONGEST + 5) + b"\r")
    assert len(lines[0]) == LONGEST


@given(st.text(), st.integers(0, 50), st.integers(2, 40))
def test_the_row_is_never_wider_than_the_terminal(text: str, at: int, width: int) -> None:
    """And the cursor is always in it, behind what stands before it in the text."""
    cursor = min(at, len(text))
    row = lay_out(text, cursor, width)
    assert cell_len(row.text) < width
    assert 0 <= row.column < width
    assert row.text in text


@pytest.mark.parametrize(
    ("text", "cursor", "row", "column"),
    [
        ("", 0, "", 0),
        ("hello", 5, "hello", 5),
        ("hello", 2, "hello", 2),
        ("0123456789abc", 13, "456789abc", 9),
        ("0123456789abc", 0, "012345678", 0),
        ("你好你好你好", 6, "你好你好", 8),
    ],
)
def test_a_long_line_moves_under_the_cursor(text: str, cursor: int, row: str, column: int) -> None:
    """Ten columns: nine for the text, one for a cursor behind it."""
    drawn = lay_out(text, cursor, 10)
    assert (drawn.text, drawn.column) == (row, column)


@given(st.lists(st.text(st.characters(exclude_characters="\r\n", codec="utf-8"))), st.integers(1, 9))
def test_lines_of_a_pipe_are_whole_wherever_they_are_torn(lines: list[str], cut: int) -> None:
    """Also within a character of several bytes; a last line without an end counts."""
    data = "\r\n".join(lines).encode()
    buffer = LineBuffer()
    found = [line for at in range(0, len(data), cut) for line in buffer.feed(data[at : at + cut])]
    found += buffer.flush()
    assert found == (lines[:-1] if lines and not lines[-1] else lines)


def test_a_line_of_a_pipe_that_never_ends_is_cut() -> None:
    """Nothing grows without bound."""
    buffer = LineBuffer()
    assert buffer.feed(b"x" * LONGEST_LINE) == []
    assert len(buffer.feed(b"x")[0]) == LONGEST_LINE + 1
    assert buffer.flush() == []
