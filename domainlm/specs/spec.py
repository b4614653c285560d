"""What every spec has in common: frozen, no unknown keys, no value mended in silence."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class Spec(BaseModel):
    """The root of every record that a person writes in YAML. The docstring under a field is its editor help."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)


Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$", max_length=80)]
"""A name: lower-case letters, digits, `.`, `_` and `-`; it names files and folders."""
Share = Annotated[float, Field(ge=0, le=1)]
"""A part of one, from 0 to 1."""
Positive = Annotated[int, Field(ge=1)]
PositiveFloat = Annotated[float, Field(gt=0)]
