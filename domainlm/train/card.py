"""The model card: every section that the hub's template has, said of this model, and nothing left to be filled in.

The trainer writes what it knows; `domainlm export` writes the same card with what was found out since: languages,
evaluation, hours and energy, and what another number format costs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from domainlm.plan.energy import Energy
from domainlm.specs.recipe import RecipeSpec
from domainlm.train import card_data, card_procedure, card_uses

FILE_NAME = "README.md"
_KINDS = {
    "causal": "A causal language model",
    "masked": "A masked language model",
    "span_corruption": "A text-to-text model, trained to fill in spans,",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """A row of the evaluation's table."""

    what: str
    """Such as `bits per byte, legal`."""
    metric: str
    dataset: str
    value: float
    interval: tuple[float, float] | None
    """95%; None where a metric has none."""
    count: int
    """Documents or items."""
    against: str = ""
    """The difference from the base model, in words; empty where nothing was compared."""


@dataclass(frozen=True, kw_only=True, slots=True)
class About:
    """What a card tells of."""

    name: str
    base_name: str | None
    """What training went on from; None: from scratch."""
    recipe: RecipeSpec
    mix: Mapping[str, Any]
    """The facts of the mix's manifest."""
    licenses: Mapping[str, str]
    """By source."""
    num_parameters: int
    family: str
    flops: float
    precision: str
    device: str
    seed: int
    lineage: Mapping[str, str]
    """Digest of each stage that the model came from, by the stage's id."""
    vocabulary: str = ""
    """How it differs from the base's, and how the embeddings began; empty where it does not."""
    license: str = ""
    """Under which the model is given on; empty: not said."""
    languages: Sequence[str] = ()
    datasets: Sequence[str] = ()
    """Of the hub, among the sources."""
    energy: Energy | None = None
    evaluation: Sequence[Measured] = ()
    stored: Sequence[str] = field(default_factory=tuple)
    """The section on the number format, in lines of Markdown; empty for the model as it was trained."""
    quantized: bool = False
    gguf_name: str = ""
    """The file that holds it; empty for a folder of safetensors."""

    @property
    def tokens(self) -> int:
        return int(self.mix["rows"] * self.mix["sequence_tokens"])

    @property
    def domains(self) -> dict[str, float]:
        """Share of the rows by domain."""
        shares: dict[str, float] = {}
        for source, of in self.mix["sources"].items():
            domain = source.partition("/")[0]
            shares[domain] = shares.get(domain, 0.0) + of["rows"] / self.mix["rows"]
        return shares


def card(about: About) -> str:
    """The README.md of a model folder, metadata included."""
    body = [
        f"# {about.name}",
        "",
        _summary(about),
        "",
        *_details(about),
        *card_uses.uses(about),
        *card_uses.risks(),
        *card_uses.start(about),
        *_data(about),
        *card_procedure.lines(about.recipe, about.mix, about.precision, about.seed),
        *_evaluation(about),
        *_environment(about),
        *about.stored,
        *_specifications(about),
    ]
    return card_data.header(about) + "\n".join(body) + "\n"


def _summary(about: About) -> str:
    base = about.base_name
    begun = f"continued pretraining of {base}" if base else "pretraining from scratch"
    of = f"{_KINDS[about.recipe.objective]} of {about.num_parameters:,} parameters"
    return f"{of}: {begun} on {about.tokens:,} tokens, by domainlm."


def _details(about: About) -> list[str]:
    shares = ", ".join(f"{share:.0%} {domain}" for domain, share in about.domains.items())
    spoken = f"{', '.join(about.languages)}, as found in the training text" if about.languages else ""
    return [
        "## Model Details",
        "",
        f"- **Model type:** {about.family}, {about.recipe.objective} objective",
        f"- **Trained on:** {shares}",
        f"- **Language(s):** {spoken or 'those of the training text, of which no filter was asked'}",
        f"- **Licence:** {about.license or card_data.NO_LICENSE}",
        f"- **Adapted from:** {about.base_name or 'nothing: its first weights were random'}",
        *([f"- **Vocabulary:** {about.vocabulary}"] if about.vocabulary else []),
        "",
    ]


def _data(about: About) -> list[str]:
    rows = [
        (
            name,
            f"{source['rows'] / about.mix['rows']:.2%}",
            f"{source['tokens']:,}",
            about.licenses.get(name, "not stated"),
        )
        for name, source in about.mix["sources"].items()
    ]
    return [
        "## Training Details",
        "",
        "### Training Data",
        "",
        "Shares are of the rows that training took; tokens are those that the source has.",
        "",
        "| source | share | tokens | licence |",
        "|---|---:|---:|---|",
        *("| " + " | ".join(row) + " |" for row in rows),
        "",
        "Documents were filtered, deduplicated and kept apart from held-out text as the run's domains say; its report",
        "counts what each step took.",
        "",
    ]


def _evaluation(about: About) -> list[str]:
    lines = ["## Evaluation", ""]
    if not about.evaluation:
        return [
            *lines,
            "This folder was written when training ended, before any evaluation: `domainlm evaluate` makes it, and",
            "`domainlm export` writes the model with its figures on the card.",
            "",
        ]
    compared = any(row.against for row in about.evaluation)
    return [
        *lines,
        "### Testing Data, Factors & Metrics",
        "",
        "Held-out documents of each source, chosen by the hash of their text before training and cut out of it where",
        "they were repeated there, and lm-eval's tasks. Bits per byte: minus the log-likelihood of a text over its",
        "bytes, lower is better. Intervals: 95%, by bootstrap over documents or items.",
        "",
        "### Results",
        "",
        f"| measure | value | 95% interval | items |{' against the base |' if compared else ''}",
        f"|---|---:|---:|---:|{'---|' if compared else ''}",
        *_rows(about.evaluation, compared),
        "",
    ]


def _rows(evaluation: Sequence[Measured], compared: bool) -> Iterator[str]:
    for row in evaluation:
        interval = f"{row.interval[0]:.3f} to {row.interval[1]:.3f}" if row.interval is not None else "has none"
        against = f" {row.against or 'not compared'} |" if compared else ""
        yield f"| {row.what} | {row.value:.3f} | {interval} | {row.count:,} |{against}"


def _environment(about: About) -> list[str]:
    took = about.energy.sentence if about.energy is not None else ""
    untimed = "the hours are in the run's `timing.jsonl`, and `domainlm export` writes them and the energy here"
    return [
        "## Environmental Impact",
        "",
        f"- **Hardware:** {about.device}",
        f"- **Compute:** {about.flops:.3g} FLOPs, by the model's own products",
        f"- **Energy:** {took or untimed}",
        "",
        "Training of this model alone: its base, its evaluation and other tries are not counted. The formula and what",
        "it assumes (power of a device at full load, PUE, grid) are those of arXiv:2302.13971, section 6.",
        "",
    ]


def _specifications(about: About) -> list[str]:
    return [
        "## Technical Specifications",
        "",
        f"{about.family}, {about.num_parameters:,} parameters; rows of {about.recipe.sequence_tokens:,} tokens; its "
        "`config.json` has the rest.",
        "",
        "### Lineage",
        "",
        "What was made, by the digest of its content: equal digests, equal bytes.",
        "",
        "| stage | digest |",
        "|---|---|",
        *(f"| {stage} | `{digest}` |" for stage, digest in about.lineage.items()),
    ]
