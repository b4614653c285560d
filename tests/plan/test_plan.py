import io
import json
import struct
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from xml.etree import ElementTree

import pytest
from rich.console import Console, RenderableType
from transformers import LlamaConfig
from typer.testing import CliRunner

from domainlm.cli import app
from domainlm.errors import SpecError
from domainlm.plan import lecture, show
from domainlm.plan.choice import choose
from domainlm.plan.plan import Plan, plan, record, shape_of
from domainlm.plan.shape import from_folder
from domainlm.specs.mix import MixSpec
from domainlm.specs.project import Run, load_run
from domainlm.specs.run import RunSpec
from domainlm.specs.tokenizer import TokenizerSpec

ROOT = Path(__file__).parents[2]
LLAMA = {
    "family": "llama",
    "hidden_size": 64,
    "intermediate_size": 160,
    "num_layers": 2,
    "num_heads": 4,
    "num_kv_heads": 2,
    "max_position": 128,
}


def run_of(root: Path, models: dict, *, batch_tokens: int = 1024, tokenizer: dict | None = None) -> Run:
    spec = RunSpec.model_validate(
        {
            "name": "trial",
            "corpus": {"domains": ("law",)},
            "tokenizer": "words",
            "recipes": {"all": {"sequence_tokens": 64, "batch_tokens": batch_tokens, "schedule": {"peak": 1e-3}}},
            "models": models,
        }
    )
    words = TokenizerSpec.model_validate({"name": "words"} | (tokenizer or {"algorithm": "bpe", "vocab_size": 300}))
    mix = MixSpec(name="half", token_ratio={"law": 1.0}, budget_tokens=1_000_000)
    return Run(path=root / "trial.yaml", root=root, spec=spec, domains={}, tokenizer=words, mixes={"half": mix})


def text_of(planned: Plan) -> str:
    console = Console(file=io.StringIO(), width=200)
    for part in show.render(planned):
        console.print(part)
    return console.file.getvalue()


@pytest.mark.parametrize("path", sorted((ROOT / "data_specs" / "runs").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_shipped_run_is_planned_on_one_gpu_and_on_eight(path):
    run = load_run(path)
    for num_gpus in (1, 8):
        planned = plan(run, num_gpus=num_gpus)
        trained = [name for name, model in run.spec.models.items() if model.mix]
        assert [model.model for model in planned.models] == trained
        assert json.loads(json.dumps(record(planned)))["cost"] == planned.cost
        assert all(name in text_of(planned) for name in trained)


def test_hours_cost_and_flops_follow_from_tokens_utilisation_and_price(tmp_path):
    run = run_of(tmp_path, {"base": {"architecture": LLAMA, "mix": "half", "recipe": "all"}})
    (base,) = plan(run, "A100-80GB", num_gpus=4, mfu=0.5, price_per_hour=2.0).models
    # By hand: 2 layers of 3 x 64 x 64 and 3 x 64 x 160, an output of 300 x 64; 12 L d T for the attention.
    assert base.flops == 1e6 * (6 * (2 * (3 * 64 * 64 + 3 * 64 * 160) + 300 * 64) + 12 * 2 * 64 * 64)
    assert base.gpu_hours == pytest.approx(base.flops / (312e12 * 0.5) / 3600)
    assert (base.hours, base.cost) == (base.gpu_hours / 4, base.gpu_hours * 2)
    assert base.petaflop_s_days == base.flops / 8.64e19


def test_a_model_that_goes_on_from_another_has_its_shape_and_the_law_keeps_silent(tmp_path):
    models = {
        "base": {"architecture": LLAMA, "mix": "half", "recipe": "all"},
        "more": {"start": "base", "mix": "half", "recipe": "all"},
        "as-it-is": {"start": "base"},
    }
    base, more = plan(run_of(tmp_path, models)).models
    assert more.num_parameters == base.num_parameters
    # 1M tokens for 105,536 parameters: 9.5 each.
    assert base.chinchilla.sentence == "2.1 times fewer tokens than is best for its size."
    assert more.chinchilla.sentence.endswith("the law is for training anew.")


def test_a_model_in_a_folder_is_counted_on_its_architecture(tmp_path):
    LlamaConfig(
        vocab_size=300, hidden_size=64, intermediate_size=160, num_hidden_layers=2, num_attention_heads=4
    ).save_pretrained(tmp_path / "old")
    run = run_of(tmp_path, {"new": {"start": "./old", "mix": "half", "recipe": "all"}})
    (new,) = plan(run).models
    assert new.num_parameters == 2 * 300 * 64 + 2 * (4 * 64 * 64 + 3 * 64 * 160 + 2 * 64) + 64


def test_a_model_of_the_hub_is_looked_up_and_an_unknown_one_is_refused_with_a_fix(tmp_path):
    folder = tmp_path / "data_specs"
    folder.mkdir()
    (folder / "models.yaml").write_bytes((ROOT / "data_specs" / "models.yaml").read_bytes())
    known = run_of(tmp_path, {"new": {"start": "hf:HuggingFaceTB/SmolLM2-135M", "mix": "half", "recipe": "all"}})
    assert plan(known).models[0].num_parameters == 134_515_008
    unknown = run_of(tmp_path, {"new": {"start": "hf:nobody/nothing", "mix": "half", "recipe": "all"}})
    with pytest.raises(SpecError, match=r"(?s)models.new.start.*add its facts to data_specs/models.yaml, under `hub"):
        plan(unknown)


def base_in(folder: Path, *, rows: int) -> Path:
    """A tied model of `rows` embeddings, with a tokenizer of 300 tokens, the last of them an added one."""
    LlamaConfig(
        vocab_size=rows,
        hidden_size=64,
        intermediate_size=160,
        num_hidden_layers=2,
        num_attention_heads=4,
        tie_word_embeddings=True,
    ).save_pretrained(folder)
    model = {"type": "BPE", "vocab": {f"t{id_}": id_ for id_ in range(290)}, "merges": []}
    (folder / "tokenizer.json").write_text(json.dumps({"model": model, "added_tokens": [{"id": 299, "content": "E"}]}))
    return folder


@pytest.mark.parametrize(("rows", "renewed"), [(300, 364), (320, 364), (512, 512)])
def test_a_tokenizer_with_more_tokens_gives_the_models_that_learn_them_more_rows(tmp_path, rows, renewed):
    base_in(tmp_path / "old", rows=rows)
    models = {
        "anew": {"architecture": LLAMA, "mix": "half", "recipe": "all"},
        "old": {"start": "./old"},
        "more": {"start": "old", "mix": "half", "recipe": "all"},
        "still-more": {"start": "more", "mix": "half", "recipe": "all"},
    }
    run = run_of(tmp_path, models, tokenizer={"extend": "./old", "new_tokens": 64})
    assert shape_of(run, "anew").vocab_size == 364
    old, more = shape_of(run, "old"), shape_of(run, "more")
    assert (old.vocab_size, more.vocab_size) == (rows, renewed)
    assert more == from_folder(base_in(tmp_path / "wanted", rows=renewed))
    assert [model.num_parameters for model in plan(run).models][1:] == [more.num_parameters] * 2


def test_a_tokenizer_that_replaces_a_bases_gives_the_rows_that_it_has(tmp_path):
    base_in(tmp_path / "old", rows=512)
    asked = {"algorithm": "bpe", "vocab_size": 400, "replaces": "./old"}
    run = run_of(tmp_path, {"new": {"start": "./old", "mix": "half", "recipe": "all"}}, tokenizer=asked)
    assert shape_of(run, "new") == from_folder(base_in(tmp_path / "wanted", rows=400))


def test_an_extended_tokenizer_of_the_hub_is_counted_in_the_cache_else_by_the_registry(tmp_path, monkeypatch):
    revision, cache = "a" * 40, tmp_path / "cache"
    specs = tmp_path / "data_specs"
    (specs / "locks").mkdir(parents=True)
    (specs / "models.yaml").write_bytes((ROOT / "data_specs" / "models.yaml").read_bytes())
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache))
    models = {"anew": {"architecture": LLAMA, "mix": "half", "recipe": "all"}}

    def size_of(base: str) -> int:
        return shape_of(run_of(tmp_path, models, tokenizer={"extend": base, "new_tokens": 64}), "anew").vocab_size

    smol = "hf:HuggingFaceTB/SmolLM2-135M"
    assert size_of(smol) == 49_152 + 64
    with pytest.raises(SpecError, match=r"(?s)tokenizer.*add its facts to data_specs/models.yaml, under `hub: no/one"):
        size_of("hf:no/one")
    with pytest.raises(SpecError, match=r"(?s)tokenizer.*put its tokenizer.json into ./nowhere"):
        size_of("./nowhere")
    base_in(cache / "models--HuggingFaceTB--SmolLM2-135M/snapshots" / revision, rows=300)
    held = {"format": 1, "revisions": {smol: revision}, "files": {}, "installed": {}}
    (specs / "locks" / "tokenizer-words.json").write_text(json.dumps(held))
    assert size_of(smol) == 300 + 64


def test_more_gpus_take_fewer_rows_each_and_at_last_one_micro_batch(tmp_path):
    models = {"base": {"architecture": LLAMA, "mix": "half", "recipe": "all"}}
    # 16 rows a step, 8 a micro-batch: one GPU accumulates two micro-batches' gradients, 16 GPUs take a row each.
    alone, many = (plan(run_of(tmp_path, models), num_gpus=n).models[0] for n in (1, 16))
    assert alone.memories[0].gradients == 4 * alone.num_parameters
    sharded = next(m for m in many.memories if m.strategy == "ZeRO-3")
    assert sharded.gradients < 4 * many.num_parameters / 15
    assert alone.memories[0].activations > 7 * sharded.activations


def test_a_plan_that_does_not_fit_says_what_helps(tmp_path):
    wide = LLAMA | {"hidden_size": 65536, "num_heads": 64, "num_kv_heads": 64, "intermediate_size": 262144}
    run = run_of(tmp_path, {"base": {"architecture": wide, "mix": "half", "recipe": "all"}})
    planned = plan(run, "A100-40GB", num_gpus=1)
    assert planned.models[0].choice.pick is None
    assert "Take more or larger GPUs" in text_of(planned)


def printed(parts: Iterable[RenderableType], width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width)
    for part in parts:
        console.print(part)
    return console.file.getvalue()


def test_the_lectures_tables_hold_its_figures():
    text = printed(lecture.lecture())
    for memory in ("1B          4 GB      4 GB       8 GB", "24 GB", "4,200 GB", "12,000 GB"):
        assert memory in text
    # Best and actual tokens, and what the compute of BloombergGPT would do best by 20 tokens a parameter.
    for tokens in ("BloombergGPT       50.6B   1.01T    569B     0.56", "334B      37.9B", "3.5T    300B     0.09"):
        assert tokens in text
    for number in ("3.140625", "0 10000000 1001001", "1 + 5 + 2", "65504", "3.40282e+38"):
        assert number in text


WIDE = [
    ["plan"],
    ["plan", "data_specs/runs/bloomberggpt.yaml", "--gpu", "A100-40GB", "--gpus", "512", "--mfu", "0.245"],
    ["plan", "data_specs/runs/finance-llama-1b.yaml"],
    ["models", "data_specs/runs/finance-llama-1b.yaml", "--license", "apache-2.0", "--budget", "500"],
    ["numbers"],
]


@pytest.mark.parametrize("arguments", WIDE, ids=" ".join)
def test_in_80_columns_no_cell_is_cut_off(arguments: list[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(ROOT)
    shown = CliRunner().invoke(app, arguments)
    assert shown.exit_code == 0, shown.output
    assert "…" not in shown.output
    assert max(map(len, shown.output.splitlines())) <= 80


def test_bloomberggpt_is_planned_near_what_its_paper_published():
    run = load_run(ROOT / "data_specs" / "runs" / "bloomberggpt.yaml")
    # arXiv:2303.17564, table 4 and section 3.3: 102 TFLOP/s on each of 512 A100-40GB for 53 days, 2.36e23 FLOPs, which
    # count activation checkpointing's second forward pass.
    hardware = {"num_gpus": 512, "mfu": 0.75 * 102 / 312}
    (model,) = plan(run, "A100-40GB", **hardware).models
    assert model.num_parameters == pytest.approx(50.6e9, rel=0.001)
    assert model.flops * 4 / 3 == pytest.approx(2.36e23, rel=0.02)
    assert model.hours / 24 == pytest.approx(53, rel=0.02)
    chosen = next(m for m in model.memories if m.strategy == "hybrid 128x4")
    assert chosen.total < 40e9 < next(m for m in model.memories if m.strategy == "DDP").total


def test_the_zero_stage_that_our_trainer_lacks_is_planned_and_never_picked():
    run = load_run(ROOT / "data_specs" / "runs" / "finance-llama-1b.yaml")
    (model,) = plan(run, num_gpus=8).models
    by_name = {m.strategy: m for m in model.memories}
    assert by_name["DDP"].total > by_name["ZeRO-1"].total > by_name["ZeRO-3"].total
    choice = choose([by_name["DDP"], by_name["ZeRO-1"], by_name["ZeRO-2"]], by_name["ZeRO-1"].total)
    assert choice.pick != "ZeRO-1"
    assert choice.reasons["ZeRO-1"].startswith("would fit, but our trainer shards the gradients too")


def test_what_a_base_was_trained_on_counts_in_what_the_law_says_of_more():
    run = load_run(ROOT / "data_specs" / "runs" / "finance-llama-1b.yaml")
    (model,) = plan(run).models
    # Llama 3.2 1B: 9T tokens of 1.24B parameters.
    assert "on top of 7,282.6 before: were all text alike, 2.116 nats a token" in model.chinchilla.sentence


def test_a_number_is_drawn_with_a_box_for_each_of_its_bits(tmp_path):
    shown = CliRunner().invoke(app, ["numbers", "0.1", "--json", "--picture", str(tmp_path / "bits.svg")])
    rows = json.loads(shown.output)
    drawn = ElementTree.fromstring((tmp_path / "bits.svg").read_text())
    boxes = [box.attrib["class"] for box in drawn.iter("{http://www.w3.org/2000/svg}rect")]
    for kind in ("sign", "exponent", "fraction"):
        assert boxes.count(kind) == 1 + sum(row[f"{kind}_bits"] for row in rows)
    assert rows[0]["value"] == struct.unpack("f", struct.pack("f", 0.1))[0]


def test_the_command_prints_the_plan_as_json_and_refuses_a_gpu_that_it_does_not_know():
    demo = str(ROOT / "data_specs" / "runs" / "demo.yaml")
    planned = CliRunner().invoke(app, ["plan", demo, "--gpu", "h200", "--gpus", "2", "--json"])
    assert json.loads(planned.output)["hardware"]["device"]["name"] == "H200"
    refused = CliRunner().invoke(app, ["plan", demo, "--gpu", "abacus"])
    assert refused.exit_code == 2
    assert "no GPU 'abacus'; there is A100-40GB" in " ".join(refused.output.split())


def test_planning_imports_no_heavy_library():
    script = (
        "import sys, domainlm.plan.show; "
        "print([m for m in ('torch', 'transformers', 'numpy', 'datasets') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
