from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spivae.figure.scales import Scale, fit, nice_limits, round_125
from spivae.figure.spec import Axis
from spivae.figure.ticks import Ticks, axis_text, candidates, choose

positive = st.floats(1e-280, 1e280)


def densest(kind: str, low: float, high: float, most: int = 10, ascii: bool = False) -> Ticks:
    return next(iter(candidates(Scale(kind, low, high), most=most, ascii=ascii)))  # type: ignore[arg-type]


@given(positive)
def test_rounding_goes_to_one_two_or_five(value: float) -> None:
    up, down = round_125(value), round_125(value, down=True)
    assert down <= value * (1 + 1e-8)
    assert value <= up * (1 + 1e-8)
    for rounded in (up, down):
        assert f"{rounded:.6e}"[0] in "125"
        assert float(f"{rounded:.0e}") == rounded


@settings(max_examples=300)
@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6), st.sampled_from(["linear", "symlog"]))
def test_limits_round_outward(one: float, other: float, kind: str) -> None:
    low, high = min(one, other), max(one, other)
    nice_low, nice_high = nice_limits(kind, low, high)  # type: ignore[arg-type]
    slack = 1e-6 * max(high - low, abs(low), abs(high), 1e-12)
    assert nice_low <= low + slack
    assert nice_high >= high - slack
    assert nice_low < nice_high


def test_limits_waste_little_of_an_axis() -> None:
    assert nice_limits("linear", 0.2, 1.8) == pytest.approx((0.2, 1.8))
    assert nice_limits("linear", 0.0, 399.0) == pytest.approx((0, 400))
    assert nice_limits("log", 3e-4, 40.0) == pytest.approx((2e-4, 50))


def test_limits_rest_while_live_data_come_in() -> None:
    rng = np.random.default_rng(0)
    loss = -2.33 + np.exp(-np.arange(3000) / 300) + 0.02 * rng.standard_normal(3000)
    seen = {(scale.low, scale.high) for n in range(300, 3000, 10) for scale in [fit(Axis(), [loss[:n]])]}
    assert len(seen) < 10


def test_limits_that_an_axis_names_hold() -> None:
    scale = fit(Axis(low=0.04, high=1.96), [np.array([0.5, 7.0])])
    assert (scale.low, scale.high) == (0.04, 1.96)
    assert fit(Axis(low=0.04), [np.array([0.5, 7.0])]).low == 0.04


@pytest.mark.parametrize("low", [np.nan, np.inf, -1.0])
def test_a_limit_that_is_no_place_on_the_axis_is_ignored(low: float) -> None:
    assert fit(Axis(scale="log", low=low), [np.array([1e-3, 1.0])]).low == 1e-3


@given(st.lists(st.floats(), max_size=8), st.sampled_from(["linear", "log", "symlog"]))
def test_every_usable_value_lies_on_its_axis(values: list[float], kind: str) -> None:
    scale = fit(Axis(scale=kind), [np.array(values)])  # type: ignore[arg-type]
    assert math.isfinite(scale.low)
    assert scale.low < scale.high
    fractions = scale.fraction(np.array(values))
    usable = fractions[np.isfinite(fractions)]
    assert ((usable >= -1e-6) & (usable <= 1 + 1e-6)).all()


@settings(max_examples=300)
@given(st.floats(-1e280, 1e280), positive, st.sampled_from(["linear", "log", "symlog"]), st.booleans())
def test_ticks_lie_on_the_axis_and_increase(low: float, span: float, kind: str, ascii: bool) -> None:
    low = abs(low) + 1e-280 if kind == "log" else low
    scale = fit(Axis(scale=kind), [np.array([low, low + span])])  # type: ignore[arg-type]
    for ticks in candidates(scale, ascii=ascii):
        assert len(ticks.values) == len(ticks.labels)
        fractions = scale.fraction(np.array(ticks.values))
        assert (np.diff(fractions) > 0).all()
        assert ((fractions > -1e-6) & (fractions < 1 + 1e-6)).all()
        assert all(label.isascii() or not ascii for label in ticks.labels)


@pytest.mark.parametrize(
    ("kind", "low", "high", "labels"),
    [
        ("linear", 0, 1, ("0.0", "0.2", "0.4", "0.6", "0.8", "1.0")),
        ("linear", -2, 2, ("-2", "-1", "0", "1", "2")),
        ("linear", 0, 400, ("0", "100", "200", "300", "400")),
        ("log", 1e-5, 1e-2, ("10⁻⁵", "10⁻⁴", "10⁻³", "10⁻²")),
        ("log", 0.05, 50, ("0.1", "0.3", "1", "3", "10", "30")),
        ("log", 1e-30, 1, ("10⁻³⁰", "10⁻²⁰", "10⁻¹⁰", "10⁰")),
        ("symlog", -100, 100, ("-100", "-10", "-1", "0", "1", "10", "100")),
    ],
)
def test_ticks_are_the_numbers_one_would_write(
    kind: str, low: float, high: float, labels: tuple[str, ...]
) -> None:
    most = 7 if kind == "symlog" else 6 if high != 400 else 5
    assert densest(kind, low, high, most=most).labels == labels


def test_powers_are_written_in_ascii_where_nothing_else_is() -> None:
    assert densest("log", 1e-5, 1e-2, most=4, ascii=True).labels == ("1e-5", "1e-4", "1e-3", "1e-2")


def test_large_and_small_numbers_share_a_power_of_ten() -> None:
    ticks = densest("linear", 0, 4e-5, most=5)
    assert (ticks.labels, ticks.exponent) == (("0", "1", "2", "3", "4"), -5)
    assert axis_text("D", "µm²/s", ticks.exponent) == "D (10⁻⁵ µm²/s)"
    assert axis_text("D", "", ticks.exponent) == "D (×10⁻⁵)"
    assert axis_text("D", "", ticks.exponent, ascii=True) == "D (1e-5)"


def test_a_log_axis_within_one_decade_has_linear_ticks() -> None:
    assert len(densest("log", 2.31, 2.36).values) >= 2


def test_sparser_ticks_are_chosen_where_dense_ones_do_not_fit() -> None:
    scale = Scale("linear", 0, 1)
    assert choose(scale, lambda ticks: len(ticks.labels) <= 3).labels == ("0.0", "0.5", "1.0")
    assert choose(scale, lambda ticks: not ticks.labels).labels == ()
