"""The learning-rate finder over the form: it sweeps in the worker, and its rate goes into the phase."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fakes
import numpy as np
import pytest
from test_train import TrainApp, enter, shown
from textual.pilot import Pilot

from spivae.figure.lr_sweep import sweep_figure
from spivae.training.lr_finder import Sweep
from spivae.training.recipe import parse
from spivae.worker.client import Cancelled, Done, Failed, Progress
from spivae_tui.plot import PlotView
from spivae_tui.screens.find_rate import FindRateScreen
from spivae_tui.screens.train import TrainScreen
from spivae_tui.widgets.notice import Notice

LRS = np.geomspace(1e-7, 1, 100)
LOSSES = 1 - 0.4 / (1 + (2e-3 / LRS) ** 2) + (LRS / 0.1) ** 2


@pytest.fixture
def worker() -> fakes.FakeWorker:
    return fakes.FakeWorker()


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, worker: fakes.FakeWorker) -> TrainApp:
    monkeypatch.chdir(tmp_path)
    app = TrainApp(tmp_path)
    app.services = dataclasses.replace(app.services, worker=lambda: worker)
    return app


def done(losses: np.ndarray = LOSSES) -> Done:
    sweep = Sweep(LRS, losses, losses, 100, "finished", 0, 1e-4)
    return Done(sweep_figure(sweep), sweep.to_json(), 1.0)


async def sweeping(pilot: Pilot[Any], path: str = "") -> FindRateScreen:
    """Open the finder, from a field of the form or from the top."""
    screen = await shown(pilot)
    if path:
        control = screen.body.control(path)
        assert control is not None
        control.focus()
        await pilot.pause()
    await pilot.press("f4")
    await fakes.until(pilot, lambda: isinstance(pilot.app.screen, FindRateScreen))
    await pilot.pause()
    finder = pilot.app.screen
    assert isinstance(finder, FindRateScreen)
    return finder


def titles(screen: Any) -> list[str]:
    return [key.title for key in screen.query_one("KeyBar").keys if key.enabled]


def field(app: TrainApp, phase: int) -> str:
    """The highest rate of a phase, also while the finder is over the form."""
    form = next(screen for screen in app.screen_stack if isinstance(screen, TrainScreen)).form
    assert form is not None
    return form.texts[f"training.phase.{phase}.lr_max"]


async def test_the_worker_is_asked_to_sweep_the_recipe_of_the_form(
    app: TrainApp, worker: fakes.FakeWorker
) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await shown(pilot)
        await enter(pilot, "training.batch", "64")
        await sweeping(pilot, "training.phase.1.beta")
        ((op, payload, _),) = worker.jobs
        assert op == "find_rate"
        assert payload["phase"] == 1
        assert parse(payload["recipe"]).training.batch == 64


@pytest.mark.parametrize(("beta", "words"), [("2e-3", "0.002"), ("8e-4, 2.5e-3", "0.0008, as it begins")])
async def test_the_title_names_the_beta_of_the_sweep_also_where_it_grows(
    app: TrainApp, beta: str, words: str
) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await shown(pilot)
        await enter(pilot, "training.phase.1.beta", beta)
        finder = await sweeping(pilot, "training.phase.1.beta")
        assert finder.query_one("#rate-box").border_title == f"Learning rate of phase 2, beta {words}"


@pytest.mark.parametrize(("key", "which"), [("enter", "valley"), ("s", "steepest")])
async def test_the_suggested_rate_goes_into_the_phase_with_two_digits(
    app: TrainApp, worker: fakes.FakeWorker, key: str, which: str
) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        finder = await sweeping(pilot, "training.phase.1.epochs")
        assert "Use the valley" not in titles(finder)
        worker.answer(done())
        await fakes.until(pilot, lambda: "Use the valley" in titles(finder))
        before = field(app, 0)
        await pilot.press(key)
        await fakes.until(pilot, lambda: isinstance(app.screen, TrainScreen))
        await pilot.pause()
        rate = done().scalars[which]
        assert float(field(app, 1)) == float(f"{rate:.1e}")
        assert field(app, 0) == before
        assert getattr(app.screen.focused, "path", "") == "training.phase.1.lr_max"
        assert worker.cancelled == []


async def test_progress_is_shown_and_escape_stops_the_sweep(app: TrainApp, worker: fakes.FakeWorker) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        finder = await sweeping(pilot)
        worker.answer(Progress(0, 1, "making the data"))
        worker.answer(Progress(30, 100, "sweeping"))
        await pilot.pause()
        assert "step 30 of 100" in str(finder.query_one(Notice).render())
        before = field(app, 0)
        await pilot.press("escape")
        await fakes.until(pilot, lambda: isinstance(app.screen, TrainScreen))
        assert worker.cancelled == [0]
        worker.answer(Cancelled())
        await pilot.pause()
        assert field(app, 0) == before


async def test_a_failed_sweep_says_why(app: TrainApp, worker: fakes.FakeWorker) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        finder = await sweeping(pilot)
        worker.answer(Failed("the loss is not finite at the first step"))
        await pilot.pause()
        assert "the loss is not finite at the first step" in str(finder.query_one(Notice).render())
        assert "Use the valley" not in titles(finder)
        await pilot.press("enter")
        assert app.screen is finder
        await pilot.press("escape")
        assert isinstance(app.screen, TrainScreen)
        assert worker.cancelled == []


async def test_a_loss_that_never_falls_offers_no_rate(app: TrainApp, worker: fakes.FakeWorker) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        finder = await sweeping(pilot)
        worker.answer(done(np.linspace(1, 2, 100)))
        await fakes.until(pilot, lambda: finder.has_class("-done"))
        await pilot.pause()
        assert not {"Use the valley", "Use the steepest"} & set(titles(finder))


async def test_a_recipe_with_a_mistake_is_not_swept(app: TrainApp, worker: fakes.FakeWorker) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await shown(pilot)
        await enter(pilot, "training.batch", "none")
        await pilot.press("f4")
        await pilot.pause()
        assert isinstance(app.screen, TrainScreen)
        assert worker.jobs == []


def test_neither_the_finder_nor_the_curves_of_a_run_bring_torch_into_the_app() -> None:
    code = (
        "import sys, spivae_tui.screens.find_rate, spivae_tui.screens.live, spivae.following.figure\n"
        "print('torch' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"


@pytest.mark.parametrize("size", [(80, 24), (160, 48)])
def test_the_finder_looks_cared_for(
    snap_compare: Callable[..., bool], app: TrainApp, worker: fakes.FakeWorker, size: tuple[int, int]
) -> None:
    async def ready(pilot: Pilot[Any]) -> None:
        finder = await sweeping(pilot)
        worker.answer(done())
        await fakes.until(pilot, lambda: finder.has_class("-done"))
        await fakes.drawn(pilot, finder.query_one("#rate-plot", PlotView))

    assert snap_compare(app, terminal_size=size, run_before=ready)
