"""Exports of a run's models, or of a model folder: each made once, under the digest of all that it depends on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow.parquet as pq

from domainlm import manifest, pipeline
from domainlm.digest import code_digest, digest, file_digest, library_versions
from domainlm.errors import SpecError, StageError
from domainlm.evaluate.watch import turn
from domainlm.export import stage
from domainlm.export.about import about
from domainlm.export.foreign import card as foreign_card
from domainlm.export.formats import FORMATS, GGUF_NAME
from domainlm.export.stage import Measure
from domainlm.manifest import Made, Manifest, Request
from domainlm.plan.models import registry
from domainlm.specs.fit import origin_of
from domainlm.specs.project import Run
from domainlm.train import card

_LIBRARIES = ("gguf", "huggingface_hub", "safetensors", "torch", "torchao", "transformers")


@dataclass(frozen=True, kw_only=True, slots=True)
class Subject:
    """A model to export."""

    name: str
    folder: Path
    measure: Measure
    inputs: Mapping[str, str]
    """Digests of what it, its text and its card come from."""
    license: str
    card: Callable[[Made, bool], str]
    """The card of an export, of which is said whether it is in 8 bits."""


def export(subject: Subject, dtype: str, workspace: Path) -> Manifest:
    """The export's manifest; made now, unless it is finished. StageError where the format cannot hold the model."""
    asked = {"dtype": dtype, "license": subject.license, "texts": digest(dict(subject.measure.texts))}
    limits = (subject.measure.window_tokens, subject.measure.stride_tokens, subject.measure.bootstrap_samples)
    request = Request(
        stage="export",
        name=f"{subject.name}-{dtype}",
        spec=asked | {"measure": list(limits)},
        seed=0,
        code=code_digest("domainlm.exports", "domainlm.export.stage", "domainlm.export.reload"),
        libraries=library_versions(*_LIBRARIES),
        inputs=dict(subject.inputs),
    )

    def do(folder: Path) -> Made:
        license_name = subject.license or "unknown"
        made = stage.export(subject.name, subject.folder, dtype, subject.measure, folder, license_name=license_name)
        return stage.with_card(made, folder, subject.card(made, FORMATS[dtype].is_8bit))

    return manifest.make(request, workspace, do)


def of_run(run: Run, model: str, workspace: Path, *, license_name: str, docs_per_source: int) -> Subject:
    """A model of a run. StageError where it is not trained yet; what is not evaluated yet is not on its card."""
    if model not in run.spec.models:
        raise LookupError(f"{run.path}: no model {model!r}; there is {', '.join(run.spec.models)}")
    finished = pipeline.done(run, workspace)
    needs = ["corpus", *([f"train/{model}"] if run.spec.models[model].mix is not None else [])]
    for need in needs:
        if need not in finished:
            option = f" --model {model}" if need != "corpus" else ""
            raise StageError(
                f"export needs {need}, which is not made yet: domainlm {need.partition('/')[0]} {run.path}{option}"
            )
    spec = run.spec.evaluate
    measure = Measure(
        texts=_texts(finished["corpus"], docs_per_source),
        window_tokens=spec.window_tokens,
        stride_tokens=spec.stride_tokens,
        bootstrap_samples=spec.bootstrap_samples,
    )
    if run.spec.models[model].mix is None:
        source = pipeline.weights(run, model, finished)
        return replace(of_folder(source, license_name=license_name, measure=measure), name=model)
    return _trained(run, model, finished, measure, license_name)


def _trained(run: Run, model: str, finished: pipeline.Finished, measure: Measure, license_name: str) -> Subject:
    train = finished[f"train/{model}"]
    told = [f"mix/{model}", "corpus", "tokens", "tokenizer", f"train/{model}", f"evaluate/{model}", "compare"]
    lineage = {stage_id: finished[stage_id].digest() for stage_id in told if stage_id in finished}
    origin = origin_of(run.spec, model)
    outside = origin.outside.removeprefix("hf:") if origin is not None and origin.outside is not None else None
    sources = [source.uri for domain in run.domains.values() for source in domain.sources]
    known = about(
        model,
        train=train,
        mix=finished[f"mix/{model}"],
        corpus=finished["corpus"],
        evaluation=finished.get(f"evaluate/{model}"),
        comparison=finished.get("compare"),
        base_name=outside or run.spec.models[model].start,
        lineage=lineage,
        license_name=license_name or _license_of(run, outside),
        datasets=[uri.removeprefix("hf:").partition("?")[0] for uri in sources if uri.startswith("hf:")],
    )

    def text(made: Made, quantized: bool) -> str:
        gguf_name = GGUF_NAME if FORMATS[made.facts["dtype"]].is_gguf else ""
        of_format = {"stored": stage.section(made.facts), "quantized": quantized, "gguf_name": gguf_name}
        return card.card(replace(known, **of_format))

    return Subject(
        name=model,
        folder=train.folder / "model",
        measure=measure,
        inputs=lineage,
        license=known.license,
        card=text,
    )


def of_folder(folder: Path, *, license_name: str, measure: Measure) -> Subject:
    """A model folder of the hub's kind. StageError where it holds none."""
    if not (folder / "config.json").is_file():
        raise StageError(f"{folder} is neither a run spec nor a model folder: it holds no config.json")
    files = sorted(path for path in folder.iterdir() if path.is_file())
    name = folder.resolve().name.lower()

    def text(made: Made, quantized: bool) -> str:
        section = stage.section(made.facts)
        return foreign_card(folder, name, section, license_name=license_name, quantized=quantized)

    return Subject(
        name=name,
        folder=folder,
        measure=measure,
        inputs={"folder": digest({path.name: file_digest(path) for path in files})},
        license=license_name,
        card=text,
    )


def _license_of(run: Run, hub: str | None) -> str:
    """The licence of a base that the registry knows: what goes on from it is given on under the same."""
    try:
        return next((model.license for model in registry(run.root) if model.hub == hub), "")
    except SpecError:  # a project without a registry
        return ""


def _texts(corpus: Manifest, docs_per_source: int) -> dict[str, Sequence[str]]:
    """Held-out text by domain: of each source those documents with the least hash of their ids."""
    texts: dict[str, list[str]] = {}
    for shard in corpus.files("text", split="heldout"):
        table = pq.read_table(corpus.path(shard), columns=["id", "text"])
        rows = [row for row in zip(table["id"].to_pylist(), table["text"].to_pylist(), strict=True) if row[1]]
        rows.sort(key=lambda row, shard=shard: turn(shard, row[0]))
        texts.setdefault(shard.domain, []).extend(text for _, text in rows[:docs_per_source])
    return {domain: found for domain, found in texts.items() if found}
