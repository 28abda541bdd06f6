"""The chart: latency and number of tasks over the number of the session, as SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence

import attrs

from trio_backend.prove.chart import Axis, horizontal, label, polyline

from .workload import Result

WIDTH, HEIGHT = 900, 400
LEFT, TOP, BOTTOM = 64, 96, 52
PANEL = 360
GAP = 96
# Told apart by everybody: Okabe and Ito's palette. Ours is drawn last, and thicker.
COLORS = ["#d55e00", "#e69f00", "#cc79a7", "#0072b2", "#009e73"]


@attrs.frozen
class Panel:
    """One diagram. Upward it is logarithmic, since the strategies differ that much."""

    title: str
    across: Axis
    up: Axis

    def frame(self) -> list[str]:
        """Title, grid and axes."""
        left = self.across.start
        parts = [label(left, TOP - 14, self.title, style='class="title"')]
        for value in self.up.ticks(0):
            y = self.up.place(value)
            parts += [horizontal(self.across, y), label(left - 8, y + 4, f"{value:g}", "end")]
        for session in self.across.ticks(4):
            parts.append(label(self.across.place(session), HEIGHT - BOTTOM + 18, f"{session:.0f}", "middle"))
        return [*parts, label(left + PANEL / 2, HEIGHT - 10, "page visits so far", "middle")]

    def curve(self, values: Sequence[float], color: str, width: float) -> str:
        """One strategy's values, session by session."""
        places = [(self.across.place(at), self.up.place(value)) for at, value in enumerate(values, 1)]
        return polyline(places, f'stroke="{color}" stroke-width="{width}"')


def smooth(values: Sequence[float], reach: int = 3) -> list[float]:
    """The median of each value and its ``reach`` neighbours on both sides."""
    windows = (sorted(values[max(0, at - reach) : at + reach + 1]) for at in range(len(values)))
    return [window[len(window) // 2] for window in windows]


def decade(value: float, *, up: bool) -> float:
    """The power of ten at or next to ``value``."""
    return float(10 ** (math.ceil if up else math.floor)(math.log10(value)))


def draw(results: Sequence[Result]) -> str:
    """Both diagrams with one legend."""
    waits = [[1000 * wait for wait in smooth(result.latencies)] for result in results]
    tasks = [[float(count) for count in smooth(result.tasks)] for result in results]
    panels = [
        _panel("Waiting for dispatch, median per visit, ms", LEFT, waits),
        _panel("Tasks alive", LEFT + PANEL + GAP, tasks),
    ]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        'font-family="system-ui, sans-serif" font-size="12" fill="#333">',
        "<title>Dispatch latency and living tasks of five ways to forward messages</title>",
        "<style>line{stroke:#ddd} polyline{fill:none;stroke-linejoin:round}",
        ".title{font-size:14px;font-weight:600}</style>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" rx="8" fill="#fff"/>',
        *_legend(results),
        _remark(results),
    ]
    for panel, curves in zip(panels, [waits, tasks], strict=True):
        parts += panel.frame()
        parts += [
            panel.curve(values, color, 3 if color == COLORS[-1] else 1.75)
            for values, color in zip(curves, COLORS, strict=True)
        ]
    return "\n".join([*parts, "</svg>"]) + "\n"


def _panel(title: str, left: float, curves: Sequence[Sequence[float]]) -> Panel:
    values = [value for curve in curves for value in curve if value > 0]
    low, high = decade(min(values), up=False), decade(max(values), up=True)
    across = Axis(0, max(map(len, curves)), left, left + PANEL)
    return Panel(title, across, Axis(low, high, HEIGHT - BOTTOM, TOP, log=True))


def _remark(results: Sequence[Result]) -> str:
    behind = [result.name[0] for result in results if result.never_begun]
    if not behind:
        return ""
    told = (
        f"{', '.join(behind)}: most messages still waited when the run was over; shown is how long until then"
    )
    return label(LEFT, 54, told, style='fill="#777"')


def _legend(results: Sequence[Result]) -> list[str]:
    parts, x = [], float(LEFT)
    for result, color in zip(results, COLORS, strict=True):
        parts.append(f'<rect x="{x:.0f}" y="24" width="18" height="4" rx="2" fill="{color}"/>')
        weight = 'font-weight="600"' if color == COLORS[-1] else ""
        parts.append(label(x + 24, 30, result.name, style=weight))
        x += 48 + 6.6 * len(result.name)
    return parts
