"""What the words around a find say that it is: shared by the kinds whose numbers look like other numbers."""

from __future__ import annotations

import re

BEFORE_CHARS = 64
AFTER_CHARS = 24

_OTHER_NUMBER = re.compile(
    r"""(?ix) (?<!\w) (?: polic(?:y|ies) | docket | dkt | case | claim | invoice | order | part | model | sku | serial |
    loan | lot | batch | parcel | apn | bates | instrument | patent | commission\ file | file | registration | reg |
    certificate | issn | isbn | doi | cas | ndc | cusip | ein | employer\ identification | carrier | account |
    acct | accession |
    cik | tracking | loyalty | gift\ card | telex | aba | routing | protocol | approval | cell\ line | imei |
    ean | upc | lien | permit | catalog(?:ue)? | grant | specimen | ref |
    reference | request | item | report | bill | document | doc | contract | project | member | employee | citation )
    (?:\s?(?:no|nos|number|numbers|num|nr|id|\#|code|serial\ number))? [\s.:\#()\[\]"'=–-]{0,6} \Z"""
)


def before(text: str, start: int, num_chars: int = BEFORE_CHARS) -> str:
    """Up to `num_chars` characters before `start`."""
    return text[max(0, start - num_chars) : start]


def after(text: str, end: int, num_chars: int = AFTER_CHARS) -> str:
    """Up to `num_chars` characters behind `end`."""
    return text[end : end + num_chars]


def names_another_number(text: str, start: int) -> bool:
    """Whether the words just before `start` call what follows a docket, a policy, a part, ...

    >>> names_another_number("Policy No. 412-55-8890", 11), names_another_number("SSN 412-55-8890", 4)
    (True, False)
    """
    return _OTHER_NUMBER.search(before(text, start, 40)) is not None
