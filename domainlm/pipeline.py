"""What a run consists of: every stage with its key, its inputs and its folder.

A stage's code is imported when it runs, and not before: to know that nothing is left to do costs no more than to read
the manifests.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from domainlm import manifest
from domainlm.digest import code_digest, digest, file_digest, library_versions, remembered, seed_for
from domainlm.errors import StageError
from domainlm.manifest import Made, Manifest, Request
from domainlm.specs.judged import data_folder
from domainlm.specs.project import Run
from domainlm.specs.run import ModelSpec, RecipeSpec
from domainlm.specs.uri import expanded

if TYPE_CHECKING:
    from domainlm.evaluate.gate import Check

Finished = Mapping[str, Manifest]
"""Manifests of finished stages by stage id."""

_CODE: dict[str, tuple[str, ...]] = {
    "read": ("domainlm.corpus.read", "domainlm.corpus.readers"),
    "corpus": ("domainlm.corpus.build",),
    "tokenizer": ("domainlm.tokens.train",),
    "tokens": ("domainlm.tokens.write",),
    "items": ("domainlm.evaluate.items",),
    "mix": ("domainlm.mix.budget",),
    "train": ("domainlm.train.stage", "domainlm.train.loop", "domainlm.train.objectives", "domainlm.evaluate.watch"),
    "evaluate": ("domainlm.evaluate.run",),
    "compare": ("domainlm.evaluate.compare",),
    "report": ("domainlm.report.page", "domainlm.evaluate.gate"),
    "sweep": ("domainlm.sweep.stage",),
}
"""The modules whose source, and that of all they import, is part of a stage's key; see also `_plugins`."""

_LIBRARIES: dict[str, tuple[str, ...]] = {
    "read": (
        *("datasets", "datatrove", "fastwarc", "ftfy", "numba", "numpy", "orjson", "py3langid", "pyarrow", "pypdfium2"),
        *("resiliparse", "xxhash", "zstandard"),
    ),
    "corpus": ("numba", "numpy", "orjson", "pyarrow"),
    "tokenizer": ("numba", "numpy", "pyarrow", "tokenizers", "transformers", "xxhash"),
    "tokens": ("numba", "numpy", "pyarrow", "tokenizers"),
    "items": ("pyarrow",),
    "mix": ("numpy",),
    "train": ("peft", "safetensors", "torch", "transformers"),
    "evaluate": ("lm_eval", "torch", "transformers"),
    "compare": ("numpy", "pyarrow"),
    "report": (),
    "sweep": ("numpy", "pyarrow"),
}
"""The libraries whose version is part of a stage's key."""


DIGESTS = "digests.json"
"""Of the files that were read, in the workspace, so that to plan need not read them again."""

LIGHT = frozenset({"items", "mix", "compare", "report", "sweep"})
"""Kinds of stages that take less time than the start of a process would: a flow does them itself."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Stage:
    """One step of a run."""

    id: str
    """`read/DOMAIN`, `corpus`, `tokenizer`, `tokens`, `items`, `mix/MODEL`, `train/MODEL`, `evaluate/MODEL`,
    `compare`, `report`; of a sweep `sweep` in place of the last two."""
    command: str
    """The command of `domainlm` that runs it."""
    needs: tuple[str, ...]
    """Ids of the stages whose manifests it reads."""

    @property
    def kind(self) -> str:
        return self.id.partition("/")[0]

    @property
    def about(self) -> str:
        """Name of the model or domain that it is about, or empty."""
        return self.id.partition("/")[2]

    @property
    def model(self) -> str:
        """Name of the model that it is about, or empty."""
        return "" if self.kind == "read" else self.about


def stages(run: Run) -> list[Stage]:
    """Every stage of a run, each after the stages that it needs."""
    reads = tuple(f"read/{domain}" for domain in run.domains)
    listed = [
        *(Stage(id=read, command="corpus", needs=()) for read in reads),
        Stage(id="corpus", command="corpus", needs=reads),
        Stage(id="tokenizer", command="tokenizer", needs=("corpus",)),
        Stage(id="tokens", command="mix", needs=("corpus", "tokenizer")),
        Stage(id="items", command="evaluate", needs=("corpus",)),
    ]
    for name in _by_ancestry(run.spec.models):
        model = run.spec.models[name]
        if model.mix is not None:
            listed.append(Stage(id=f"mix/{name}", command="mix", needs=("tokens",)))
            origin = _origin(run, model.start)
            base = (f"train/{origin}",) if origin in run.spec.models else ()
            needs = (f"mix/{name}", "corpus", "tokens", "tokenizer", *base)
            listed.append(Stage(id=f"train/{name}", command="train", needs=needs))
        trained = (f"train/{name}",) if model.mix is not None else ("tokenizer",)
        listed.append(Stage(id=f"evaluate/{name}", command="evaluate", needs=("corpus", "items", *trained)))
    evaluations = tuple(stage.id for stage in listed if stage.kind == "evaluate")
    if run.sweep is not None:
        trainings = tuple(f"train/{name}" for name in run.sweep.grid)
        return [*listed, Stage(id="sweep", command="mix sweep", needs=(*trainings, *evaluations))]
    listed.append(Stage(id="compare", command="evaluate", needs=evaluations))
    listed.append(Stage(id="report", command="report", needs=tuple(stage.id for stage in listed)))
    return listed


def _by_ancestry(models: Mapping[str, ModelSpec]) -> list[str]:
    """Model names, each after the one that it starts from, otherwise in the spec's order."""
    ordered: list[str] = []

    def visit(name: str) -> None:
        start = models[name].start
        if start in models and start not in ordered:
            visit(start)
        if name not in ordered:
            ordered.append(name)

    for name in models:
        visit(name)
    return ordered


def _origin(run: Run, start: str | None) -> str | None:
    """Where a model's weights really come from: a model that this run trains, or a name from outside it."""
    while start in run.spec.models and run.spec.models[start].mix is None:
        start = run.spec.models[start].start
    return start


def done(run: Run, workspace: Path, *, kinds: Collection[str] | None = None) -> dict[str, Manifest]:
    """Manifests of the stages that are finished for this very spec, code and input, by stage id; only of `kinds`."""
    finished: dict[str, Manifest] = {}
    evals = cache(partial(_evals, run))
    for stage in stages(run):
        if (kinds is None or stage.kind in kinds) and all(need in finished for need in stage.needs):
            made = manifest.read(request(run, stage, finished, evals).folder(workspace))
            if made is not None:
                finished[stage.id] = made
    return finished


SMOKE = {"max_docs_per_source": 4, "max_doc_chars": 2000, "max_items_per_task": 16}
"""What an evaluation looks at when it is only tried whether all of it works."""


def smoke(run: Run) -> Run:
    """The same run, its models judged by a few documents of each source and a few items of each task."""
    asked = run.spec.evaluate
    fewer = {name: min(most, getattr(asked, name) or most) for name, most in SMOKE.items()}
    return replace(run, spec=run.spec.model_copy(update={"evaluate": asked.model_copy(update=fewer)}))


def run_stage(run: Run, stage_id: str, workspace: Path, *, workers: int | None = None) -> Manifest:
    """The manifest of one stage, made now unless it is finished; StageError where a stage that it needs is not."""
    by_id = {stage.id: stage for stage in stages(run)}
    stage = by_id[stage_id]
    finished = done(run, workspace)
    missing = [need for need in stage.needs if need not in finished]
    if missing:
        first = by_id[missing[0]]
        option = f" --model {first.model}" if first.model else ""
        raise StageError(
            f"{stage_id} needs {missing[0]}, which is not made yet: domainlm {first.command} {run.path}{option}"
        )
    workers = workers or os.cpu_count() or 1
    work, asked = _WORK[stage.kind], request(run, stage, finished)
    if stage.kind == "train" and os.environ.get("DOMAINLM_NODE", "0") not in ("", "0"):
        from domainlm.train.stage import lend

        # Not the first of several machines: it makes the stage, this one helps, and then reads what was made.
        recipe = _trained(run, stage)[1]
        lend(stage.model, recipe, _rows(recipe)["batch_rows"], asked.folder(workspace))
    made = manifest.make(asked, workspace, lambda folder: work(run, stage, finished, folder, workers))
    if stage.kind == "read" and (known := remembered(workspace / DIGESTS)) is not None:
        manifest.write_atomically(workspace / DIGESTS, known)
    return made


def profile(run: Run, stage: Stage, workspace: Path) -> Path:
    """The folder with a profile of a few steps of a model's training, which is not a stage and makes no model."""
    finished = done(run, workspace)
    missing = [need for need in stage.needs if need not in finished]
    if missing:
        raise StageError(f"{stage.id} needs {missing[0]}, which is not made yet: domainlm mix {run.path}")
    folder = workspace / "profile" / stage.model
    shutil.rmtree(folder, ignore_errors=True)
    _train(run, stage, finished, folder, 1, profile=folder)
    shutil.rmtree(folder / "work", ignore_errors=True)
    return folder


def place(run: Run, workspace: Path | None) -> Path:
    """The absolute workspace: as given, else what DOMAINLM_WORKSPACE names, else `workspace` in the project."""
    return (workspace or Path(os.environ.get("DOMAINLM_WORKSPACE") or run.root / "workspace")).absolute()


def chosen(
    run: Run, command: str, *, model: str | None = None, mix: str | None = None, stage_id: str | None = None
) -> list[Stage]:
    """The stages that `domainlm COMMAND` runs, in order: all of the command, or those of a model, a mix or an id.

    A model's stages come with the stages of the same command that they need, such as the tokens for its mix.
    Raises LookupError, listing what there is, where nothing is chosen.
    """
    of_command = [stage for stage in stages(run) if stage.command == command]
    asked = [
        stage
        for stage in of_command
        if (model is None or stage.model == model)
        and (mix is None or (stage.model != "" and run.spec.models[stage.model].mix == mix))
        and (stage_id is None or stage.id == stage_id)
    ]
    if not asked:
        there = ", ".join(stage.id for stage in of_command) or "no stage at all"
        wanted = stage_id or model or mix or command
        raise LookupError(f"{run.path}: {command} has nothing for {wanted!r}; there is {there}")
    if stage_id is not None:
        return asked
    return [stage for stage in of_command if stage in asked or any(stage.id in other.needs for other in asked)]


def account(stage_id: str, finished: Manifest, *, made: bool) -> dict[str, Any]:
    """What a command or a flow says of a finished stage: where it is, what was counted, and whether just now."""
    return {
        "stage": stage_id,
        "name": finished.name,
        "made": made,
        "folder": str(finished.folder),
        "digest": finished.digest(),
        "counts": finished.counts,
    }


def request(run: Run, stage: Stage, finished: Finished, evals: Callable[[], str] | None = None) -> Request:
    """What is asked of a stage, its key included; the stages that it needs must be in `finished`.

    `evals` is asked for the digest of the tasks where an evaluation needs it, instead of reading them anew.
    """
    spec, outside = _asked(run, stage, evals or partial(_evals, run))
    return Request(
        stage=stage.kind,
        name=stage.about or (run.sweep.name if run.sweep is not None and stage.kind == "sweep" else run.spec.name),
        spec=spec,
        seed=_seed(run, stage),
        code=code_digest(*_CODE[stage.kind], *_plugins(run, stage)),
        libraries=library_versions(*_LIBRARIES[stage.kind]),
        inputs={need: finished[need].digest() for need in stage.needs} | outside,
    )


def _plugins(run: Run, stage: Stage) -> list[str]:
    """Modules that a stage loads by name: only those that its specs name, so that a new one changes nobody's key."""
    read = [run.domains[stage.about]] if stage.kind == "read" else []
    decided = list(run.domains.values()) if stage.kind == "corpus" else []
    edits = {f"domainlm.corpus.edits.{name}" for domain in read for name in domain.edits}
    redact = {"domainlm.corpus.redact" for domain in read if domain.redact is not None}
    filters = {f"domainlm.corpus.filters.{name}" for domain in (*read, *decided) for name in domain.filters}
    return sorted(edits | redact | filters)


def _seed(run: Run, stage: Stage) -> int:
    if stage.kind == "read":
        return 0  # nothing is drawn: another run's seed reads nothing again
    if stage.kind == "mix":
        mix = run.mixes[run.spec.models[stage.model].mix or ""]
        return seed_for(run.spec.seed if mix.seed is None else mix.seed, "mix", mix.name)
    return seed_for(run.spec.seed, stage.id)


def _asked(run: Run, stage: Stage, evals: Callable[[], str]) -> tuple[Any, dict[str, str]]:
    """The part of the spec that decides what a stage makes, and digests of what it reads from outside the workspace."""
    spec = run.spec
    match stage.kind:
        case "read":
            from domainlm.corpus.places import fingerprints
            from domainlm.corpus.reading import reading_of
            from domainlm.specs.lock import revisions_of

            domain = run.domains[stage.about]
            read = fingerprints([domain], run.root, revisions_of([domain], run.root))
            names = domain.redact.name if domain.redact is not None else None
            model = _outside(names.model if names is not None else None, run)
            return reading_of(domain, spec.corpus.near_duplicates), {**read, **model}
        case "corpus":
            decided = {
                # A list, since the order of filters decides which reason is told.
                name: {"filters": list(domain.filters.items()), "licenses": [s.license for s in domain.sources]}
                for name, domain in run.domains.items()
            }
            if spec.corpus.decontaminate is None:
                return {"corpus": spec.corpus, "domains": decided}, {}
            from domainlm.evaluate.benchmarks import fingerprint, sources

            found = sources(run.root / "evals", data_folder(spec.evaluate, run.root))
            return {"corpus": spec.corpus, "domains": decided}, {"evals": fingerprint(found)}
        case "tokenizer":
            return run.tokenizer, _outside(run.tokenizer.outside, run)
        case "items":
            return {"items_per_domain": spec.evaluate.items_per_domain}, {}
        case "mix":
            model, recipe = _trained(run, stage)
            assert model.mix is not None
            return {"mix": run.mixes[model.mix], "rows": _rows(recipe)}, {}
        case "train":
            model, recipe = _trained(run, stage)
            from domainlm.train import device

            # Both change the bytes that come out; on how many ranks, and how spread, only the last bits of a sum.
            asked = {"device": device.kind(), "precision": device.precision_for(recipe.precision)}
            # What may be forgotten changes whether a training ends, and not what it makes.
            watch = recipe.watch.model_copy(update={"forgetting": None})
            recipe = recipe.model_copy(update={"watch": watch})
            return {"model": model, "recipe": recipe} | asked, _outside(_origin(run, model.start), run)
        case "evaluate":
            # What is asked of it is in its files; where the folder of data lies is not.
            asked = spec.evaluate.model_copy(update={"data": None})
            return asked, _outside(_origin(run, stage.model), run) | {"evals": evals()}
        case "compare":
            return {"pairs": pairs(run), "bootstrap_samples": spec.evaluate.bootstrap_samples}, {}
        case "sweep":
            return run.sweep, {}
        case "report":
            from domainlm.report.page import assets_digest

            return spec, {"assets": assets_digest()}
        case _:
            return None, {}


def _evals(run: Run) -> str:
    """Digest of the tasks that a run is judged by: their files and those beside them, and their local items."""
    from domainlm.evaluate import benchmarks, prepare
    from domainlm.specs import tasks

    evals, asked = run.root / "evals", run.spec.evaluate
    chosen = tasks.chosen(evals, asked.suites, asked.tasks)
    beside = prepare.support(sorted({task.suite for task in chosen}), evals)
    found = benchmarks.sources(evals, data_folder(asked, run.root), chosen)
    files = {path.relative_to(evals).as_posix(): file_digest(path) for path in beside}
    return digest([benchmarks.fingerprint(found, whole=True), [source.not_read for source in found], files])


def _trained(run: Run, stage: Stage) -> tuple[ModelSpec, RecipeSpec]:
    model = run.spec.models[stage.model]
    assert model.recipe is not None
    return model, run.spec.recipes[model.recipe]


def _rows(recipe: RecipeSpec) -> dict[str, int]:
    return {
        "sequence_tokens": recipe.sequence_tokens,
        "batch_rows": recipe.batch_tokens // recipe.sequence_tokens,
    }


def pairs(run: Run) -> list[tuple[str, str]]:
    """(base, adapted) for each model that continues another of this run."""
    models = run.spec.models
    return [(model.start, name) for name, model in models.items() if model.start in models and model.start]


def by_model(run: Run, finished: Finished, kind: str) -> dict[str, Manifest]:
    """The finished stages of a kind that is about models (`mix`, `train`, `evaluate`), by model in the spec's order."""
    return {name: finished[f"{kind}/{name}"] for name in run.spec.models if f"{kind}/{name}" in finished}


def _outside(start: str | None, run: Run) -> dict[str, str]:
    """Digest of a model or tokenizer that the run does not make: of its files, or of the revision that is locked."""
    if start is None or start in run.spec.models:
        return {}
    if start.startswith("hf:"):
        from domainlm.specs.lock import revision_of

        return {start: revision_of(run, start) or "not locked"}
    folder = run.root / expanded(start)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {start: digest({path.relative_to(folder).as_posix(): file_digest(path) for path in files})}


def weights(run: Run, name: str | None, finished: Finished) -> Path:
    """The folder that holds the weights of a model of this run, or of one from outside it."""
    origin = _origin(run, name)
    assert origin is not None
    if origin in run.spec.models:
        return finished[f"train/{origin}"].folder / "model"
    if origin.startswith("hf:"):
        from domainlm.train.model import download

        return download(origin, run)
    return run.root / expanded(origin)


Work = Callable[[Run, Stage, Finished, Path, int], Made]


def _read(run: Run, stage: Stage, finished: Finished, folder: Path, workers: int) -> Made:
    from domainlm.corpus.read import read
    from domainlm.specs.lock import changed, revisions_of

    domain = run.domains[stage.about]
    changed([domain], run.root)
    revisions = revisions_of([domain], run.root)
    near_duplicates = run.spec.corpus.near_duplicates
    return read(domain, near_duplicates, folder, root=run.root, workers=workers, revisions=revisions)


def _corpus(run: Run, stage: Stage, finished: Finished, folder: Path, workers: int) -> Made:
    from domainlm.corpus.build import build
    from domainlm.evaluate.benchmarks import benchmarks, sources

    reads = {domain: finished[f"read/{domain}"] for domain in run.domains}
    found = sources(run.root / "evals", data_folder(run.spec.evaluate, run.root))
    return build(run.spec.corpus, list(run.domains.values()), reads, folder, benchmarks(found))


def _tokenizer(run: Run, stage: Stage, finished: Finished, folder: Path, workers: int) -> Made:
    from domainlm.corpus.each import each
    from domainlm.specs.lock import revision_of
    from domainlm.tokens.train import train

    outside = run.tokenizer.outside
    revision = revision_of(run, outside) if outside is not None else None
    in_parallel = partial(each, workers=workers, label="tokenizer: learn chunks")
    asked = {"seed": _seed(run, stage), "root": run.root, "revision": revision, "each": in_parallel}
    return train(run.tokenizer, finished["corpus"], folder, **asked)


def _tokens(run: Run, stage: Stage, finished: Finished, folder: Path, workers: int) -> Made:
    from domainlm.tokens.write import write

    return write(finished["tokenizer"], finished["corpus"], folder, workers=workers)


def _items(run: Run, stage: Stage, finished: Finished, folder: Path, workers: int) -> Made:
    from domainlm.evaluate.items import build

    per_domain = run.spec.evaluate.items_per_domain
    return build(finished["corpus"], list(run.domains), per_domain, folder, seed=_seed(run, stage))


def _mix(run: Run, stage: Stage, finished: Finished, folder: Path, workers: int) -> Made:
    from domainlm.mix import hold
    from domainlm.mix.budget import build

    model, recipe = _trained(run, stage)
    assert model.mix is not None
    rows = _rows(recipe)
    made = build(
        run.mixes[model.mix],
        finished["tokens"],
        folder,
        sequence_tokens=rows["sequence_tokens"],
        batch_rows=rows["batch_rows"],
        seed=_seed(run, stage),
    )
    held = hold.held(run.root, run.spec.name).get(stage.model)
    if held is not None:
        found = hold.account(made.facts, _seed(run, stage), finished["tokens"])
        hold.check(held, found, path=hold.lock_path(run.root, run.spec.name), run=run.path)
    return made


def hold_mixes(run: Run, workspace: Path) -> Path:
    """Lock what the finished mixes of a run are made of; returns the lock's path. StageError where none is finished."""
    from domainlm.mix import hold

    finished = done(run, workspace, kinds=("read", "corpus", "tokenizer", "tokens", "mix"))
    of = [stage for stage in stages(run) if stage.kind == "mix" and stage.id in finished]
    mixes = {stage.model: (finished[stage.id].facts, _seed(run, stage)) for stage in of}
    if not mixes:
        raise StageError(f"no mix of {run.path} is made yet: domainlm mix {run.path}")
    return hold.write(run.root, run.spec.name, mixes, finished["tokens"])


def contaminated(spec: Path, workspace: Path | None, data: Path | None) -> dict[str, Any]:
    """By benchmark: how many of its items stand in the training text of a run, and in which sources.

    `data` is the folder of the tasks' items, by default the spec's. StageError where the corpus is not made yet.
    """
    import tempfile

    from domainlm.evaluate import benchmarks, contamination
    from domainlm.specs.corpus import Decontaminate
    from domainlm.specs.project import load_run

    run = load_run(spec)
    corpus = done(run, place(run, workspace), kinds=("read", "corpus")).get("corpus")
    if corpus is None:
        raise StageError(f"the corpus of {run.path} is not made yet: domainlm corpus {run.path}")
    data = data or data_folder(run.spec.evaluate, run.root)
    found = [source for source in benchmarks.sources(run.root / "evals", data) if not source.not_read]
    titles = {source.task.name: source.task.title for source in found}
    with tempfile.TemporaryDirectory() as work:
        asked = run.spec.corpus.decontaminate or Decontaminate()
        checked, _ = contamination.check(corpus, found, asked, Path(work) / "ngrams")
    return contamination.counts(checked, titles)


def _train(run: Run, stage: Stage, finished: Finished, folder: Path, workers: int, profile: Path | None = None) -> Made:
    from domainlm.evaluate import watch
    from domainlm.train.stage import train

    model, recipe = _trained(run, stage)
    return train(
        stage.model,
        model,
        recipe,
        mix=finished[f"mix/{stage.model}"],
        tokens=finished["tokens"],
        tokenizer=finished["tokenizer"],
        start=None if model.start is None else weights(run, model.start, finished),
        folder=folder,
        seed=_seed(run, stage),
        licenses=finished["corpus"].facts["licenses"],
        texts=partial(watch.texts, finished["corpus"]),
        follow=run.spec.track,
        profile=profile,
        # One that this run trains on the way has learnt them already.
        new_vocabulary=_origin(run, model.start) not in (None, *run.spec.models),
    )


def _evaluate(run: Run, stage: Stage, finished: Finished, folder: Path, workers: int) -> Made:
    from domainlm.evaluate.run import Asked, evaluate
    from domainlm.specs.corpus import Decontaminate

    asked = Asked(
        spec=run.spec.evaluate,
        name=stage.model,
        model=weights(run, stage.model, finished),
        corpus=finished["corpus"],
        items=finished["items"],
        evals=run.root / "evals",
        data=data_folder(run.spec.evaluate, run.root),
        decontaminate=run.spec.corpus.decontaminate or Decontaminate(),
        seed=_seed(run, stage),
        # Without the tasks, which are no part of it.
        key=_model_key(request(run, stage, finished, lambda: "")),
    )
    return evaluate(asked, folder, folder.parent / "parts")


def _model_key(asked: Request) -> str:
    """Of an evaluation: the model, the code and the libraries, whatever it is asked for."""
    model = {name: made for name, made in asked.inputs.items() if name not in ("corpus", "items", "evals")}
    return digest([model, asked.code, asked.libraries])[:16]


def _compare(run: Run, stage: Stage, finished: Finished, folder: Path, workers: int) -> Made:
    from domainlm.evaluate.compare import compare

    evaluations = {need.partition("/")[2]: finished[need] for need in stage.needs}
    return compare(run.spec.evaluate, pairs=pairs(run), evaluations=evaluations, folder=folder, seed=_seed(run, stage))


def _report(run: Run, stage: Stage, finished: Finished, folder: Path, workers: int) -> Made:
    from domainlm.report.page import build

    return build(
        run.spec.title or run.spec.name,
        run.spec.model_dump(mode="json"),
        reads={domain: finished[f"read/{domain}"] for domain in run.domains},
        corpus=finished["corpus"],
        tokenizer=finished["tokenizer"],
        tokens=finished["tokens"],
        mixes=by_model(run, finished, "mix"),
        trainings=by_model(run, finished, "train"),
        evaluations=by_model(run, finished, "evaluate"),
        comparison=finished["compare"],
        checks=_checks(run, finished["compare"]),
        folder=folder,
    )


def _checks(run: Run, comparison: Manifest) -> list[Check]:
    """What the gate of the run asks of its models; nothing where it has none."""
    from domainlm.evaluate import gate, store

    if run.spec.gate is None:
        return []
    asked = {adapted: base for base, adapted in pairs(run) if adapted in (run.spec.gate.models or run.spec.models)}
    return gate.checks(run, asked, store.read(comparison.only("comparison")))


def _sweep(run: Run, stage: Stage, finished: Finished, folder: Path, workers: int) -> Made:
    from domainlm.sweep.stage import sweep

    assert run.sweep is not None
    mixes = [run.mixes[run.sweep.mix_name(share, tokens)] for _, share, tokens in run.sweep.grid.values()]
    shared = {name for mix in mixes for name in mix.shared_domains} - {run.sweep.domain}
    return sweep(
        run.sweep,
        general=[name for name in run.domains if name in shared],
        trainings={name: finished[f"train/{name}"] for name in run.sweep.grid},
        evaluations={need.partition("/")[2]: finished[need] for need in stage.needs if need.startswith("evaluate/")},
        folder=folder,
        seed=_seed(run, stage),
    )


_WORK: dict[str, Work] = {
    "read": _read,
    "corpus": _corpus,
    "tokenizer": _tokenizer,
    "tokens": _tokens,
    "items": _items,
    "mix": _mix,
    "train": _train,
    "evaluate": _evaluate,
    "compare": _compare,
    "report": _report,
    "sweep": _sweep,
}
