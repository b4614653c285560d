from __future__ import annotations

import dataclasses
from pathlib import Path

import fsspec
import numpy as np
import pytest

from domainlm.errors import ManifestError
from domainlm.manifest import FILE_NAME
from domainlm.mix.loader import batches
from domainlm.mix.remote import fetch, manifest_at
from domainlm.specs.mix import MixSpec


@pytest.fixture
def tokens(tokens_of):
    return tokens_of({"law/acts": [3, 9, 1, 30, 22], "web/pages": [7, 60, 2, 100]})


@pytest.fixture
def url(tokens):
    """A copy of the token shards in fsspec's own memory."""
    files = fsspec.filesystem("memory")
    for path in sorted(tokens.folder.rglob("*")):
        if path.is_file():
            files.pipe_file(f"/tokens/{path.relative_to(tokens.folder).as_posix()}", path.read_bytes())
    yield "memory://tokens"
    files.rm("/tokens", recursive=True)


def rows(mix, tokens) -> np.ndarray:
    steps = batches(mix, tokens, rank=0, num_ranks=1, micro_batch_rows=8, start_row=0)
    return np.concatenate([batch.tokens_BT for step in steps for batch in step])


def test_shards_at_a_url_give_the_batches_of_those_on_disk_and_are_fetched_once(tokens, url, mix_of, tmp_path):
    spec = MixSpec(name="test", token_ratio={"law": 0.5, "web": 0.5}, budget_tokens=4 * 32)
    mix = mix_of(spec, tokens)
    remote = manifest_at(url, tmp_path / "cache")
    assert remote is not None and remote.digest() == tokens.digest()
    assert (rows(mix, remote) == rows(mix, tokens)).all()
    kept = sorted(path.name for path in (tmp_path / "cache" / "shards").rglob("*") if path.is_file())
    assert kept == sorted(shard.sha256 for shard in tokens.shards)
    # From here on the cache is enough.
    for path in fsspec.filesystem("memory").find("/tokens"):
        if not path.endswith(FILE_NAME):
            fsspec.filesystem("memory").rm(path)
    assert (rows(mix, manifest_at(url, tmp_path / "cache")) == rows(mix, tokens)).all()


def test_a_shard_that_no_row_is_read_from_is_not_fetched(tokens, url, mix_of, tmp_path):
    mix = mix_of(MixSpec(name="test", token_ratio={"law": 1.0, "web": 0.0}, budget_tokens=4 * 32), tokens)
    rows(mix, manifest_at(url, tmp_path / "cache"))
    kept = {path.name for path in (tmp_path / "cache" / "shards").rglob("*") if path.is_file()}
    assert kept == {shard.sha256 for shard in tokens.shards if shard.domain == "law"}


def test_other_bytes_than_the_manifest_says_are_refused_and_not_kept(tokens, url, tmp_path):
    shard = dataclasses.replace(tokens.shards[0], sha256="0" * 64)
    with pytest.raises(ManifestError, match="holds other bytes than its manifest says"):
        fetch(f"{url}/{shard.path}", shard, tmp_path / "cache")
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]


def test_what_cannot_be_read_is_named(tmp_path):
    with pytest.raises(ManifestError, match=r"memory://nowhere/manifest.json cannot be read"):
        manifest_at("memory://nowhere", tmp_path)
    with pytest.raises(ManifestError, match=r"carrier-pigeon://x/manifest.json cannot be read"):
        manifest_at("carrier-pigeon://x", tmp_path)


def test_a_folder_is_read_where_it_is(tokens):
    assert manifest_at(str(tokens.folder)) == tokens
    assert manifest_at(str(Path(tokens.folder).parent / "nothing")) is None
