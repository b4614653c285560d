"""The model card: whole by the hub's own library, with nothing left to be filled in."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from huggingface_hub import ModelCard

from domainlm.export.foreign import card as foreign_card
from domainlm.plan.energy import Energy
from domainlm.specs.recipe import RecipeSpec
from domainlm.train.card import About, Measured, card

from .conftest import FolderOf
from .whole_card import check_whole

RECIPE = {"sequence_tokens": 256, "batch_tokens": 8192, "schedule": {"peak": 1e-3}}
KNOWN = About(
    name="law-51",
    base_name="meta-llama/Llama-3.2-1B",
    recipe=RecipeSpec.model_validate(RECIPE | {"quantize": "int8_qat", "average": {"ema": 0.99}}),
    mix={
        "rows": 3200,
        "sequence_tokens": 256,
        "batch_rows": 32,
        "sources": {"law/acts": {"rows": 1632, "tokens": 900_000}, "general/web": {"rows": 1568, "tokens": 10**9}},
    },
    licenses={"law/acts": "CC0-1.0", "general/web": "ODC-By-1.0"},
    num_parameters=1_235_814_400,
    family="llama",
    flops=6.1e15,
    precision="bf16",
    device="8 x NVIDIA H100 80GB HBM3",
    seed=1,
    lineage={"mix/law-51": "ab" * 32, "train/law-51": "cd" * 32},
    license="llama3.2",
    languages=("en", "fr"),
    datasets=("HuggingFaceFW/fineweb",),
    energy=Energy(device="NVIDIA H100 80GB HBM3", device_hours=12.5, watts=700),
    evaluation=[
        Measured(
            what="bits per byte, law",
            metric="bits_per_byte",
            dataset="held-out-law",
            value=0.71234,
            interval=(0.70, 0.73),
            count=200,
            against="-0.100 against base, -0.120 to -0.080, significant",
        ),
        Measured(what="f1, ner", metric="f1", dataset="ner", value=0.6, interval=None, count=90),
    ],
    stored=("## Number Format", "", "**int8**: linear layers in int8.", ""),
    quantized=True,
)


def test_a_card_lacks_nothing_that_the_hub_asks_for():
    made = ModelCard(card(KNOWN))
    assert check_whole(made) == []
    data = made.data.to_dict()
    assert (data["license"], data["language"], data["datasets"]) == (
        "llama3.2",
        ["en", "fr"],
        ["HuggingFaceFW/fineweb"],
    )
    assert (data["base_model"], data["base_model_relation"]) == ("meta-llama/Llama-3.2-1B", "quantized")
    assert data["co2_eq_emissions"]["emissions"] == pytest.approx(12.5 * 700 * 1.1 / 1000 * 385, rel=1e-3)
    assert [result.metric_value for result in made.data.eval_results] == [0.71234, 0.6]
    assert "| law/acts | 51.00% | 900,000 | CC0-1.0 |" in made.text
    assert "| bits per byte, law | 0.712 | 0.700 to 0.730 | 200 | -0.100 against base" in made.text


def test_what_is_not_known_when_training_ends_is_said_to_come_and_not_left_blank():
    made = ModelCard(card(replace(KNOWN, evaluation=(), energy=None, stored=(), license="", languages=(), datasets=())))
    assert check_whole(made) == ["section Results", "metadata model-index"]
    assert (made.data.license, made.data.get("license_name")) == ("other", "as-training-data-and-base")
    assert "`domainlm export` writes the model with its figures" in made.text


def test_a_gguf_is_loaded_by_its_file_s_name():
    assert 'AutoModelForCausalLM.from_pretrained(".")' in card(KNOWN)
    by_name = 'AutoModelForCausalLM.from_pretrained(".", gguf_file="model.gguf")'
    assert by_name in card(replace(KNOWN, gguf_name="model.gguf"))


def test_a_missing_section_or_a_placeholder_would_be_seen():
    text = card(KNOWN)
    assert check_whole(ModelCard(text.replace("## Environmental Impact", "Environment"))) == [
        "section Environmental Impact"
    ]
    assert check_whole(ModelCard(text + "[More Information Needed]\n")) != []


def test_a_base_that_the_hub_does_not_have_is_no_metadata():
    assert "base_model" not in ModelCard(card(replace(KNOWN, base_name="base"))).data.to_dict()
    assert "base_model" not in ModelCard(card(replace(KNOWN, base_name="./models/mine"))).data.to_dict()


def test_a_folder_s_own_card_is_kept_and_what_changed_is_added(folder_of: FolderOf, tmp_path: Path):
    source = folder_of("llama")
    section = ["## Number Format", "", "**int8**", ""]
    asked = {"license_name": "mit", "quantized": True}
    alone = ModelCard(foreign_card(source, "mine", section, **asked))
    assert (alone.data.license, alone.text.count("## Number Format")) == ("mit", 1)
    (tmp_path / "README.md").write_text("---\nlicense: other\nbase_model: a/b\n---\n# Theirs\n\nA word.\n")
    kept = ModelCard(foreign_card(tmp_path, "mine", section, **asked))
    assert (kept.data.license, kept.data.get("base_model_relation")) == ("mit", "quantized")
    assert kept.text.index("A word.") < kept.text.index("## Number Format")
