"""The run's one tokenizer is that of the models that start from outside, or becomes theirs as the specs say."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from domainlm.specs.byte_level import cannot_cross, cannot_extend, vocabulary
from domainlm.specs.fit import check_outside, is_outside, object_in
from domainlm.specs.flow import line
from domainlm.specs.read import Problems, Reading
from domainlm.specs.run import ModelSpec, RunSpec
from domainlm.specs.tokenizer import TokenizerSpec
from domainlm.specs.uri import expanded


@dataclass(frozen=True, kw_only=True, slots=True)
class _Files:
    """What of models and tokenizers from outside lies on this machine: in a folder, or in the hub's cache."""

    root: Path
    revisions: dict[str, str]

    def read(self, uri: str, file: str) -> dict[str, Any]:
        """A JSON file of `uri`; empty where it is not here."""
        if not uri.startswith("hf:"):
            return object_in(self.root / expanded(uri) / file)
        if uri not in self.revisions:
            return {}
        from huggingface_hub import try_to_load_from_cache

        found = try_to_load_from_cache(uri.removeprefix("hf:"), file, revision=self.revisions[uri])
        return object_in(Path(found)) if isinstance(found, str) else {}


def _files(root: Path, tokenizer: str, run: str | None = None) -> _Files:
    from domainlm.specs.lock import load_lock

    held = dict(load_lock(root, "tokenizer", tokenizer).revisions)
    return _Files(root=root, revisions=held | (dict(load_lock(root, "run", run).revisions) if run else {}))


def num_tokens_here(uri: str, root: Path, tokenizer: str, run: str) -> int | None:
    """Tokens, special ones too, of a tokenizer that lies in a folder or in the cache at its locked revision, of the
    spec `tokenizer` or `run`; None where it is not here."""
    ids = vocabulary(_files(root, tokenizer, run).read(uri, "tokenizer.json"))
    return 1 + max(ids.values()) if ids else None


def check_pretrained(tokenizer: Reading[TokenizerSpec], root: Path, problems: Problems) -> None:
    """Add what a tokenizer spec names outside that is not there, or cannot be extended."""
    spec = tokenizer.spec
    if spec is None:
        return
    for key in ("pretrained", "extend", "replaces"):
        uri = getattr(spec, key)
        if uri is not None:
            check_outside(tokenizer, (key,), uri, root, "tokenizer.json", problems)
    if spec.extend is not None:
        description = _files(root, spec.name).read(spec.extend, "tokenizer.json")
        refused = cannot_extend(description) if description else None
        if refused is not None:
            want = "the tokenizer of a byte-level BPE, such as GPT-2's, Llama 3's or Qwen's"
            fix = f"delete `extend` and `new_tokens`, and train one: `algorithm: bpe`, {line('replaces', spec.extend)}"
            problems.add(tokenizer, ("extend",), got=f"{spec.extend}, which has {refused}", want=want, fix=fix)
        elif description and spec.across_words and (refused := cannot_cross(description)) is not None:
            want = f"nothing: {spec.extend} has {refused}"
            problems.add(tokenizer, ("across_words",), got="true", want=want, fix="delete `across_words`")


def check_vocabulary(
    run: Reading[RunSpec], tokenizer: Reading[TokenizerSpec], root: Path, problems: Problems
) -> list[str]:
    """Add each model from outside that the tokenizer doesn't fit; returns warnings of what cannot be known here."""
    spec, tokens = run.spec, tokenizer.spec
    assert spec is not None and tokens is not None
    files = _files(root, tokens.name, spec.name)
    warnings = []
    for name, model in spec.models.items():
        start = model.start
        outside = start is not None and start not in spec.models and is_outside(start)
        _check_new_rows(run, tokens, name, model, files, problems)
        if start is None or not outside:
            continue
        if tokens.outside is None:
            got = f"{tokens.name}, a new vocabulary of {tokens.vocab_size}; {name} starts from {start}"
            want = f"the vocabulary that {start} was trained with"
            fix = f"in {tokenizer.tree.file}, write `{line('pretrained', start)}` for `algorithm` and `vocab_size`"
            fix += f", or add `{line('replaces', start)}`"
            problems.add(run, ("tokenizer",), got=got, want=want, fix=fix)
            continue
        differs = _difference(tokens.outside, start, files)
        if differs is None:
            where = f"{run.tree.file}: models.{name}.start"
            warnings.append(f"{where}: whether {tokens.outside} is the tokenizer of {start} cannot be seen from here")
        elif differs:
            key = "pretrained" if tokens.pretrained else "extend" if tokens.extend else "replaces"
            fix = f"in {tokenizer.tree.file}, write `{line(key, start)}`"
            if start == tokens.outside:
                fix = f"give {start} the tokenizer.json that its model was trained with"
            got = f"{tokens.name}, {'' if tokens.pretrained else f'of {tokens.outside}, '}{differs[0]}"
            problems.add(run, ("tokenizer",), got=got, want=differs[1], fix=fix)
    return warnings


def _difference(outside: str, start: str, files: _Files) -> tuple[str, str] | tuple[()] | None:
    """What of a tokenizer does not fit a model and what would; empty where all does; None where nothing is known."""
    ids, rows = vocabulary(files.read(outside, "tokenizer.json")), files.read(start, "config.json").get("vocab_size")
    own = ids if outside == start else vocabulary(files.read(start, "tokenizer.json"))
    entries = 1 + max(ids.values(), default=-1)
    if entries and isinstance(rows, int) and entries > rows:
        return f"with {entries} tokens; {start} has {rows} embeddings", f"at most {rows} tokens"
    if outside == start:
        return ()
    if not (ids and own):
        return () if entries and isinstance(rows, int) else None
    for token, id_ in sorted(own.items(), key=lambda item: item[1]):
        if ids.get(token) != id_:
            has = f"as {ids[token]}" if token in ids else "not at all"
            return f"which has the token {token!r} {has}; {start} has it as {id_}", f"the vocabulary of {start}"
    return ()


def _untrained(spec: RunSpec, model: ModelSpec) -> str | None:
    """What from outside a model begins with as it was published; None where this run makes or trains it before."""
    start, seen = model.start, set()
    while start in spec.models and start not in seen and spec.models[start].mix is None:
        seen.add(start)
        start = spec.models[start].start
    return start if start is not None and start not in spec.models and is_outside(start) else None


def _check_new_rows(
    run: Reading[RunSpec],
    tokens: TokenizerSpec,
    name: str,
    model: ModelSpec,
    files: _Files,
    problems: Problems,
) -> None:
    spec = run.spec
    assert spec is not None
    origin = _untrained(spec, model)
    renewed = origin is not None and (tokens.extend or tokens.replaces) is not None
    key = ("models", name, "new_rows")
    if model.new_rows is not None and not renewed:
        want = f"nothing: {name} begins with all the tokens of {tokens.name}"
        problems.add(run, key, got=model.new_rows, want=want, fix="delete `new_rows`")
    tied = files.read(origin or "", "config.json").get("tie_word_embeddings") if renewed else None
    if model.new_rows == "zero_output" and tied is True:
        want = f"another: {origin} has one matrix for input and output"
        problems.add(run, key, got="zero_output", want=want, fix="write `new_rows: mean_of_all`")
    recipe = spec.recipes.get(model.recipe or "")
    if renewed and recipe is not None and recipe.lora is not None:
        want = f"nothing: adapters leave the embeddings of {name}'s new tokens as they begin"
        where = ("recipes", model.recipe or "", "lora")
        problems.add(run, where, got="lora", want=want, fix="delete `lora`, or give it to another recipe")
