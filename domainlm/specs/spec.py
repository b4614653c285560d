"""What every spec has in common: frozen, no unknown keys, no value mended in silence."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field

S = TypeVar("S", bound="Spec")


class Spec(BaseModel):
    """The root of every record that a person writes in YAML. The docstring under a field is its editor help."""

    model_config = ConfigDict(
        defer_build=True, frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True, allow_inf_nan=False
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


def options_of(model: type[S], chosen: Mapping[str, Any]) -> S:
    """The options of a plug-in as a file gives them: a list stands for a tuple, as `check` reads it."""
    return model.model_validate_json(json.dumps(dict(chosen)))


def check_order(spec: BaseModel, low: str, high: str) -> None:
    """Mistake where the field `low` of `spec` is more than its field `high`; None is no bound."""
    least, most = getattr(spec, low), getattr(spec, high)
    if least is not None and most is not None and least > most:
        raise Mistake(high, got=f"{most:g}", want=f"at least `{low}`, {least:g}", changes={high: least})


Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$", max_length=80)]
"""A name: lower-case letters, digits, `.`, `_` and `-`; it names files and folders."""
Share = Annotated[float, Field(ge=0, le=1)]
"""A part of one, from 0 to 1."""
Positive = Annotated[int, Field(ge=1)]
PositiveFloat = Annotated[float, Field(gt=0)]
