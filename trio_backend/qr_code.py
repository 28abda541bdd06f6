"""QR codes of addresses, for phones: in a terminal, and as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import segno

# Modules of white around the code. The standard asks for four; readers do with two, which saves lines.
BORDER = 2
# Whatever the terminal's own colours: not every reader takes a code whose dark modules are the bright ones.
_BRIGHT_ON_BLACK, _USUAL = "\x1b[97;40m", "\x1b[0m"


def qr_lines(text: str, *, colours: bool) -> Sequence[str]:
    """The code of ``text`` as lines of a terminal, two modules in each character; with ``colours``, in black
    and white by escape sequences. Without them it can be read where the background is dark.
    """
    rows = [list(row) for row in _code(text).matrix_iter(border=BORDER)]
    if len(rows) % 2:
        rows.append([0] * len(rows[0]))
    pairs = zip(rows[::2], rows[1::2], strict=True)
    # What is bright is drawn: dark modules are the background.
    lines = ["".join(map(_half_blocks, upper, lower)) for upper, lower in pairs]
    return [f"{_BRIGHT_ON_BLACK}{line}{_USUAL}" if colours else line for line in lines]


def qr_image(text: str) -> str:
    """The code of ``text`` as an SVG picture in a ``data:`` URL, of any size, black on white."""
    return _code(text).svg_data_uri(border=4, dark="#000", light="#fff", omitsize=True)


def _half_blocks(upper: int, lower: int) -> str:
    return ("█", "▀", "▄", " ")[2 * bool(upper) + bool(lower)]


def _code(text: str) -> segno.QRCode:
    # 0.1 s, which only those who show a code need to take.
    import segno

    # Phones do not read Micro QR codes.
    return segno.make(text, micro=False)
