"""The spec of a run: corpora, tokenizer, models with their mixes and recipes, and how they are judged."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from domainlm.specs.architecture import ArchitectureSpec
from domainlm.specs.corpus import CorpusSpec
from domainlm.specs.recipe import RecipeSpec
from domainlm.specs.spec import Mistake, Name, Positive, Spec
from domainlm.specs.watch import TrackSpec

NewRows = Literal["mean_of_pieces", "mean_of_all", "focus", "zero_output"]


class ModelSpec(Spec):
    """A model of the run: made from scratch, or continued from another."""

    architecture: ArchitectureSpec | None = None
    """Given for a model made from scratch."""
    start: str | None = None
    """Given for continued pretraining: a model of this run, `hf:OWNER/MODEL`, or a folder that `transformers` loads."""
    mix: Name | None = None
    """What it is trained on: a file of `data_specs/mixes`. Without it the model is evaluated as it is."""
    recipe: Name | None = None
    """How: a key of `recipes`."""
    new_rows: NewRows | None = None
    """How the embeddings of tokens begin that the tokenizer has and the model that it starts from has not.
    `mean_of_pieces`: as the mean of those of the tokens that they are made of; `mean_of_all`: of all; `focus`: of those
    that are used alike (arXiv:2305.14481); `zero_output`: the input's as the mean of the pieces, the output's as 0
    (arXiv:2311.00176). Where nothing is said: `mean_of_all` with tied embeddings, else `zero_output`."""

    @model_validator(mode="after")
    def _one_beginning(self) -> Self:
        if (self.architecture is None) == (self.start is None):
            want = "either `architecture` (from scratch) or `start` (continued pretraining)"
            if self.start is None:
                raise Mistake("start", got="neither", want=want, fix="add `start: hf:OWNER/MODEL`, or `architecture`")
            raise Mistake("start", got="both", want=want, fix="delete `start`, or delete `architecture`")
        if (self.mix is None) != (self.recipe is None):
            missing, given = ("mix", "recipe") if self.mix is None else ("recipe", "mix")
            fix = f"add `{missing}: NAME`, or delete `{given}`"
            raise Mistake(missing, got=f"`{given}` alone", want="`mix` and `recipe` together", fix=fix)
        if self.new_rows is not None and (self.start is None or self.mix is None):
            want = "nothing: only a model that is trained on from another gets new rows"
            raise Mistake("new_rows", got=self.new_rows, want=want, fix="delete `new_rows`")
        if self.architecture is not None and self.mix is None:
            want = "a `mix` and a `recipe`: a model from scratch knows nothing yet"
            raise Mistake("mix", got="nothing", want=want, fix="add `mix: NAME` and `recipe: NAME`")
        return self


TaskName = Annotated[str, Field(min_length=1, max_length=120)]
"""The name of a task of lm-eval."""


class EvaluateSpec(Spec):
    """How models are judged: bits per byte on held-out text, and lm-eval's tasks."""

    suites: tuple[Name, ...] = ()
    """Folders of `evals`: each of their tasks is run on each model."""
    tasks: tuple[TaskName, ...] = ()
    """Tasks of any suite that are run too, by name or by the title that several share, such as `mmlu_legal`."""
    data: Annotated[str, Field(min_length=1)] | None = Field(default=None, examples=["${DOMAINLM_DATA}/bench"])
    """A folder with the tasks' items, in any depth; relative to the project, `${NAME}` from the environment. No task
    is then fetched from a hub; `domainlm evaluate tasks RUN` lists the file that each wants."""
    window_tokens: Positive = 512
    """Bits per byte: longest context, in tokens; a model's own limit if that is lower."""
    stride_tokens: Positive = 256
    """Bits per byte: tokens scored per window; the rest is context."""
    max_docs_per_source: Positive | None = None
    """Bits per byte: at most so many held-out documents of a source, chosen by hash."""
    max_doc_chars: Positive | None = None
    """Bits per byte: at most so many characters of a document, from its start."""
    items_per_domain: Positive = 200
    """Multiple-choice items made from each domain's held-out text."""
    max_items_per_task: Positive | None = None
    """lm-eval: at most so many items of a task, from its start; the subtasks of one title share them evenly."""
    bootstrap_samples: Positive = 1000
    """Resamples behind each interval."""

    @model_validator(mode="after")
    def _no_gaps(self) -> Self:
        if self.stride_tokens > self.window_tokens:
            got, want = str(self.stride_tokens), f"at most window_tokens, {self.window_tokens}: no token is left out"
            raise Mistake("stride_tokens", got=got, want=want, changes={"stride_tokens": self.window_tokens})
        return self


class GateSpec(Spec):
    """What a model must hold before it is deployed: more in its domain, and nothing that matters lost in general.

    Both are judged by 95% paired bootstrap intervals of bits per byte against the model it starts from. What was not
    measured is not held.
    """

    tolerance: Annotated[float, Field(ge=0)] = 0.02
    """Bits per byte that may be lost in general: the upper end of the loss's interval lies below it. A guess."""
    models: tuple[Name, ...] = ()
    """Which models; by default each that continues another of this run."""
    domains: tuple[Name, ...] = ()
    """Where the lower end of the gain's interval lies above nought; by default the domains of a model's mix that are
    not general."""


class RunSpec(Spec):
    """One run, from text to report."""

    name: Name = Field(examples=["law"])
    """The file has the same name."""
    title: str = ""
    """The report's headline."""
    seed: int = 0
    """From it, by name, comes every random choice."""
    corpus: CorpusSpec = Field(examples=[{"domains": ["legal", "general"]}])
    """The text of the run."""
    tokenizer: Name = Field(examples=["demo"])
    """A file of `data_specs/tokenizers`."""
    recipes: dict[Name, RecipeSpec] = Field(default_factory=dict)
    """Ways of training, by name."""
    models: dict[Name, ModelSpec] = Field(min_length=1, examples=[{"base": {"start": "hf:OWNER/MODEL"}}])
    """The models, by name, in the order of the report; the first is what the others are compared with."""
    track: TrackSpec = TrackSpec()
    """Who else is told of each step of training, and of results."""
    evaluate: EvaluateSpec = EvaluateSpec()
    """How the models are judged."""
    gate: GateSpec | None = None
    """What they must hold: a run ends with exit code 3, and its flow as failed, where one does not."""

    @model_validator(mode="after")
    def _models_compare(self) -> Self:
        used = [self.recipes[model.recipe] for model in self.models.values() if model.recipe in self.recipes]
        objectives = sorted({recipe.objective for recipe in used})
        if len(objectives) > 1:
            want = "one objective: the models of a run are compared with each other, and their losses cannot be"
            raise Mistake("recipes", got=" and ".join(objectives), want=want, fix="make a run for each objective")
        if objectives and objectives[0] != "causal":
            for key in ("suites", "tasks"):
                if asked := getattr(self.evaluate, key):
                    want = f"no {key}: tasks are scored by likelihoods, which {objectives[0]} models do not have"
                    got = f"{key} {', '.join(asked)}"
                    raise Mistake("evaluate", got=got, want=want, fix=f"delete `{key}` in `evaluate`")
        return self

    @model_validator(mode="after")
    def _there_is_something_to_forget(self) -> Self:
        for name, model in self.models.items():
            recipe = self.recipes.get(model.recipe or "")
            forgetting = recipe.watch.forgetting if recipe is not None else None
            if forgetting is None:
                continue
            if model.architecture is not None:
                got = f"`forgetting` in {model.recipe}, and {name} starts from scratch"
                want = "a recipe without it: a model from scratch has nothing to forget"
                raise Mistake("recipes", got=got, want=want, fix=f"give {name} a recipe of its own")
            unknown = [domain for domain in forgetting.domains if domain not in self.corpus.domains]
            if unknown:
                got, want = f"`forgetting` of {unknown[0]}", f"domains of the run: {', '.join(self.corpus.domains)}"
                fix = f"write `domains: [{self.corpus.domains[-1]}]` in `forgetting`"
                raise Mistake("recipes", got=got, want=want, fix=fix)
        return self
