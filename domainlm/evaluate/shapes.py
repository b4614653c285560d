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
    question = question.removesuffix("\nAnswer:")
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


def _lettered(query: str) -> tuple[str, list[str]]:
    """What stands before `Choices:`, and the choices, each of which begins with its letter."""
    asked, _, rest = query.rpartition("\nChoices:\n")
    choices = re.split(r"(?:^|\n)[A-J]\.\)? ", rest.removesuffix("Answer:").rstrip())[1:]
    if not asked or not choices:
        raise KeyError("Choices")
    return asked, [choice.strip() for choice in choices]


def commonsense_qa(record: Record) -> list[Record]:
    """CommonsenseQA from a query with lettered choices, of which some collections have four of the five."""
    if "question" in record:
        return [record]
    asked, choices = _lettered(record["query"])
    letters = list(LETTERS[: len(choices)])
    answer = letters[record["gold"]]
    question = asked.removeprefix("Question: ")
    return [{"question": question, "choices": {"label": letters, "text": choices}, "answerKey": answer}]


def social_iqa(record: Record) -> list[Record]:
    """Social IQa from a query with lettered choices, of which some collections have two of the three."""
    if "answerA" in record:
        return [record]
    asked, choices = _lettered(record["query"])
    context, _, question = asked.removeprefix("Context: ").rpartition("\nQuestion: ")
    answers = {f"answer{letter}": choice for letter, choice in zip("ABC", [*choices, "", ""], strict=False)}
    return [{"context": context, "question": question, **answers, "label": str(record["gold"] + 1)}]


def lsat(record: Record) -> list[Record]:
    """AGIEval's multiple choice: the query as it is, the answer as a list of one."""
    gold = record["gold"]
    return [
        {"query": record["query"], "choices": record["choices"], "gold": gold if isinstance(gold, list) else [gold]}
    ]


def math_word(record: Record) -> list[Record]:
    """SVAMP from `context` and `answer`, or as its authors publish it."""
    if "Body" in record:
        body = record["Body"].rstrip(" .") + "."
        return [{"question": f"{body} {record['Question']}", "answer": str(record["Answer"])}]
    return [{"question": record["context"], "answer": str(record["answer"])}]


def yes_or_no(record: Record) -> list[Record]:
    """StrategyQA from `Q: ... A:` with the choices Yes and No."""
    question = record["query"].removeprefix("Q: ").removesuffix("\nA:")
    return [{"question": question, "choices": record["choices"], "gold": record["gold"]}]


def wikitext(record: Record) -> list[Record]:
    """WikiText's pages from the whole file: a page begins with a heading of one `=`."""
    if "page" in record:
        return [record]
    pages = re.split(r"(?m)^(?= = [^=].*[^=] = $)", record["text"])
    return [{"page": page} for page in pages if page.strip()]


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


def mmlu_pro(record: Record) -> list[Record]:
    """MMLU-Pro from `options` by letter, three to ten of them."""
    if isinstance(record["options"], list):
        return [record]
    letters = [letter for letter in LETTERS if record["options"].get(letter)]
    options = [record["options"][letter] for letter in letters]
    item = {"question": record["question"], "options": options, "category": record["category"]}
    return [item | {"answer": record["answer_idx"], "answer_index": letters.index(record["answer_idx"])}]


def pubmedqa(record: Record) -> list[Record]:
    """PubMedQA as its authors publish it, by QUESTION and CONTEXTS."""
    if "question" in record:
        return [record]
    context = {"contexts": list(record["CONTEXTS"])}
    return [{"question": record["QUESTION"], "context": context, "final_decision": record["final_decision"]}]


_EFFECTS = ("significantly decreased", "no significant difference", "significantly increased")


def evidence(record: Record) -> list[Record]:
    """Evidence Inference: the sentence of evidence, what was compared, and the effect."""
    names = ("evidence", "outcome", "intervention", "comparator")
    choices = list(_EFFECTS)
    return [{name: record[name] for name in names} | {"choices": choices, "gold": choices.index(record["label"])}]


SENTIMENTS = ("negative", "neutral", "positive")


def sentiment(record: Record) -> list[Record]:
    """A sentence and its sentiment, by name or number (negative, neutral, positive); FiQA's has a target, too."""
    if "gold" in record:
        return [record]
    label = record["label"]
    gold = SENTIMENTS.index(label) if label in SENTIMENTS else int(label)
    text = record["sentence"] if "sentence" in record else record["text"]
    return [{"text": text, "target": record.get("target"), "choices": list(SENTIMENTS), "gold": gold}]


_HEADLINE = {
    "Price or Not": "does the news headline talk about price",
    "Direction Up": "does the news headline talk about price going up",
    "Direction Constant": "does the news headline talk about price staying constant",
    "Direction Down": "does the news headline talk about price going down",
    "PastPrice": "does the news headline talk about price in the past",
    "FuturePrice": "does the news headline talk about price in the future",
    "PastNews": "does the news headline talk about a general event (apart from prices) in the past",
    "FutureNews": "does the news headline talk about a general event (apart from prices) in the future",
    "Asset Comparision": "does the news headline compare gold with any other asset",
}


def headline(record: Record) -> list[Record]:
    """Gold headlines as their authors publish them, a column a tag: an item for each tag."""
    tags = [tag for tag in _HEADLINE if record.get(tag) not in (None, "")]
    if not tags:
        raise KeyError("Price or Not")
    return [{"text": record["News"], "tag": t, "question": _HEADLINE[t], "gold": 1 - int(record[t])} for t in tags]


_KINDS = {"PER": "person", "ORG": "organization", "LOC": "location"}


def entities(record: Record) -> list[Record]:
    """A sentence of CoNLL's kind from `tokens` and `tags` (B-PER, I-ORG, O, ...); MISC is left out, as in the paper."""
    if "answer" in record:
        return [record]
    found: list[list[str]] = []
    kind = ""
    for token, tag in zip(record["tokens"], record["tags"], strict=True):
        begins = tag.startswith("B-") or (tag.startswith("I-") and tag[2:] != kind)
        kind = tag[2:]
        if begins and kind in _KINDS:
            found.append([token, _KINDS[kind]])
        elif kind in _KINDS:
            found[-1][0] += f" {token}"
    answer = ", ".join(f"{name} ({kind})" for name, kind in found) or "none"
    return [{"text": " ".join(record["tokens"]), "answer": answer}]


def casehold(record: Record) -> list[Record]:
    """CaseHOLD as LexGLUE has it, `endings` under their name or by number (`holding_0`)."""
    endings = record["endings"] if "endings" in record else [record[f"holding_{i}"] for i in range(5)]
    context = record["context"] if "context" in record else record["citing_prompt"]
    return [{"context": context, "endings": list(endings), "label": int(record["label"])}]


def provision(record: Record) -> list[Record]:
    """LEDGAR's provision with its label as a number in LexGLUE's order."""
    return [{"text": record["text"], "label": int(record["label"])}]


_NLI = {"Contradiction": 0, "Entailment": 1, "NotMentioned": 2}


def contract_nli(record: Record) -> list[Record]:
    """ContractNLI from its authors' file, or from one of its documents: an item for each of the 17 hypotheses."""
    if "hypothesis" in record:
        return [{"premise": record["premise"], "hypothesis": record["hypothesis"], "gold": int(record["label"])}]
    found = []
    for document in record.get("documents") or [record]:
        annotations = document["annotation_sets"][0]["annotations"]
        for key, annotation in annotations.items():
            hypothesis = record["labels"][key]["hypothesis"]
            gold = _NLI[annotation["choice"]]
            found.append({"premise": document["text"], "hypothesis": hypothesis, "gold": gold})
    return found


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


_FIELD = re.compile(r"\{\{\s*(.+?)\s*\}\}")


def legalbench(record: Record) -> list[Record]:
    """LegalBench: its own prompt, with its examples, filled with the record's fields."""
    prompt = _FIELD.sub(lambda match: str(record[match[1]]), record["prompt"])
    return [{"task": record["task"], "prompt": prompt, "answer": str(record["answer"])}]


def legalbench_unseen(record: Record) -> list[Record]:
    """The same without the examples, since the record may be one: the instruction, and the last of the paragraphs.

    The instruction are the paragraphs before the first that looks like the last, which holds the record's fields.
    """
    paragraphs = record["prompt"].strip("\n").split("\n\n")
    first = next(i for i, paragraph in enumerate(paragraphs) if _FIELD.search(paragraph))
    asked = "\n\n".join(paragraphs[first:])
    mark = re.match(r"[\w ]*:", asked)
    told = paragraphs[:first]
    if mark:
        told = told[: next((i for i, p in enumerate(told) if p.startswith(mark[0])), len(told))]
    return legalbench(record | {"prompt": "\n\n".join([*told, asked])})


def health(documents: Any) -> Any:
    """The part of MMLU-Pro's dataset that is about health."""
    return documents.filter(lambda document: document["category"] == "health")
