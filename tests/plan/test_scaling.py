import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domainlm.plan.devices import device
from domainlm.plan.scaling import (
    CHINCHILLA,
    LITERATURE,
    PETAFLOP_S_DAY,
    REPLICATION,
    gpu_hours,
    kaplan_loss,
    kaplan_optimum,
    petaflop_s_days,
    rule_optimum,
    training_flops,
)
from domainlm.plan.shape import bloom, flops_per_token

BLOOMBERGGPT = bloom(num_layers=70, hidden_size=7680, num_heads=40, vocab_size=2**17)
TOKENS = 569e9


def test_a_petaflop_s_day_is_8_64e19_flops():
    assert PETAFLOP_S_DAY == 8.64e19


def test_gpt3_takes_the_petaflop_s_days_of_its_paper():
    # arXiv:2005.14165, table D.1: 3.14e23 FLOPs, 3,640 petaflop/s-days.
    flops = training_flops(174.6e9, 300e9)
    assert flops == pytest.approx(3.14e23, rel=0.002)
    assert petaflop_s_days(flops) == pytest.approx(3640, rel=0.002)


def test_bloomberggpts_flops_come_out_with_its_recomputation_and_not_without():
    # arXiv:2303.17564, table 4: 2.36e23 FLOPs.
    assert training_flops(50.6e9, TOKENS) == pytest.approx(1.73e23, rel=0.002)
    assert training_flops(50.6e9, TOKENS, recompute=True) == pytest.approx(2.30e23, rel=0.002)
    with_attention = flops_per_token(BLOOMBERGGPT, 2048, recompute=True) * TOKENS
    assert with_attention == pytest.approx(2.36e23, rel=0.02)
    assert flops_per_token(BLOOMBERGGPT, 2048) * TOKENS < 1.85e23


def test_bloomberggpt_takes_its_53_days():
    # 512 A100 at 102 TFLOP/s each, which counts what is recomputed.
    achieved = 102e12 / device("A100-40GB").peak_flops
    flops = flops_per_token(BLOOMBERGGPT, 2048, recompute=True) * TOKENS
    days = gpu_hours(flops, device("A100-40GB").peak_flops, achieved) / 512 / 24
    assert days == pytest.approx(53, rel=0.02)


def test_twenty_tokens_a_parameter_is_near_what_bloomberggpt_took_from_chinchilla():
    # arXiv:2303.17564 on its compute: 53.0B and 1,111B, or 49.8B and 1,176B.
    num_parameters, num_tokens = rule_optimum(6 * 53.0e9 * 1111e9)
    assert num_parameters == pytest.approx(53.0e9, rel=0.05)
    assert num_tokens == pytest.approx(1111e9, rel=0.05)


def test_the_lectures_table_of_best_and_actual_tokens():
    table = {m.name: (m.num_parameters / 1e9, m.optimal_tokens / 1e12, m.num_tokens / 1e12) for m in LITERATURE}
    assert table == {
        "Chinchilla": (70, 1.4, 1.4),
        "LLaMA-65B": (65, 1.3, 1.4),
        "GPT-3": (175, 3.5, 0.3),
        "OPT-175B": (175, 3.5, 0.18),
        "BLOOM": (176, 3.52, 0.35),
        "BloombergGPT": (50.6, 1.012, 0.569),
    }


@given(exponent=st.floats(18, 26))
@pytest.mark.parametrize("fit", [CHINCHILLA, REPLICATION], ids=lambda fit: fit.name)
def test_the_optimum_spends_the_compute_and_no_neighbour_is_better(fit, exponent):
    flops = 10**exponent
    num_parameters, num_tokens = fit.optimum(flops)
    assert training_flops(num_parameters, num_tokens) == pytest.approx(flops)
    best = fit.loss(num_parameters, num_tokens)
    for factor in (0.9, 1.1):
        assert fit.loss(num_parameters * factor, num_tokens / factor) > best


def test_approach_3_by_its_printed_constants_gives_chinchillas_compute_a_smaller_model():
    # arXiv:2203.15556, figure 4: 40B parameters for Gopher's 5.76e23 FLOPs.
    assert CHINCHILLA.optimum(5.76e23)[0] == pytest.approx(40e9, rel=0.25)
    # Fitted anew, the law agrees with the 70B that was trained: arXiv:2404.10102.
    assert REPLICATION.optimum(5.76e23)[0] == pytest.approx(70e9, rel=0.1)


def test_kaplan_gives_more_parameters_and_fewer_tokens_than_chinchilla():
    kaplan, rule = kaplan_optimum(5.76e23), rule_optimum(5.76e23)
    assert kaplan[0] > rule[0] and kaplan[1] < rule[1]


def test_kaplans_law_has_its_limits():
    # Without end of data, (N_c / N)^0.076; without end of parameters, (D_c / D)^0.103.
    assert kaplan_loss(1e9, 1e30) == pytest.approx((6.4e13 / 1e9) ** 0.076)
    assert kaplan_loss(1e40, 1e9) == pytest.approx((1.8e13 / 1e9) ** 0.103)


@given(hours=st.floats(0.1, 1e6), mfu=st.floats(0.01, 1))
def test_gpu_hours_undo_flops_at_a_utilisation(hours, mfu):
    peak = device("H100").peak_flops
    assert math.isclose(gpu_hours(hours * 3600 * peak * mfu, peak, mfu), hours)


def test_bloomberggpt_s_own_optimum_is_that_of_its_paper():
    # arXiv:2303.17564, section 3.2: three quarters of 1.3M GPU-hours at 102 TFLOP/s: 53.0B parameters and 1,111B tokens
    # by Chinchilla's first approach, 49.8B and 1,176B by its second.
    flops = 0.75 * 1.3e6 * 3600 * 102e12
    num_parameters, num_tokens = rule_optimum(flops)
    assert num_parameters == pytest.approx(53.0e9, rel=0.04)
    assert num_tokens == pytest.approx(1.111e12, rel=0.03)
