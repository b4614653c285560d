"""What every worker process needs, made ready once in the process that they are forked from.

Imports take half a second, and so does the first call of any machine code of ours, whichever it is: numba reads in all
that it knows.
"""

# ruff: noqa: E402
from __future__ import annotations

import gc

gc.set_threshold(20_000)  # what is imported stays: there is no garbage to look for

from domainlm import compiled
from domainlm.corpus import ingest, near, records
from domainlm.corpus.finder import Finder
from domainlm.corpus.normalize import normalize

compiled.lean()

__all__ = ["ingest", "near", "records"]

Finder("text", "id").find(b'{"id":"a","text":"b"}', 2**10)
normalize("a\r\nb")

# A collection would write to every object, and so copy the pages that all of them share.
gc.freeze()
