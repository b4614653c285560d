"""The lecture's picture of compute-optimal training, as an SVG that needs nothing else: tokens against parameters."""

from __future__ import annotations

import html
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from domainlm.plan.plan import Plan
from domainlm.plan.scaling import LITERATURE, PETAFLOP_S_DAY, TOKENS_PER_PARAMETER

_WIDTH, _HEIGHT = 860, 560
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 140, 60, 56
_LABEL_HEIGHT = 15
_STYLE = """
svg { font: 13px system-ui, sans-serif; fill: #1c2024; background: #fbfaf7 }
.grid { stroke: #e3e1da } .rule { stroke: #1c2024; stroke-width: 1.5 }
.budget { stroke: #8a8f98; stroke-dasharray: 3 5 }
.axis, .budget-label { fill: #60646c; font-size: 12px } .title { font-size: 16px; font-weight: 600 }
.known { fill: #8a8f98 } .ours { fill: #0068b3 } .ours-label { fill: #0068b3; font-weight: 600 }
@media (prefers-color-scheme: dark) {
  svg { fill: #ecebe6; background: #16181b } .grid { stroke: #2c3036 } .rule { stroke: #ecebe6 }
  .axis, .budget-label { fill: #a2a7af } .ours { fill: #5db2f2 } .ours-label { fill: #5db2f2 }
}
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Point:
    """A training: so many parameters, so many tokens."""

    name: str
    num_parameters: float
    num_tokens: float
    ours: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Scale:
    """From powers of ten to pixels, linear."""

    low: int
    high: int
    begin: float
    end: float

    def __call__(self, value: float) -> float:
        return self.begin + (math.log10(value) - self.low) / (self.high - self.low) * (self.end - self.begin)

    def decades(self) -> list[int]:
        return list(range(self.low, self.high + 1))


def points(plan: Plan) -> list[Point]:
    """The trainings of a plan."""
    return [
        Point(name=m.model, num_parameters=m.num_parameters, num_tokens=m.num_tokens, ours=True) for m in plan.models
    ]


def scaling(trainings: Sequence[Point] = ()) -> str:
    """The literature's models and `trainings`, by parameters and tokens, with Chinchilla's 20 tokens for each.

    Both axes are logarithmic; dotted lines join trainings of the same compute, 6 N D.
    """
    points = [Point(name=m.name, num_parameters=m.num_parameters, num_tokens=m.num_tokens) for m in LITERATURE]
    points += trainings
    across = _scale([p.num_parameters for p in points], _LEFT, _WIDTH - _RIGHT)
    up = _scale([p.num_tokens for p in points], _HEIGHT - _BOTTOM, _TOP)
    drawn = [*_grid(across, up), *_budgets(across, up), *_rule(across, up), *_marks(points, across, up)]
    title = "Tokens against parameters: what is best for the size, and what was done"
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">',
            f"<title>{title}</title>",
            f"<style>{_STYLE}</style>",
            f'<text class="title" x="{_LEFT}" y="28">{title}</text>',
            *drawn,
            "</svg>\n",
        ]
    )


def _scale(values: Sequence[float], begin: float, end: float) -> Scale:
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values) * 1.5))
    return Scale(low=low, high=high, begin=begin, end=end)


def _power(exponent: int) -> str:
    """A power of ten as people say it.

    >>> _power(9), _power(11), _power(5)
    ('1B', '100B', '100k')
    """
    letters = {0: "", 3: "k", 6: "M", 9: "B", 12: "T", 15: "P"}
    thousands = exponent - exponent % 3
    return f"{10 ** (exponent - thousands)}{letters[thousands]}"


def _grid(across: Scale, up: Scale) -> Iterator[str]:
    for exponent in across.decades():
        x = across(10**exponent)
        yield f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{up.end}" y2="{up.begin}"/>'
        yield f'<text class="axis" x="{x:.1f}" y="{up.begin + 20}" text-anchor="middle">{_power(exponent)}</text>'
    for exponent in up.decades():
        y = up(10**exponent)
        yield f'<line class="grid" x1="{across.begin}" x2="{across.end}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield f'<text class="axis" x="{across.begin - 8}" y="{y + 4:.1f}" text-anchor="end">{_power(exponent)}</text>'
    yield f'<text class="axis" x="{across.end}" y="{up.begin + 42}" text-anchor="end">parameters →</text>'
    yield f'<text class="axis" x="{across.begin - 50}" y="{up.end - 12}">↑ tokens</text>'


def _line(across: Scale, up: Scale, slope: int, at: float, kind: str) -> tuple[str, float, float] | None:
    """The line tokens = at * parameters^slope inside the frame, and where it ends; None where it never comes inside."""
    ends = []
    for x in (across.low, across.high):
        y = min(max(math.log10(at) + slope * x, up.low), up.high)
        ends.append(((y - math.log10(at)) / slope, y))
    (x1, y1), (x2, y2) = ends
    if not across.low <= x1 < x2 <= across.high:
        return None
    a, b, c, d = across(10**x1), up(10**y1), across(10**x2), up(10**y2)
    return f'<line class="{kind}" x1="{a:.1f}" y1="{b:.1f}" x2="{c:.1f}" y2="{d:.1f}"/>', c, d


def _rule(across: Scale, up: Scale) -> Iterator[str]:
    drawn = _line(across, up, 1, TOKENS_PER_PARAMETER, "rule")
    if drawn is not None:
        line, x, y = drawn
        yield line
        yield f'<text x="{x + 6:.1f}" y="{y + 4:.1f}">{TOKENS_PER_PARAMETER} a parameter</text>'


def _budgets(across: Scale, up: Scale) -> Iterator[str]:
    """Lines of equal compute, a factor of a hundred apart."""
    for exponent in range(-4, 9, 2):
        drawn = _line(across, up, -1, 10**exponent * PETAFLOP_S_DAY / 6, "budget")
        if drawn is not None:
            line, x, y = drawn
            yield line
            days = f"{10**exponent:,}" if exponent >= 0 else f"{10.0**exponent:g}"
            yield f'<text class="budget-label" x="{x + 6:.1f}" y="{y - 4:.1f}">{days} pflop/s-days</text>'


def _marks(points: Sequence[Point], across: Scale, up: Scale) -> Iterator[str]:
    """A dot for each training; labels that would overlap stand on the other side, or a line lower."""
    taken: list[tuple[bool, float, float]] = []
    for point in sorted(points, key=lambda p: (-p.num_tokens, -p.num_parameters)):
        x, y = across(point.num_parameters), up(point.num_tokens)
        kind = "ours" if point.ours else "known"
        on_right, at = True, y
        for on_right, shift in ((True, 0), (False, 0), (True, _LABEL_HEIGHT), (False, _LABEL_HEIGHT)):
            at = y + shift
            if not any(r == on_right and abs(a - at) < _LABEL_HEIGHT and abs(x - b) < 110 for r, a, b in taken):
                break
        taken.append((on_right, at, x))
        anchor, label_x = ("start", x + 9) if on_right else ("end", x - 9)
        label = html.escape(point.name)
        yield f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="5"/>'
        where = f'x="{label_x:.1f}" y="{at + 4:.1f}" text-anchor="{anchor}"'
        yield f'<text class="{kind}-label" {where}>{label}</text>'
