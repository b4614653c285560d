"""Energy and emissions of a training, by the formula and the assumptions of arXiv:2302.13971, section 6.

Energy: hours of a device, times its power, times what a data centre takes beside (PUE). Emissions: energy, times what
the grid emits. Each assumption is a constant here and is printed with each result.
"""

from __future__ import annotations

from dataclasses import dataclass

PUE = 1.1
"""Power of the whole data centre over that of its machines."""
GRAMS_PER_KWH = 385.0
"""CO2 equivalent: the mean of the grid of the United States, whatever the place."""
CPU_CORE_WATTS = 6.0
"""A core of a server's processor at work: a guess, 384 W for 64 of them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Energy:
    """What a training took."""

    device: str
    device_hours: float
    watts: float
    """Of a device at work, by its data sheet."""

    @property
    def kwh(self) -> float:
        """Kilowatt-hours, the data centre's share included."""
        return self.device_hours * self.watts * PUE / 1000

    @property
    def grams(self) -> float:
        """CO2 equivalent."""
        return self.kwh * GRAMS_PER_KWH

    @property
    def sentence(self) -> str:
        """The arithmetic, with each assumption.

        >>> print(Energy(device="A100-80GB", device_hours=1_022_362, watts=400).sentence)
        1,022,362 hours of A100-80GB x 400 W x 1.1 (PUE) = 449,839 kWh; x 385 g/kWh = 173,188 kg of CO2 equivalent
        """
        return (
            f"{_figure(self.device_hours)} hours of {self.device} x {self.watts:g} W x {PUE:g} (PUE) = "
            f"{_figure(self.kwh)} kWh; x {GRAMS_PER_KWH:g} g/kWh = {_figure(self.grams / 1000)} kg of CO2 equivalent"
        )


def _figure(amount: float) -> str:
    return f"{amount:,.0f}" if amount >= 1000 else f"{amount:.3g}"
