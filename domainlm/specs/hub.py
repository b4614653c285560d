"""The one door to the Hugging Face hub's index: a name becomes the commit that it has now, or an error that helps."""

from __future__ import annotations

import os
from typing import Literal

from domainlm.errors import DataError
from domainlm.specs.uri import parse

_TIMEOUT_S = 30.0


def revision(uri: str, kind: Literal["dataset", "model"]) -> str:
    """The commit that the hub's default branch has now. Raises DataError where the hub does not say."""
    # huggingface_hub takes its time to import: only a lock needs it.
    from huggingface_hub import HfApi
    from huggingface_hub.errors import GatedRepoError, HTTPError, RepositoryNotFoundError

    api = HfApi(endpoint=os.environ.get("HF_ENDPOINT") or None)
    ask = api.dataset_info if kind == "dataset" else api.model_info
    try:
        commit = ask(parse(uri).target, timeout=_TIMEOUT_S).sha
    except GatedRepoError:
        why = f"the hub asks for consent: agree at {api.endpoint}, then `hf auth login`"
    except RepositoryNotFoundError:
        why = f"the hub at {api.endpoint} has no such {kind}, or hides it: mend the name, or `hf auth login`"
    except (HTTPError, OSError) as error:
        why = f"the hub at {api.endpoint} cannot be reached ({type(error).__name__}): connect, or set HF_ENDPOINT"
    else:
        if isinstance(commit, str) and len(commit) == 40:
            return commit
        why = f"the hub at {api.endpoint} names no revision"
    raise DataError(f"{uri}: {why}; nothing was written")
