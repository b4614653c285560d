"""The stage `corpus`: parts in, clean text out, and every document accounted for at every stage."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from domainlm import compiled, progress
from domainlm.corpus import account, listings, stats
from domainlm.corpus.benchmark import Benchmark
from domainlm.corpus.decide import decide
from domainlm.corpus.pieces import pieces_of
from domainlm.corpus.write import Writers
from domainlm.errors import DataError
from domainlm.manifest import Made, Manifest
from domainlm.specs.corpus import CorpusSpec
from domainlm.specs.domain import DomainSpec


def build(
    corpus: CorpusSpec,
    domains: Sequence[DomainSpec],
    reads: Mapping[str, Manifest],
    folder: Path,
    benchmarks: Sequence[Benchmark] = (),
) -> Made:
    """Text shards by domain, source and split, with what was dropped, quarantined, clustered and cut beside them.

    `domains` are those of `corpus.domains`, in that order, which is the priority among duplicates; `reads` the
    manifests of their stages `read/DOMAIN`, by domain; `benchmarks` what training text is decontaminated against,
    beside held-out text. Raises DataError where the counts do not add up.
    """
    if [domain.name for domain in domains] != list(corpus.domains):
        raise DataError(f"domains {[domain.name for domain in domains]} are not the corpus's {list(corpus.domains)}")
    compiled.lean()
    pieces = pieces_of(domains, reads)
    work = folder / "work"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    decided = decide(corpus, domains, pieces, benchmarks, work)
    counts = account.account(pieces, decided)
    for label, found in stats.distributions(pieces, decided).items():
        counts[label] |= found
    writers = Writers(folder, pieces, decided.decision, decided.cuts.edit)
    for number, piece in enumerate(pieces):
        writers.write(piece)
        progress.tell("corpus: write", number + 1, len(pieces), "parts")
    shards = (*writers.close(), *listings.write(folder, pieces, decided.cuts))
    account.check_written(counts, shards, writers.dropped)
    shutil.rmtree(work)
    facts = {
        "licenses": {f"{domain.name}/{source.name}": source.license for domain in domains for source in domain.sources},
        "largest_clusters": [
            {"kept": writers.clusters.id_of(document), "num_docs": num_docs, "head": writers.heads[document]}
            for document, num_docs in writers.clusters.largest()
        ],
    }
    if corpus.decontaminate is not None:
        facts["benchmarks"] = {benchmark.name: benchmark.not_read or "looked for" for benchmark in benchmarks}
    return Made(shards=shards, counts={"sources": counts}, facts=facts)
