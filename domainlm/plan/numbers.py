"""What a number keeps when it is stored in FP32, TF32, FP16, BF16, FP8 or INT8, by its real bits.

Floating-point formats: IEEE 754; BF16 and TF32 are FP32 with fewer fraction bits; FP8 as in arXiv:2209.05433, whose
e4m3 gives up infinity for a wider range. Rounding is to the nearest, ties to even (tensor cores round ties of TF32 away
from zero).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

PI = 3.141592
"""The lecture's example."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Format:
    """How a number is laid out in bits: a sign, an exponent, a fraction. No exponent: a whole number times a scale."""

    name: str
    exponent_bits: int
    fraction_bits: int
    num_bytes: int
    """What one takes in memory; TF32 uses 19 bits of FP32's four bytes."""
    has_infinity: bool = True

    @property
    def num_bits(self) -> int:
        return 1 + self.exponent_bits + self.fraction_bits

    @property
    def lowest_exponent(self) -> int:
        """Exponent of the smallest normal number, as a power of two."""
        return 2 - (1 << (self.exponent_bits - 1))

    @property
    def largest_bits(self) -> int:
        """Pattern of the largest finite number."""
        if not self.exponent_bits:
            return (1 << self.fraction_bits) - 1
        # Without infinity, only the pattern of all ones is taken, for NaN.
        all_ones = (1 << (self.exponent_bits + self.fraction_bits)) - 1
        return all_ones - (1 << self.fraction_bits) if self.has_infinity else all_ones - 1


FORMATS = (
    Format(name="FP32", exponent_bits=8, fraction_bits=23, num_bytes=4),
    Format(name="TF32", exponent_bits=8, fraction_bits=10, num_bytes=4),
    Format(name="FP16", exponent_bits=5, fraction_bits=10, num_bytes=2),
    Format(name="BF16", exponent_bits=8, fraction_bits=7, num_bytes=2),
    Format(name="FP8 e4m3", exponent_bits=4, fraction_bits=3, num_bytes=1, has_infinity=False),
    Format(name="FP8 e5m2", exponent_bits=5, fraction_bits=2, num_bytes=1),
    Format(name="INT8", exponent_bits=0, fraction_bits=7, num_bytes=1, has_infinity=False),
)


def named(name: str) -> Format:
    """The format of that name; KeyError, with the names there are, where there is none."""
    found = next((f for f in FORMATS if f.name == name), None)
    if found is None:
        raise KeyError(f"no format {name!r}; there is {', '.join(f.name for f in FORMATS)}")
    return found


def encode(value: float, form: Format, *, scale: float = 1.0) -> int:
    """The bits that `value` is stored as, as a whole number. `scale` is what a step of INT8 stands for.

    What is too large becomes infinity where the format has one, else its largest number, as in torch from 2.13 on.

    >>> f"{encode(3.141592, named('BF16')):016b}"
    '0100000001001001'
    """
    if not form.exponent_bits:
        return min(max(round(value / scale), -128), 127) & 0xFF
    sign = int(math.copysign(1.0, value) < 0) << (form.num_bits - 1)
    above = form.largest_bits + 1 if form.has_infinity else form.largest_bits
    if math.isnan(value):
        return sign | (above + 1)
    if math.isinf(value):
        return sign | above
    # A number below the smallest normal one keeps that one's exponent, and fewer digits.
    exponent = max(math.frexp(value)[1] - 1, form.lowest_exponent) if value else form.lowest_exponent
    digits = round(math.ldexp(abs(value), form.fraction_bits - exponent))
    # The leading one, which is not stored, carries into the exponent; so does a fraction that is rounded up to two.
    bits = ((exponent - form.lowest_exponent) << form.fraction_bits) + digits
    return sign | min(bits, above)


def decode(bits: int, form: Format, *, scale: float = 1.0) -> float:
    """The number that `bits` stand for, exactly.

    >>> decode(encode(3.141592, named("FP16")), named("FP16"))
    3.140625
    """
    if not form.exponent_bits:
        return (bits - 256 if bits > 127 else bits) * scale
    magnitude = bits & ((1 << (form.num_bits - 1)) - 1)
    sign = -1.0 if bits >> (form.num_bits - 1) else 1.0
    if magnitude > form.largest_bits:
        infinite = form.has_infinity and magnitude == form.largest_bits + 1
        return sign * math.inf if infinite else math.nan
    exponent, fraction = magnitude >> form.fraction_bits, magnitude & ((1 << form.fraction_bits) - 1)
    digits = fraction | (1 << form.fraction_bits) if exponent else fraction
    return sign * math.ldexp(digits, max(exponent, 1) - 1 + form.lowest_exponent - form.fraction_bits)


def largest(form: Format) -> float:
    """The largest finite number.

    >>> [largest(named(name)) for name in ("FP16", "FP8 e4m3", "FP8 e5m2", "INT8")]
    [65504.0, 448.0, 57344.0, 127.0]
    """
    return float(decode(form.largest_bits, form))


def smallest(form: Format) -> float:
    """The smallest normal number over 0; below it, digits are lost."""
    return math.ldexp(1.0, form.lowest_exponent) if form.exponent_bits else 1.0


def epsilon(form: Format) -> float:
    """From 1 to the next number."""
    return math.ldexp(1.0, -form.fraction_bits) if form.exponent_bits else 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Stored:
    """A number after it was stored in a format and read back."""

    name: str
    sign_bits: int
    exponent_bits: int
    fraction_bits: int
    num_bytes: int
    largest: float
    smallest: float
    epsilon: float
    decimal_digits: float
    """Of a number near 1 that come back: the logarithm of 2 / epsilon."""
    pattern: str
    """Sign, exponent and fraction, apart."""
    value: float
    """What is read back."""
    error: float
    """What is read back less what was stored."""


def store(value: float, form: Format, *, scale: float = 1.0) -> Stored:
    """`value` stored in `form` and read back.

    >>> store(3.141592, named("BF16")).pattern, store(3.141592, named("INT8")).value
    ('0 10000000 1001001', 3.0)
    """
    bits = encode(value, form, scale=scale)
    digits = f"{bits:0{form.num_bits}b}"
    back = decode(bits, form, scale=scale)
    parts = (digits[:1], digits[1 : 1 + form.exponent_bits], digits[1 + form.exponent_bits :])
    return Stored(
        name=form.name,
        sign_bits=1,
        exponent_bits=form.exponent_bits,
        fraction_bits=form.fraction_bits,
        num_bytes=form.num_bytes,
        largest=largest(form),
        smallest=smallest(form),
        epsilon=epsilon(form),
        decimal_digits=math.log10(2 / epsilon(form)) if form.exponent_bits else math.log10(largest(form)),
        pattern=" ".join(part for part in parts if part),
        value=back,
        error=back - value,
    )


def stored(value: float = PI) -> tuple[Stored, ...]:
    """`value` stored in each format and read back; INT8 with a scale of 1, as in the lecture."""
    return tuple(store(value, form) for form in FORMATS)
