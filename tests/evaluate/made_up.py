"""Items that nobody wrote for a benchmark, in the shapes that benchmarks are published in, each with its right answer.

By YAML of `evals`: files of items by name, and what a model that knows all says, item by item: of multiple choice how
the scored text ends (context and choice, as lm-eval joins them), else what it writes.
"""

from __future__ import annotations

from typing import Any

Made = tuple[dict[str, list[dict[str, Any]]], list[str]]

QA = [
    {"query": "Question: Where do boats rest?", "choices": ["harbour", "attic", "oven", "cloud"], "gold": 0},
    {"query": "Question: What gives light?", "choices": ["bread", "a stone", "a candle", "salt"], "gold": 2},
]
TABLE = {"table": [["", "2019", "2018"], ["Sales", "30", "20"]]}
REPORT = {"pre_text": ["We sold rope."], "post_text": ["End."], **TABLE}
PROMPTS = [
    {"task": "cuad_rope", "prompt": "Is it of rope?\n\nClause: Salt.\nLabel: No\n\nClause: {{text}}\nLabel:"},
]
CLAUSES = [
    {"task": "cuad_rope", "text": "Rope is sold.", "answer": "Yes", "index": "0"},
    {"task": "cuad_rope", "text": "Bread is sold.", "answer": "No", "index": "1"},
]


def mmlu(subject: str) -> Made:
    choices = ["north", "south", "east", "west"]
    items = [{"subject": subject, "question": f"Which way is it, {i}?", "choices": choices} for i in range(7)]
    return {
        "mmlu_test": [items[0] | {"answer": "2"}, items[1] | {"answer": "D"}, items[0] | {"subject": "no_subject"}],
        "mmlu_dev": [item | {"answer": 0} for item in items[2:]],
    }, [" C", " D"]


def lettered(head: str, choices: list[str], gold: int, mark: str = ".") -> dict[str, Any]:
    letters = "ABCD"[: len(choices)]
    listed = "".join(f"{letter}{mark} {choice}\n" for letter, choice in zip(letters, choices, strict=True))
    return {"query": f"{head}\nChoices:\n{listed}Answer:", "choices": list(letters), "gold": gold}


def sentiments(name: str, extra: dict[str, Any]) -> Made:
    said = [("Sales rose.", "positive"), ("Sales fell.", 0), ("Sales are told of.", "neutral")]
    train = [{"sentence": f"{text} {i}", "label": label} | extra for i in range(2) for text, label in said]
    return {f"{name}_test": train[:2], f"{name}_train": train}, [" positive", " negative"]


def all_made() -> dict[str, Made]:
    headline = {"News": "gold up", "Price or Not": "1", "Direction Up": "1", "PastNews": "0", "Asset Comparision": ""}
    tagged = {"tokens": ["Ada", "King", "runs", "Rope", "Co"], "tags": ["B-PER", "I-PER", "O", "B-ORG", "I-ORG"]}
    plain = {"tokens": ["It", "rains"], "tags": ["O", "O"]}
    return {
        "finance/mmlu": mmlu("business_ethics"),
        "general/mmlu": mmlu("abstract_algebra"),
        "legal/mmlu": mmlu("high_school_government_and_politics"),
        "medical/mmlu": mmlu("anatomy"),
        "general/arc_easy": ({"arc_easy_test": QA}, [" harbour", " a candle"]),
        "general/arc_challenge": ({"arc_challenge_test": QA}, [" harbour", " a candle"]),
        "general/openbookqa": ({"openbookqa_test": QA}, [" harbour", " a candle"]),
        "general/hellaswag": (
            {
                "hellaswag_validation": [
                    {
                        "activity_label": "Walking",
                        "ctx_a": "A man walks.",
                        "ctx_b": "he",
                        "endings": ["sits down.", "is a lamp.", "eats the road.", "turns blue."],
                        "label": "0",
                    }
                ]
            },
            [" sits down."],
        ),
        "general/winogrande": (
            {
                "winogrande_validation": [
                    {"sentence": "Ann thanked Bo, for _ helped.", "option1": "Ann", "option2": "Bo", "answer": "2"}
                ]
            },
            ["for Bo helped."],
        ),
        "general/piqa": (
            {"piqa_val": [{"query": "Question: To cut bread\n", "choices": ["use a knife", "use a sock"], "gold": 0}]},
            [" use a knife"],
        ),
        "general/boolq": (
            {
                "boolq_val": [
                    {"query": "Passage: Rope floats.\nQuestion: does rope float?", "choices": ["no", "yes"], "gold": 1},
                    {"query": "Passage: Iron sinks.\nQuestion: does iron float?", "choices": ["no", "yes"], "gold": 0},
                ]
            },
            [" yes", " no"],
        ),
        "general/copa": (
            {
                "copa_val": [
                    {"query": "It rained, therefore", "choices": ["the road was wet.", "the sun rose."], "gold": 0},
                    {"query": "He slept because", "choices": ["he sang.", "he was tired."], "gold": 1},
                ]
            },
            ["therefore  the road was wet.", "because  he was tired."],
        ),
        "general/commonsense_qa": (
            {
                "commonsenseqa_val": [
                    lettered("Question: Where do boats rest?", ["in an oven", "in a harbour", "on a hat", "in ink"], 1),
                    lettered("Question: Who teaches?", ["a stone", "a door", "a hat", "a teacher"], 3),
                ]
            },
            [" B", " D"],
        ),
        "general/social_iqa": (
            {
                "siqa_val": [
                    lettered("Context: Bo fell.\nQuestion: How does Bo feel?", ["hurt", "glad"], 0),
                    lettered("Context: Bo won.\nQuestion: How does Bo feel?", ["hurt", "glad"], 1),
                ]
            },
            [" hurt", " glad"],
        ),
        "general/lambada_openai": (
            {"lambada_openai_test": [{"context": "He read the letter and put down the", "continuation": " letter"}]},
            [" letter"],
        ),
        "general/qa_wikidata": (
            {"bigbench_qa_wikidata": [{"context": "The capital of Rope is", "continuation": "Salt"}]},
            [" Salt"],
        ),
        "general/triviaqa": (
            {
                "triviaqa_small": [
                    {"context": "Question: Which is red?\nAnswer:", "answer": "Rose", "aliases": ["Rose", "A rose"]}
                ]
            },
            ["a rose"],
        ),
        "general/gsm8k_cot": (
            {"gsm8k_test": [{"context": "Two and two?", "chain_of_thought": "2 + 2 = 4.", "answer": "4"}]},
            ["2 + 2 = 4. The answer is 4."],
        ),
        "general/svamp": ({"svamp": [{"context": "Two and two?", "answer": "4"}]}, ["4.0"]),
        "general/strategyqa": (
            {"bigbench_strategyqa": [{"query": "Q: Is rope edible?\nA:", "choices": ["Yes", "No"], "gold": 1}]},
            [" No"],
        ),
        "general/wsc273": (
            {
                "winograd_wsc273": [
                    {"context_options": ["He took the rope because rope", "He took the rope because salt"]}
                    | {"continuation": "was strong.", "gold": 0},
                    {"context_options": ["Ann paid Bo after Ann", "Ann paid Bo after Bo"]}
                    | {"continuation": "had worked.", "gold": 1},
                ]
            },
            ["because rope  was strong.", "after Bo  had worked."],
        ),
        "general/wikitext": (
            {"wikitext2_test": [{"text": " \n = Rope = \n \n Rope is long . \n = Salt = \n \n Salt is white . \n"}]},
            ["", ""],
        ),
        "general/blimp": (
            {
                "blimp": [
                    {"UID": "adjunct_island", "sentence_good": "Who sang?", "sentence_bad": "Sang who?"},
                    {"UID": "another", "sentence_good": "a", "sentence_bad": "b"},
                ]
            },
            ["Who sang?"],
        ),
        "finance/financial_phrasebank": sentiments("financial_phrasebank", {}),
        "finance/fiqa_sentiment": sentiments("fiqa_sentiment", {"target": "Rope Co"}),
        "finance/headline": (
            {"headline_test": [headline], "headline_train": [headline | {"News": f"gold {i}"} for i in range(3)]},
            [" Yes", " Yes", " No"],
        ),
        "finance/finance_ner": (
            {"finance_ner_test": [tagged], "finance_ner_train": [tagged, plain] * 10},
            ["Ada King (person), Rope Co (organization)"],
        ),
        "finance/finqa": (
            {"finqa_test": [REPORT | {"qa": {"question": "growth?", "answer": "50%", "exe_ans": 0.5}}]},
            ["50%"],
        ),
        "finance/convfinqa": (
            {
                "convfinqa_dev": [
                    REPORT
                    | {"annotation": {"dialogue_break": ["sales in 2019?", "growth?"], "exe_ans_list": [30.0, 0.5]}}
                ]
            },
            ["30", "0.5"],
        ),
        "finance/tatqa": (
            {
                "tatqa_dev": [
                    {
                        "table": TABLE,
                        "paragraphs": [{"order": 1, "text": "We sell rope and salt."}],
                        "questions": [
                            {"order": 1, "question": "What is sold?", "answer": ["rope", "salt"]}
                            | {"answer_type": "multi-span", "scale": ""},
                            {"order": 2, "question": "Growth?", "answer": 50.0, "answer_type": "arithmetic"}
                            | {"scale": "percent"},
                        ],
                    }
                ]
            },
            ["rope, salt", "50.0"],
        ),
        "legal/lsat": (
            {"agieval_lsat_ar": [lettered("Passage: Rope.\nQ: What?", ["salt", "rope"], 1, mark=".)")]},
            [" B"],
        ),
        "legal/casehold": (
            {
                "casehold_test": [
                    {"context": "It was so held. See Rope v. Salt (<HOLDING>).", "label": 3}
                    | {"endings": [f"holding that it is {i}" for i in range(5)]}
                ]
            },
            ["(holding that it is 3"],
        ),
        "legal/contract_nli": (
            {
                "contract_nli_test": [
                    {
                        "documents": [
                            {
                                "text": "No rope is lent.",
                                "annotation_sets": [
                                    {"annotations": {"a": {"choice": "Contradiction"}, "b": {"choice": "Entailment"}}}
                                ],
                            }
                        ],
                        "labels": {"a": {"hypothesis": "Rope is lent."}, "b": {"hypothesis": "Rope stays."}},
                    }
                ]
            },
            [" False", " True"],
        ),
        "legal/ledgar": (
            {"ledgar_test": [{"text": "Notices are sent by mail.", "label": 65}, {"text": "Taxes.", "label": 87}]},
            [" Notices", " Taxes"],
        ),
        "legal/policyqa": (
            {
                "policyqa_test": [
                    {"context": "We keep names for a year.", "question": "How long?"}
                    | {"answers": [{"text": "for a year", "answer_start": 14}, {"text": "a year", "answer_start": 18}]}
                ]
            },
            ["A year."],
        ),
        "legal/legalbench_lm_eval": (
            {
                "legalbench_abercrombie_test": [{"text": "Salt for salt.", "answer": "generic"}],
                "legalbench_abercrombie_train": [{"text": f"Rope {i}.", "answer": "arbitrary"} for i in range(5)],
            },
            ["generic"],
        ),
        "legal/legalbench": ({"legalbench_test": CLAUSES, "legalbench_base_prompts": PROMPTS}, ["Yes", "no."]),
        "legal/cuad": (
            {"legalbench_test": [*CLAUSES, {"task": "other"}], "legalbench_base_prompts": PROMPTS},
            ["Yes", "No"],
        ),
        "legal/legalbench_examples": (
            {"legalbench_train_fewshot": CLAUSES, "legalbench_base_prompts": PROMPTS},
            ["Yes", "No"],
        ),
        "medical/medqa_4options": (
            {
                "medqa_4options_test": [
                    {"question": "What heals?", "options": {"A": "ink", "B": "rest", "C": "salt", "D": "rope"}}
                    | {"answer_idx": "B"}
                ]
            },
            [" B"],
        ),
        "medical/medmcqa": (
            {
                "medmcqa_dev_single": [
                    {"question": "What heals?", "options": {"A": "ink", "B": "salt", "C": "rest", "D": "rope"}}
                    | {"answer_idx": "C", "answer": "rest"}
                ]
            },
            [" C"],
        ),
        "medical/mmlu_pro_health_mc": (
            {
                "mmlu_pro_health_test": [
                    {"question": "What heals?", "category": "health", "answer_idx": "E"}
                    | {"options": {letter: f"thing {letter}" for letter in "ABCDE"}}
                ]
            },
            [" E"],
        ),
        "medical/pubmedqa": (
            {
                "pubmedqa_pqal": [
                    {"QUESTION": "Does rest heal?", "CONTEXTS": ["Rest.", "It healed."], "final_decision": "maybe"}
                    | {"split": "test"},
                    {"QUESTION": "Not asked", "CONTEXTS": [], "final_decision": "no", "split": "train"},
                ]
            },
            [" maybe"],
        ),
        "medical/evidence_inference": (
            {
                "evidence_inference_v2": [
                    {"evidence": "Pain fell.", "outcome": "pain", "intervention": "rest", "comparator": "work"}
                    | {"label": "significantly decreased"},
                ]
            },
            [" significantly decreased"],
        ),
    }
