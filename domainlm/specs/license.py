"""Licences by their SPDX identifiers: whether a source's is among those that a mix allows."""

from __future__ import annotations

import difflib
import re
from typing import Annotated

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression
from pydantic import AfterValidator

from domainlm.specs.spec import Mistake

_OPERATORS = re.compile(r"\s+(?:and|or)\s+|[()]", re.IGNORECASE)


def canonical(stated: str) -> str | None:
    """An SPDX expression as SPDX writes it, or None where `stated` is none.

    >>> canonical("mit or apache-2.0"), canonical("LicenseRef-FOMC"), canonical("public domain")
    ('MIT OR Apache-2.0', 'LicenseRef-FOMC', None)
    """
    try:
        return str(canonicalize_license_expression(stated))
    except InvalidLicenseExpression:
        return None


def allows(licenses: tuple[str, ...], stated: str) -> bool:
    """Whether a source under `stated` may be used: one side of an `OR` is enough, of an `AND` both are needed.

    >>> allows(("MIT",), "MIT OR GPL-3.0-only"), allows(("MIT",), "MIT AND GPL-3.0-only"), allows(("MIT",), "free")
    (True, False, False)
    """
    expression = canonical(stated)
    if expression is None:
        return False
    if "(" in expression:  # as a whole, or not at all: which side of what is meant, a person says
        return expression in licenses
    return any(all(part in licenses for part in side.split(" AND ")) for side in expression.split(" OR "))


def _identifier(text: str) -> str:
    found = canonical(text)
    if found is None or _OPERATORS.search(text):
        begins = [known for known in _known() if known.lower().startswith(text.lower())]
        near = begins or difflib.get_close_matches(text, _known(), 1, 0.65)
        fix = "" if near else "write its identifier: https://spdx.org/licenses, or a name of your own, LicenseRef-NAME"
        want = "one SPDX identifier, such as CC-BY-4.0"
        raise Mistake("", got=text, want=want, fix=fix, changes={"": near[0]} if near else {})
    return found


def _known() -> list[str]:
    from packaging.licenses import _spdx

    return [entry["id"] for entry in _spdx.LICENSES.values() if not entry["deprecated"]]


License = Annotated[str, AfterValidator(_identifier)]
"""An SPDX identifier, or `LicenseRef-NAME`."""
