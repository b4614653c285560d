"""Domain corpora in, an adapted language model and an honest report of what it gained and lost out."""

from domainlm import compiled

__version__ = "0.1.0"

compiled.keep()
