"""A number's bits in each format, as an SVG that needs nothing else: sign, exponent and fraction, apart."""

from __future__ import annotations

from collections.abc import Iterator

from domainlm.plan.numbers import PI, Stored, stored

_CELL, _ROW, _LEFT, _TOP = 16, 46, 104, 84
_WIDTH = _LEFT + 32 * _CELL + 200
_STYLE = """
svg { font: 13px system-ui, sans-serif; fill: #1c2024; background: #fbfaf7 }
.bit { font: 12px ui-monospace, monospace; text-anchor: middle }
.sign { fill: #f3d4c8 } .exponent { fill: #c9e3c4 } .fraction { fill: #cadff3 }
.name { font-weight: 600 } .title { font-size: 16px; font-weight: 600 } .note { fill: #60646c; font-size: 12px }
@media (prefers-color-scheme: dark) {
  svg { fill: #ecebe6; background: #16181b } .note { fill: #a2a7af }
  .sign { fill: #6b3a28 } .exponent { fill: #2f5a2a } .fraction { fill: #2a4a6b }
}
"""


def bits(value: float = PI) -> str:
    """`value` in each format: a box a bit, what is read back, and the error."""
    rows = stored(value)
    height = _TOP + _ROW * len(rows)
    title = f"{value} in bits, and what is read back"
    legend = (("sign", "sign"), ("exponent", "exponent: the range"), ("fraction", "fraction: the precision"))
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img">',
            f"<title>{title}</title>",
            f"<style>{_STYLE}</style>",
            f'<text class="title" x="16" y="28">{title}</text>',
            *(
                f'<rect class="{kind}" x="{16 + 180 * number}" y="42" width="{_CELL}" height="{_CELL}" rx="2"/>'
                f'<text class="note" x="{16 + 180 * number + _CELL + 6}" y="55">{says}</text>'
                for number, (kind, says) in enumerate(legend)
            ),
            *(part for number, row in enumerate(rows) for part in _row(row, _TOP + _ROW * number)),
            "</svg>\n",
        ]
    )


def _row(row: Stored, top: int) -> Iterator[str]:
    kinds = [*["sign"] * row.sign_bits, *["exponent"] * row.exponent_bits, *["fraction"] * row.fraction_bits]
    yield f'<text class="name" x="16" y="{top + 13}">{row.name}</text>'
    yield f'<text class="note" x="16" y="{top + 28}">{row.num_bytes} byte{"s" if row.num_bytes > 1 else ""}</text>'
    for number, (kind, digit) in enumerate(zip(kinds, row.pattern.replace(" ", ""), strict=True)):
        x = _LEFT + _CELL * number
        yield f'<rect class="{kind}" x="{x}" y="{top}" width="{_CELL - 1}" height="18" rx="2"/>'
        yield f'<text class="bit" x="{x + (_CELL - 1) / 2}" y="{top + 13}">{digit}</text>'
    x = _LEFT + _CELL * len(kinds) + 10
    yield f'<text x="{x}" y="{top + 13}">{row.value:.9g}</text>'
    yield f'<text class="note" x="{_LEFT}" y="{top + 33}">largest {row.largest:.4g}, error {row.error:+.2g}</text>'
