"""What continued pretraining gains and loses on real finance, legal and medical text, at 51/49 and at 100/0.

    DOMAINLM_DATA=FOLDER ./run bench real [finance] [legal] [medical]

FOLDER holds `<domain>/<source>.jsonl.zst`, with `id, text, license, url` in each line, and beside each file its twin of
held-out documents, `<source>.heldout.jsonl.zst` or `<source>.holdout.jsonl.zst`; one of the domains is `general`. A
project is laid out in `workspace/real/`, and each of its runs is the run that `domainlm run` does.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import zstandard

ROOT = Path(__file__).parent.parent
PROJECT = ROOT / "workspace" / "real"
LEFT_OUT = {"canada_acts_fr_sample"}
"""French: for tests of language identification."""

DOMAIN = """\
name: {domain}
filters:
  length: {{min_chars: 200}}
sources:
"""
SOURCE = """\
  - name: {name}
    uri: ${{DOMAINLM_DATA}}/{domain}/{name}.jsonl.zst
    heldout_uri: ${{DOMAINLM_DATA}}/{domain}/{heldout}
    id_field: id
    license: {license}
"""
MIX = """\
name: {name}
token_ratio: {ratio}
budget_tokens: {budget}
max_epochs: 4
"""
TOKENIZER = """\
name: real-{domain}
algorithm: bpe
vocab_size: 4096
byte_ratio: {{{domain}: 0.5, general: 0.5}}
sample_bytes: 20M
"""
RUN = """\
name: {domain}
title: A small model, adapted to {domain} text
seed: 1
corpus:
  domains: [{domain}, general]
tokenizer: real-{domain}
recipes:
  pretrain:
    sequence_tokens: 256
    batch_tokens: 4096
    micro_batch_rows: 8
    schedule: {{peak: 3.0e-3, floor: 3.0e-4, warmup_share: 0.05}}
  continue:
    sequence_tokens: 256
    batch_tokens: 4096
    micro_batch_rows: 8
    schedule: {{peak: 1.5e-3, floor: 1.5e-4, warmup_share: 0.05}}
models:
  base:
    architecture: {{family: llama, hidden_size: 128, intermediate_size: 352, num_layers: 4, num_heads: 4,
                    num_kv_heads: 2, max_position: 256}}
    mix: general
    recipe: pretrain
  {domain}-51: {{start: base, mix: {domain}-51, recipe: continue}}
  {domain}-100: {{start: base, mix: {domain}-100, recipe: continue}}
evaluate:
  tasks: [general_continuation, {domain}_continuation]
  window_tokens: 256
  stride_tokens: 128
  max_docs_per_source: 4
  items_per_domain: 200
"""


def main(domains: list[str]) -> None:
    data = os.environ.get("DOMAINLM_DATA")
    if not data:
        sys.exit("set DOMAINLM_DATA to the folder of the corpora: see the head of benchmarks/real.py")
    lay_out(Path(data), domains)
    figures = {}
    for domain in domains:
        spec = PROJECT / "data_specs" / "runs" / f"{domain}.yaml"
        start_s = time.monotonic()
        subprocess.run([sys.executable, "-m", "domainlm", "run", str(spec)], check=True)
        wall_s = time.monotonic() - start_s
        shown = subprocess.run(
            [sys.executable, "-m", "domainlm", "run", str(spec), "--json"], check=True, capture_output=True, text=True
        )
        figures[domain] = {"wall_s": round(wall_s, 1), **json.loads(shown.stdout.splitlines()[-1])}
    print(json.dumps(figures))


def lay_out(data: Path, domains: list[str]) -> None:
    """Write the project: specs that name their folder by the environment, and the tasks of this repository."""
    shutil.copytree(ROOT / "evals", PROJECT / "evals", dirs_exist_ok=True)
    write("mixes/general.yaml", MIX.format(name="general", ratio="{general: 1.0}", budget="1.5M"))
    for domain in [*domains, "general"]:
        write(f"domains/{domain}.yaml", domain_yaml(data, domain))
    for domain in domains:
        ratios = {"51": f"{{{domain}: 0.51, general: 0.49}}", "100": f"{{{domain}: 1.0}}"}
        for share, ratio in ratios.items():
            name = f"{domain}-{share}"
            write(f"mixes/{name}.yaml", MIX.format(name=name, ratio=ratio, budget="600k"))
        write(f"tokenizers/real-{domain}.yaml", TOKENIZER.format(domain=domain))
        write(f"runs/{domain}.yaml", RUN.format(domain=domain))


def domain_yaml(data: Path, domain: str) -> str:
    text = DOMAIN.format(domain=domain)
    for path in sorted((data / domain).glob("*.jsonl.zst")):
        name = path.name.removesuffix(".jsonl.zst")
        twin = next(path.parent.glob(f"{name}.h*ldout.jsonl.zst"), None)
        if twin is None or name in LEFT_OUT:
            continue
        text += SOURCE.format(
            domain=domain, name=name, heldout=twin.name, license=json.dumps(first_row(path)["license"])
        )
    return text


def first_row(path: Path) -> dict[str, str]:
    with path.open("rb") as file:
        reader = zstandard.ZstdDecompressor(max_window_size=2**31).stream_reader(file)
        return json.loads(io.BufferedReader(reader).readline())


def write(name: str, text: str) -> None:
    path = PROJECT / "data_specs" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:] or ["finance", "legal", "medical"])
