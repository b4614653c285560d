from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domainlm.tokens.shards import ShardWriter, Stream, ends_path

DTYPE = np.dtype("<u2")


def write(path: Path, doc_tokens: list[int], first: int = 0) -> tuple[Path, Path]:
    """Documents of so many tokens each, which count up from `first`."""
    with ShardWriter(path, path.parent / "work", DTYPE) as writer:
        for count in doc_tokens:
            writer.write(np.arange(first, first + count), np.array([count]))
            first += count
    return path, ends_path(path)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.lists(st.integers(1, 9), max_size=5), min_size=1, max_size=4), st.data())
def test_a_stream_is_its_shards_end_to_end(shards, data):
    with TemporaryDirectory() as folder:
        first, pairs = 0, []
        for i, doc_tokens in enumerate(shards):
            pairs.append(write(Path(folder) / f"{i}.bin", doc_tokens, first))
            first += sum(doc_tokens)
        stream = Stream(pairs, DTYPE)
        ends = np.cumsum([count for doc_tokens in shards for count in doc_tokens], dtype=np.int64)
        assert (stream.num_tokens, stream.num_docs) == (first, len(ends))
        start = data.draw(st.integers(0, first))
        stop = data.draw(st.integers(start, first))
        assert stream.tokens(start, stop).tolist() == list(range(start, stop))
        assert stream.begins(start, stop).tolist() == [end for end in ends.tolist() if start <= end < stop]
        assert start == stop or stream.view(start, stop).tolist() == list(range(start, stop))
        # Of many places at once, as of each alone; a document begins at every place but 0 at which another ends.
        starts = np.array(data.draw(st.lists(st.integers(1, max(first, 1)), max_size=8)), np.int64)
        length = data.draw(st.integers(1, 9))
        begins, counts = stream.begins_in(starts, length)
        alone = [stream.begins(at, at + length).tolist() for at in starts.tolist()]
        assert [found.tolist() for found in np.split(begins, np.cumsum(counts)[:-1])] == (alone or [[]])
        few = [found.tolist() for found in stream.some_ends(2, 3)]
        assert set().union(*few) <= {0, *np.cumsum([0, *map(sum, shards)]).tolist(), *ends.tolist()}
        assert len(ends) > 6 or set().union(*few) >= set(ends.tolist())


def test_reading_past_the_end_is_an_error_and_not_a_short_read(tmp_path):
    stream = Stream([write(tmp_path / "a.bin", [3])], DTYPE)
    with pytest.raises(IndexError, match="tokens 1 to 4 of a stream of 3"):
        stream.tokens(1, 4)
    with pytest.raises(IndexError):
        stream.tokens(-1, 2)


def test_a_shard_that_was_not_finished_does_not_stand(tmp_path):
    with pytest.raises(RuntimeError), ShardWriter(tmp_path / "a.bin", tmp_path / "work", DTYPE) as writer:
        writer.write(np.arange(3), np.array([3]))
        raise RuntimeError
    assert not list(tmp_path.glob("a.*"))


def test_the_files_are_little_endian_numbers_and_nothing_else(tmp_path):
    tokens, ends = write(tmp_path / "a.bin", [2, 1])
    assert tokens.read_bytes() == bytes([0, 0, 1, 0, 2, 0])
    assert ends.read_bytes() == bytes([2, *[0] * 7, 3, *[0] * 7])
