from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from domainlm import pipeline


def test_a_model_s_digest_changes_with_each_of_its_files(tmp_path: Path):
    """Two files of the same name, in two folders of a model, are two files."""
    run: Any = SimpleNamespace(root=tmp_path, spec=SimpleNamespace(models={}))
    for place in ("model/config.json", "model/original/config.json"):
        (tmp_path / place).parent.mkdir(exist_ok=True)
        (tmp_path / place).write_text("1")
    before = pipeline._outside("./model", run)
    (tmp_path / "model/config.json").write_text("2")
    assert pipeline._outside("./model", run) != before
