"""A comparison as an SVG that needs nothing else: for each domain and figure a bar a tokenizer."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from domainlm.tokens.compare import Compared, Fit, flops

_BAR, _GAP, _PANEL = 16, 5, 250
_LEFT, _TOP, _HEAD = 150, 92, 26
_COLORS = ("#6b7280", "#0068b3", "#c2571a", "#2f855a", "#7b4fb3", "#9a7b0a")
_STYLE = """
svg { font: 13px system-ui, sans-serif; fill: #1c2024; background: #fbfaf7 }
.title { font-size: 16px; font-weight: 600 } .head { font-weight: 600 } .small { font-size: 12px; fill: #60646c }
@media (prefers-color-scheme: dark) { svg { fill: #ecebe6; background: #16181b } .small { fill: #a2a7af } }
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Measure:
    """A column of the picture."""

    title: str
    better: str
    value: Callable[[Fit], float | None]
    shown: Callable[[float], str]


MEASURES = (
    Measure(title="Bytes per token", better="more", value=lambda f: f.bytes_per_token, shown=lambda v: f"{v:.2f}"),
    Measure(title="Tokens per word", better="fewer", value=lambda f: f.tokens_per_word, shown=lambda v: f"{v:.2f}"),
    Measure(title="Words kept whole", better="more", value=lambda f: f.words_kept_whole, shown=lambda v: f"{v:.0%}"),
    Measure(title="Terms not cut", better="more", value=lambda f: f.terms_hit, shown=lambda v: f"{v:.0%}"),
    Measure(title="FLOPs per byte", better="fewer", value=lambda f: f.flops_per_byte, shown=flops),
)


def draw(compared: Sequence[Compared], sentence: str) -> str:
    """The comparison with its sentence."""
    domains = [fit.domain for fit in compared[0].fits]
    step = len(compared) * (_BAR + _GAP) + _HEAD
    width, height = _LEFT + len(MEASURES) * _PANEL, _TOP + len(domains) * step + 20
    drawn = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">',
        f"<title>{html.escape(sentence)}</title>",
        f"<style>{_STYLE}</style>",
        '<text class="title" x="20" y="28">Tokenizers on held-out text</text>',
        *_legend(compared),
    ]
    for column, measure in enumerate(MEASURES):
        x = _LEFT + column * _PANEL
        drawn.append(
            f'<text class="head" x="{x}" y="{_TOP - 8}">{measure.title} <tspan class="small">{measure.better} is better'
            "</tspan></text>"
        )
        for row, domain in enumerate(domains):
            fits = [next(fit for fit in one.fits if fit.domain == domain) for one in compared]
            drawn += _bars([measure.value(fit) for fit in fits], measure, x, _TOP + row * step)
    for row, domain in enumerate(domains):
        drawn.append(f'<text class="head" x="20" y="{_TOP + row * step + 14}">{html.escape(domain)}</text>')
    return "\n".join([*drawn, "</svg>\n"])


def _legend(compared: Sequence[Compared]) -> Iterator[str]:
    x = 20
    for number, one in enumerate(compared):
        label = f"{one.name} ({one.vocab_size:,})"
        yield f'<rect x="{x}" y="42" width="12" height="12" fill="{_COLORS[number % len(_COLORS)]}"/>'
        yield f'<text x="{x + 18}" y="53">{html.escape(label)}</text>'
        x += 40 + 8 * len(label)


def _bars(values: Sequence[float | None], measure: Measure, x: int, y: int) -> Iterator[str]:
    most = max((value for value in values if value is not None), default=0) or 1
    for number, value in enumerate(values):
        top = y + number * (_BAR + _GAP)
        if value is None:
            yield f'<text class="small" x="{x}" y="{top + 13}">no list of terms</text>' if number == 0 else ""
            continue
        long = max(1.0, (_PANEL - 80) * value / most)
        color = _COLORS[number % len(_COLORS)]
        yield f'<rect x="{x}" y="{top}" width="{long:.1f}" height="{_BAR}" rx="2" fill="{color}"/>'
        yield f'<text x="{x + long + 6:.1f}" y="{top + 13}">{measure.shown(value)}</text>'
