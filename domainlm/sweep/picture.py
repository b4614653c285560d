"""A sweep as an SVG that needs nothing else: losses against the domain's share, the law, its band, and the choice."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from domainlm.sweep.losses import SIDES

_WIDTH, _HEIGHT = 980, 520
_LEFT, _GAP, _TOP, _BOTTOM, _RIGHT = 64, 76, 118, 58, 24
_COLORS = ("#c2571a", "#0068b3", "#2f855a", "#7b4fb3", "#9a7b0a", "#6b7280")
_STYLE = """
svg { font: 13px system-ui, sans-serif; fill: #1c2024; background: #fbfaf7 }
.title { font-size: 16px; font-weight: 600 } .head { font-weight: 600 } .small { font-size: 12px; fill: #60646c }
.grid { stroke: #e3e1da } .target { stroke: #1c2024; stroke-width: 2.5; fill: none }
.law { fill: none; stroke-width: 1.2 }
.band { fill: #1c2024; opacity: .12 } 
.chosen { fill: #e3b341; opacity: .28 } .choice { stroke: #a87400; stroke-width: 2 }
.limit { stroke: #b3261e; stroke-dasharray: 6 4; stroke-width: 1.5 } .base { stroke: #8a8f98; stroke-dasharray: 2 4 }
.choice-label { fill: #8a6000; font-weight: 600 } .limit-label { fill: #b3261e; font-size: 12px }
@media (prefers-color-scheme: dark) {
  svg { fill: #ecebe6; background: #16181b } .small { fill: #a2a7af } .grid { stroke: #2c3036 }
  .target { stroke: #ecebe6 } .band { fill: #ecebe6; opacity: .16 } .choice-label { fill: #e3b341 }
  .limit { stroke: #ff8a80 } .limit-label { fill: #ff8a80 }
}
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Panel:
    """A frame with shares of the domain across and losses up."""

    begin_x: float
    end_x: float
    low: float
    high: float

    def x(self, share: float) -> float:
        return self.begin_x + share * (self.end_x - self.begin_x)

    def y(self, loss: float) -> float:
        return _HEIGHT - _BOTTOM - (loss - self.low) / (self.high - self.low) * (_HEIGHT - _BOTTOM - _TOP)

    def path(self, shares: Sequence[float], losses: Sequence[float]) -> str:
        """The line through the points, cut at the frame."""
        inside = [(s, min(max(v, self.low), self.high)) for s, v in zip(shares, losses, strict=True)]
        return "M" + " L".join(f"{self.x(share):.1f} {self.y(loss):.1f}" for share, loss in inside)


def draw(told: Mapping[str, Any]) -> str:
    """What `stage.record` says of a sweep."""
    title = f"{told['sweep']}: how much {told['domain']} general text bears"
    wide = (_WIDTH - _LEFT - _RIGHT - _GAP) / 2
    drawn = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">',
        f"<title>{html.escape(told.get('sentence', title))}</title>",
        f"<style>{_STYLE}</style>",
        f'<text class="title" x="20" y="28">{html.escape(title)}</text>',
        *_legend(told),
    ]
    for number, side in enumerate(SIDES):
        begin = _LEFT + number * (wide + _GAP)
        low, high = _range(told, side)
        panel = Panel(begin_x=begin, end_x=begin + wide, low=low, high=high)
        drawn += [*_frame(told, side, panel), *_choice(told, side, panel), *_curves(told, side, panel)]
    return "\n".join([*drawn, "</svg>\n"])


def _range(told: Mapping[str, Any], side: str) -> tuple[float, float]:
    losses = [one[side] for one in told["proxies"]] + told["curve"][side]["value"]
    losses += [told["base"] * (1 + told["tolerance"])] if side == "general" else []
    margin = 0.06 * (max(losses) - min(losses)) or 0.01
    return min(losses) - margin, max(losses) + margin


def _legend(told: Mapping[str, Any]) -> Iterator[str]:
    x = 20.0
    for number, (start, parameters) in enumerate(_sizes(told).items()):
        label = f"{start}, {_short(parameters)} parameters"
        yield f'<circle cx="{x + 6}" cy="49" r="5" fill="{_COLORS[number % len(_COLORS)]}"/>'
        yield f'<text x="{x + 18}" y="53">{html.escape(label)}</text>'
        x += 42 + 7.2 * len(label)
    budgets = " → ".join(_short(tokens) for tokens in _budgets(told))
    target = told["target"]
    yield f'<text class="small" x="{x}" y="53">larger dots: more tokens ({budgets}). Thin lines: the law</text>'
    yield '<rect class="band" x="20" y="67" width="26" height="14"/>'
    yield '<line class="target" x1="20" x2="46" y1="74" y2="74"/>'
    yield (
        f'<text x="54" y="78">the target, {_short(target["parameters"])} parameters and {_short(target["tokens"])} '
        "tokens, by the law, with its 95% band</text>"
    )


def _frame(told: Mapping[str, Any], side: str, panel: Panel) -> Iterator[str]:
    name = told["domain"] if side == "domain" else ", ".join(told["general"])
    head = f"{told['metric'].replace('_', ' ').capitalize()}, {name}"
    yield f'<text class="head" x="{panel.begin_x:.1f}" y="{_TOP - 12}">{html.escape(head)}</text>'
    for loss in _ticks(panel.low, panel.high):
        y = panel.y(loss)
        yield f'<line class="grid" x1="{panel.begin_x:.1f}" x2="{panel.end_x:.1f}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield f'<text class="small" x="{panel.begin_x - 8:.1f}" y="{y + 4:.1f}" text-anchor="end">{loss:.4g}</text>'
    for share in (0, 0.25, 0.5, 0.75, 1):
        x = panel.x(share)
        yield f'<text class="small" x="{x:.1f}" y="{_HEIGHT - _BOTTOM + 20}" text-anchor="middle">{share:.0%}</text>'
    yield (
        f'<text class="small" x="{panel.end_x:.1f}" y="{_HEIGHT - _BOTTOM + 40}" text-anchor="end">'
        f"share of {html.escape(told['domain'])} →</text>"
    )


def _choice(told: Mapping[str, Any], side: str, panel: Panel) -> Iterator[str]:
    """The recommended share; and what general loss was and may be."""
    if side == "general":
        base = told["base"]
        limit = base * (1 + told["tolerance"])
        labels = ((base, "base", "before adaptation"), (limit, "limit", f"+{told['tolerance']:.2%}, the most allowed"))
        for loss, kind, label in labels:
            y = panel.y(loss)
            yield f'<line class="{kind}" x1="{panel.begin_x:.1f}" x2="{panel.end_x:.1f}" y1="{y:.1f}" y2="{y:.1f}"/>'
            text_y = y + 14 if kind == "base" else y - 5
            text_class = "small" if kind == "base" else "limit-label"
            yield f'<text class="{text_class}" x="{panel.begin_x + 6:.1f}" y="{text_y:.1f}">{label}</text>'
    if told["recommended"] is None:
        return
    share = told["recommended"]["share"]
    x, low, high = panel.x(share["value"]), panel.x(share["low"]), panel.x(share["high"])
    tall = _HEIGHT - _BOTTOM - _TOP
    yield f'<rect class="chosen" x="{low:.1f}" y="{_TOP}" width="{max(high - low, 1):.1f}" height="{tall}"/>'
    yield f'<line class="choice" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{_HEIGHT - _BOTTOM}"/>'
    if side == "domain":
        anchor, at = ("start", x + 7) if share["value"] < 0.7 else ("end", x - 7)
        yield (
            f'<text class="choice-label" x="{at:.1f}" y="{_TOP + 16}" text-anchor="{anchor}">take {share["value"]:.1%} '
            f"({share['low']:.0%}–{share['high']:.0%})</text>"
        )


def _curves(told: Mapping[str, Any], side: str, panel: Panel) -> Iterator[str]:
    curve, shares = told["curve"][side], told["curve"]["share"]
    starts, budgets = list(_sizes(told)), _budgets(told)
    there, back = panel.path(shares, curve["high"]), panel.path(shares[::-1], curve["low"][::-1])
    yield f'<path class="band" d="{there} L{back[1:]} Z"/>'
    for line in told["lines"]:
        color = _COLORS[starts.index(line["start"]) % len(_COLORS)]
        yield f'<path class="law" stroke="{color}" d="{panel.path(shares, line[side])}"/>'
    yield f'<path class="target" d="{panel.path(shares, curve["value"])}"/>'
    for one in told["proxies"]:
        color = _COLORS[starts.index(one["start"]) % len(_COLORS)]
        radius = 3.5 + 2 * budgets.index(one["tokens"]) / max(1, len(budgets) - 1)
        at = f'cx="{panel.x(one["share"]):.1f}" cy="{panel.y(one[side]):.1f}" r="{radius:.1f}"'
        yield f'<circle {at} fill="{color}"><title>{html.escape(one["name"])}: {one[side]:.4f}</title></circle>'


def _sizes(told: Mapping[str, Any]) -> dict[str, int]:
    return {one["start"]: one["parameters"] for one in told["proxies"]}


def _budgets(told: Mapping[str, Any]) -> list[int]:
    return sorted({one["tokens"] for one in told["proxies"]})


def _ticks(low: float, high: float) -> Iterable[float]:
    """Round numbers in the range, four to eight of them.

    >>> list(_ticks(2.31, 2.58))
    [2.35, 2.4, 2.45, 2.5, 2.55]
    """
    rough = (high - low) / 7
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(s * power for s in (1, 2, 5, 10) if s * power >= rough)
    first = int(low / step) + 1
    return [round(step * number, 10) for number in range(first, int(high / step) + 1)]


def _short(amount: float) -> str:
    """An amount in three digits.

    >>> _short(991_232), _short(2e9), _short(61_440)
    ('991k', '2B', '61.4k')
    """
    for scale, letter in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if amount >= scale:
            return f"{amount / scale:.3g}{letter}"
    return f"{amount:.3g}"
