"""Domain corpora in, an adapted language model and an honest report of what it gained and lost out."""

import logging

from domainlm import compiled

__version__ = "0.1.0"

compiled.keep()

# Where torchao is installed, transformers imports it, and it tells of every kernel that it has for another GPU.
for _name in ("torchao", "torch.utils._pytree"):
    logging.getLogger(_name).setLevel(logging.ERROR)
