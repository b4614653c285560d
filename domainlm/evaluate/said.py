"""What a model was asked and what it answered, as a person reads it, from a sample that lm-eval logged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

MOST = 4000
"""Characters of a text that are kept: what is longer loses its middle. A guess."""
_CUT = " […] "


def said(sample: Mapping[str, Any]) -> dict[str, str]:
    """`question`, `target` and `answer` of a sample; empty where its task has no such thing.

    Of multiple choice the answer is the likeliest continuation, and where one continuation stands behind several
    contexts, the context that makes it likeliest. lm-eval does not log which of those is right: the item's own
    `answer` says it, where it is a number.

    >>> said({"arguments": [("2 + 2 =", " 4"), ("2 + 2 =", " 5")], "filtered_resps": [(-1.0, True), (-3.0, False)],
    ...       "target": 0})
    {'question': '2 + 2 =', 'target': '4', 'answer': '4'}
    >>> said({"arguments": [("2 + 2 =", {"until": []})], "filtered_resps": ["5"], "target": "4"})
    {'question': '2 + 2 =', 'target': '4', 'answer': '5'}
    >>> said({"arguments": [("cold", "so it froze"), ("hot", "so it froze")], "target": "so it froze",
    ...       "filtered_resps": [(-2.0, False), (-1.0, False)], "doc": {"answer": 0}})
    {'question': 'so it froze', 'target': 'cold', 'answer': 'hot'}
    """
    arguments = [tuple(map(_text, call[:2])) for call in sample["arguments"]]
    question, choices = _asked(arguments)
    found = sample["filtered_resps"]
    answer, target = "", _text(sample.get("target", ""))
    if len(choices) > 1:
        scores = [one[0] for one in found[: len(choices)] if isinstance(one, list | tuple)]
        if len(scores) == len(choices):
            answer = choices[scores.index(max(scores))]
        if question == target.strip():  # One continuation behind several contexts.
            right = sample.get("doc", {}).get("answer")
            target = str(right) if isinstance(right, int) else ""
        if target.isdecimal() and int(target) < len(choices):
            target = choices[int(target)]
    elif found and isinstance(found[0], str):
        answer = found[0]
    return {"question": cut(question), "target": cut(target.strip()), "answer": cut(answer.strip())}


def _asked(arguments: Sequence[tuple[str, ...]]) -> tuple[str, list[str]]:
    """The question, and the choices where there are several."""
    contexts = list(dict.fromkeys(call[0] for call in arguments))
    if len(arguments) == 1 or any(len(call) < 2 for call in arguments):
        return contexts[0], []
    continuations = list(dict.fromkeys(call[1] for call in arguments))
    # Likelihoods without a context come after the others, where a task asks for them.
    conditional = [call for call in arguments if call[0] == arguments[0][0]]
    if len(continuations) == 1:
        return continuations[0].strip(), [call[0] for call in arguments]
    return arguments[0][0], [call[1] for call in conditional]


def _text(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return value if isinstance(value, str) else str(value)


def cut(text: str, most: int = MOST) -> str:
    """`text` without its middle where it is long.

    >>> cut("abcdefghijklmnop", 11)
    'abc […] nop'
    """
    if len(text) <= most:
        return text
    half = (most - len(_CUT)) // 2
    return text[:half] + _CUT + text[len(text) - half :]
