"""What every spec has in common: frozen, no unknown keys, no value mended in silence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field


class Spec(BaseModel):
    """The root of every record that a person writes in YAML. The docstring under a field is its editor help."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True, allow_inf_nan=False
    )


class Mistake(ValueError):
    """What a validator of ours found. It knows the wording of its fix; the reader adds file, line and column."""

    def __init__(self, key: str, *, got: str, want: str, fix: str = "", changes: Mapping[str, Any] | None = None):
        """`key` is a field of the record, or empty for the value itself; `changes` are values by key that mend it."""
        super().__init__(f"{key}: {got}; wanted {want}")
        self.key = key
        self.got = got
        self.want = want
        self.fix = fix
        self.changes = dict(changes or {})


Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$", max_length=80)]
"""A name: lower-case letters, digits, `.`, `_` and `-`; it names files and folders."""
Share = Annotated[float, Field(ge=0, le=1)]
"""A part of one, from 0 to 1."""
Positive = Annotated[int, Field(ge=1)]
PositiveFloat = Annotated[float, Field(gt=0)]
