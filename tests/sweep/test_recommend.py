"""Proxies whose losses are known: what is recommended, how sure, and how it is drawn."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
import pytest

from domainlm.specs.sweep import SweepSpec
from domainlm.sweep import picture, table
from domainlm.sweep.losses import Losses, Proxy
from domainlm.sweep.recommend import recommend
from domainlm.sweep.stage import record

SHARES = (0.0, 0.2, 0.5, 0.8, 1.0)
SIZES = {"small": 300_000, "large": 900_000}
NUM_DOCS = 40


def a_domain_loss(share: float, parameters: float, tokens: float) -> float:
    return 2.0 + 0.3 * (parameters / 3e5) ** -0.34 + 0.3 * (tokens / 1e5) ** 0.3 / (share + 0.3)


def a_general_loss(share: float, parameters: float, tokens: float) -> float:
    return 2.5 + 0.3 * (parameters / 3e5) ** -0.34 + 0.02 * (tokens / 1e5) ** 0.3 / (1 - share + 0.1)


def a_base_loss(parameters: float) -> float:
    """Of general text, before adaptation: a straight line in logarithms."""
    return 2.9 * (parameters / 3e5) ** -0.034


def spec(**more: object) -> SweepSpec:
    asked = {"name": "trial", "run": "r", "mix": "m", "domain": "law", "domain_shares": SHARES, "recipe": "c"}
    asked |= {"budget_tokens": (100_000, 200_000), "proxies": ("small", "large"), "bootstrap_samples": 100}
    return SweepSpec.model_validate(asked | more)


def losses(spread: float = 0.0) -> tuple[list[Proxy], dict[str, Losses]]:
    """`spread`: by how much documents differ in how hard they are for all models."""
    proxies = [
        Proxy(name=name, start=start, asked_share=share, share=share, parameters=SIZES[start], tokens=tokens)
        for name, (start, share, tokens) in spec().grid.items()
    ]
    random = np.random.default_rng(1)
    of_side = {}
    for side, loss in (("domain", a_domain_loss), ("general", a_general_loss)):
        of = {one.name: loss(one.share, one.parameters, one.tokens) for one in proxies}
        of |= {start: a_base_loss(size) for start, size in SIZES.items()}
        bytes_I = np.full(NUM_DOCS, 1000.0)
        hard_I = np.exp(spread * random.standard_normal(NUM_DOCS))
        hard_I /= hard_I.mean()
        bits = np.array([value * bytes_I * hard_I for value in of.values()])
        of_side[side] = Losses(models=tuple(of), metric="bits_per_byte", numerator_MI=bits, denominator_I=bytes_I)
    return proxies, of_side


def found(tolerance: float, spread: float = 0.0, parameters: float | None = None, tokens: float | None = None):
    proxies, of_side = losses(spread)
    asked = {"tolerance": tolerance, "parameters": parameters, "tokens": tokens, "num_samples": 100, "seed": 1}
    return recommend(proxies, of_side, **asked)


def exact_share(tolerance: float, parameters: float, tokens: float) -> float:
    """The largest share within the tolerance, solved by hand: the domain's loss only falls with it."""
    room = a_base_loss(parameters) * (1 + tolerance) - 2.5 - 0.3 * (parameters / 3e5) ** -0.34
    return min(1.0, 1.1 - 0.02 * (tokens / 1e5) ** 0.3 / room)


@pytest.mark.parametrize("tolerance", [-0.015, -0.005, 0.0])
def test_the_share_is_the_largest_that_the_tolerance_allows(tolerance: float) -> None:
    one = found(tolerance)
    want = exact_share(tolerance, 900_000, 200_000)
    assert one.share is not None and one.share.value == pytest.approx(want, abs=0.004)
    assert one.share.low <= one.share.value <= one.share.high
    limit = a_base_loss(900_000) * (1 + tolerance)
    assert one.at_share["general"].value <= limit + 1e-9


def test_a_target_beyond_the_proxies_is_told_by_the_law_and_its_base_by_a_line() -> None:
    one = found(0.0, parameters=3_000_000)
    assert one.base == pytest.approx(a_base_loss(3_000_000), rel=1e-6)
    assert one.share is not None
    assert one.share.value == pytest.approx(exact_share(0.0, 3_000_000, 200_000), abs=0.02)


def test_beyond_the_longest_budget_the_law_is_the_one_that_extrapolates_better() -> None:
    forms = {tokens: found(0.0, tokens=tokens).fitted["general"].law.form for tokens in (200_000, 205_000, 400_000)}
    assert forms == {200_000: "interacting", 205_000: "interacting", 400_000: "d-cpt"}


def test_no_share_is_recommended_where_none_keeps_general_text() -> None:
    one = found(-0.5)
    assert one.share is None and one.num_without == 100 and one.at_share == {}


def test_harder_and_easier_documents_move_all_models_together_so_that_the_band_stays_narrow() -> None:
    one = found(-0.015, spread=0.3)
    assert one.share is not None and one.share.high - one.share.low < 0.05
    assert one.at_share["domain"].high - one.at_share["domain"].low < 0.05


def told(tolerance: float) -> dict:
    proxies, of_side = losses(0.1)
    one = recommend(proxies, of_side, tolerance=tolerance, parameters=None, tokens=None, num_samples=50, seed=1)
    return record(spec(general_tolerance=max(tolerance, 0)), ["general"], proxies, of_side, one)


def test_the_sentence_says_the_share_its_band_and_what_it_costs() -> None:
    said = told(0.0)
    share = said["recommended"]["share"]
    assert said["sentence"].startswith(f"Take {share['value']:.1%} of law (95% band {share['low']:.1%} to ")
    assert told(-0.5)["sentence"].startswith("No share of law keeps general text within")


@pytest.mark.parametrize("tolerance", [0.0, -0.5])
def test_every_proxy_is_a_dot_inside_both_frames_and_the_choice_is_drawn_where_there_is_one(tolerance: float) -> None:
    said = told(tolerance)
    drawn = ElementTree.fromstring(picture.draw(said))
    svg = "{http://www.w3.org/2000/svg}"
    dots = [dot for dot in drawn.findall(f"{svg}circle") if dot.find(f"{svg}title") is not None]
    assert len(dots) == 2 * len(said["proxies"])
    _, _, width, height = map(float, drawn.attrib["viewBox"].split())
    assert all(0 < float(dot.attrib["cx"]) < width and 0 < float(dot.attrib["cy"]) < height for dot in dots)
    chosen = [line for line in drawn.findall(f"{svg}line") if line.attrib.get("class") == "choice"]
    assert len(chosen) == (2 if said["recommended"] else 0)


def test_the_table_has_a_line_for_every_proxy() -> None:
    of_proxies, of_laws = table.tables(told(0.0))
    assert of_proxies.row_count == 20 and of_laws.row_count == 2
