"""What a model card must have, by the hub's template and metadata."""

from __future__ import annotations

import re

from huggingface_hub import ModelCard
from huggingface_hub.repocard_data import model_index_to_eval_results

SECTIONS = (
    *("Model Details", "Uses", "Direct Use", "Downstream Use", "Out-of-Scope Use"),
    *("Bias, Risks, and Limitations", "Recommendations", "How to Get Started with the Model"),
    *("Training Details", "Training Data", "Training Procedure", "Evaluation", "Results"),
    *("Environmental Impact", "Technical Specifications", "Lineage"),
)
METADATA = ("license", "library_name", "pipeline_tag", "tags")
PLACEHOLDER = re.compile(r"[Mm]ore [Ii]nformation|[Nn]eeded\]|\bTBD\b|\bTODO\b|\bNone\b|\bnan\b|\{\w*\}")


def check_whole(card: ModelCard) -> list[str]:
    """What a card lacks, by the hub's rules; empty where it is whole."""
    data = card.data.to_dict()
    lacks = [f"metadata {name}" for name in METADATA if not data.get(name)]
    if data.get("license") == "other":
        lacks += [f"metadata {name}" for name in ("license_name", "license_link") if not data.get(name)]
    if "/" not in (data.get("base_model") or "a/b"):
        lacks.append("a base model of the hub")
    titles = re.findall(r"^#+ (.+)$", card.text, re.MULTILINE)
    lacks += [f"section {name}" for name in SECTIONS if name not in titles]
    for title, text in re.findall(r"^#{2,} (.+)\n((?:(?!#{2,} ).*\n?)*)", card.text, re.MULTILINE):
        if not text.strip() and title not in ("Training Details", "Evaluation", "Uses"):
            lacks.append(f"text under {title}")
    lacks += [f"a filled place of {found.group()!r}" for found in PLACEHOLDER.finditer(card.text)]
    index = data.get("model-index")
    if not index or not model_index_to_eval_results(index)[1]:
        lacks.append("metadata model-index")
    return lacks
