from __future__ import annotations

import json
from pathlib import Path

from domainlm.manifest import Manifest, shard_of
from domainlm.mix.budget import facts, plan
from domainlm.report.mixes import section
from domainlm.specs.mix import MixSpec


def manifest_of(stage: str, folder: Path, facts: dict, shards: tuple = ()) -> Manifest:
    return Manifest(
        stage=stage, name="x", key="", spec={}, seed=0, code="", libraries={}, inputs={}, counts={}, facts=facts,
        shards=shards, folder=folder,
    )  # fmt: skip


def mix_of(tmp_path: Path, packing: dict) -> Manifest:
    phases = [
        {"name": "replay", "token_ratio": {"law": 0.25, "web": 0.75}, "budget_tokens": 800},
        {"name": "anneal", "token_ratio": {"law": 1.0}, "budget_tokens": 400},
    ]
    spec = MixSpec.model_validate({"name": "x", "phases": phases}, strict=False)
    made = plan(spec, {"law/acts": 1001, "web/pages": 1001}, sequence_tokens=10, batch_rows=10, seed=0)
    return manifest_of("mix", tmp_path, facts(made) | packing)


def training_of(tmp_path: Path, seen: dict[int, dict[str, int]]) -> Manifest:
    path = tmp_path / "metrics.jsonl"
    path.write_text("".join(json.dumps({"row": row, "sources": sources}) + "\n" for row, sources in seen.items()))
    return manifest_of("train", tmp_path, {}, (shard_of(path, tmp_path, "metrics"),))


CONCAT = {"packing": "concat", "packed": {"law/acts": {"cut_share": 0.5}, "web/pages": {"cut_share": 1.0}}}


def test_what_training_saw_stands_beside_what_was_asked_phase_by_phase(tmp_path):
    # Training that drew one row of web too many in the first phase: it is told as it was.
    seen = {
        10: {"law/acts": 2, "web/pages": 8},
        80: {"law/acts": 19, "web/pages": 61},
        120: {"law/acts": 59, "web/pages": 61},
    }
    made = section({"base": mix_of(tmp_path, CONCAT)}, {"base": training_of(tmp_path, seen)})
    html = str(made.content)
    replay = html[html.index("base, replay") :]
    assert "75.00%" in replay and "76.25%" in replay and "23.75%" in replay
    phases = {(row["model"], row["domain"]): (row["asked"], row["realised"]) for row in made.charts["phases"]["rows"]}
    assert phases[("base, replay", "law")] == (0.25, 0.25)
    assert phases[("base, anneal", "law")] == (1.0, 1.0)


def test_without_a_training_the_plan_stands_alone_and_packing_is_told(tmp_path):
    made = section({"base": mix_of(tmp_path, CONCAT)}, {})
    # 60 rows of law, half of which end inside a document, and 60 of web, all of which do.
    assert "Documents of base are laid end to end: 75% of its rows end inside one." in made.sentences
    padded = {"padding_share": 0.02, "docs": 40, "cut_docs": 3}
    best_fit = {"packing": "best_fit", "packed": {"law/acts": padded, "web/pages": padded}}
    (_, told) = section({"base": mix_of(tmp_path, best_fit)}, {}).sentences
    assert told == (
        "The rows of base are packed by best fit: 2.00% of them is padding, no token is dropped, "
        "and 6 of 80 documents, those longer than a row, are cut."
    )
