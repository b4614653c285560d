"""Every filter, found by glob; and what each takes for a reason."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domainlm import named
from domainlm.corpus.filters import (
    boilerplate,
    c4_quality,
    fineweb_quality,
    gopher_quality,
    language,
    length,
    repetition,
    symbols,
    tables,
    words,
)
from domainlm.corpus.texts import Texts
from domainlm.specs.spec import Spec

FILTERS = "domainlm.corpus.filters"
PROSE = (
    "The court held that the lease had ended on the first day of March. The tenant, who had been told of this in "
    "writing, stayed on for two further months without paying rent, and the owner asked for damages.\nWhether notice "
    "by letter is enough was the only question before us; we think that it is, for the reasons that now follow. "
    "Nothing in the act says how a tenant has to be told! What else could a landlord do?"
)


def of(*texts: str) -> Texts:
    return Texts(pa.array(texts, pa.large_string()))


def reasons(module: ModuleType, options: Spec, *texts: str) -> list[str | None]:
    """The first reason for which each text is dropped."""
    found: list[str | None] = [None] * len(texts)
    for reason, dropped in module.drops(module.scores(of(*texts)), options):
        found = [was or (reason if now else None) for was, now in zip(found, dropped.tolist(), strict=True)]
    return found


@pytest.mark.parametrize("name", named.names(FILTERS))
def test_a_filter_has_options_with_defaults_and_keeps_ordinary_prose(name: str) -> None:
    module = named.load(FILTERS, name)
    assert issubclass(module.Options, Spec)
    assert reasons(module, module.Options(), PROSE) == [None]


@pytest.mark.parametrize("name", named.names(FILTERS))
@settings(deadline=None)  # the first call compiles
@given(texts=st.lists(st.text(max_size=300), max_size=4))
def test_a_filter_scores_any_texts_and_each_as_if_it_were_alone(name: str, texts: list[str]) -> None:
    module = named.load(FILTERS, name)
    together = module.scores(of(*texts))
    for score, values in together.items():
        assert values.dtype == np.float32 and values.shape == (len(texts),) and np.isfinite(values).all()
        assert values.tolist() == [module.scores(of(text))[score].item() for text in texts]
    for reason, dropped in module.drops(together, module.Options()):
        assert reason and dropped.dtype == np.bool_ and dropped.shape == (len(texts),)


@pytest.mark.parametrize("name", named.names(FILTERS))
def test_a_filter_reads_a_slice_of_an_array_as_it_reads_a_copy_of_it(name: str) -> None:
    module = named.load(FILTERS, name)
    whole = pa.array(["skipped, however long it is\n\n", PROSE, "a\na\nb", "left out"], pa.large_string())
    sliced, copied = module.scores(Texts(whole.slice(1, 2))), module.scores(of(PROSE, "a\na\nb"))
    assert {k: v.tolist() for k, v in sliced.items()} == {k: v.tolist() for k, v in copied.items()}


def test_length_has_both_ends() -> None:
    options = length.Options(min_chars=3, max_chars=5)
    assert reasons(length, options, *("x" * n for n in (2, 3, 5, 6))) == [
        "fewer than 3 characters",
        None,
        None,
        "more than 5 characters",
    ]


@settings(deadline=None)
@given(st.text())
def test_the_share_of_symbols_is_what_counting_one_by_one_gives(text: str) -> None:
    seen = [c for c in text if c not in " \t\n"]
    wanted = sum(not c.isalpha() for c in seen) / len(seen) if seen else 0.0
    assert symbols.scores(of(text))["share"].item() == pytest.approx(wanted)


def test_letters_of_other_scripts_are_letters_too() -> None:
    assert symbols.scores(of("Über die Ähnlichkeit", "право 法律"))["share"].tolist() == [0.0, 0.0]


def test_words_are_counted_and_measured() -> None:
    options = words.Options(min_words=2, max_words=4)
    texts = ("one", "one two six ten and", "a b c", "incomprehensibilities tergiversation", "just right")
    assert reasons(words, options, *texts) == [
        "fewer than 2 words",
        "more than 4 words",
        "words shorter than 3 characters on average",
        "words longer than 10 characters on average",
        None,
    ]


def test_repeated_lines_and_repeated_phrases_are_found() -> None:
    texts = (PROSE + "\nPage\nPage\nPage", "buy now " * 60)
    assert reasons(repetition, repetition.Options(), *texts) == ["duplicate lines", "most frequent 2-gram"]


@settings(deadline=None)
@given(st.lists(st.sampled_from(["a", "bb", "ccc"]), max_size=40), st.integers(2, 4))
def test_the_top_ngram_is_what_counting_one_by_one_gives(chosen: list[str], size: int) -> None:
    ngrams = [tuple(chosen[i : i + size]) for i in range(len(chosen) - size + 1)]
    chars = [ngrams.count(ngram) * sum(map(len, ngram)) for ngram in ngrams]
    most = max((ngrams.count(ngram) for ngram in ngrams), default=0)
    top = max((c for c, ngram in zip(chars, ngrams, strict=True) if ngrams.count(ngram) == most), default=0)
    wanted = top / sum(map(len, chosen)) if most > 1 else 0.0
    assert repetition.scores(of(" ".join(chosen)))[f"top_{size}gram_char_share"].item() == pytest.approx(wanted)


def test_a_duplicate_ngram_is_passed_over_whole_and_its_characters_are_counted_once() -> None:
    once = "one two three four five "
    found = repetition.scores(of(once + once + "six", once + once + once, "a b c d"))
    assert found["duplicate_5gram_char_share"].tolist() == pytest.approx([19 / 41, 38 / 57, 0])
    # one two three four five [one] is new, two three four five one two the second time is not reached with 6 words
    assert found["duplicate_6gram_char_share"].tolist() == pytest.approx([0, (19 + 3) / 57, 0])


def test_duplicate_paragraphs_are_those_between_empty_lines() -> None:
    found = repetition.scores(of("a\nb\n\nc\n\n\na\nb", "a\nb\n\nb\na"))
    assert found["duplicate_paragraph_share"].tolist() == pytest.approx([1 / 3, 0])
    assert found["duplicate_paragraph_char_share"].tolist() == pytest.approx([2 / 5, 0])
    assert found["duplicate_line_share"].tolist() == pytest.approx([2 / 5, 1 / 2])


def test_gopher_counts_as_one_does_by_hand() -> None:
    text = "# The plan ...\n- we go\n\n• and come…\n12 34 -- end..."
    found = {name: values.item() for name, values in gopher_quality.scores(of(text)).items()}
    assert found == {
        "words": 9,  # The plan we go and come… 12 34 end...
        "mean_chars": pytest.approx((3 + 4 + 2 + 2 + 3 + 5 + 2 + 2 + 6) / 9),
        "hash_word_ratio": pytest.approx(1 / 14),
        "ellipsis_word_ratio": pytest.approx(3 / 14),
        "bullet_line_share": pytest.approx(2 / 4),
        "ellipsis_line_share": pytest.approx(3 / 4),
        "letter_word_share": pytest.approx(7 / 14),
        "stop_words": 2,  # The, and
    }


def test_gopher_drops_each_for_its_reason() -> None:
    options = gopher_quality.Options(min_words=1, max_words=40)
    texts = {
        "a b c the and": "words shorter than 3 characters on average",
        "the and incomprehensibilities tergiversation unquestionably": "words longer than 10 characters on average",
        "# # the and other words": "too many number signs",
        "the and ... other words": "too many ellipses",
        "- the tenant\n- and owner": "too many bullets",
        "the tenant and the owner of the house came to me " * 2
        + "in...\nMay": "too many lines that end in an ellipsis",
        "the and 1000 2000 3000": "too few words with a letter",
        "tenants pay rent monthly": "fewer than 2 stop words",
        "word " * 41: "more than 40 words",
        "- - -": "fewer than 1 words",
    }
    assert reasons(gopher_quality, options, *texts) == list(texts.values())


def test_fineweb_drops_lists_menus_and_repeated_lines() -> None:
    long = "This line is long enough to be no short one."
    texts = {
        "\n".join([long[:-1]] * 1 + [f"{i} {long[:-1]}" for i in range(9)]): "too few lines that end with punctuation",
        f"{long}\nHome.\nAbout us.\nContact.": "too many short lines",
        f"{long}\n{long}\nAnother one that is as long as the first.": "characters in duplicate lines",
        "\n".join(f"incomprehensibilities tergiversation {i}." for i in range(9)): "too many line ends per word",
    }
    options = fineweb_quality.Options(max_newline_word_ratio=0.25)
    assert reasons(fineweb_quality, options, *texts) == list(texts.values())


def test_c4_counts_sentences_through_quotes_and_in_scripts_without_spaces() -> None:
    texts = [
        'He said "no." Then he left! (Did he?) It cost 3.50 at example.com',
        "他来了。她走了！",
        "Wait... what?!",
        "",
    ]
    assert c4_quality.scores(of(*texts))["sentences"].tolist() == [3, 2, 2, 0]
    texts = [PROSE, PROSE + "{", PROSE + " Lorem Ipsum dolor.", "One. Two."]
    wanted = [None, "curly brackets", "lorem ipsum", "fewer than 5 sentences"]
    assert reasons(c4_quality, c4_quality.Options(), *texts) == wanted


def test_texts_of_tables_and_of_boilerplate_are_found() -> None:
    table = "\n".join(f"Item {i} | {i}.0 | {i * 7}" for i in range(9))
    contents = "\n".join(f"Section {i}. Powers of the board ........ {i * 7}" for i in range(1, 9))
    assert tables.scores(of(table, PROSE))["row_share"].tolist() == [1, 0]
    assert boilerplate.scores(of(contents, PROSE, "- 7 -\nProse."))["char_share"].tolist() == pytest.approx(
        [1, 0, 5 / 11]
    )
    assert reasons(tables, tables.Options(), table) == ["more than 80% of lines are rows of tables"]
    assert reasons(boilerplate, boilerplate.Options(), contents) == ["more than 50% is boilerplate"]


SAMPLES = {
    "en": "The tenant shall pay the rent on the first day of each month, without any deduction.",
    "fr": "Le locataire verse le loyer le premier jour de chaque mois, sans aucune déduction.",
    "de": "Der Mieter zahlt die Miete am ersten Tag jedes Monats ohne jeden Abzug.",
    "es": "El inquilino pagará el alquiler el primer día de cada mes, sin deducción alguna.",
    "it": "L'inquilino paga l'affitto il primo giorno di ogni mese, senza alcuna detrazione.",
    "pt": "O inquilino pagará a renda no primeiro dia de cada mês, sem qualquer dedução.",
    "nl": "De huurder betaalt de huur op de eerste dag van elke maand, zonder enige aftrek.",
    "sv": "Hyresgästen ska betala hyran den första dagen i varje månad utan något avdrag.",
    "pl": "Najemca płaci czynsz pierwszego dnia każdego miesiąca, bez żadnych potrąceń.",
    "fi": "Vuokralainen maksaa vuokran kunkin kuukauden ensimmäisenä päivänä ilman vähennyksiä.",
    "tr": "Kiracı kirayı her ayın ilk günü hiçbir kesinti yapmadan öder.",
    "ru": "Арендатор уплачивает арендную плату в первый день каждого месяца без каких-либо вычетов.",
    "uk": "Орендар сплачує орендну плату першого дня кожного місяця без будь-яких відрахувань.",
    "el": "Ο μισθωτής καταβάλλει το μίσθωμα την πρώτη ημέρα κάθε μήνα, χωρίς καμία κράτηση.",
    "ar": "يدفع المستأجر الإيجار في اليوم الأول من كل شهر دون أي خصم.",
    "hi": "किरायेदार हर महीने के पहले दिन बिना किसी कटौती के किराया चुकाएगा।",
    "zh": "承租人应于每月第一日支付租金，不得作任何扣除。",
    "ja": "賃借人は毎月一日に、いかなる控除もなく賃料を支払うものとする。",
    "ko": "임차인은 매월 첫째 날에 어떠한 공제도 없이 임대료를 지급하여야 한다.",
}


def codes(texts: list[str]) -> list[str]:
    return [language.LANGUAGES[int(code)] for code in language.scores(of(*texts))["code"]]


def test_nineteen_languages_are_told_apart_and_numbers_are_none() -> None:
    assert codes(list(SAMPLES.values())) == list(SAMPLES)
    assert reasons(language, language.Options(), "12.5 17 3,004 (12) 99 1,000 44 | 17 | 22") != [None]
    assert codes([SAMPLES["fr"].upper(), "", " 1 "]) == ["fr", "zxx", "zxx"]


def test_a_long_text_is_judged_by_windows_from_all_of_it() -> None:
    french = " ".join([SAMPLES["fr"]] * 100)
    assert codes([SAMPLES["en"] + french, "x" * 300 + french * 3]) == ["fr", "fr"]
    assert reasons(language, language.Options(languages=("en", "de")), french, SAMPLES["de"]) == ["fr", None]


def test_the_language_model_answers_as_its_own_library_does() -> None:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    theirs = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    assert tuple(theirs.labels) == language.LANGUAGES
    texts = [*SAMPLES.values(), PROSE, PROSE[:20], "12.5 17 3,004 (12)", "Section 12 (b)"]
    found = language.scores(of(*texts))
    for text, code, probability in zip(texts, found["code"], found["probability"], strict=True):
        label, wanted = theirs.classify(text)
        assert label == language.LANGUAGES[int(code)]
        assert probability == pytest.approx(wanted, abs=2e-3)  # float32 sums in another order, float16 weights


def test_language_options_name_the_code_that_was_meant() -> None:
    with pytest.raises(ValueError, match="wanted ISO 639"):
        language.Options(languages=("english",))
