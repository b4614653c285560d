"""What the scores say, in sentences: each follows from the numbers, so other numbers give another sentence."""

from __future__ import annotations

import math

from domainlm.report.scores import BITS, Difference, Exchange, Scores, is_general
from domainlm.report.wording import (
    PROPORTIONS,
    change,
    fixed,
    level,
    listing,
    percent,
    probability,
    prose,
    several,
    signed,
)

MAX_NAMED = 4
"""Benchmark differences that a sentence names; the table has all."""


def verdicts(scores: Scores) -> list[str]:
    """The sentences that head the report: one per adapted model, then what mixing kept and avoided."""
    if not scores.pairs:
        return ["No model was adapted from another in this run, so nothing was gained or lost: these are levels only."]
    return [*(model_verdict(scores, *pair) for pair in scores.pairs), *exchanges(scores)]


def model_verdict(scores: Scores, base: str, adapted: str) -> str:
    """What one adapted model gained and lost against its base, in bits per byte of each domain."""
    differences = scores.bits(base, adapted)
    if not differences:
        return f"{adapted} and {base} share no held-out text, so their bits per byte cannot be compared."
    return f"Against {base}, {adapted} {listing([_bits_clause(d) for d in differences])}."


def _bits_clause(d: Difference) -> str:
    if d.outcome == "unclear":
        return f"shows no significant change on {d.suite} ({change(d.difference, BITS)}, {probability(d.p_holm)})"
    levels = f"{fixed(d.base_value)} → {fixed(d.adapted_value)}"
    verb = "gains" if d.outcome == "better" else "loses"
    return f"{verb} {fixed(abs(d.difference))} bits per byte on {d.suite} ({levels}, {relative(d)})"


def relative(d: Difference) -> str:
    """The difference as a share of the base's value, in percent."""
    return signed(100 * d.difference / d.base_value, 1) + "%" if d.base_value else "n/a"


def exchanges(scores: Scores) -> list[str]:
    """For each mix and each run without general text, both from one base: the gain kept and the loss avoided."""
    found = []
    for base, pure in scores.pairs:
        for other, mix in scores.pairs:
            if other == base and scores.general_share(pure) == 0 and scores.general_share(mix):
                found.extend(_exchange(scores, base, mix, pure))
    return found


def _exchange(scores: Scores, base: str, mix: str, pure: str) -> list[str]:
    ours = {d.suite: d for d in scores.bits(base, mix)}
    theirs = {d.suite: d for d in scores.bits(base, pure)}
    clauses = []
    for suite in ours.keys() & theirs.keys():
        if not is_general(suite) and not scores.token_ratio[pure].get(suite):
            continue
        clause = _avoided if is_general(suite) else _kept
        clauses.append((is_general(suite), suite, clause(ours[suite], theirs[suite], pure)))
    if not clauses:
        return []
    share = percent(scores.general_share(mix) or 0.0, 0)
    said = listing([clause for _, _, clause in sorted(clauses)])
    return [f"Next to {pure}, which saw no general text, {mix} ({share} general) {said}."]


def _kept(ours: Difference, theirs: Difference, pure: str) -> str:
    parts = f"({change(ours.difference, BITS)} against {change(theirs.difference, BITS)})"
    if theirs.outcome != "better":
        return f"finds no significant gain of {pure} on {ours.suite} to keep {parts}"
    if ours.outcome == "worse":
        return f"keeps nothing of its gain on {ours.suite} and loses there {parts}"
    if ours.outcome == "unclear":
        return f"shows no significant gain on {ours.suite}, where {pure} has one {parts}"
    return f"keeps {percent(ours.gain / theirs.gain, 0)} of its gain on {ours.suite} {parts}"


def _avoided(ours: Difference, theirs: Difference, pure: str) -> str:
    parts = f"({change(ours.difference, BITS)} against {change(theirs.difference, BITS)})"
    if theirs.outcome != "worse":
        return f"finds no significant loss of {pure} on {ours.suite} to avoid {parts}"
    if ours.outcome == "better":
        return f"turns its loss on {ours.suite} into a gain {parts}"
    avoided = 1 - ours.gain / theirs.gain
    if avoided < 0:
        return f"loses even more on {ours.suite} {parts}"
    share = percent(min(avoided, 1), 0)
    said = f"avoids {share} of its loss on {ours.suite} {parts}"
    return said + ("" if ours.outcome == "worse" else ", its own change there being not significant")


def exchange_rate(exchange: Exchange | None) -> str:
    """Bits per byte gained on the domain for each that is lost in general, or why there is no such number."""
    if exchange is None:
        return "not measured"
    if not exchange.gain_significant or exchange.gain <= 0:
        return "no significant gain"
    if not exchange.forgetting_significant:
        return f"no significant loss; at least {fixed(exchange.rate_low, 1)} gained per 1 lost"
    if exchange.forgetting < 0:
        return "nothing lost: a gain on both"
    low, high = fixed(exchange.rate_low, 1), fixed(exchange.rate_high, 1)
    ends = f"{low} to {high}" if math.isfinite(exchange.rate_high) else f"at least {low}"
    return f"{fixed(exchange.rate, 1)} gained per 1 lost ({ends})"


def benchmark_verdict(scores: Scores) -> str:
    """How many of the paired comparisons on benchmark tasks show a gain, a loss, or neither."""
    tasks = sorted({s.task for s in scores.levels if s.task != BITS})
    failed = sum(len(causes) for causes in scores.failed_tasks.values())
    failure = f" {several(failed, 'evaluation')} of a task failed: see below." if failed else ""
    if not tasks:
        return "No benchmark task was run: bits per byte is the only measure." + failure
    compared = [d for d in scores.differences if d.task != BITS]
    if not compared:
        return f"{several(len(tasks), 'task')} gave levels; no two models were compared on them." + failure
    better, worse = ([d for d in compared if d.outcome == outcome] for outcome in ("better", "worse"))
    unclear = len(compared) - len(better) - len(worse)
    said = (
        f"Of {several(len(compared), 'paired comparison')} on {several(len(tasks), 'task')}, "
        f"{several(len(better), 'is a significant gain', 'are significant gains')}, "
        f"{several(len(worse), 'is a significant loss', 'are significant losses')} and "
        f"{several(unclear, 'shows', 'show')} no difference that this many items can tell"
    )
    largest = sorted(better + worse, key=lambda d: -abs(d.difference))[:MAX_NAMED]
    colon = ": " if len(largest) == len(better) + len(worse) else "; the largest: "
    return said + (f"{colon}{listing([_task_clause(d) for d in largest])}." if largest else ".") + failure


def _task_clause(d: Difference) -> str:
    unit = " points" if d.metric in PROPORTIONS else ""
    levels = f"{level(d.base_value, d.metric)} → {level(d.adapted_value, d.metric)}"
    return f"{d.adapted} {change(d.difference, d.metric)}{unit} of {prose(d.metric)} on {d.task} ({levels})"
