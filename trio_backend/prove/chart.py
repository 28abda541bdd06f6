"""Charts as SVG: the parts of which one is made, and one of a single curve. No I/O.

`benchmarks/queues/picture.py` makes its own of the same parts.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape
from typing import Literal, TypeAlias

import attrs

from .outcome import Series, number

Anchor: TypeAlias = Literal["start", "middle", "end"]

WIDTH, HEIGHT = 560, 260
LEFT, RIGHT, TOP, BOTTOM = 60, 16, 34, 44
TICKS = 5
# Dots on a curve of hundreds of points would hide it.
DOTS = 40


@attrs.frozen
class Axis:
    """From values to places: ``low`` is drawn at ``start``, ``high`` at ``end``; both above 0 with ``log``.

    On a logarithmic axis all that is below ``low`` is drawn at ``start``.
    """

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def place(self, value: float) -> float:
        """Where ``value`` is drawn."""
        if self.log:
            share = math.log10(max(value, self.low) / self.low) / math.log10(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def ticks(self, count: int) -> Sequence[float]:
        """``count`` steps from low to high; on a logarithmic axis the powers of ten instead."""
        if self.log:
            decades = round(math.log10(self.high / self.low))
            return [self.low * 10**decade for decade in range(decades + 1)]
        return [self.low + (self.high - self.low) * step / count for step in range(count + 1)]


def label(x: float, y: float, text: str, anchor: Anchor = "start", style: str = "") -> str:
    """``text``, which is escaped; ``style`` is further attributes."""
    where = "" if anchor == "start" else f' text-anchor="{anchor}"'
    return f'<text{style and " " + style} x="{x:.1f}" y="{y:.1f}"{where}>{escape(text)}</text>'


def horizontal(axis: Axis, y: float) -> str:
    """A line of the grid along ``axis``."""
    return f'<line x1="{axis.start:.1f}" x2="{axis.end:.1f}" y1="{y:.1f}" y2="{y:.1f}"/>'


def polyline(places: Iterable[tuple[float, float]], style: str = "") -> str:
    """A curve through ``places``; ``style`` is further attributes."""
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    return f'<polyline points="{points}"{style and " " + style}/>'


def draw(series: Series) -> str:
    """``series`` as one ``<svg>`` element, with axes, both from 0. It uses the page's colours.

    Where there are several curves, the name of each of the others stands at its last point.
    """
    curves = [series, *series.also]
    points = [point for curve in curves for point in curve.points]
    across = Axis(0, _round_up(max(x for x, _ in points)), LEFT, WIDTH - RIGHT)
    up = Axis(0, _round_up(max(y for _, y in points)), HEIGHT - BOTTOM, TOP)
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(series.name)}">',
        label(LEFT, 18, f"{series.name}, {series.y}", style='class="title"'),
        *_grid(up, across),
        label(WIDTH - RIGHT, HEIGHT - 8, series.x, "end"),
    ]
    for place, curve in enumerate(curves):
        places = [(across.place(x), up.place(y)) for x, y in curve.points]
        # The first one is as it always was; the others are told apart by their dashes and their names.
        dashes = f'stroke-dasharray="{2 + 3 * place} 4"' if place else ""
        parts += [polyline(places, dashes), *(_dots(curve, places) if len(places) <= DOTS else [])]
        if place and places:
            x, y = places[-1]
            right = x > WIDTH / 2
            parts.append(label(x - 8 if right else x + 8, y - 6, curve.name, "end" if right else "start"))
    return "\n".join([*parts, "</svg>"])


def _grid(up: Axis, across: Axis) -> Sequence[str]:
    lines = []
    for value in up.ticks(TICKS):
        y = up.place(value)
        lines += [horizontal(across, y), label(LEFT - 6, y + 4, number(value, ""), "end")]
    for value in across.ticks(TICKS):
        lines.append(label(across.place(value), HEIGHT - BOTTOM + 16, number(value, ""), "middle"))
    return lines


def _dots(series: Series, places: Sequence[tuple[float, float]]) -> Sequence[str]:
    told = [f"{number(x, '')}: {number(y, series.y)}" for x, y in series.points]
    return [
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5"><title>{escape(text)}</title></circle>'
        for text, (x, y) in zip(told, places, strict=True)
    ]


def _round_up(value: float) -> float:
    """The next number that looks round: 1, 2, 2.5 or 5 times a power of ten."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 2.5, 5, 10) if value <= step * power * (1 + 1e-9))
