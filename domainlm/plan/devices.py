"""What the GPUs that people rent can hold and do, by their makers' data sheets."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Device:
    """A GPU."""

    name: str
    memory_bytes: int
    """As sold, in units of 10^9; what the driver shows is a little more."""
    peak_flops: float
    """Dense products in bf16, accumulated in fp32, a second. Makers also print twice this, for sparse ones."""
    watts: float
    """Power at most (TDP)."""
    source: str


USABLE_SHARE = 0.92
"""What a plan may fill: the rest is for CUDA's context, NCCL's buffers and fragmentation. A guess."""

DEVICES = {
    device.name: device
    for device in (
        Device(
            name="A100-40GB", memory_bytes=40 * 10**9, peak_flops=312e12, watts=400, source="NVIDIA A100 data sheet"
        ),
        Device(
            name="A100-80GB", memory_bytes=80 * 10**9, peak_flops=312e12, watts=400, source="NVIDIA A100 data sheet"
        ),
        Device(
            name="H100", memory_bytes=80 * 10**9, peak_flops=989e12, watts=700, source="NVIDIA H100 data sheet, SXM"
        ),
        Device(
            name="H200", memory_bytes=141 * 10**9, peak_flops=989e12, watts=700, source="NVIDIA H200 data sheet, SXM"
        ),
    )
}


def device(name: str) -> Device:
    """The GPU of that name, in any case; KeyError, with the names there are, where there is none.

    >>> device("h100").peak_flops / 1e12
    989.0
    """
    found = DEVICES.get(name.upper())
    if found is None:
        raise KeyError(f"no GPU {name!r}; there is {', '.join(DEVICES)}")
    return found
