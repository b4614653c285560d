"""How well the laws of mixing predict: proxies on real finance and general text, some fitted and some held out.

    DOMAINLM_DATA=FOLDER ./run bench law

FOLDER is as `benchmarks/real.py` wants it. A project is laid out in `workspace/law/`: Llamas of 0.35, 0.69 and 1.26
million parameters, made from 600,000 tokens of general text, and 33 proxies that continue them. Each is kept when it is
finished, so that the benchmark can be ended and begun again. The laws see the two smaller sizes at 100,000 and 200,000
tokens and five shares. Held out are other shares, the largest size, and twice the longest budget.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from real import DOMAIN, SOURCE, first_row

from domainlm import pipeline
from domainlm.manifest import Manifest
from domainlm.mix import law
from domainlm.specs.project import load_run
from domainlm.sweep.losses import SIDES, Losses, losses, points, proxy

PROJECT = Path(__file__).parent.parent / "workspace" / "law"
RUN_SPEC = PROJECT / "data_specs" / "runs" / "law.yaml"
SOURCES = {
    "finance": ("beige_book", "fed_speeches", "fomc_minutes", "openstax_economics"),
    "general": (
        *("digitalgov_posts", "eltec_eng_novels", "openstax_college_physics", "openstax_philosophy"),
        *("openstax_us_history", "oss_technical_docs", "python_peps"),
    ),
}
"""Sources of short documents: a held-out novel in one piece would take longer to read than a proxy takes to train."""
FITTED = [(start, share, tokens) for start in "sm" for tokens in (100, 200) for share in (0, 0.2, 0.5, 0.8, 1)]
HELD_OUT = {
    "other shares": [(start, share, 200) for start in "sm" for share in (0.35, 0.65)],
    "larger": [("l", share, 200) for share in (0.2, 0.5, 0.8)],
    "longer": [(start, share, 400) for start in "sm" for share in (0.2, 0.5, 0.8)],
}
"""Start, share and thousands of tokens."""
MIX = "name: {name}\ntoken_ratio: {ratio}\nbudget_tokens: {budget}k\n"
TOKENIZER = """\
name: law
algorithm: bpe
vocab_size: 4096
byte_ratio: {finance: 0.5, general: 0.5}
sample_bytes: 10M
"""
RECIPE = """\
    sequence_tokens: 256
    batch_tokens: 4096
    micro_batch_rows: 8
    parallel: {strategy: single}
"""
START = """\
  {name}:
    architecture: {{family: llama, hidden_size: {hidden}, intermediate_size: {inner}, num_layers: {layers},
                   num_heads: {layers}, num_kv_heads: {kv}, max_position: 256}}
    mix: general
    recipe: pretrain
"""
STARTS = [
    {"name": "s", "hidden": 64, "inner": 176, "layers": 2, "kv": 1},
    {"name": "m", "hidden": 96, "inner": 256, "layers": 3, "kv": 1},
    {"name": "l", "hidden": 128, "inner": 352, "layers": 4, "kv": 2},
]


def main() -> None:
    data = os.environ.get("DOMAINLM_DATA")
    if not data:
        sys.exit("set DOMAINLM_DATA to the folder of the corpora: see the head of benchmarks/real.py")
    lay_out(Path(data))
    everything = [one for group in (FITTED, *HELD_OUT.values()) for one in group]
    for command, model in [("corpus", ""), ("tokenizer", ""), *((c, m) for m in models(everything) for c in COMMANDS)]:
        of = ["--model", model] if model else []
        subprocess.run([sys.executable, "-m", "domainlm", command, str(RUN_SPEC), *of], check=True)
    print(json.dumps(figures(everything)))


COMMANDS = ("mix", "train", "evaluate")


def models(proxies: list[tuple[str, float, int]]) -> list[str]:
    """What is trained, in order."""
    return [*(start["name"] for start in STARTS), *map(name_of, proxies)]


def name_of(one: tuple[str, float, int]) -> str:
    start, share, tokens = one
    return f"{start}-{share:g}-{tokens}k"


def lay_out(data: Path) -> None:
    """Write the project: specs that name their folder by the environment."""
    (PROJECT / "evals").mkdir(parents=True, exist_ok=True)
    for domain, names in SOURCES.items():
        text = DOMAIN.format(domain=domain)
        for name in names:
            path = data / domain / f"{name}.jsonl.zst"
            twin = next(path.parent.glob(f"{name}.h*ldout.jsonl.zst"))
            license = json.dumps(first_row(path)["license"])
            text += SOURCE.format(domain=domain, name=name, heldout=twin.name, license=license)
        write(f"domains/{domain}.yaml", text)
    write("mixes/general.yaml", MIX.format(name="general", ratio="{general: 1.0}", budget=600))
    write("tokenizers/law.yaml", TOKENIZER)
    adapted = ""
    for one in [one for group in (FITTED, *HELD_OUT.values()) for one in group]:
        start, share, tokens = one
        mix = f"finance-{share:g}-{tokens}k"
        ratio = f"{{finance: {share:g}, general: {round(1 - share, 6):g}}}"
        write(f"mixes/{mix}.yaml", MIX.format(name=mix, ratio=ratio, budget=tokens))
        adapted += f"  {name_of(one)}: {{start: {start}, mix: {mix}, recipe: continue}}\n"
    schedules = {"pretrain": "{peak: 3.0e-3, floor: 3.0e-4}", "continue": "{peak: 1.5e-3, floor: 1.5e-4}"}
    recipes = "".join(f"  {name}:\n{RECIPE}    schedule: {of}\n" for name, of in schedules.items())
    starts = "".join(START.format(**start) for start in STARTS)
    head = "name: law\ntitle: Proxies\nseed: 1\ncorpus: {domains: [finance, general]}\ntokenizer: law\n"
    judged = "evaluate: {suites: [], window_tokens: 256, stride_tokens: 256, max_docs_per_source: 4}\n"
    write("runs/law.yaml", f"{head}recipes:\n{recipes}models:\n{starts}{adapted}{judged}")


def write(name: str, text: str) -> None:
    path = PROJECT / "data_specs" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def figures(everything: list[tuple[str, float, int]]) -> dict[str, dict[str, dict[str, dict[str, float]]]]:
    """By side and law: error and R2 of what was fitted, of each kind that was held out, and of a guess beside them."""
    run = load_run(RUN_SPEC)
    finished = pipeline.done(run, pipeline.place(run, None))
    evaluations = {name: finished[f"evaluate/{name}"] for name in models(everything)}
    domains = {"domain": "finance", "general": "general"}
    of_side = {side: losses(evaluations, [domain], domain) for side, domain in domains.items()}
    return {
        side: {
            form: {kind: errors(of_side[side], finished, form, kind, side) for kind in ("fitted", *HELD_OUT)}
            for form in law.FORMS
        }
        for side in SIDES
    }


def errors(of: Losses, finished: dict[str, Manifest], form: law.Form, kind: str, side: str) -> dict[str, float]:
    def seen(trained: list[tuple[str, float, int]]) -> tuple[law.Points, law.Floats]:
        proxies = [proxy(name_of(one), one[0], one[1], "finance", finished[f"train/{name_of(one)}"]) for one in trained]
        return points(proxies, side), np.array([of.of(one.name) for one in proxies])

    fitted_points, fitted_loss = seen(FITTED)
    asked_points, asked_loss = seen(FITTED if kind == "fitted" else HELD_OUT[kind])
    predicted = law.fit(fitted_points, fitted_loss, form).loss_KM(asked_points)[0]
    far = np.abs(predicted - asked_loss) / asked_loss
    return {
        "proxies": len(asked_loss),
        "mean_relative_error": round(law.mean_relative_error(asked_loss, predicted), 5),
        "largest_error": round(float(far.max()), 5),
        "bias": round(float(np.mean((predicted - asked_loss) / asked_loss)), 5),
        "r_squared": round(law.r_squared(asked_loss, predicted), 3),
    }


if __name__ == "__main__":
    main()
