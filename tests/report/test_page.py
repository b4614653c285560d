"""The page is one file that needs nothing else, runs nothing that was not meant, and has the same bytes each time."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from domainlm import manifest
from domainlm.evaluate.gate import Check
from domainlm.report import page as page_module
from tests.report.conftest import EVIL, Report, ReportOf


class Parsed(HTMLParser):
    """Tags with their attributes, and the text inside scripts and styles."""

    def __init__(self, text: str):
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.open = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.open = tag

    def handle_data(self, data: str) -> None:
        self.texts.append((self.open, data))

    def inside(self, tag: str) -> list[str]:
        return [text for opened, text in self.texts if opened == tag and text.strip()]


def data_of(report: Report) -> dict:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', report.page, re.S)
    assert found
    return json.loads(found.group(1))


def test_page_refers_to_nothing_outside_itself(report_of: ReportOf) -> None:
    parsed = Parsed(report_of().page)
    for tag, attributes in parsed.tags:
        assert tag not in ("link", "iframe", "object", "embed", "base", "form", "img")
        for name in ("src", "href", "data", "action", "srcset", "poster", "xlink:href"):
            assert (attributes.get(name) or "#").startswith("#"), (tag, attributes)
    for style in parsed.inside("style"):
        assert "url(" not in style and "@import" not in style


def test_policy_forbids_every_connection_and_every_other_script(report_of: ReportOf) -> None:
    parsed = Parsed(report_of().page)
    policies = [a["content"] or "" for t, a in parsed.tags if a.get("http-equiv") == "Content-Security-Policy"]
    assert len(policies) == 1
    assert policies[0].startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe-inline" not in policies[0].split("style-src")[0] and "unsafe-eval" not in policies[0]
    scripts = [text for text in parsed.inside("script") if not text.startswith("{")]
    assert len(scripts) == 4
    for script in scripts:
        assert base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() in policies[0]


def test_page_stays_under_a_megabyte_and_a_half(report_of: ReportOf) -> None:
    assert len(report_of(num_steps=5000).page.encode()) <= 1_500_000


def test_text_of_documents_cannot_break_out(report_of: ReportOf) -> None:
    report = report_of(head=EVIL, title=EVIL, failed={"mix": {"legal_continuation": EVIL}})
    assert report.page.lower().count("</script>") == 5
    assert not [attributes for _, attributes in Parsed(report.page).tags if "onerror" in attributes]
    assert data_of(report)["charts"]["clusters"]["texts"][0] == EVIL
    assert not [tag for tag, _ in Parsed(report.page).tags if tag == "img"]


def test_same_inputs_give_the_same_bytes_in_any_folder(report_of: ReportOf) -> None:
    one, two = report_of("one"), report_of("two")
    assert [shard.sha256 for shard in one.made.shards] == [shard.sha256 for shard in two.made.shards]
    assert "workspace" not in one.page


def test_manifests_read_from_disk_give_the_bytes_of_fresh_ones(report_of: ReportOf, tmp_path: Path) -> None:
    report = report_of()

    def again(made: Any) -> Any:
        if isinstance(made, dict):
            return {name: again(one) for name, one in made.items()}
        return manifest.read(made.folder) if isinstance(made, manifest.Manifest) else made

    inputs = {name: again(made) for name, made in report.inputs.items()}
    assert inputs["corpus"] is not report.inputs["corpus"]
    assert page_module.build(**inputs, folder=tmp_path) == report.made


def test_manifest_lists_page_and_summary(report_of: ReportOf) -> None:
    assert [(s.path, s.kind) for s in report_of().made.shards] == [
        ("report.html", "page"),
        ("summary.json", "summary"),
    ]


@pytest.mark.parametrize(
    "fields",
    [
        {"domains": ("general",), "levels": {"base": {"general": 2.9}, "mix": {"general": 3.0}}},
        {"domains": ("legal",), "levels": {"base": {"legal": 2.9}, "pure": {"legal": 2.5}}},
        {"tasks": ()},
        {"levels": {"base": {"legal": 4.0, "general": 2.9}}},
        {"num_steps": 1},
    ],
    ids=["general alone", "no general domain", "no tasks", "no adapted model", "one step"],
)
def test_awkward_runs_have_a_page_too(report_of: ReportOf, fields: dict) -> None:
    report = report_of(**fields)
    charts = data_of(report)["charts"]
    assert {"levels", "corpus", "mix", "tokenizer", "loss", "lineage"} <= charts.keys()
    assert ("benchmarks" in charts) == (fields.get("tasks") != ())
    assert ("change" in charts) == (len(fields.get("levels", "many")) > 1)
    two_sides = fields.get("domains", ("legal", "general")) == ("legal", "general")
    assert ("tradeoff-legal" in charts) == (two_sides and "change" in charts)


def test_what_was_won_lost_and_paid_stands_in_one_table_with_intervals(report_of: ReportOf) -> None:
    page = report_of().page
    table = page[page.index("Gain: bits per byte won in the domain") :]
    rows = [re.sub(r"<[^>]+>", "|", row) for row in table[: table.index("</table>")].split("<tr>")[2:]]
    mix, pure = ([cell for cell in row.split("|") if cell] for row in rows)
    assert mix[:2] == ["mix against base", "legal"] and mix[2:4] == ["+0.687", "+0.668 to +0.706"]
    assert mix[4:7] == ["general", "+0.011, not significant", "−0.008 to +0.030"]
    assert mix[7] == "no significant loss; at least 50.0 gained per 1 lost"
    assert pure[7] == "1.5 gained per 1 lost (1.2 to 1.9)"


def test_the_curve_of_held_out_text_has_its_beginning_and_its_limit_and_a_sentence_says_who_kept_it(
    report_of: ReportOf,
) -> None:
    report = report_of()
    rows = data_of(report)["charts"]["watched"]["rows"]
    last = [row for row in rows if row["model"] == "pure" and row["domain"] == "general"][-1]
    assert (last["base"], last["most"]) == (2.875, 2.975)
    assert last["value"] == pytest.approx(3.434, abs=1e-3)
    text = report.page
    assert "mix kept general within +0.100 bits per byte" in text
    assert "pure forgot too much of general: +0.559 bits per byte after 365 steps, where +0.100 was allowed." in text


def test_a_tokenizer_that_extends_another_names_it_and_shows_both(report_of: ReportOf) -> None:
    alone, extended = report_of("alone").page, report_of("extended", extends="hf:owner/<base>").page
    said = (
        "With 4,096 tokens in the vocabulary (4,000 of hf:owner/&lt;base&gt; and 96 new ones), a token holds 3.91 bytes"
    )
    assert said in extended
    assert "The same, by hf:owner/&lt;base&gt; without the new tokens" in extended
    assert "<td>3.410</td>" in extended.replace(' class="number"', "")
    assert "With 4,096 tokens in the vocabulary, a token holds" in alone
    assert "without the new tokens" not in alone


def test_every_picture_has_a_place_a_title_and_data(report_of: ReportOf) -> None:
    report = report_of()
    parsed = Parsed(report.page)
    places = [a["data-chart"] for _, a in parsed.tags if "data-chart" in a]
    data = data_of(report)["charts"]
    assert sorted(places) == sorted(name for name, chart in data.items() if chart["kind"] != "texts")
    identities = {a.get("id") for _, a in parsed.tags}
    assert {f"chart-{name}-title" for name in places} <= identities


def test_every_table_has_a_caption(report_of: ReportOf) -> None:
    tags = [tag for tag, _ in Parsed(report_of().page).tags]
    assert tags.count("table") == tags.count("caption") > 8


def test_anchors_lead_to_sections_of_the_page(report_of: ReportOf) -> None:
    parsed = Parsed(report_of().page)
    identities = {a.get("id") for _, a in parsed.tags}
    assert {(a["href"] or "")[1:] for tag, a in parsed.tags if tag == "a"} <= identities


def test_vendored_files_are_the_ones_that_the_readme_names() -> None:
    vendor = page_module.HERE / "vendor"
    readme = (vendor / "README.md").read_text(encoding="utf-8")
    for script in vendor.glob("*.js"):
        assert hashlib.sha256(script.read_bytes()).hexdigest() in readme
        assert (vendor / f"{script.name.split('.')[0]}.LICENSE").is_file()


def test_lineage_names_every_stage_and_digest(report_of: ReportOf) -> None:
    report = report_of()
    inputs = report.inputs
    stages = [inputs["corpus"], inputs["tokenizer"], *inputs["trainings"].values(), inputs["comparison"]]
    for made in stages:
        assert made.key in report.page and made.digest() in report.page
    nodes = data_of(report)["charts"]["lineage"]["nodes"]
    assert {"corpus/demo", "train/pure", "compare/demo", "report", "outside/items"} <= nodes.keys()


def test_assets_digest_is_stable_within_a_version() -> None:
    assert page_module.assets_digest() == page_module.assets_digest()
    assert len(page_module.assets_digest()) == 64


def test_page_is_made_inside_a_stage(report_of: ReportOf, tmp_path: Path) -> None:
    inputs = report_of().inputs
    request = manifest.Request(stage="report", name="demo", spec=None, seed=0, code="c", libraries={}, inputs={})
    made = manifest.make(request, tmp_path / "w", lambda folder: page_module.build(**inputs, folder=folder))
    made.verify()
    assert made.only("page").name == "report.html"


def test_a_gate_s_verdict_and_each_of_its_checks_stand_under_the_models(report_of: ReportOf, tmp_path: Path) -> None:
    report = report_of()
    gain = Check(model="mix", base="base", domain="legal", asks="gain", value=0.3, low=0.2, high=0.4, bound=0.0)
    loss = replace(gain, model="pure", domain="general", asks="no loss", bound=0.02)
    page_module.build(**report.inputs, checks=[gain, loss], folder=tmp_path)
    page = (tmp_path / "report.html").read_text()
    assert "Gate: mix passed; pure did not pass" in page
    assert str(gain) in page and str(loss) in page
    assert "Gate:" not in report.page
