"""A curve as SVG. No I/O."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

import attrs

from .outcome import Series, number

WIDTH, HEIGHT = 560, 260
LEFT, RIGHT, TOP, BOTTOM = 60, 16, 34, 44
TICKS = 5
# Dots on a curve of hundreds of points would hide it.
DOTS = 40


@attrs.frozen
class _Scale:
    """From values to places: ``low`` is drawn at ``start``, ``high`` at ``end``."""

    low: float
    high: float
    start: float
    end: float

    def place(self, value: float) -> float:
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)


def draw(series: Series) -> str:
    """``series`` as one ``<svg>`` element, with axes, both from 0. It uses the page's colours."""
    xs, ys = [x for x, _ in series.points], [y for _, y in series.points]
    across = _Scale(0, _round_up(max(xs)), LEFT, WIDTH - RIGHT)
    up = _Scale(0, _round_up(max(ys)), HEIGHT - BOTTOM, TOP)
    places = [(across.place(x), up.place(y)) for x, y in series.points]
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(series.name)}">',
        f'<text class="title" x="{LEFT}" y="18">{escape(f"{series.name}, {series.y}")}</text>',
        *_grid(up, across),
        _label(WIDTH - RIGHT, HEIGHT - 8, series.x),
        f'<polyline points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in places)}"/>',
        *(_dots(series, places) if len(places) <= DOTS else []),
        "</svg>",
    ]
    return "\n".join(parts)


def _grid(up: _Scale, across: _Scale) -> Sequence[str]:
    lines = []
    for step in range(TICKS + 1):
        value = up.high * step / TICKS
        y = up.place(value)
        lines.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        lines.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{number(value, "")}</text>')
        value = across.high * step / TICKS
        lines.append(
            f'<text x="{across.place(value):.1f}" y="{HEIGHT - BOTTOM + 16}" '
            f'text-anchor="middle">{number(value, "")}</text>'
        )
    return lines


def _dots(series: Series, places: Sequence[tuple[float, float]]) -> Sequence[str]:
    told = [f"{number(x, '')}: {number(y, series.y)}" for x, y in series.points]
    return [
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5"><title>{text}</title></circle>'
        for text, (x, y) in zip(told, places, strict=True)
    ]


def _label(x: float, y: float, text: str) -> str:
    return f'<text x="{x}" y="{y}" text-anchor="end">{escape(text)}</text>'


def _round_up(value: float) -> float:
    """The next number that looks round: 1, 2, 2.5 or 5 times a power of ten."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 2.5, 5, 10) if value <= step * power * (1 + 1e-9))
