"""Shapes of benchmarks' files: from the fields that a file has to those that its task asks for, one item or several.

A task's YAML names one under `metadata.local.shape`. Where a file has the hub's own fields already, they stand: the
same task runs on an export from the hub and on the files that other collections publish. A field that is in neither
form is a KeyError, which `local` tells with the file and the record.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

Record = dict[str, Any]
LETTERS = "ABCDEFGHIJ"


def mmlu(record: Record) -> list[Record]:
    """`answer` as a number; some copies of the files have it as text, or as a letter."""
    answer = str(record["answer"])
    index = LETTERS.index(answer) if answer in LETTERS else int(answer)
    return [{"question": record["question"], "choices": list(record["choices"]), "answer": index}]


def arc(record: Record) -> list[Record]:
    """ARC from `query`, `choices` and `gold`."""
    if "answerKey" in record:
        return [record]
    letters = list(LETTERS[: len(record["choices"])])
    question = record["query"].removeprefix("Question: ")
    choices = {"text": record["choices"], "label": letters}
    return [{"question": question, "choices": choices, "answerKey": letters[record["gold"]]}]


def openbookqa(record: Record) -> list[Record]:
    """OpenBookQA from `query`, `choices` and `gold`."""
    if "question_stem" in record:
        return [record]
    item = arc(record)[0]
    return [{"question_stem": item.pop("question"), **item}]


def piqa(record: Record) -> list[Record]:
    """PIQA from `query` and two `choices`."""
    if "goal" in record:
        return [record]
    first, second = record["choices"]
    goal = record["query"].removeprefix("Question: ").rstrip("\n")
    return [{"goal": goal, "sol1": first, "sol2": second, "label": record["gold"]}]


def boolq(record: Record) -> list[Record]:
    """BoolQ from `Passage: ... Question: ...?`, the answers no and yes."""
    if "passage" in record:
        return [record]
    passage, _, question = record["query"].removeprefix("Passage: ").rpartition("\nQuestion: ")
    if not passage:
        raise KeyError("passage")
    return [{"passage": passage, "question": question.rstrip("?"), "label": record["gold"]}]


def copa(record: Record) -> list[Record]:
    """COPA from a premise that ends in `because` or `therefore`."""
    if "premise" in record:
        return [record]
    premise, _, connector = record["query"].rpartition(", " if ", " in record["query"][-14:] else " ")
    asked = {"because": "cause", "therefore": "effect"}[connector.strip()]
    first, second = record["choices"]
    return [{"premise": f"{premise}.", "question": asked, "choice1": first, "choice2": second, "label": record["gold"]}]


def lambada(record: Record) -> list[Record]:
    """LAMBADA from a passage and its last word."""
    return [record if "text" in record else {"text": f"{record['context']} {record['continuation'].strip()}"}]


def triviaqa(record: Record) -> list[Record]:
    """TriviaQA from `Question: ... Answer:` and its aliases."""
    if "question" in record:
        return [record]
    question = record["context"].removeprefix("Question: ").removesuffix("\nAnswer:").rstrip("?")
    aliases = list(dict.fromkeys([record["answer"], *record["aliases"]]))
    return [{"question": question, "answer": {"aliases": aliases, "value": record["answer"]}}]


def gsm8k(record: Record) -> list[Record]:
    """GSM8K from `context`, `chain_of_thought` and `answer`."""
    if "question" in record:
        return [record]
    return [{"question": record["context"], "answer": f"{record['chain_of_thought']}\n#### {record['answer']}"}]


def wsc273(record: Record) -> list[Record]:
    """Winograd's schemas from the two readings up to the pronoun and the rest of the sentence."""
    if "pronoun_loc" in record:
        return [record]
    first, second = record["context_options"]
    size = _common_words(first, second)
    text, pronoun = first[:size], "it"
    options = [first[size:], second[size:]]
    rest = record["continuation"]
    gap = "" if rest[:1] in ",.;!?" else " "
    whole = {"text": f"{text}{pronoun}{gap}{rest}", "pronoun": pronoun, "pronoun_loc": len(text), "options": options}
    return [{**whole, "label": record["gold"]}]


def _common_words(first: str, second: str) -> int:
    """Length of the longest common beginning that ends in a space."""
    end = next((i for i, (a, b) in enumerate(zip(first, second, strict=False)) if a != b), min(len(first), len(second)))
    return first.rfind(" ", 0, end) + 1


def medmcqa(record: Record) -> list[Record]:
    """MedMCQA from `options` by letter and `answer_idx`."""
    if "opa" in record:
        return [record]
    options = {f"op{letter.lower()}": record["options"][letter] for letter in "ABCD"}
    return [{"question": record["question"], **options, "cop": "ABCD".index(record["answer_idx"])}]


def medqa(record: Record) -> list[Record]:
    """MedQA (four options) from `options` by letter and `answer_idx`, as its authors publish it."""
    if "sent1" in record:
        return [record]
    endings = {f"ending{number}": record["options"][letter] for number, letter in enumerate("ABCD")}
    return [{"sent1": record["question"], "sent2": "", **endings, "label": "ABCD".index(record["answer_idx"])}]


def lettered(record: Record) -> list[Record]:
    """A question with `options` by letter, however many: `question`, `choices` and `gold`."""
    letters = [letter for letter in LETTERS if record["options"].get(letter)]
    choices = [record["options"][letter] for letter in letters]
    return [{"question": record["question"], "choices": choices, "gold": letters.index(record["answer_idx"])}]


def contract_nli(record: Record) -> list[Record]:
    """ContractNLI from one of its authors' documents: an item for each of the 17 hypotheses."""
    if "hypothesis" in record:
        return [record]
    annotations = record["annotation_sets"][0]["annotations"]
    return [
        {"premise": record["text"], "hypothesis": record["labels"][key]["hypothesis"], "label": annotation["choice"]}
        for key, annotation in annotations.items()
    ]


def squad(record: Record) -> list[Record]:
    """SQuAD's fields; `answers` as two lists, of texts and of where they start."""
    answers = record["answers"]
    if isinstance(answers, Sequence):
        answers = {name: [answer[name] for answer in answers] for name in ("text", "answer_start")}
    return [{name: record[name] for name in ("context", "question")} | {"answers": answers}]


def table_text(table: Sequence[Sequence[Any]]) -> str:
    """A table as lines of cells between bars."""
    return "\n".join(" | ".join(str(cell).strip() for cell in row) for row in table)


def tatqa(record: Record) -> list[Record]:
    """TAT-QA from one of its contexts: an item for each question about the table and its paragraphs."""
    paragraphs = sorted(record["paragraphs"], key=lambda paragraph: paragraph["order"])
    context = "\n".join([table_text(record["table"]["table"]), *(paragraph["text"] for paragraph in paragraphs)])
    return [
        {
            "context": context,
            "question": question["question"],
            "answers": [str(answer) for answer in _as_list(question["answer"])],
            "scale": question["scale"],
            "kind": question["answer_type"],
        }
        for question in sorted(record["questions"], key=lambda question: question["order"])
    ]


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _report_text(record: Mapping[str, Any]) -> str:
    return "\n".join([*record["pre_text"], table_text(record["table"]), *record["post_text"]])


def finqa(record: Record) -> list[Record]:
    """FinQA as its authors publish it: text, table and text, a question and the result of its program."""
    if "context" in record:
        return [record]
    asked = record["qa"]
    return [{"context": _report_text(record), "question": asked["question"], "answer": str(asked["exe_ans"])}]


def convfinqa(record: Record) -> list[Record]:
    """ConvFinQA as its authors publish it: an item for each turn, the turns before it and their answers as history."""
    if "history" in record:
        return [record]
    annotation = record["annotation"]
    questions, answers = annotation.get("cur_dial") or annotation["dialogue_break"], annotation["exe_ans_list"]
    # A file of turns has the questions up to its own; a file of conversations has all, and each is asked.
    first = len(questions) - 1 if "cur_dial" in annotation else 0
    context = _report_text(record)
    return [
        {
            "context": context,
            "history": "".join(f"{questions[i]} {answers[i]}\n" for i in range(turn)),
            "question": questions[turn],
            "answer": str(answers[turn]),
        }
        for turn in range(first, len(questions))
    ]


def legalbench(record: Record) -> list[Record]:
    """LegalBench's own prompt with the record's fields filled in, where the file does not have it so already."""
    prompt = re.sub(r"\{\{\s*(.+?)\s*\}\}", lambda match: str(record[match[1]]), record["prompt"])
    return [{"prompt": prompt, "answer": str(record["answer"])}]
