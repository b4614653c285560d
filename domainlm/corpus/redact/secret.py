"""Keys and tokens by the shapes that their issuers document, private keys, and values assigned to a password or key.

Shapes as in the issuers' documentation and in secret scanners' public rules (gitleaks, MIT).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from domainlm.corpus.redact.spots import Spots
from domainlm.specs.redact import SecretSpec

_SHAPES = re.compile(
    r"""(?x) (?<![A-Za-z0-9]) (?:
      (?:AKIA|ASIA)[A-Z0-9]{16}                                      # Amazon Web Services
    | gh[pousr]_[A-Za-z0-9]{36,255} | github_pat_\w{22,255}          # GitHub
    | glpat-[\w-]{20,} | glptt-[0-9a-f]{40}                          # GitLab
    | xox[abeoprs]-[A-Za-z0-9-]{10,}                                 # Slack
    | AIza[\w-]{35}                                                  # Google
    | (?:sk|rk)_(?:live|test)_[A-Za-z0-9]{16,}                       # Stripe
    | sk-(?:proj-|ant-|svcacct-)?(?=[\w-]*\d)(?=[\w-]*[A-Z])[\w-]{32,}     # OpenAI, Anthropic
    | hf_[A-Za-z0-9]{30,}                                            # Hugging Face
    | npm_[A-Za-z0-9]{36}                                            # npm
    | pypi-AgEI[\w-]{50,}                                            # PyPI
    | SG\.[\w-]{16,32}\.[\w-]{32,64}                                 # SendGrid
    | do[oprt]_v1_[0-9a-f]{64}                                       # DigitalOcean
    | eyJ[\w-]{5,}\.eyJ[\w-]{5,}\.[\w-]{5,}                          # JSON Web Token, RFC 7519
    ) (?![A-Za-z0-9])"""
)
_PRIVATE_KEY = re.compile(
    r"-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----.{1,20000}?-----END (?:[A-Z0-9]+ ){0,3}PRIVATE KEY"
    r"(?: BLOCK)?-----",
    re.DOTALL,
)
_NAME = re.compile(
    r"""(?ix) (?: (?P<password>pass(?:word|wd|phrase)?|pwd) |
    (?:secret|api|access|private|auth|account|encryption|signing|subscription)[_-]?(?:access[_-]?)?key |
    client[_-]?secret |
    \w*_secret | \b secret | \w*[_-]?token | \w*_key | \b key ) ["']? \s? \Z"""
)
_VALUE = re.compile(r"""[:=]{1,2}\s?(?:(?P<quote>["'])|(?:Bearer|token)\s)?(?P<value>[^\s"'`,;<>(){}\[\]&]{6,200})""")
_IN_CODE = re.compile(r"^(?:\$|%|os\.|self\.|process\.|config\.|settings\.|https?:|/|\.|\*+$|x+$|[A-Za-z_.]+$)")
_MIN_TOKEN_CHARS, _MIN_RUN_CHARS = 16, 12
_RUN = re.compile(r"[^-_.:]+")


def find(text: str, places: Spots, options: SecretSpec) -> Iterator[tuple[int, int]]:
    """Spans of secrets, in characters."""
    if "PRIVATE KEY" in text:
        yield from (found.span() for found in _PRIVATE_KEY.finditer(text))
    for start, end in places.tokens:
        yield from (found.span() for found in _SHAPES.finditer(text, start, end))
    for start, _ in places.assigned:
        name = _NAME.search(text, max(0, start - 40), start)
        value = _VALUE.match(text, start) if name else None
        if name and value and _is_secret(value["value"].rstrip("."), is_password=bool(name["password"])):
            yield value.start("value"), value.start("value") + len(value["value"].rstrip("."))


def _is_secret(value: str, *, is_password: bool) -> bool:
    """Whether a value that is assigned to a password, or to a key, is one, and no word, variable or path.

    >>> _is_secret("hunter2x", is_password=True), _is_secret("required", is_password=True)
    (True, False)
    """
    if _IN_CODE.search(value) or "://" in value or not any(map(str.isdigit, value)):
        return False
    return is_password or (len(value) >= _MIN_TOKEN_CHARS and any(map(_is_random, _RUN.findall(value))))


def _is_random(run: str) -> bool:
    """Whether a run between separators is too long for a word, and of letters and digits."""
    return len(run) >= _MIN_RUN_CHARS and any(map(str.isdigit, run)) and any(map(str.isalpha, run))
