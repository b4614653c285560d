"""One export: a folder in another number format, reloaded by a fresh process, compared, and told of on its card."""

from __future__ import annotations

import json
import shutil
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from domainlm import progress, supervise
from domainlm.errors import StageError
from domainlm.export import formats
from domainlm.export.reload import ERROR_PREFIX, Asked
from domainlm.manifest import Made, shard_of, write_atomically
from domainlm.train.card import FILE_NAME as CARD_NAME

FOLDER = "model"
DIFFERENCE_NAME = "difference.json"
_NUM_LAST_LINES = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Measure:
    """What an export is judged on."""

    texts: Mapping[str, Sequence[str]]
    """Held-out text by domain; empty: only logits are compared, on random tokens."""
    window_tokens: int = 512
    stride_tokens: int = 256
    bootstrap_samples: int = 1000


def export(name: str, source: Path, dtype: str, measure: Measure, folder: Path, *, license_name: str) -> Made:
    """The model of the folder `source` as `dtype` in `folder/model`, and in `difference.json` what that changes.

    The card is written afterwards, by `with_card`. Raises StageError where the format cannot hold the model, or where
    the export cannot be read.
    """
    form, work = formats.FORMATS[dtype], folder / "work"
    into = work / FOLDER
    progress.tell(f"export: {name}, {dtype}", 0, None, "files")
    formats.write(source, into, form, license_name=license_name)
    answer = work / DIFFERENCE_NAME
    asked = Asked(
        name=f"{name}, {dtype}",
        original=str(source.absolute()),
        exported=str(into.absolute()),
        dtype=dtype,
        texts={domain: list(texts) for domain, texts in measure.texts.items()},
        window_tokens=measure.window_tokens,
        stride_tokens=measure.stride_tokens,
        bootstrap_samples=measure.bootstrap_samples,
        answer=str(answer.absolute()),
    )
    write_atomically(work / "asked.json", asked.model_dump_json().encode())
    _reload(name, work / "asked.json")
    difference = json.loads(answer.read_bytes())
    weights = {"exported": _weight_bytes(into), "original": _weight_bytes(source)}
    shutil.rmtree(folder / FOLDER, ignore_errors=True)
    into.replace(folder / FOLDER)
    answer.replace(folder / DIFFERENCE_NAME)
    shutil.rmtree(work, ignore_errors=True)
    return Made(shards=(), facts={"dtype": dtype, "weight_bytes": weights, "difference": difference})


def with_card(made: Made, folder: Path, text: str) -> Made:
    """The export with its card, all files listed."""
    write_atomically(folder / FOLDER / CARD_NAME, text.encode())
    files = sorted(path for path in (folder / FOLDER).rglob("*") if path.is_file())
    shards = [shard_of(path, folder, "model") for path in files]
    shards.append(shard_of(folder / DIFFERENCE_NAME, folder, "difference"))
    return Made(shards=tuple(shards), counts=made.counts, facts=made.facts)


def _reload(name: str, asked: Path) -> None:
    last: deque[str] = deque(maxlen=_NUM_LAST_LINES)
    errors: list[str] = []

    def relay(line: str) -> None:
        told = progress.from_json_line(line)
        if told is not None:
            progress.tell(told.label, told.done, told.total, told.unit, **told.figures)
        elif line.startswith(ERROR_PREFIX):
            errors.append(line.removeprefix(ERROR_PREFIX))
        else:
            last.append(line)

    status = supervise.run([sys.executable, "-m", "domainlm.export.reload", str(asked)], on_line=relay)
    if status:
        raise StageError("\n".join([f"the export of {name} cannot be read back", *(errors or last)]))


def _weight_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for kind in ("*.safetensors", "*.gguf") for path in folder.glob(kind))


def section(facts: Mapping[str, Any]) -> list[str]:
    """The card's section on the number format, in lines of Markdown."""
    difference, form = facts["difference"], formats.FORMATS[facts["dtype"]]
    logits, size = difference["logits"], facts["weight_bytes"]
    lines = [
        "## Number Format",
        "",
        f"**{form.name}**: {form.says}.",
        "Read back by a fresh process and compared with the original, which computes in fp32:",
        "",
        f"- weights: {size['exported']:,} bytes, {size['exported'] / size['original']:.0%} of {size['original']:,}",
        f"- logits at {logits['positions']:,} positions: largest difference {logits['largest']:.3g}, mean "
        f"{logits['mean']:.3g}; the same likeliest token at {logits['same_argmax']:.2%}",
    ]
    for of in difference["heldout"]:
        lines.append(
            f"- {of['metric'].replace('_', ' ')}, {of['domain']}, {of['docs']:,} documents: {of['original']:.4f}, then "
            f"{of['exported']:.4f}, {of['difference']:+.5f} (95%: {of['low']:+.5f} to {of['high']:+.5f})"
        )
    timed = difference["microseconds_per_token"]
    if timed:
        lines.append(
            f"- time to score a token on a {difference['device'].upper()}: {timed['exported']:.3g} microseconds, "
            f"{timed['exported'] / timed['original']:.2f} of what fp32 takes"
        )
    else:
        lines.append("- time: not measured")
    return [*lines, ""]
