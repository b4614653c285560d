"""What a mix would give before it is made: from a mix or run spec, or from a finished mix, and nothing is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from domainlm import manifest, pipeline
from domainlm.digest import recalled
from domainlm.errors import DataError, SpecError
from domainlm.manifest import Manifest
from domainlm.mix import best_fit, budget
from domainlm.mix.budget import Mix, concatenated, draft, shortage, tokens_by_source
from domainlm.mix.demand import Supply
from domainlm.specs.flow import shown
from domainlm.specs.gather import root_of
from domainlm.specs.mix import MixSpec
from domainlm.specs.project import Run, kind_at, load_mix, load_run
from domainlm.specs.run import RunSpec
from domainlm.specs.sweep import SweepSpec
from domainlm.specs.tree import read_tree

_SEQUENCE_TOKENS = 2048
"""Of a mix that no run is named for; shares and epochs hardly depend on it."""
_BYTES_PER_TOKEN = 4.0
"""Of text that is not tokenized yet: a guess, fair for English and a vocabulary of 32,000 to 128,000."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Planned:
    """One mix as it would be."""

    name: str
    model: str
    """That is trained on it, or empty."""
    mix: Mix
    sizes: str
    """Where the sizes of its sources are from."""
    shortage: str
    """Why it would be refused, with the arithmetic; empty where it would not."""


def planned(
    path: Path, *, run: Path | None = None, workspace: Path | None = None, budget_tokens: int | None = None
) -> list[Planned]:
    """The mix at `path`: a mix spec, the folder of a finished mix, or a run spec, with the mix of each of its models.

    A mix spec without `sizes` is planned on what `run` has made, else on what the run that names it has. A budget that
    is given takes the place of the spec's, each phase in proportion. Raises DataError where no sizes are known.
    """
    if path.is_dir():
        return [_finished(path)]
    if kind_at(path).model in (RunSpec, SweepSpec):
        asked = load_run(path)
        models = [name for name, model in asked.spec.models.items() if model.mix is not None]
        if not models:
            raise DataError(f"{shown(path)} trains no model, so it has no mix")
        known = _known(asked, workspace)
        return [_of_model(asked, name, asked.mixes[_mix_of(asked, name)], known, budget_tokens) for name in models]
    spec = load_mix(path)
    if spec.sizes and run is None:
        sizes = {f"{domain}/{name}": tokens for domain, of in spec.sizes.items() for name, tokens in of.items()}
        supplies = concatenated(sizes, _SEQUENCE_TOKENS)
        scaled = _scaled(spec, budget_tokens)
        drafted = draft(scaled, supplies, sizes, sequence_tokens=_SEQUENCE_TOKENS, batch_rows=1, seed=0)
        return [
            Planned(
                name=spec.name,
                model="",
                mix=drafted,
                sizes=f"`sizes` of {shown(path)}",
                shortage=shortage(scaled, drafted),
            )
        ]
    asked = load_run(run) if run is not None else _run_of(path, spec)
    models = [name for name, model in asked.spec.models.items() if model.mix == spec.name]
    trained = [name for name, model in asked.spec.models.items() if model.recipe is not None]
    model = next(iter([*models, *trained]), None)
    if model is None:
        raise DataError(f"{shown(asked.path)} trains no model, so nothing says how long its rows are")
    return [_of_model(asked, model, spec, _known(asked, workspace), budget_tokens)]


def _mix_of(run: Run, model: str) -> str:
    name = run.spec.models[model].mix
    assert name is not None
    return name


def _finished(folder: Path) -> Planned:
    found = manifest.read(folder)
    if found is None or found.stage != "mix":
        raise DataError(f"{shown(folder)} holds no finished mix; such folders are in the workspace, below mix")
    return Planned(name=found.name, model=found.name, mix=budget.read(found), sizes=shown(folder), shortage="")


def _run_of(path: Path, spec: MixSpec) -> Run:
    """The one run of the project that trains on a mix."""
    naming = []
    for file in sorted((root_of(path) / "data_specs" / "runs").glob("*.yaml")):
        try:
            models = read_tree(file).values.get("models")
        except SpecError:
            continue  # its mistakes are told where it is run
        of = models.values() if isinstance(models, dict) else ()
        if any(isinstance(model, dict) and model.get("mix") == spec.name for model in of):
            naming.append(file)
    if len(naming) != 1:
        found = ", ".join(map(shown, naming)) or "none"
        raise DataError(
            f"{shown(path)} has no `sizes`, and the runs that train on it are: {found}.\n"
            "Name the run whose tokens are to be counted, --run SPEC, or declare `sizes: {DOMAIN: {SOURCE: TOKENS}}`."
        )
    return load_run(naming[0])


@dataclass(frozen=True, kw_only=True, slots=True)
class _Known:
    """What a run has made so far that tells sizes."""

    place: Path
    finished: Mapping[str, Manifest]


def _known(run: Run, workspace: Path | None) -> _Known:
    place = pipeline.place(run, workspace)
    with recalled(place / pipeline.DIGESTS):
        return _Known(place=place, finished=pipeline.done(run, place, kinds=("read", "corpus", "tokenizer", "tokens")))


def _of_model(run: Run, model: str, spec: MixSpec, known: _Known, budget_tokens: int | None) -> Planned:
    recipe = run.spec.recipes[run.spec.models[model].recipe or ""]
    sequence_tokens = recipe.sequence_tokens
    finished = known.finished
    spec = _scaled(spec, budget_tokens)
    if "tokens" in finished:
        counts = tokens_by_source(finished["tokens"])
        supplies = _supplies(spec, finished["tokens"], counts, sequence_tokens, known.place)
        sizes = f"the tokens in {shown(finished['tokens'].folder)}"
    elif "corpus" in finished:
        counts = _estimated(finished["corpus"])
        supplies = concatenated(counts, sequence_tokens)
        sizes = f"the text in {shown(finished['corpus'].folder)}, {_BYTES_PER_TOKEN:g} bytes a token (a guess)"
    elif spec.sizes:
        counts = {f"{domain}/{name}": tokens for domain, of in spec.sizes.items() for name, tokens in of.items()}
        supplies, sizes = concatenated(counts, sequence_tokens), f"`sizes` of the mix {spec.name}"
    else:
        raise DataError(
            f"nothing says how large the sources of {spec.name} are: run `domainlm corpus {shown(run.path)}` first, or "
            "declare `sizes: {DOMAIN: {SOURCE: TOKENS}}` in the mix"
        )
    batch_rows = recipe.batch_tokens // sequence_tokens
    drafted = draft(spec, supplies, counts, sequence_tokens=sequence_tokens, batch_rows=batch_rows, seed=0)
    name = f"{spec.name} for {model}" if spec.name != model else model
    return Planned(name=name, model=model, mix=drafted, sizes=sizes, shortage=shortage(spec, drafted))


def _supplies(
    spec: MixSpec, tokens: Manifest, counts: dict[str, int], sequence_tokens: int, place: Path
) -> dict[str, Supply]:
    """What the sources have: packed, where their packing plan is there; it is not made here."""
    supplies = concatenated(counts, sequence_tokens)
    for name in counts if spec.packing == "best_fit" else ():
        domain, _, source = name.partition("/")
        ends = [shard.sha256 for shard in tokens.files("ends", domain=domain, source=source, split="train")]
        folder = best_fit.place(ends, sequence_tokens, place / budget.PACKS)
        if (folder / best_fit.ACCOUNT).is_file():
            account = best_fit.read_account(folder)
            supplies[name] = Supply(rows=account.num_rows, tokens=account.num_tokens)
    return supplies


def _estimated(corpus: Manifest) -> dict[str, int]:
    counts: dict[str, int] = {}
    for shard in corpus.files("text", split="train"):
        name = f"{shard.domain}/{shard.source}"
        counts[name] = counts.get(name, 0) + round(shard.text_bytes / _BYTES_PER_TOKEN)
    return counts


def _scaled(spec: MixSpec, budget_tokens: int | None) -> MixSpec:
    if budget_tokens is None:
        return spec
    if not spec.phases:
        return spec.model_copy(update={"budget_tokens": budget_tokens})
    of = spec.total_tokens
    phases = [p.model_copy(update={"budget_tokens": p.budget_tokens * budget_tokens // of}) for p in spec.phases]
    return spec.model_copy(update={"phases": tuple(phases)})
