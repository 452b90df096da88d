"""Drawings of a table as SVG: bars, stacked bars and lines. Pure. Colours come from classes of the style sheet (``s1``
to ``s4``), so that both colour schemes hold; nothing inline. Each drawing has a title and a description for screen
readers, and stands beside the table that has the figures.

A value of None is no bar and a gap in a line, never 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, log10

from markupsafe import Markup, escape

WIDTH, HEIGHT = 560, 210
LEFT, RIGHT, TOP, BOTTOM = 66, 8, 8, 34
LABELS = 6
LETTERS = 12


@dataclass(frozen=True, slots=True)
class Series:
    """One colour of the drawing: its name and a value for each label."""

    name: str
    values: Sequence[float | None]


@dataclass(frozen=True, slots=True)
class Frame:
    """What all kinds share: labels, series, the words around, and how a value is written."""

    title: str
    labels: Sequence[str]
    series: Sequence[Series]
    says: Callable[[float], str]

    @property
    def step(self) -> float:
        """Room of one label."""
        return (WIDTH - LEFT - RIGHT) / max(1, len(self.labels))


def draw(kind: str, frame: Frame) -> Markup:
    """A ``<figure>`` with the drawing and its legend; nothing when there is no value to draw. ``kind`` is bars, stacked
    or line."""
    if not any(value for series in frame.series for value in series.values):
        return Markup("")
    most = _round_up(_most(kind, frame))
    marks = {"bars": _bars, "stacked": _stacked, "line": _lines}[kind](frame, most)
    inside = Markup("").join([_grid(frame, most), *marks, _below(frame)])
    words = Markup("<title>{}</title><desc>{}</desc>").format(frame.title, _describe(frame))
    svg = Markup('<svg viewBox="0 0 {} {}" role="img" preserveAspectRatio="xMinYMin meet">{}{}</svg>').format(
        WIDTH, HEIGHT, words, inside
    )
    return Markup('<figure class="chart">{}{}</figure>').format(svg, _legend(frame))


def _most(kind: str, frame: Frame) -> float:
    if kind != "stacked":
        return max(value for series in frame.series for value in series.values if value is not None)
    columns = zip(*(series.values for series in frame.series), strict=True)
    return max(sum(value or 0 for value in column) for column in columns)


def _round_up(value: float) -> float:
    """The next round number whose half is one too."""
    power = 10.0 ** (ceil(log10(value)) - 1) if value > 0 else 1.0
    return next(n * power for n in (1, 1.2, 1.6, 2, 2.4, 3, 4, 5, 6, 8, 10) if n * power >= value * 0.999_999)


def _y(value: float, most: float) -> float:
    return round(HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * value / most, 1)


def _grid(frame: Frame, most: float) -> Markup:
    lines = []
    for part in (0.0, 0.5, 1.0):
        y = _y(most * part, most)
        rule = Markup('<line class="grid" x1="{}" y1="{}" x2="{}" y2="{}"/>').format(LEFT, y, WIDTH - RIGHT, y)
        text = Markup('<text x="{}" y="{}" text-anchor="end">{}</text>')
        lines.append(rule + text.format(LEFT - 6, y + 4, frame.says(most * part)))
    return Markup("").join(lines)


def _below(frame: Frame) -> Markup:
    """Labels under the axis: so many as have room."""
    every = max(1, ceil(len(frame.labels) / LABELS))
    shown = [(n, label) for n, label in enumerate(frame.labels) if n % every == 0]
    texts = (
        Markup('<text x="{}" y="{}" text-anchor="middle">{}</text>').format(
            round(LEFT + frame.step * (n + 0.5), 1), HEIGHT - 14, _short(label, every)
        )
        for n, label in shown
    )
    return Markup("").join(texts)


def _short(label: str, every: int) -> str:
    return label if len(label) <= LETTERS else f"{label[: LETTERS - 1].rstrip()}…"


def _bars(frame: Frame, most: float) -> list[Markup]:
    wide = min(46.0, frame.step * 0.76 / len(frame.series))
    marks = []
    for place, series in enumerate(frame.series):
        for n, value in enumerate(series.values):
            if value is not None:
                left = LEFT + frame.step * (n + 0.5) + wide * (place - len(frame.series) / 2)
                marks.append(_rect(frame, place, n, left, wide - 1, 0.0, value, most))
    return marks


def _stacked(frame: Frame, most: float) -> list[Markup]:
    wide = min(46.0, frame.step * 0.76)
    marks, below = [], [0.0] * len(frame.labels)
    for place, series in enumerate(frame.series):
        for n, value in enumerate(series.values):
            if value:
                left = LEFT + frame.step * (n + 0.5) - wide / 2
                marks.append(_rect(frame, place, n, left, wide, below[n], value, most))
                below[n] += value
    return marks


def _rect(frame: Frame, place: int, n: int, left: float, wide: float, base: float, value: float, most: float) -> Markup:
    top, foot = _y(base + value, most), _y(base, most)
    return Markup('<rect class="s{}" x="{}" y="{}" width="{}" height="{}"><title>{}</title></rect>').format(
        place + 1, round(left, 1), top, round(max(1.0, wide), 1), round(foot - top, 1), _point(frame, place, n, value)
    )


def _lines(frame: Frame, most: float) -> list[Markup]:
    marks = []
    for place, series in enumerate(frame.series):
        for run in _runs(series.values):
            at = [(round(LEFT + frame.step * (n + 0.5), 1), _y(value, most)) for n, value in run]
            points = " ".join(f"{x},{y}" for x, y in at)
            marks.append(Markup('<polyline class="l{}" points="{}"/>').format(place + 1, points))
            marks += [
                Markup('<circle class="s{}" cx="{}" cy="{}" r="3"><title>{}</title></circle>').format(
                    place + 1, x, y, _point(frame, place, n, value)
                )
                for (x, y), (n, value) in zip(at, run, strict=True)
            ]
    return marks


def _runs(values: Sequence[float | None]) -> list[list[tuple[int, float]]]:
    """The stretches between gaps."""
    runs: list[list[tuple[int, float]]] = [[]]
    for n, value in enumerate(values):
        if value is None:
            runs.append([])
        else:
            runs[-1].append((n, value))
    return [run for run in runs if run]


def _point(frame: Frame, place: int, n: int, value: float) -> str:
    name = f", {frame.series[place].name.lower()}" if len(frame.series) > 1 else ""
    return f"{frame.labels[n]}{name}: {frame.says(value)}"


def _describe(frame: Frame) -> str:
    """The largest value of each series, in words."""
    found = []
    for series in frame.series:
        known = [(value, n) for n, value in enumerate(series.values) if value is not None]
        if known:
            value, n = max(known, key=lambda pair: (pair[0], -pair[1]))
            found.append(f"{series.name}: the most is {frame.says(value)} ({frame.labels[n]}).")
    return " ".join([*found, "The table has all figures."])


def _legend(frame: Frame) -> Markup:
    keys = (
        Markup('<span><i class="key s{}" aria-hidden="true"></i>{}</span>').format(n + 1, escape(series.name))
        for n, series in enumerate(frame.series)
    )
    return Markup('<figcaption class="faint">{}</figcaption>').format(Markup(" ").join(keys))
