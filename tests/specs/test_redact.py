"""What is wrong with a domain's `redact` is said at its line, with a fix."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

DOMAIN = "domains/law"
RUN = Path("data_specs/runs/trial.yaml")
HEAD = "heldout_share: 0.1\n"

CASES = {
    "redact:\n  e-mail: {}\n": ("redact.e-mail", "rename it to `email`"),
    "redact: {}\n": ("redact", "write `redact: {email: {}}`"),
    'redact:\n  email: {placeholder: "EMAIL"}\n': ("redact.email.placeholder", 'write `placeholder: "<EMAIL>"`'),
    "redact:\n  ip: {private: true}\n": ("redact.ip.private", "delete `private: true`"),
    "redact:\n  phone: {include_reserved: true}\n": (
        "redact.phone.include_reserved",
        "delete `include_reserved: true`",
    ),
    "redact:\n  name: {model: ./models/ner}\n": (
        "redact.name.model",
        "download one beforehand and put it there: ls models/ner",
    ),
}  # fmt: skip


@pytest.mark.parametrize("lines", CASES, ids=[key for key, _ in CASES.values()])
def test_a_mistake_in_redact_is_named_with_its_fix(project, edit, problems_of, lines: str) -> None:
    edit(DOMAIN, HEAD, HEAD + lines)
    (problem,) = problems_of(RUN)
    assert (problem.key, problem.fix) == CASES[lines]


def test_labels_that_the_model_has_not_are_told_with_those_it_has(project, edit, problems_of, paste) -> None:
    folder = project / "models/ner"
    folder.mkdir(parents=True)
    for name in ("model.safetensors", "tokenizer.json"):
        (folder / name).write_bytes(b"")
    (folder / "config.json").write_text(json.dumps({"id2label": {"0": "O", "1": "B-PATIENT", "2": "B-ORG"}}))
    edit(DOMAIN, HEAD, HEAD + "redact:\n  name:\n    model: ./models/ner\n    labels: [PER]\n")
    (problem,) = problems_of(RUN)
    assert problem.want == "labels of ./models/ner: ORG, PATIENT"
    paste(problem)
    assert problems_of(RUN) == ()
