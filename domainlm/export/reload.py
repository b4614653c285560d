"""A fresh process that reads an export as whoever gets it will, and compares it with the original.

`python -m domainlm.export.reload ASKED.json`: what to read, and where the answer goes. Nothing of the process that
wrote the export is left here.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from domainlm import progress
from domainlm.errors import DomainLMError
from domainlm.export import difference, formats
from domainlm.manifest import write_atomically
from domainlm.specs.spec import Spec

ERROR_PREFIX = "error: "


class Asked(Spec):
    """What the process is told."""

    name: str
    original: str
    """Folder of the model as it was trained."""
    exported: str
    """Folder of the export."""
    dtype: str
    texts: dict[str, list[str]]
    """Held-out text by domain."""
    window_tokens: int
    stride_tokens: int
    bootstrap_samples: int
    answer: str
    """The file to write."""


def main(arguments: Sequence[str]) -> int:
    """Exit status: 0 done, else that of the error."""
    asked = Asked.model_validate_json(Path(arguments[0]).read_bytes())
    progress.listen(progress.to_json_lines)
    try:
        found = _compare(asked)
    except DomainLMError as error:
        print(f"{ERROR_PREFIX}{error}", file=sys.stderr, flush=True)
        return error.exit_code
    write_atomically(Path(asked.answer), json.dumps(found.record()).encode())
    return 0


def _compare(asked: Asked) -> difference.Difference:
    from domainlm.evaluate import bits, subject

    original, form = subject.load(Path(asked.original)), formats.FORMATS[asked.dtype]
    if form.is_gguf:
        from domainlm.export import gguf_file

        exported = gguf_file.load(Path(asked.exported), formats.GGUF_NAME, Path(asked.original))
    else:
        exported = formats.load(Path(asked.exported))
    window_tokens, stride_tokens = bits.fit_window(asked.window_tokens, asked.stride_tokens, original.max_position)
    return difference.compare(
        original,
        exported.to(original.model.device),
        asked.texts,
        folder=Path(asked.original),
        window_tokens=window_tokens,
        stride_tokens=stride_tokens,
        bootstrap_samples=asked.bootstrap_samples,
        # transformers turns GGUF back into fp32: its time says nothing of llama.cpp's.
        timed=not form.is_gguf,
        told=lambda done, of: progress.tell(f"export: {asked.name}, reloaded", done, of, "passes"),
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
