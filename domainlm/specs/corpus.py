"""The spec of a corpus: which domains, and what is removed across them."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from domainlm.specs.spec import Mistake, Name, Positive, Share, Spec


class NearDuplicates(Spec):
    """MinHash with banding: documents that share a band are near-duplicates, where the true similarity says so too."""

    ngram_words: Positive = 5
    """Words in a shingle."""
    bands: Positive = 14
    """14 bands of 8 rows and their diagonals find a pair of Jaccard similarity 0.8 with probability 0.99."""
    rows: Positive = 8
    """Hashes in a band."""
    min_jaccard: Annotated[float, Field(gt=0, le=1)] | None = 0.8
    """True Jaccard similarity of the shingles of a near-duplicate and the document that is kept for it. `null`: a
    shared band is enough (without diagonals: 0.8 is found with probability 0.92, 0.75 with 0.77, 0.5 with 0.05), and
    so is a chain of shared bands."""

    @property
    def num_keys(self) -> int:
        """Band keys of a document: one a band, one a diagonal."""
        return 2 * self.bands


class RepeatedLines(Spec):
    """Lines or paragraphs that recur across training documents, which are cut but for their first documents."""

    unit: Literal["line", "paragraph"] = "line"
    """`paragraph`: lines between empty ones, together."""
    min_documents: Annotated[int, Field(ge=2)] = 10
    """Training documents that share it before it counts as boilerplate. A guess."""
    keep_documents: Annotated[int, Field(ge=0)] = 1
    """It stays in so many documents, the first in order of priority."""
    min_chars: Annotated[int, Field(ge=20)] = 40
    """Shorter ones are never cut. A guess."""
    min_left_chars: Positive = 200
    """A document that lost something and has fewer characters left is dropped. A guess."""

    @model_validator(mode="after")
    def _keeps_fewer(self) -> Self:
        if self.keep_documents >= self.min_documents:
            got, want = str(self.keep_documents), f"less than min_documents, {self.min_documents}"
            raise Mistake("keep_documents", got=got, want=want, changes={"keep_documents": self.min_documents - 1})
        return self


class Decontaminate(Spec):
    """Training text that also stands in held-out documents or in benchmark items: passages of it are cut.

    Defaults of the n-grams, common phrases and the margin: GPT-3, arXiv:2005.14165, appendix C.
    """

    ngram_words: Positive = 13
    """Words of the n-grams that are looked for."""
    max_documents: Positive = 10
    """What stands in more training documents is a common phrase, and no contamination."""
    heldout_words: Positive = 50
    """A passage of a held-out document goes if it has so many words. Shorter ones are mostly formulas."""
    benchmark_words: Positive = 13
    """A passage of a benchmark item goes if it has so many words."""
    min_target_words: Positive = 8
    """Shorter targets are not looked for; those between this and `ngram_words` are looked for as a whole."""
    margin_chars: Annotated[int, Field(ge=0)] = 200
    """Characters that go with a benchmark's passage on both sides: its answer may stand there."""
    max_cut_share: Share = 0.5
    """A document that loses a greater share of its bytes goes as a whole. A guess."""
    min_left_chars: Positive = 200
    """A document that lost something and has fewer characters left goes as a whole."""

    @model_validator(mode="after")
    def _passages_hold_ngrams(self) -> Self:
        for key, words in (("heldout_words", self.heldout_words), ("benchmark_words", self.benchmark_words)):
            if words < self.ngram_words:
                want = f"at least ngram_words, {self.ngram_words}"
                raise Mistake(key, got=str(words), want=want, changes={key: self.ngram_words})
        if self.min_target_words > self.ngram_words:
            want = f"at most ngram_words, {self.ngram_words}"
            changes = {"min_target_words": self.ngram_words}
            raise Mistake("min_target_words", got=str(self.min_target_words), want=want, changes=changes)
        return self


class CorpusSpec(Spec):
    """What text a run reads and what is removed from it."""

    domains: tuple[Name, ...] = Field(min_length=1, examples=[["legal", "general"]])
    """Files of `data_specs/domains`. The order is the priority: of two duplicates, the earlier domain keeps its own."""
    exact_duplicates: Literal["remove", "keep"] = "remove"
    """Documents with the same text after normalisation."""
    near_duplicates: NearDuplicates | None = NearDuplicates()
    """How near-duplicates are found; `null` keeps them."""
    repeated_lines: RepeatedLines | None = None
    """How lines that recur across documents are found and cut; `null` keeps them."""
    decontaminate: Decontaminate | None = Decontaminate()
    """How held-out text and benchmark items are kept out of training text; `null` leaves it as it is."""
