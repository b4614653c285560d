"""A name in YAML is the name of a file: adding a plug-in is adding a file, and no list is kept."""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType


def names(package: str) -> list[str]:
    """Names of the plug-ins in `package`, such as `domainlm.corpus.filters`, sorted.

    >>> "length" in names("domainlm.corpus.filters")
    True
    """
    path = importlib.import_module(package).__path__
    return sorted(info.name for info in pkgutil.iter_modules(path) if not info.name.startswith("_"))


def load(package: str, name: str) -> ModuleType:
    """The module that `name` names in `package`; KeyError, listing what there is, where there is none."""
    known = names(package)
    if name not in known:
        raise KeyError(f"no {name!r} in {package}; there is {', '.join(known)}")
    return importlib.import_module(f"{package}.{name}")
