from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import least_squares

from domainlm.mix import law
from domainlm.mix.law import NAMES, Laws, Points, design, fit, mean_relative_error, r_squared, refit

SHARES = [0.0, 0.2, 0.5, 0.8, 1.0]
TRUE = {"E": 1.5, "A": 0.3, "alpha": 0.4, "B": 0.2, "beta": 0.5, "eta": 0.6, "C": 0.5, "gamma": 0.7, "epsilon": 0.15}


def trainings(sizes: list[float], tokens: list[float], shares: list[float] = SHARES) -> Points:
    grid = np.array([(n, d, r) for n in sizes for d in tokens for r in shares])
    return Points(parameters=grid[:, 0], tokens=grid[:, 1], share=grid[:, 2])


def a_law(form: law.Form, absent: tuple[str, ...] = (), **constants: float) -> Laws:
    values = {**TRUE, "mu": 0.0, "kappa": 0.0, **constants}
    # An eta of 0 has the logarithm minus infinity.
    row = [
        values[name] if name in ("mu", "kappa") else np.log(values[name]) if values[name] else -np.inf for name in NAMES
    ]
    return Laws(form=form, constants_KP=np.array([row]), absent=absent, unit_parameters=6e5, unit_tokens=2e5)


LAWS = {
    "d-cpt": a_law("d-cpt"),
    "interacting": a_law("interacting", eta=0.0, mu=0.2, kappa=0.3),
}


@pytest.mark.parametrize("form", LAWS)
def test_a_law_without_noise_is_found_and_predicts_sizes_and_budgets_that_were_never_seen(form: law.Form) -> None:
    seen, unseen = trainings([3e5, 7e5, 1.5e6], [1e5, 2e5, 4e5]), trainings([3e6], [8e5], [0.1, 0.35, 0.9])
    found = fit(seen, LAWS[form].loss_KM(seen)[0], form)
    assert found.loss_KM(unseen)[0] == pytest.approx(LAWS[form].loss_KM(unseen)[0], rel=1e-4)
    assert found.constants() == pytest.approx(LAWS[form].constants(), rel=0.05)


@pytest.mark.parametrize("form", LAWS)
def test_noise_moves_predictions_by_no_more_than_itself_and_one_wild_training_by_hardly_more(form: law.Form) -> None:
    seen, unseen = trainings([3e5, 7e5, 1.5e6], [1e5, 2e5, 4e5]), trainings([7e5], [2e5], [0.1, 0.35, 0.65, 0.9])
    exact = LAWS[form].loss_KM(seen)[0]
    noisy = exact * np.exp(2e-3 * np.random.default_rng(1).standard_normal(len(exact)))
    noisy[7] *= 1.2
    found = fit(seen, noisy, form).loss_KM(unseen)[0]
    assert mean_relative_error(LAWS[form].loss_KM(unseen)[0], found) < 2e-3


@pytest.mark.parametrize("form", LAWS)
def test_the_optimum_is_no_worse_than_that_of_scipy_on_the_same_loss(form: law.Form) -> None:
    seen = trainings([3e5, 1.5e6], [1e5, 4e5])
    exact = LAWS[form].loss_KM(seen)[0]
    loss = exact * np.exp(3e-3 * np.random.default_rng(2).standard_normal(len(exact)))
    found = fit(seen, loss, form)
    free = [NAMES.index(name) for name in design(seen, form).free]

    def errors(values: np.ndarray) -> np.ndarray:
        at = found.constants_KP.copy()
        at[0, free] = values
        return np.log(loss / found.of(at).loss_KM(seen)[0])

    bounds = (law._LOW[free], law._HIGH[free])
    at = np.clip(found.constants_KP[0, free], *bounds)
    theirs = least_squares(errors, at, loss="huber", f_scale=1e-3, bounds=bounds, max_nfev=500)
    size = np.abs(errors(found.constants_KP[0, free]))
    ours = np.where(size <= 1e-3, size**2 / 2, 1e-3 * (size - 5e-4)).sum()
    assert ours <= theirs.cost * 1.01


def test_the_slopes_are_those_of_the_law() -> None:
    seen = trainings([3e5, 1.5e6], [1e5, 4e5])
    for one in LAWS.values():
        _, slopes = law._forward(one.constants_KP, one.scaled(seen), ())
        for number, name in enumerate(NAMES):
            if not np.isfinite(one.constants_KP[0, number]):
                continue
            step = np.zeros_like(one.constants_KP)
            step[0, number] = 1e-6
            up, down = (np.log(one.of(one.constants_KP + sign * step).loss_KM(seen)[0]) for sign in (1, -1))
            assert slopes[0, :, number] == pytest.approx((up - down) / 2e-6, abs=1e-7), name


def test_what_one_size_or_budget_does_not_identify_is_left_out_and_said() -> None:
    alone = trainings([3e5], [1e5])
    assert design(alone).free == ("E", "C", "gamma", "epsilon") and design(alone).absent == ("A", "B")
    assert [told.partition(":")[0] for told in design(alone).told] == ["one size", "one budget"]
    two = design(trainings([3e5, 7e5], [1e5, 2e5]))
    assert {"A", "B", "mu", "kappa"} <= set(two.free) and not {"alpha", "beta", "eta"} & set(two.free)
    assert two.told[0] == "two sizes: alpha is not identified, and is Chinchilla's 0.34"
    assert {"alpha", "beta"} <= set(design(trainings([3e5, 7e5, 1e6], [1e5, 2e5, 4e5])).free)
    exact = a_law("interacting", ("A", "B"), eta=0.0).loss_KM(alone)[0]
    found = fit(alone, exact)
    assert set(found.constants()) == {"E", "C", "gamma", "epsilon"}
    # Nothing is said of other sizes: they get the same.
    assert found.loss_KM(trainings([9e9], [9e9]))[0] == pytest.approx(exact, rel=1e-4)


def test_without_a_share_the_d_cpt_law_knows_no_tokens_and_the_interacting_one_does() -> None:
    short, long = trainings([3e5], [1e5], [0.0]), trainings([3e5], [4e5], [0.0])
    of = {form: (one.loss_KM(short)[0, 0], one.loss_KM(long)[0, 0]) for form, one in LAWS.items()}
    assert of["d-cpt"][0] == of["d-cpt"][1]
    assert of["interacting"][0] != of["interacting"][1]


def test_the_same_losses_give_the_same_law_to_the_bit_and_what_is_left_out_does_not_count() -> None:
    seen = trainings([3e5, 7e5], [1e5, 2e5])
    loss = LAWS["d-cpt"].loss_KM(seen)[0]
    found = fit(seen, loss)
    assert (found.constants_KP == fit(seen, loss).constants_KP).all()
    wild = np.tile(loss, (2, 1))
    wild[1, 3] *= 2
    weights = np.ones_like(wild)
    weights[:, 3] = 0
    one, other = refit(found, seen, wild, weights).constants_KP
    assert (one == other).all()


def test_errors_are_those_of_the_books() -> None:
    loss, predicted = np.array([1.0, 2.0, 3.0]), np.array([1.1, 2.0, 2.7])
    assert mean_relative_error(loss, predicted) == pytest.approx((0.1 + 0 + 0.1) / 3)
    assert r_squared(loss, predicted) == pytest.approx(1 - (0.01 + 0.09) / 2)
    assert r_squared(np.ones(2), np.ones(2)) == 1
