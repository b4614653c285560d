"""Every edit, found by glob; and what each does to texts as they are found."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domainlm import named
from domainlm.corpus.edits import c4_lines, contract_boilerplate, filing_boilerplate, mojibake, tables
from domainlm.corpus.normalize import normalize
from domainlm.specs.spec import Spec

EDITS = "domainlm.corpus.edits"
PROSE = (
    "The court held that the lease had ended on the first day of March.\nThe tenant, who had been told of this in "
    "writing, stayed on for two further months without paying rent, and the owner asked for damages.\n\nWhether notice "
    'by letter is enough was the only question before us; "we think that it is", for the reasons that now follow.'
)
_MARKS = ["|", " | ", "\t", "    ", "....", "---", "_____", "<PAGE>", "- 3 -", "Page 4 of 9", "7", "8", "9", "$", "%"]
_MARKS += ["(1,2)", "2023", "\n", "\n\n", "By:", "Item 1. Business", "x" * 450, "Table of Contents", "[1]", "{", " "]
_MARKS += ["[Signature Page Follows]", "word", "A sentence.", "â€™", "Ã©", "ACME INC", "<S>", "</TABLE>", "10.1"]
_MARKS += ["|foo | |\n", "a | b | 3\n", "| |\n", "|  | 4 |\n"]
_MARKS += ["incorporated by reference", "javascript", "we use cookies.", "[ ]", "[  ]", "[edit]", "us-gaap:Cash"]
_PIECES = st.sampled_from(_MARKS)


@pytest.mark.parametrize("name", named.names(EDITS))
def test_an_edit_has_options_with_defaults_and_leaves_prose_as_it_is(name: str) -> None:
    module = named.load(EDITS, name)
    assert issubclass(module.Options, Spec)
    assert module.edit(PROSE, module.Options()) == (PROSE, {})


@pytest.mark.parametrize("name", named.names(EDITS))
@settings(deadline=None, max_examples=150)
@given(text=st.text(max_size=300) | st.lists(_PIECES, max_size=60).map("".join))
def test_an_edit_takes_any_text_and_a_second_time_changes_nothing(name: str, text: str) -> None:
    module = named.load(EDITS, name)
    for given_text in (text, normalize(text)):
        edited, done = module.edit(given_text, module.Options())
        assert all(isinstance(what, str) and times > 0 for what, times in done.items())
        assert bool(done) or edited.split() == given_text.split()
        assert module.edit(edited, module.Options()) == (edited, {})
        edited.encode()


def test_lines_that_are_no_sentences_go_and_are_counted() -> None:
    text = "Menu\nIt rained all day.[1]\nToo few.\nRead our privacy policy here.\nGo on...\n\nThe end came soon!"
    assert c4_lines.edit(text, c4_lines.Options()) == (
        "It rained all day.\n\nThe end came soon!",
        {"no terminal punctuation": 2, "citation": 1, "few words": 1, "policy": 1},
    )


def page(number: int, text: str) -> str:
    return f"ACME CORP   ANNUAL REPORT\n\n{text * 12}\n\n{number}\n\n"


def test_page_numbers_that_count_up_go_with_the_header_beside_them_and_other_numbers_stay() -> None:
    text = "".join(page(number, "The plant made cars and sold them abroad at a loss. ") for number in range(7, 11))
    edited, done = filing_boilerplate.edit(text + "17\n\n4", filing_boilerplate.Options())
    assert done == {"page mark": 4, "running header": 3}
    assert edited.split("\n")[-3:] == ["17", "", "4"] and edited.count("ACME") == 1  # the title, on the first page


def test_numbers_of_a_table_that_was_written_a_cell_a_line_are_no_page_numbers() -> None:
    text = "Year\n\n1\n\n2\n\n3\n\n4\n\nAmount\n\n5\n\n6"
    assert filing_boilerplate.edit(text, filing_boilerplate.Options()) == (text, {})


def test_a_sentence_that_a_page_break_split_is_joined() -> None:
    text = "the foundations and structure)\nto be\n\n5\n\n<PAGE>\n\nincapable of performance."
    edited, _ = filing_boilerplate.edit(text.replace("\n5\n", "\n- 5 -\n"), filing_boilerplate.Options())
    assert edited == "the foundations and structure)\nto be\nincapable of performance."


@pytest.mark.parametrize(
    "line",
    [
        "- 12 -",
        "Page 7",
        "Page F-3",
        "<PAGE>   7",
        "Table of Contents",
        "PART I. FINANCIAL INFORMATION ............. 3",
        "Item 1A. | Risk Factors | 12",
        "10.3 | Credit Agreement (incorporated by reference to Exhibit 10.1 to the Form 8-K filed May 2, 2019)",
        "Filed herewith.",
        "0000320193 us-gaap:CommonStockMember 2019-09-28",
        "---------------------",
        "<S>      <C>      <C>",
    ],
)
def test_a_line_of_a_filing_that_says_nothing_goes(line: str) -> None:
    assert filing_boilerplate.edit(f"We sell.\n{line}\nWe buy.", filing_boilerplate.Options())[0] == "We sell.\nWe buy."


@pytest.mark.parametrize(
    "line",
    [
        "Item 1A. Risk Factors",
        "See the Table of Contents for the order of the items.",
        "Net sales rose to $ 1,234 in 2023",
        "Our certificate of incorporation is incorporated by reference into this report, and sets out our powers.",
        "(12)",
        "Page 3 of the agreement says otherwise",
        "By: John Smith",
    ],
)
def test_a_line_of_a_filing_that_says_something_stays(line: str) -> None:
    text = f"We sell.\n{line}\nWe buy."
    for module in (filing_boilerplate, contract_boilerplate):
        assert module.edit(text, module.Options()) == (text, {})


@pytest.mark.parametrize(
    "line",
    [
        "By: ____________________",
        "Name:",
        "Title: ______",
        "[Signature Page Follows]",
        "[SIGNATURES ON FOLLOWING PAGE]",
        "[Remainder of page intentionally left blank]",
        "[Signature Page to Credit Agreement]",
        "Page 3 of 12",
        "_______________________",
    ],
)
def test_a_line_of_a_contract_to_sign_on_goes(line: str) -> None:
    edited, _ = contract_boilerplate.edit(f"He sells.\n{line}\nShe buys.", contract_boilerplate.Options())
    assert edited == "He sells.\nShe buys."


def test_columns_that_spaces_align_become_lines_with_their_years() -> None:
    text = (
        "                        1999          1998\n"
        "                     ---------     ---------\n"
        "Net sales .......... $   1,234     $   1,100\n"
        "Cost of sales              900           850\n"
        "Loss                      (34)           (3)\n"
    )
    assert tables.edit(text, tables.Options())[0].split("\n")[:3] == [
        "Net sales; 1999: $1,234; 1998: $1,100",
        "Cost of sales; 1999: 900; 1998: 850",
        "Loss; 1999: (34); 1998: (3)",
    ]


def test_a_markdown_table_keeps_its_columns_where_cells_are_empty() -> None:
    text = "Before.\n| City | Rain | Sun |\n|---|---|---|\n| Rome | | 9 |\n| Bern | 4 | |\nAfter."
    assert tables.edit(text, tables.Options()) == ("Before.\nRome; Sun: 9\nBern; Rain: 4\n\nAfter.", {"table": 1})
    assert tables.edit(text, tables.Options(mode="drop"))[0].split() == ["Before.", "After."]
    assert tables.edit(text, tables.Options(mode="keep")) == (text, {})


def test_a_pipe_that_stands_at_a_word_is_no_edge_of_a_row_and_loses_nothing() -> None:
    assert tables.edit("|foo | |\nbar | 7 | 8\nbaz | 1 | 2", tables.Options())[0].split("\n")[0] == "foo"


def test_a_row_with_other_cells_than_the_header_is_not_given_its_names() -> None:
    text = "Sales | 2023 | 2022\nNorth | 7 | 5\nSouth | 9 | 8\nWest | 1"
    assert tables.edit(text, tables.Options())[0].split("\n")[2] == "West: 1"


@pytest.mark.parametrize(
    "text",
    [
        "This document  includes   abbreviated   general\nand   should  not   be  used   with\nother   ones.",
        "name: str | None = None\nlength: int | None = None\n",
        "By:    ________      By:    ________\nName:  Smith         Name:  Jones\nTitle: Chair         Title: Owner",
    ],
)
def test_justified_prose_code_and_signatures_are_no_tables(text: str) -> None:
    assert tables.edit(text, tables.Options()) == (text, {})


def test_text_that_was_decoded_by_the_wrong_table_is_mended_and_other_text_is_not() -> None:
    broken = "He said â€œdonâ€™tâ€\u009d.\nCafÃ© crème, naïve, Â§ 5"
    assert mojibake.edit(broken, mojibake.Options()) == ("He said “don’t”.\nCafé crème, naïve, § 5", {"line": 2})
    assert mojibake.edit("Supervision\u00c2 & Enforcement", mojibake.Options())[0] == "Supervision\xa0& Enforcement"
    fine = "Ça été déjà vu à l’hôtel — “Über”, § 5, 100 €, Ελλάδα, Україна, 法律"
    assert mojibake.edit(fine, mojibake.Options()) == (fine, {})
