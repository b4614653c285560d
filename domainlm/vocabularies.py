"""Tokenizers, texts and terms as a person names them on the command line, ready to be compared."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
from tokenizers import Tokenizer

from domainlm import pipeline
from domainlm.errors import DataError
from domainlm.manifest import Manifest
from domainlm.plan.models import registry
from domainlm.plan.plan import shape_of
from domainlm.plan.shape import Shape
from domainlm.specs.project import Run, kind_at, load_run, load_tokenizer
from domainlm.specs.run import RunSpec
from domainlm.specs.tokenizer import TokenizerSpec
from domainlm.tokens.fertility import SAMPLE_BYTES, heldout
from domainlm.tokens.tokenizer import FILE_NAME, FOLDER, load, load_folder, of_json

TERMS = "data_specs/terms"
DEFAULT_MODEL = "smollm2-1.7b"
_BATCH_DOCS = 64


def tokenizers(names: Sequence[str], run: Run | None, workspace: Path | None) -> dict[str, Tokenizer]:
    """By a short name each: a folder or tokenizer.json, `hf:OWNER/MODEL`, a run, or a tokenizer spec.

    A spec's is trained on the text of `run` where that was not done before. DataError where there is none.
    """
    found: dict[str, Tokenizer] = {}
    for name in names:
        label, tokenizer = _tokenizer(name, run, workspace)
        found[label if label not in found else name] = tokenizer
    return found


def _tokenizer(name: str, run: Run | None, workspace: Path | None) -> tuple[str, Tokenizer]:
    if name.startswith("hf:"):
        return name.removeprefix("hf:"), _of_the_hub(name.removeprefix("hf:"))
    path = Path(name)
    if path.is_dir():
        inner = path / FOLDER
        return path.name, load_folder(inner if (inner / FILE_NAME).is_file() else path)
    if path.name == FILE_NAME:
        return path.parent.name, load_folder(path.parent)
    if path.suffix not in (".yaml", ".yml") or not path.is_file():
        raise DataError(
            f"{name}: no tokenizer: give a folder, a {FILE_NAME}, hf:OWNER/MODEL, or a tokenizer or run spec"
        )
    if kind_at(path).model is RunSpec:
        asked = load_run(path)
        return asked.tokenizer.name, load(_made(asked, workspace))
    spec = load_tokenizer(path)
    if kind_at(path).model is not TokenizerSpec:
        raise DataError(f"{name}: no spec of a tokenizer or run")
    if run is None:
        raise DataError(f"{name}: a spec is made on the text of a run; name one: --run data_specs/runs/NAME.yaml")
    return spec.name, load(_made(replace(run, tokenizer=spec), workspace))


def _made(run: Run, workspace: Path | None) -> Manifest:
    place = pipeline.place(run, workspace)
    finished = pipeline.done(run, place, kinds=("read", "corpus", "tokenizer"))
    return finished.get("tokenizer") or pipeline.run_stage(run, "tokenizer", place)


def _of_the_hub(name: str) -> Tokenizer:
    from transformers import AutoTokenizer

    try:
        found = AutoTokenizer.from_pretrained(name, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise DataError(f"tokenizer hf:{name}: {error}") from error
    if found is None or not found.is_fast:
        raise DataError(f"tokenizer hf:{name}: it has no {FILE_NAME}")
    return of_json(found.backend_tokenizer.to_str())


def texts(run: Run | None, given: Sequence[str], workspace: Path | None) -> dict[str, list[list[str]]]:
    """Texts by domain: those `given` as DOMAIN=FILE, else the held-out text of `run`. DataError where there is none."""
    if given:
        found: dict[str, list[list[str]]] = {}
        for one in given:
            domain, equals, file = one.partition("=")
            if not equals or not Path(file).is_file():
                raise DataError(f"--text {one}: wanted DOMAIN=FILE, with a file of .txt, .jsonl or .parquet")
            found.setdefault(domain, []).extend(_read(Path(file)))
        return found
    if run is None:
        raise DataError("no text to compare on: name a run (--run SPEC) or files (--text DOMAIN=FILE)")
    finished = pipeline.done(run, pipeline.place(run, workspace), kinds=("read", "corpus"))
    if "corpus" not in finished:
        raise DataError(f"the corpus of {run.path} is not built for its present spec: domainlm corpus {run.path}")
    held = {domain: list(batches) for domain, batches in heldout(finished["corpus"], seed=0).items()}
    if not held:
        raise DataError(f"the corpus of {run.path} holds no text out: give some by --text DOMAIN=FILE")
    return held


def _read(file: Path) -> Iterator[list[str]]:
    """The texts of a file, up to what is measured of a domain, some at a time."""
    left, batch = SAMPLE_BYTES, []
    for text in _each_text(file):
        if left <= 0:
            break
        batch.append(text.encode()[:left].decode(errors="ignore"))
        left -= len(batch[-1].encode()) or 1
        if len(batch) == _BATCH_DOCS:
            yield batch
            batch = []
    yield batch


def _each_text(file: Path) -> Iterator[str]:
    if file.suffix == ".parquet":
        for batch in pq.ParquetFile(file).iter_batches(_BATCH_DOCS, columns=["text"]):
            yield from batch.column("text").to_pylist()
    elif file.suffix == ".jsonl":
        with file.open(encoding="utf-8", newline="\n") as lines:
            yield from (json.loads(line)["text"] for line in lines)
    else:
        yield file.read_text(encoding="utf-8")


def terms(root: Path, domains: Sequence[str], given: Sequence[str]) -> dict[str, list[str]]:
    """Terms by domain: those `given` as DOMAIN=FILE, else data_specs/terms/DOMAIN.txt where there is one.

    `legal-demo` is asked of those of `legal` where it has none of its own.
    """
    files = {}
    for domain in domains:
        own = root / TERMS / f"{domain}.txt"
        files[domain] = own if own.is_file() else root / TERMS / f"{domain.partition('-')[0]}.txt"
    for one in given:
        domain, _, file = one.partition("=")
        if not file or not Path(file).is_file() or domain not in domains:
            raise DataError(f"--terms {one}: wanted DOMAIN=FILE, with a domain out of {', '.join(domains)}")
        files[domain] = Path(file)
    return {domain: read_terms(file) for domain, file in files.items() if file.is_file()}


def read_terms(file: Path) -> list[str]:
    """A term a line, without blank lines and those that begin with `#`."""
    lines = (line.strip() for line in file.read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def model(name: str | None, run: Run | None, root: Path) -> tuple[str, Shape]:
    """(name, shape) of the model whose cost is counted: of the registry, else the run's first."""
    if name is None and run is not None:
        first = next(iter(run.spec.models))
        return first, shape_of(run, first)
    wanted = name or DEFAULT_MODEL
    known = {one.name: one for one in registry(root)}
    if wanted not in known:
        raise DataError(f"no model {wanted!r} in data_specs/models.yaml; there is {', '.join(known)}")
    return wanted, known[wanted].shape()
