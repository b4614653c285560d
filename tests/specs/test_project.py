"""A run and all that it names are checked together."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from domainlm.errors import SpecError
from domainlm.specs.byte_level import letters
from domainlm.specs.project import check, load_domain, load_mix, load_run, load_tokenizer

RUN = Path("data_specs/runs/trial.yaml")


def test_a_run_loads_with_all_that_it_names_in_the_order_of_the_spec(project: Path) -> None:
    run = load_run(RUN)
    assert run.root == project
    assert list(run.domains) == ["law", "plain"]
    assert set(run.mixes) == {"plain-all", "law-51"}
    assert run.mixes["law-51"].budget_tokens == 300_000
    assert run.tokenizer.vocab_size == 2048
    assert run.spec.recipes["make"].betas == (0.9, 0.95)
    assert check(RUN) == []


def test_each_kind_loads_alone(project: Path) -> None:
    assert load_domain(Path("data_specs/domains/law.yaml")).sources[1].uri == "hf:./data/law"
    assert load_mix(Path("data_specs/mixes/law-51.yaml")).token_ratio == {"law": 0.51, "plain": 0.49}
    assert load_tokenizer(Path("data_specs/tokenizers/small.yaml")).algorithm == "bpe"


def test_a_spec_elsewhere_is_known_by_its_keys(project: Path) -> None:
    elsewhere = project / "law-51.yaml"
    elsewhere.write_text("name: law-51\ntoken_ratio: {law: 1.1}\nbudget_tokens: 1k\n")
    with pytest.raises(SpecError, match=r"law-51.yaml:2:20: token_ratio.law"):
        check(elsewhere)
    elsewhere.write_text("name: law-51\n")
    with pytest.raises(SpecError, match="want: a domain, mix, tokenizer, run or sweep"):
        check(elsewhere)


def test_mistakes_of_all_files_come_at_once(edit, problems_of) -> None:
    edit("runs/trial", "seed: 1", "seed: one")
    edit("runs/trial", "recipe: make\n  adapted", "recipe: mke\n  adapted")
    edit("mixes/law-51", "  law: 0.51", "  law: 0.53")
    edit("domains/law", "license: CC0-1.0\n  - name: rulings", "licence: CC0-1.0\n  - name: rulings")
    edit("tokenizers/small", "bpe", "bpee")
    assert [f"{Path(p.file).name} {p.key}" for p in problems_of(RUN)] == [
        "trial.yaml seed",
        "trial.yaml models.base.recipe",
        "law.yaml sources.0.licence",
        "small.yaml algorithm",
        "law-51.yaml token_ratio",
    ]


def test_a_file_that_is_no_yaml_hides_no_mistake_of_another(edit, problems_of) -> None:
    edit("mixes/law-51", "token_ratio:", "token_ratio: [")
    edit("tokenizers/small", "bpe", "bpee")
    assert [Path(p.file).name for p in problems_of(RUN)] == ["small.yaml", "law-51.yaml"]


def test_a_validator_of_several_fields_speaks_beside_a_mistake_elsewhere(edit, problems_of) -> None:
    edit("runs/trial", "batch_tokens: 4096", "batch_tokens: 4000\n    hue: red")
    assert [p.key for p in problems_of(RUN)] == ["recipes.make.batch_tokens", "recipes.make.hue"]


def test_a_circle_of_starts_is_told_once(edit, problems_of) -> None:
    edit("runs/trial", "start: base", "start: third\n  third: {start: adapted}\n  fourth:\n    start: third")
    edit("runs/trial", "    mix: law-51\n    recipe: make\n", "")
    (problem,) = problems_of(RUN)
    assert (problem.key, problem.got) == ("models.adapted.start", "adapted -> third -> adapted")


def _model(folder: Path, **config: object) -> None:
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config))


def _outside(edit, start: str, pretrained: str) -> None:
    edit("runs/trial", "start: base", f"start: {start}")
    edit("tokenizers/small", "algorithm: bpe\nvocab_size: 2048", f"pretrained: {pretrained}")


def test_a_row_longer_than_a_local_model_reads_is_told_through_the_chain(edit, problems_of, project: Path) -> None:
    _model(project / "base-model", vocab_size=100, max_position_embeddings=128)
    (project / "base-model/tokenizer.json").write_text(json.dumps({"model": {"vocab": {"a": 0}}}))
    _outside(edit, "./base-model\n  further:\n    start: adapted", "./base-model")
    edit("runs/trial", "    mix: law-51\n    recipe: make\n", "    mix: law-51\n    recipe: make\n")
    problems = problems_of(RUN)
    assert [(p.key, p.want) for p in problems] == [
        ("recipes.make.sequence_tokens", "at most 128, the `max_position_embeddings` of ./base-model")
    ]


def test_a_tokenizer_with_more_tokens_than_the_model_has_rows_is_told(edit, problems_of, project: Path) -> None:
    _model(project / "base-model", vocab_size=3)
    (project / "words").mkdir()
    vocabulary = {"model": {"vocab": {"a": 0, "b": 1}}, "added_tokens": [{"id": 3, "content": "<end>"}]}
    (project / "words/tokenizer.json").write_text(json.dumps(vocabulary))
    _outside(edit, "./base-model", "./words")
    (problem,) = problems_of(RUN)
    assert problem.got == "small, with 4 tokens; ./base-model has 3 embeddings"
    assert problem.fix == "in data_specs/tokenizers/small.yaml, write `pretrained: ./base-model`"
    _model(project / "roomy", vocab_size=4)
    edit("runs/trial", "./base-model", "./roomy")
    assert problems_of(RUN) == ()


def test_a_model_on_the_hub_fits_its_own_tokenizer_and_others_are_wondered_about(edit) -> None:
    _outside(edit, "hf:owner/model", "hf:owner/model")
    assert not [warning for warning in check(RUN) if "cannot be seen" in warning]
    edit("tokenizers/small", "hf:owner/model", "hf:owner/other")
    assert any("whether hf:owner/other is the tokenizer of hf:owner/model" in warning for warning in check(RUN))


def test_what_no_model_uses_is_a_warning(edit) -> None:
    edit("runs/trial", "recipes:\n", "recipes:\n  idle: {sequence_tokens: 8, batch_tokens: 8, schedule: {peak: 1}}\n")
    assert check(RUN) == ["data_specs/runs/trial.yaml: recipes.idle: no model uses it"]


def test_a_domain_that_no_mix_takes_from_is_a_warning(edit) -> None:
    edit("mixes/law-51", "  law: 0.51\n  plain: 0.49", "  plain: 1")
    assert check(RUN) == [
        "data_specs/runs/trial.yaml: corpus.domains: no mix takes from law; it is only evaluated on",
    ]


def test_a_variable_of_the_environment_is_filled_in(edit, problems_of, project: Path, monkeypatch) -> None:
    edit("domains/law", "data/law/*.jsonl", "${LAW}/*.jsonl")
    monkeypatch.setenv("LAW", "")
    assert [p.fix for p in problems_of(RUN)] == ["export LAW=/path/to/it"]
    monkeypatch.setenv("LAW", str(project / "data/law"))
    assert problems_of(RUN) == ()


def test_files_that_no_reader_knows_are_told(edit, problems_of, project: Path) -> None:
    (project / "data/law/a.docx").write_bytes(b"PK")
    edit("domains/law", "data/law/*.jsonl", "data/law/*.docx")
    (problem,) = problems_of(RUN)
    assert problem.got == "data/law/*.docx, which matches a.docx"
    assert problem.fix.startswith("turn it into .jsonl")


def test_a_run_outside_any_project_is_told_where_to_go(tmp_path: Path) -> None:
    path = tmp_path / "trial.yaml"
    path.write_text("name: trial\ncorpus: {domains: [a]}\ntokenizer: t\nmodels: {b: {start: 'hf:o/m'}}\n")
    with pytest.raises(SpecError, match="below a folder that holds data_specs"):
        check(path)


BYTE_LEVEL = {"model": {"type": "BPE", "vocab": {letter: n for n, letter in enumerate(letters())}, "merges": []}}


def _tokenizer(folder: Path, **changes: object) -> None:
    folder.mkdir(exist_ok=True)
    content = BYTE_LEVEL | {"pre_tokenizer": {"type": "ByteLevel"}, "added_tokens": []} | changes
    (folder / "tokenizer.json").write_text(json.dumps(content))


def _extended(edit, start: str, base: str, more: str = "") -> None:
    edit("runs/trial", "    start: base\n", f"    start: {start}\n{more}")
    edit("tokenizers/small", "algorithm: bpe\nvocab_size: 2048\nsplit_digits: true", f"extend: {base}\nnew_tokens: 10")


def test_a_tokenizer_of_other_tokens_than_the_models_own_is_told_by_the_first(edit, problems_of, project: Path) -> None:
    _model(project / "base", vocab_size=260)
    _tokenizer(project / "base", added_tokens=[{"id": 256, "content": "<a>"}, {"id": 257, "content": "<end>"}])
    _tokenizer(project / "words", added_tokens=[{"id": 256, "content": "<end>"}])
    _outside(edit, "./base", "./words")
    (problem,) = problems_of(RUN)
    assert problem.got == "small, which has the token '<a>' not at all; ./base has it as 256"
    assert (problem.want, problem.fix[-27:]) == ("the vocabulary of ./base", " write `pretrained: ./base`")
    _tokenizer(project / "words", added_tokens=[{"id": 257, "content": "<a>"}, {"id": 256, "content": "<end>"}])
    assert problems_of(RUN)[0].got == "small, which has the token '<a>' as 257; ./base has it as 256"
    shutil.copy("base/tokenizer.json", "words")
    assert problems_of(RUN) == ()


def test_what_no_merges_can_be_added_to_is_told_before_any_work(edit, problems_of, project: Path) -> None:
    _model(project / "base", vocab_size=260)
    _tokenizer(project / "base", model={"type": "Unigram", "vocab": [["a", 0.0]]})
    _extended(edit, "./base", "./base")
    (problem,) = problems_of(RUN)
    assert "./base, which has a model of kind Unigram" in problem.got
    assert problem.fix.endswith("train one: `algorithm: bpe`, replaces: ./base")
    _tokenizer(project / "base")
    assert problems_of(RUN) == ()


def test_what_cannot_reach_across_words_is_told_before_any_work(edit, problems_of, project: Path) -> None:
    _model(project / "base", vocab_size=260)
    _tokenizer(project / "base", pre_tokenizer={"type": "ByteLevel", "add_prefix_space": True})
    _extended(edit, "./base", "./base")
    edit("tokenizers/small", "new_tokens: 10", "new_tokens: 10\nacross_words: true")
    (problem,) = problems_of(RUN)
    assert problem.want == "nothing: ./base has `add_prefix_space`, with which each word would get a space"
    assert problem.fix == "delete `across_words`"
    _tokenizer(project / "base")
    assert problems_of(RUN) == ()


def test_zero_output_rows_are_refused_where_the_model_is_known_to_have_none(edit, problems_of, project: Path) -> None:
    _model(project / "base", vocab_size=260, tie_word_embeddings=True)
    _tokenizer(project / "base")
    _extended(edit, "./base", "./base", "    new_rows: zero_output\n")
    assert [(p.key, p.fix) for p in problems_of(RUN)] == [
        ("models.adapted.new_rows", "write `new_rows: mean_of_all`"),
    ]
    edit("runs/trial", "zero_output", "focus")
    assert problems_of(RUN) == ()


def test_a_model_from_outside_that_the_run_has_a_name_for_is_checked_as_it_is(edit, problems_of, project) -> None:
    _model(project / "base", vocab_size=260, tie_word_embeddings=True)
    _tokenizer(project / "base")
    _extended(edit, "published", "./base", "    new_rows: zero_output\n")
    edit("runs/trial", "models:\n", "models:\n  published: {start: ./base}\n")
    assert [(p.key, p.fix) for p in problems_of(RUN)] == [
        ("models.adapted.new_rows", "write `new_rows: mean_of_all`"),
    ]
    edit("runs/trial", "zero_output", "focus")
    assert problems_of(RUN) == ()


def test_adapters_are_refused_where_new_tokens_have_to_learn(edit, problems_of, project: Path) -> None:
    _model(project / "base", vocab_size=260)
    _tokenizer(project / "base")
    _extended(edit, "./base", "./base")
    edit("runs/trial", "    precision: auto\n", "    precision: auto\n    lora: {rank: 4}\n")
    assert [p.key for p in problems_of(RUN) if "embeddings" in p.want] == ["recipes.make.lora"]


def test_a_cached_tokenizer_of_the_hub_is_looked_at_as_a_folder_is(
    edit, problems_of, project: Path, monkeypatch
) -> None:
    revision, cache = "a" * 40, project / "cache"
    snapshot = cache / "models--owner--model/snapshots" / revision
    snapshot.mkdir(parents=True)
    _tokenizer(snapshot, model={"type": "WordPiece", "vocab": {"a": 0}})
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache))
    _extended(edit, "hf:owner/model", "hf:owner/model")
    assert problems_of(RUN) == ()  # which revision it would be, nothing says
    lock = project / "data_specs/locks/tokenizer-small.json"
    lock.parent.mkdir()
    held = {"format": 1, "revisions": {"hf:owner/model": revision}, "files": {}, "installed": {}}
    lock.write_text(json.dumps(held))
    (problem,) = problems_of(RUN)
    assert problem.got.startswith("hf:owner/model, which has a model of kind WordPiece")
