"""The one row of the terminal in which the user types. No I/O."""

from __future__ import annotations

import attrs
from rich.cells import cell_len, get_character_cell_size


@attrs.frozen
class Row:
    """What stands in the row, and the column of the cursor, from 0."""

    text: str
    column: int


def lay_out(text: str, cursor: int, width: int) -> Row:
    """The part of ``text`` around its ``cursor`` that fits into ``width`` columns (at least 2).

    A line that is too long moves sideways under the cursor, so that it never takes a second row.
    """
    begin = cursor
    room = width - 1  # the cursor itself may stand behind the text
    while begin > 0 and (cells := get_character_cell_size(text[begin - 1])) <= room:
        room -= cells
        begin -= 1
    end = cursor
    while end < len(text) and (cells := get_character_cell_size(text[end])) <= room:
        room -= cells
        end += 1
    return Row(text[begin:end], cell_len(text[begin:cursor]))
