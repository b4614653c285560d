"""The sweep stage: from evaluated proxies to `sweep.json`, which says what share to take and why, and its picture."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from domainlm.manifest import Made, Manifest, shard_of, write_atomically
from domainlm.mix import law
from domainlm.specs.sweep import SweepSpec
from domainlm.sweep import picture
from domainlm.sweep.losses import SIDES, Losses, Proxy, losses, proxy
from domainlm.sweep.recommend import Fitted, Found, along, recommend

_EVERY = 10
"""Every tenth of the shares that were looked at goes into the file: hundredths."""


def sweep(
    spec: SweepSpec,
    *,
    general: Collection[str],
    trainings: Mapping[str, Manifest],
    evaluations: Mapping[str, Manifest],
    folder: Path,
    seed: int,
) -> Made:
    """`sweep.json` and `sweep.svg`. `general` are the mix's other domains; `evaluations` hold the proxies' starts, too.

    Raises DataError where models were not scored on the same held-out documents, or on none of a domain.
    """
    proxies = [proxy(name, start, share, spec.domain, trainings[name]) for name, (start, share, _) in spec.grid.items()]
    of_side = {
        "domain": losses(evaluations, [spec.domain], f"domain {spec.domain}"),
        "general": losses(evaluations, general, "general text"),
    }
    found = recommend(
        proxies,
        of_side,
        tolerance=spec.general_tolerance,
        parameters=spec.target.parameters,
        tokens=spec.target.tokens,
        num_samples=spec.bootstrap_samples,
        seed=seed,
    )
    told = record(spec, sorted(general), proxies, of_side, found)
    path, drawn = folder / "sweep.json", folder / "sweep.svg"
    write_atomically(path, json.dumps(told, indent=1).encode() + b"\n")
    write_atomically(drawn, picture.draw(told).encode())
    facts = {key: told[key] for key in ("sentence", "recommended", "target")}
    shards = (shard_of(path, folder, "sweep"), shard_of(drawn, folder, "picture"))
    return Made(shards=shards, counts={"proxies": len(proxies)}, facts=facts)


def record(
    spec: SweepSpec,
    general: list[str],
    proxies: list[Proxy],
    of_side: Mapping[str, Losses],
    found: Found,
) -> dict[str, Any]:
    """All that a sweep says, for machines; the picture and the table are drawn from it."""
    starts = list(dict.fromkeys(one.start for one in proxies))
    beyond = {key: getattr(found, key) / max(getattr(one, key) for one in proxies) for key in ("parameters", "tokens")}
    told: dict[str, Any] = {
        "sweep": spec.name,
        "domain": spec.domain,
        "general": general,
        "metric": of_side["domain"].metric,
        "documents": {side: len(of_side[side].denominator_I) for side in SIDES},
        "tolerance": spec.general_tolerance,
        "starts": {start: {side: of_side[side].of(start) for side in SIDES} for start in starts},
        "proxies": [
            asdict(one)
            | {side: of_side[side].of(one.name) for side in SIDES}
            | {f"{side}_fitted": float(found.fitted[side].predicted_N[number]) for side in SIDES}
            for number, one in enumerate(proxies)
        ],
        "lines": _lines(proxies, found),
        "laws": {side: _law(found.fitted[side], of_side[side], proxies) for side in SIDES},
        "target": {"parameters": found.parameters, "tokens": found.tokens, "of_the_largest": beyond},
        "base": found.base,
        "recommended": {"share": asdict(found.share), **{side: asdict(found.at_share[side]) for side in SIDES}}
        if found.share is not None
        else None,
        "resamples": {"number": spec.bootstrap_samples, "without_a_share": found.num_without},
        "curve": {
            "share": found.share_R[::_EVERY].tolist(),
            **{
                side: {
                    key: getattr(found.curves[side], f"{key}_R")[::_EVERY].tolist() for key in ("value", "low", "high")
                }
                for side in SIDES
            },
        },
    }
    return told | {"sentence": sentence(told)}


def _lines(proxies: list[Proxy], found: Found) -> list[dict[str, Any]]:
    """The laws through the proxies of each start and budget, over the shares of the curve."""
    share_R = found.share_R[::_EVERY]
    lines = []
    for start, parameters, tokens in dict.fromkeys((one.start, one.parameters, one.tokens) for one in proxies):
        of_side = {
            side: found.fitted[side].law.loss_KM(along(share_R, side, parameters, tokens))[0].tolist() for side in SIDES
        }
        lines.append({"start": start, "tokens": tokens} | of_side)
    return lines


def _law(fitted: Fitted, losses: Losses, proxies: list[Proxy]) -> dict[str, Any]:
    loss_N = np.array([losses.of(one.name) for one in proxies])
    return {
        "form": fitted.law.form,
        "constants": fitted.law.constants(),
        "fitted": list(fitted.design.free),
        "not_identified": list(fitted.design.told),
        "mean_relative_error": law.mean_relative_error(loss_N, fitted.predicted_N),
        "r_squared": law.r_squared(loss_N, fitted.predicted_N),
        "left_out": {
            "mean_relative_error": law.mean_relative_error(loss_N, fitted.left_out_N),
            "r_squared": law.r_squared(loss_N, fitted.left_out_N),
        },
    }


def sentence(told: Mapping[str, Any]) -> str:
    """What a person takes home."""
    domain, found, tolerance = told["domain"], told["recommended"], told["tolerance"]
    number, without = told["resamples"]["number"], told["resamples"]["without_a_share"]
    if found is None:
        return (
            f"No share of {domain} keeps general text within {tolerance:.3g} of its loss before adaptation; "
            f"in {without} of {number} resamples neither. Lower the rate or the shares, or raise general_tolerance."
        )
    share, general = found["share"], found["general"]["value"] / told["base"] - 1
    doubt = f" In {without} of {number} resamples no share does." if without else ""
    far = {key: times for key, times in told["target"]["of_the_largest"].items() if times > 1}
    beyond = "".join(f" The target has {times:.3g} times the {key} of the largest proxy." for key, times in far.items())
    return (
        f"Take {share['value']:.1%} of {domain} (95% band {share['low']:.1%} to {share['high']:.1%}): of the shares "
        f"that keep general text within {tolerance:.2%} of its loss before adaptation, the best for {domain}. "
        f"General text changes by {general:+.2%}.{doubt}{beyond}"
    )
