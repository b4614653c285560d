"""What a finished run says on the cards of its exports: from its manifests, its evaluation and its clock."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence

from domainlm.evaluate import store
from domainlm.manifest import Manifest
from domainlm.plan.devices import DEVICES
from domainlm.plan.energy import CPU_CORE_WATTS, Energy
from domainlm.plan.shape import flops_per_token, from_folder
from domainlm.specs.recipe import RecipeSpec
from domainlm.train.card import About, Measured
from domainlm.train.metrics import TIMING_NAME

_LEAST_LANGUAGE_SHARE = 0.05
"""Of a source's documents: a language with fewer is not named on the card. A guess."""


def about(
    name: str,
    *,
    train: Manifest,
    mix: Manifest,
    corpus: Manifest,
    evaluation: Manifest | None,
    comparison: Manifest | None,
    base_name: str | None,
    lineage: Mapping[str, str],
    license_name: str,
    datasets: Sequence[str],
) -> About:
    """The card of a model that a run trained, as far as the run has come."""
    recipe = RecipeSpec.model_validate_json(json.dumps(train.spec["recipe"]))
    folder = train.folder / "model"
    num_tokens = mix.facts["rows"] * mix.facts["sequence_tokens"]
    return About(
        name=name,
        base_name=base_name,
        recipe=recipe,
        mix=mix.facts,
        licenses=corpus.facts["licenses"],
        num_parameters=train.facts["num_parameters"],
        family=json.loads((folder / "config.json").read_bytes())["model_type"],
        flops=float(flops_per_token(from_folder(folder), recipe.sequence_tokens)) * num_tokens,
        precision=train.facts["precision"],
        device=f"{train.facts['ranks']} x {train.spec['device']}",
        seed=train.seed,
        vocabulary=train.facts.get("vocabulary", ""),
        lineage=lineage,
        license=license_name,
        languages=_languages(corpus, list(mix.facts["sources"])),
        datasets=datasets,
        energy=_energy(train),
        evaluation=() if evaluation is None else _measured(name, evaluation, comparison),
    )


def _languages(corpus: Manifest, sources: Sequence[str]) -> list[str]:
    """Languages found in the kept documents of the mix's sources, the commonest first."""
    docs: dict[str, float] = {}
    for source in sources:
        kept = corpus.counts["sources"].get(source, {}).get("languages", {}).get("kept", {})
        total = sum(kept.values())
        for language, count in kept.items():
            if count >= _LEAST_LANGUAGE_SHARE * total:
                docs[language] = docs.get(language, 0) + count
    return sorted(docs, key=lambda language: -docs[language])


def _energy(train: Manifest) -> Energy | None:
    """None where there is no clock, or where the power of the device is not known."""
    path = train.folder / TIMING_NAME
    if not path.is_file():
        return None
    seconds = sum(json.loads(line)["seconds"] for line in path.read_bytes().splitlines())
    if train.spec["device"] == "cpu":
        hours = seconds * (os.cpu_count() or 1) / 3600
        return Energy(device="a CPU's cores", device_hours=hours, watts=CPU_CORE_WATTS)
    sold_as = train.spec["device"]
    known = [device for key, device in DEVICES.items() if key.partition("-")[0] in sold_as]
    if not known:
        return None
    return Energy(device=sold_as, device_hours=seconds * train.facts["ranks"] / 3600, watts=known[0].watts)


def _measured(name: str, evaluation: Manifest, comparison: Manifest | None) -> list[Measured]:
    """The rows of whole domains and of tasks; a task's name is its dataset."""
    against = {} if comparison is None else _against(name, comparison)
    rows = []
    for result in store.read_results(evaluation.only("results")):
        if result.source or math.isnan(result.value):
            continue
        of_text = result.task == result.metric
        rows.append(
            Measured(
                what=f"{result.metric.replace('_', ' ')}, {result.suite if of_text else result.task}",
                metric=result.metric,
                dataset=f"held-out-{result.suite}" if of_text else result.task,
                value=result.value,
                interval=None if math.isnan(result.low) else (result.low, result.high),
                count=result.num_items,
                against=against.get((result.suite, result.task, result.metric), ""),
            )
        )
    return rows


def _against(name: str, comparison: Manifest) -> dict[tuple[str, str, str], str]:
    return {
        (row["suite"], row["task"], row["metric"]): f"{row['difference']:+.3f} against {row['base']}, "
        f"{row['low']:+.3f} to {row['high']:+.3f}, {'significant' if row['significant'] else 'not significant'}"
        for row in store.read(comparison.only("comparison"))
        if row["adapted"] == name and not row["source"]
    }
