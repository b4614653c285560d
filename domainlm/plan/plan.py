"""What a run will take, model by model, before it is started: memory, FLOPs, hours, cost, and what the laws say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from domainlm.errors import Problem, SpecError
from domainlm.plan.activations import Checkpointing
from domainlm.plan.choice import Choice, choose
from domainlm.plan.devices import USABLE_SHARE, Device, device
from domainlm.plan.energy import Energy
from domainlm.plan.memory import PRECISIONS, Memory, Precision, memory, strategies, with_8bit_adam
from domainlm.plan.models import REGISTRY, BaseModelSpec, registry
from domainlm.plan.scaling import Verdict, gpu_hours, petaflop_s_days, verdict
from domainlm.plan.shape import Shape, flops_per_token, from_architecture, from_folder
from domainlm.specs.fit import origin_of
from domainlm.specs.fit_vocabulary import num_tokens_here
from domainlm.specs.project import Run
from domainlm.specs.run import ModelSpec, RecipeSpec
from domainlm.specs.uri import expanded


@dataclass(frozen=True, kw_only=True, slots=True)
class Hardware:
    """What a run is planned on."""

    device: Device
    num_gpus: int
    mfu: float
    """Share of the peak that the model's own FLOPs take, recomputation not counted."""
    price_per_hour: float
    """Of one GPU."""

    @property
    def capacity_bytes(self) -> int:
        return int(self.device.memory_bytes * USABLE_SHARE)


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelPlan:
    """What the training of one model takes."""

    model: str
    start: str | None
    """What it goes on from; None: made from scratch."""
    num_parameters: int
    num_tokens: int
    sequence_tokens: int
    flops_per_token: int
    flops: float
    petaflop_s_days: float
    gpu_hours: float
    hours: float
    cost: float
    memories: tuple[Memory, ...]
    """Least sharding first."""
    choice: Choice
    chinchilla: Verdict


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What a run takes."""

    run: str
    hardware: Hardware
    checkpointing: Checkpointing | None
    """Of activations, for all recipes; None: as each says."""
    models: tuple[ModelPlan, ...]
    """Those that are trained, in the run's order."""

    @property
    def hours(self) -> float:
        """One training after the other."""
        return sum(model.hours for model in self.models)

    @property
    def energy(self) -> Energy:
        device = self.hardware.device
        hours = sum(model.gpu_hours for model in self.models)
        return Energy(device=device.name, device_hours=hours, watts=device.watts)

    @property
    def cost(self) -> float:
        return sum(model.cost for model in self.models)


def plan(
    run: Run,
    gpu: str = "H100",
    *,
    num_gpus: int = 8,
    mfu: float = 0.4,
    price_per_hour: float = 2.5,
    checkpointing: Checkpointing | None = None,
) -> Plan:
    """What each training of `run` takes on `num_gpus` of `gpu`; evaluation is not counted.

    Raises KeyError for a GPU that is not known, SpecError for a model of the hub that the registry does not have.
    """
    hardware = Hardware(device=device(gpu), num_gpus=num_gpus, mfu=mfu, price_per_hour=price_per_hour)
    models = []
    for name, model in run.spec.models.items():
        if model.mix is not None and model.recipe is not None:
            recipe, tokens = run.spec.recipes[model.recipe], run.mixes[model.mix].total_tokens
            before = _tokens_before(run, name)
            shape = shape_of(run, name)
            models.append(plan_model(name, model, recipe, shape, tokens, hardware, checkpointing, before))
    return Plan(run=run.spec.name, hardware=hardware, checkpointing=checkpointing, models=tuple(models))


def plan_model(
    name: str,
    model: ModelSpec,
    recipe: RecipeSpec,
    shape: Shape,
    num_tokens: int,
    hardware: Hardware,
    checkpointing: Checkpointing | None,
    tokens_before: int | None = None,
) -> ModelPlan:
    """What the training of one model takes. Batches are as the recipe says: more GPUs take fewer rows each."""
    per_token = flops_per_token(shape, recipe.sequence_tokens)
    flops = float(per_token) * num_tokens
    hours = gpu_hours(flops, hardware.device.peak_flops, hardware.mfu)
    rows_each = -(-recipe.batch_tokens // (recipe.sequence_tokens * hardware.num_gpus))
    rows = min(recipe.micro_batch_rows, rows_each)
    memories = tuple(
        memory(
            shape,
            strategy,
            precision=_precision(recipe),
            rows=rows,
            sequence_tokens=recipe.sequence_tokens,
            checkpointing=checkpointing or recipe.checkpointing,
            micro_batches=-(-rows_each // rows),
            lora_rank=recipe.lora.rank if recipe.lora is not None else None,
            accumulate=recipe.parallel.accumulate,
        )
        for strategy in strategies(hardware.num_gpus)
    )
    return ModelPlan(
        model=name,
        start=model.start,
        num_parameters=shape.num_parameters,
        num_tokens=num_tokens,
        sequence_tokens=recipe.sequence_tokens,
        flops_per_token=per_token,
        flops=flops,
        petaflop_s_days=petaflop_s_days(flops),
        gpu_hours=hours,
        hours=hours / hardware.num_gpus,
        cost=hours * hardware.price_per_hour,
        memories=memories,
        choice=choose(memories, hardware.capacity_bytes),
        chinchilla=verdict(
            shape.num_parameters,
            num_tokens,
            flops,
            from_scratch=model.start is None,
            tokens_before=tokens_before,
        ),
    )


def _tokens_before(run: Run, name: str) -> int | None:
    """What the models that `name` goes on from were trained on; None where a publisher does not say."""
    total, start = 0, run.spec.models[name].start
    while start in run.spec.models:
        model = run.spec.models[start]
        total += run.mixes[model.mix].total_tokens if model.mix is not None else 0
        start = model.start
    if start is None:
        return total
    known = {model.hub: model.trained_tokens for model in _registered(run)}
    trained = known.get(start.removeprefix("hf:"))
    return None if trained is None else trained + total


def _registered(run: Run) -> tuple[BaseModelSpec, ...]:
    return registry(run.root) if (run.root / REGISTRY).is_file() else ()


def _precision(recipe: RecipeSpec) -> Precision:
    chosen = PRECISIONS["fp32" if recipe.precision == "fp32" else "bf16"]
    return with_8bit_adam(chosen) if recipe.optimizer == "adamw8bit" else chosen


def shape_of(run: Run, name: str) -> Shape:
    """The shape of a model of the run, with the run's vocabulary where it learns another than its base has.

    Raises SpecError for a model or tokenizer of the hub that is neither here nor in the registry.
    """
    origin = origin_of(run.spec, name)
    assert origin is not None
    if origin.outside is None:
        architecture = run.spec.models[origin.model].architecture
        assert architecture is not None
        return from_architecture(architecture, _vocab_size(run))
    if origin.outside.startswith("hf:"):
        shape = _of_the_hub(run, origin.outside, f"models.{origin.model}.start")
    else:
        shape = from_folder(run.root / expanded(origin.outside))
    extended, replaced = run.tokenizer.extend is not None, run.tokenizer.replaces is not None
    if not (extended or replaced) or not _is_trained(run, name):
        return shape
    asked = _vocab_size(run)
    # A base may have rows that no token has: new tokens take these first, and none is taken away.
    return shape.with_vocabulary(max(asked, shape.vocab_size) if extended else asked)


def _is_trained(run: Run, name: str) -> bool:
    """Whether this run trains the model, or one that it goes on from."""
    model = run.spec.models[name]
    return model.mix is not None or (model.start in run.spec.models and _is_trained(run, model.start))


def _vocab_size(run: Run) -> int:
    """Tokens of the run's tokenizer, as asked for: text may give a trained one fewer."""
    spec = run.tokenizer
    if spec.vocab_size is not None:
        return spec.vocab_size
    base = spec.pretrained or spec.extend
    assert base is not None
    found = num_tokens_here(base, run.root, spec.name, run.spec.name)
    if found is None and base.startswith("hf:"):
        found = _of_the_hub(run, base, "tokenizer").vocab_size  # its rows: as many as its tokens, or some more
    if found is None:
        want, fix = "a folder with the `tokenizer.json` of a model", f"put its tokenizer.json into {base}"
        raise SpecError([Problem(file=str(run.path), line=0, column=0, key="tokenizer", got=base, want=want, fix=fix)])
    return found + (spec.new_tokens or 0)


def _of_the_hub(run: Run, uri: str, key: str) -> Shape:
    hub = uri.removeprefix("hf:")
    known = {model.hub: model for model in registry(run.root)}
    if hub not in known:
        fix = f"add its facts to data_specs/models.yaml, under `hub: {hub}`"
        want = f"a model whose size is known: one of {', '.join(sorted(known))}"
        raise SpecError([Problem(file=str(run.path), line=0, column=0, key=key, got=uri, want=want, fix=fix)])
    return known[hub].shape()


def record(planned: Plan) -> Mapping[str, Any]:
    """A plan as plain values, sums included, for JSON."""
    content = asdict(planned)
    for model, made in zip(content["models"], planned.models, strict=True):
        model["memories"] = [asdict(m) | {"total": m.total} for m in made.memories]
    hardware = content["hardware"] | {"capacity_bytes": planned.hardware.capacity_bytes}
    return content | {
        "hardware": hardware,
        "hours": planned.hours,
        "cost": planned.cost,
        "energy_kwh": planned.energy.kwh,
    }
