"""How the embeddings of new tokens may begin: bits per byte right after, and after a short continued pretraining.

Prints a table and, as its last line, one JSON object. A small Llama, with tied embeddings and without, is trained on
general text; its tokenizer gets tokens of the domain, its rows begin in each way, and it goes on with half of each.

`./run bench embeddings [THOUSANDS [MORE]]`: so many thousand tokens for the base (400), and for what follows (100).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow.parquet as pq
from tokens import corpus, corpus_there

from domainlm import manifest
from domainlm.evaluate import bits, subject
from domainlm.manifest import Manifest, Request
from domainlm.mix.budget import build
from domainlm.specs.architecture import ArchitectureSpec
from domainlm.specs.mix import MixSpec
from domainlm.specs.recipe import RecipeSpec
from domainlm.specs.tokenizer import TokenizerSpec
from domainlm.tokens import transfer, write
from domainlm.tokens.static import static_embeddings
from domainlm.tokens.train import train as make_tokenizer
from domainlm.train import embeddings, loop, parallel
from domainlm.train import model as models
from domainlm.train.config import TrainConfig

VOCAB_SIZE, NEW_TOKENS = 4096, 512
MEGABYTES, HELD_BYTES = 8, 120_000
ROW, BATCH_TOKENS = 128, 4096
DOMAINS = ("general", "domain")
METHODS = {True: ("mean_of_all", "mean_of_pieces", "focus"), False: ("zero_output", *embeddings.METHODS[:3])}


def stage(folder: Path, name: str, do) -> Manifest:
    request = Request(stage=name, name=name, spec={"name": name}, seed=0, code="", libraries={}, inputs={})
    return manifest.make(request, folder, do)


def mix(folder: Path, tokens: Manifest, name: str, ratio: dict[str, float], num_tokens: int) -> Manifest:
    spec = MixSpec(name=name, token_ratio=ratio, budget_tokens=num_tokens, max_epochs=8)
    figures = {"sequence_tokens": ROW, "batch_rows": BATCH_TOKENS // ROW, "seed": 0}
    return stage(folder, f"mix-{name}", lambda out: build(spec, tokens, out, **figures))


def score(model: Path, held: dict[str, list[str]]) -> dict[str, float]:
    """Bits per byte by domain."""
    loaded = subject.load(model)
    found = {}
    for domain, texts in held.items():
        scores = bits.score(loaded, texts, window_tokens=ROW, stride_tokens=ROW // 2)
        found[domain] = sum(s.nats for s in scores) / np.log(2) / sum(s.num_bytes for s in scores)
    return found


def heldout(folder: Path) -> dict[str, list[str]]:
    """The beginnings of held-out documents, up to a size in each domain."""
    found = {}
    for domain in DOMAINS:
        texts = [text[:6000] for text in pq.read_table(folder / f"{domain}-heldout.parquet").column("text").to_pylist()]
        ends = np.cumsum([len(text.encode()) for text in texts])
        found[domain] = texts[: int(np.searchsorted(ends, HELD_BYTES)) + 1]
    return found


def main() -> None:
    base_tokens, more_tokens = (1000 * int(a) for a in (*sys.argv[1:], *("400", "100")[len(sys.argv) - 1 :]))
    place = parallel.join()
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        corpus(folder, MEGABYTES)
        text, held = corpus_there(folder), heldout(folder)
        base_spec = TokenizerSpec(name="base", algorithm="bpe", vocab_size=VOCAB_SIZE, byte_ratio={"general": 1.0})
        base = stage(folder, "base", lambda out: make_tokenizer(base_spec, text, out, seed=0, root=folder))
        more = {"extend": str(base.folder / "tokenizer"), "new_tokens": NEW_TOKENS, "byte_ratio": {"domain": 1.0}}
        spec = TokenizerSpec(name="more", **more)
        extended = stage(folder, "more", lambda out: make_tokenizer(spec, text, out, seed=0, root=folder))
        tokens = {
            one.name: stage(folder, f"tokens-{one.name}", lambda out, one=one: write.write(one, text, out, workers=1))
            for one in (base, extended)
        }
        made_of = next(extended.path(shard) for shard in extended.files(transfer.KIND))
        static = folder / "static.npy"
        np.save(static, static_embeddings(tokens["more"]))
        first = mix(folder, tokens["base"], "base", {"general": 1.0}, base_tokens)
        then = mix(folder, tokens["more"], "more", {"domain": 0.5, "general": 0.5}, more_tokens)

        def run(name: str, of: Manifest, tokenizer: Manifest, peak: float, **told) -> Path:
            recipe = {"sequence_tokens": ROW, "batch_tokens": BATCH_TOKENS, "micro_batch_rows": 16, "precision": "fp32"}
            recipe |= {"schedule": {"peak": peak, "floor": peak / 10}, "checkpoint_steps": 10_000}
            usual = {"architecture": None, "start": None, "base_name": None, "seed": 0, "mix": str(of.folder)}
            out = {"tokens": str(tokens[tokenizer.name].folder), "tokenizer": str(tokenizer.folder)}
            out |= {"folder": str(folder / name), "work": str(folder / name / "work"), "name": name}
            config = TrainConfig(recipe=RecipeSpec.model_validate(recipe), **(usual | out | told))
            loop.train(config, place, [])
            return folder / name / "model"

        figures: dict[str, dict] = {}
        for tied in (True, False):
            kind = "tied" if tied else "untied"
            shape = {"hidden_size": 128, "intermediate_size": 352, "num_layers": 3, "num_heads": 4, "max_position": ROW}
            architecture = ArchitectureSpec(family="llama", tie_embeddings=tied, **shape)
            start = run(kind, first, base, 3e-3, architecture=architecture)
            figures[kind] = {"base": {"after": score(start, held)}}
            print(kind, "base", figures[kind]["base"], flush=True)
            for method in METHODS[tied]:
                told = {"start": str(start), "transfer": str(made_of), "new_rows": method, "static": str(static)}
                untrained = folder / f"{kind}-{method}-untrained"
                made = models.LOADERS["causal"].from_pretrained(start)
                embeddings.renew(made, transfer.load(made_of), method, np.load(static))
                made.save_pretrained(untrained)
                for shard in extended.files("tokenizer"):
                    (untrained / Path(shard.path).name).write_bytes(extended.path(shard).read_bytes())
                after = score(untrained, held)
                trained = run(f"{kind}-{method}", then, extended, 1.5e-3, **told)
                figures[kind][method] = {"after": after, "trained": score(trained, held)}
                print(kind, method, figures[kind][method], flush=True)
    show(figures)
    print(json.dumps({"base_tokens": base_tokens, "more_tokens": more_tokens, "bits_per_byte": figures}))


def show(figures: dict[str, dict]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("embeddings", "new rows", "general, right after", "domain", "general, trained", "domain")
    for kind, methods in figures.items():
        for method, found in methods.items():
            cells = [f"{found[when][d]:.3f}" if when in found else "" for when in ("after", "trained") for d in DOMAINS]
            table.add_row(kind, method, *cells)
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
