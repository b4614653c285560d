"""The card of an export whose original no run here made: its own, where it has one, and what the export changed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from domainlm.train.card import FILE_NAME

_UNKNOWN = """# {name}

A {family}, exported by domainlm from a folder that came without a card.

## Model Details

- **Model type:** {family}
- **Licence:** {license}

## Uses, Bias, Risks, and Limitations

Those of the original, which its folder does not state: whoever gives this on should know them and write them here.

## Training Details

What it was trained on, and how, is not known to domainlm; the export changed how its numbers are stored, and no more.

"""


def card(source: Path, name: str, section: Sequence[str], *, license_name: str, quantized: bool) -> str:
    """The original's card with the section on the number format, or, where it has none, a card that says so."""
    from huggingface_hub import ModelCard, ModelCardData

    own = source / FILE_NAME
    if own.is_file():
        made = ModelCard(own.read_text(encoding="utf-8"), ignore_metadata_errors=True)
        if license_name:
            made.data["license"] = license_name
        if quantized and made.data.get("base_model"):
            made.data["base_model_relation"] = "quantized"
        return f"---\n{made.data.to_yaml()}\n---\n{made.text.rstrip()}\n\n" + "\n".join(section)
    family = json.loads((source / "config.json").read_bytes()).get("model_type", "model")
    said = license_name or "not stated by the folder: ask whoever it is from"
    data = ModelCardData(license=license_name or "unknown", library_name="transformers", tags=["domainlm"])
    text = _UNKNOWN.format(name=name, family=family, license=said)
    return f"---\n{data.to_yaml()}\n---\n\n{text}" + "\n".join(section)
