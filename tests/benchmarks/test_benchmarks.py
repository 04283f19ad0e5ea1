"""The benchmarks run, at toy size; nothing is asked of the time that they find."""

from __future__ import annotations

import json
import math
from pathlib import Path

import bench
import numpy as np
import plain
import pytest
import scaling
import torch
from rows import ROWS, Row
from timing import Measured, compare

from spivae.model.architectures import architecture
from spivae.model.arguments import ModelArgs
from spivae.model.sampler import conditioning_length, draw_noise, sample
from spivae.model.vae import build
from spivae_plugins.fbm import FractionalBrownianMotion


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_every_row_can_be_measured(row: Row, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "bench.json"
    assert bench.main([row.name, "--toy", "--out", str(out)]) == 0
    found = json.loads(out.read_text())
    assert set(found) == {row.name}
    assert {"ratio", "must", "aim", "spread"} <= set(found[row.name])
    assert 0 < found[row.name]["ratio"] < math.inf
    assert capsys.readouterr().out.splitlines()[-1].startswith(row.what)


def test_an_unknown_row_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        bench.main(["speed"])
    assert "no row speed; there are step, epoch" in capsys.readouterr().err


def test_a_row_says_what_it_has_reached() -> None:
    row = Row("a", "a", 2.0, 3.0, lambda toy: Measured(2.5, 2.4, 2.6))
    assert bench.line(row, row.measure(True)).endswith("must")
    assert bench.line(row, Measured(3.1, 3, 3.2)).endswith("aim")
    low = Row("b", "b", 2.0, 1.0, row.measure, unit="GB", most=True)
    assert bench.line(low, Measured(0.9, 0.9, 0.9)).endswith("aim")
    assert bench.line(low, Measured(2.1, 2, 2.2)).endswith("1")


def test_a_ratio_is_that_of_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("timing.clock", lambda: now[0])

    def works(seconds: float) -> None:
        now[0] += seconds

    found = compare(lambda: works(3.0), lambda: works(2.0), 5, plain_does=0.5)
    assert found == Measured(3.0, 3.0, 3.0)


@torch.inference_mode()
def test_the_plain_generation_is_the_same_generation() -> None:
    model = build(ModelArgs(), torch.Generator().manual_seed(0))
    c = model.decode(
        torch.randn(2, 6, generator=torch.Generator().manual_seed(1)), conditioning_length(model, 9)
    )
    assert c is not None
    noise = draw_noise(9, 2, torch.Generator().manual_seed(2))
    assert torch.allclose(
        plain.generate(model, c, 9, noise[..., 1]), sample(model, c, noise=noise), atol=1e-4
    )


def test_the_plain_data_have_the_variance_of_ours() -> None:
    theta = np.tile([[1.5, 1e-2]], (400, 1))
    theirs = plain.fbm(theta, 50, np.random.default_rng(0))
    ours = FractionalBrownianMotion().displacements(np.random.default_rng(1), theta, 50)
    for made in (theirs, ours):
        # displacements are correlated: the whole distance is the sharpest
        distance = made.sum(1)
        assert distance.var() == pytest.approx(2e-2 * 50**1.5, rel=5 * np.sqrt(2 / 400))


def test_the_scaling_of_a_step_is_measured_and_exported(tmp_path: Path) -> None:
    out, page = tmp_path / "scaling.json", tmp_path / "scaling.md"
    assert scaling.main(["--toy", "--export", str(out), "--page", str(page)]) == 0
    found = json.loads(out.read_text())
    for name in ("wavenet-vae", "scaled-wavenet-vae"):
        for dimension in scaling.DIMENSIONS:
            sizes = found["arrays"][f"{name}_{dimension.name}"]
            assert set(sizes) <= set(dimension.sizes)
            assert len(sizes) == len(found["arrays"][f"{name}_{dimension.name}_time"]) > 2
            power = found["scalars"][f"{name}_{dimension.name}_exponent"]
            assert f" {scaling.words_of(power)} |" in page.read_text()
    assert "![scaling.json](scaling.json)" in page.read_text()


def test_a_size_that_costs_nothing_has_no_negative_exponent() -> None:
    assert [scaling.words_of(power) for power in (-0.004, 0.004, -0.006)] == ["0.00", "0.00", "-0.01"]


def test_the_scaling_of_one_architecture_can_be_asked_for(tmp_path: Path) -> None:
    out = tmp_path / "scaling.json"
    assert scaling.main(["--toy", "--architecture", "scaled-wavenet-vae", "--export", str(out)]) == 0
    assert "wavenet-vae_batch" not in json.loads(out.read_text())["arrays"]


def test_all_times_of_the_scaling_lie_within_its_panels() -> None:
    sizes, times = np.array([1.0, 10.0, 100.0]), np.array([0.003, 1.0, 77.0])
    kind = architecture("wavenet-vae")
    measured = [scaling.Measured(kind, dimension, sizes, times, 0.1) for dimension in scaling.DIMENSIONS]
    for panel in scaling.figure_of(measured, "").panels:
        assert panel.y.low is not None
        assert panel.y.low < times.min()
        assert panel.y.high is not None
        assert panel.y.high > times.max()


def test_the_exponent_is_that_of_the_power_law() -> None:
    sizes = np.array([1.0, 3.0, 10.0])
    assert scaling.exponent(sizes, 5 * sizes**1.7) == pytest.approx((1.7, 5.0))
