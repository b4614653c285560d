"""The metadata of a model card, by the hub's own library and rules (hub-docs, modelcard.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from domainlm.train.card import About

LOADERS = {
    "causal": ("AutoModelForCausalLM", "text-generation"),
    "masked": ("AutoModelForMaskedLM", "fill-mask"),
    "span_corruption": ("AutoModelForSeq2SeqLM", "text2text-generation"),
}
"""What transformers loads a model with, and what the hub calls its task, by objective."""
NO_LICENSE = "not chosen yet: the licences of the training data, below, and of the base model hold"
_NO_LICENSE_NAME = "as-training-data-and-base"


def header(about: About) -> str:
    """The YAML between two lines of dashes, that line and an empty one included."""
    from huggingface_hub import EvalResult, ModelCardData

    task = LOADERS[about.recipe.objective][1]
    on_hub = about.base_name if about.base_name and "/" in about.base_name and about.base_name[0] not in "/." else None
    optional: dict[str, Any] = {}
    if not about.license:
        optional = {"license_name": _NO_LICENSE_NAME, "license_link": "README.md#training-data"}
    if on_hub is not None:
        optional["base_model_relation"] = "quantized" if about.quantized else "finetune"
    if about.energy is not None:
        optional["co2_eq_emissions"] = {
            "emissions": float(f"{about.energy.grams:.4g}"),
            "source": "hours x power x PUE x grid, as stated in the card",
            "training_type": "fine-tuning" if about.base_name else "pre-training",
            "hardware_used": about.energy.device,
        }
    data = ModelCardData(
        license=about.license or "other",
        language=list(about.languages) or None,
        library_name="transformers",
        pipeline_tag=task,
        tags=["domainlm", *about.domains],
        base_model=on_hub,
        datasets=list(about.datasets) or None,
        model_name=about.name if about.evaluation else None,
        eval_results=[
            EvalResult(
                task_type=task,
                dataset_type=row.dataset,
                dataset_name=row.what,
                metric_type=row.metric,
                metric_value=round(row.value, 5),
                metric_name=f"{row.what}, 95%: {row.interval[0]:.4f} to {row.interval[1]:.4f}"
                if row.interval is not None
                else row.what,
            )
            for row in about.evaluation
        ]
        or None,
        **optional,
    )
    return f"---\n{data.to_yaml()}\n---\n\n"
