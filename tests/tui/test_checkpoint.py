"""Checkpoint: what a model is, and its analyses."""

import asyncio
import threading
from typing import Any

import fakes
import pytest
from textual.pilot import Pilot
from textual.widgets import Input, Select

from spivae.errors import SpivaeError
from spivae.worker.client import Cancelled, Failed, Progress
from spivae_tui.app import SpivaeApp
from spivae_tui.screens.checkpoint import CheckpointScreen
from spivae_tui.widgets.analysis_pane import AnalysisPane
from spivae_tui.widgets.facts import Facts
from spivae_tui.widgets.notice import Notice
from spivae_tui.widgets.row_list import RowList
from spivae_tui.widgets.status_line import StatusLine
from spivae_tui.widgets.tab_strip import TabStrip

PATH = "models/original_sbm_trained.tar"


async def opened(app: SpivaeApp, pilot: Pilot[Any]) -> CheckpointScreen:
    app.open_checkpoint(PATH)
    await fakes.until(pilot, lambda: getattr(app.screen, "analyses", None))
    await fakes.until(pilot, lambda: app.screen.pane)  # type: ignore[attr-defined]
    await pilot.pause()
    assert isinstance(app.screen, CheckpointScreen)
    return app.screen


async def analysis(pilot: Pilot[Any], key: str = "3") -> AnalysisPane:
    """Go to an analysis' tab and wait until it has asked the worker."""
    if key:
        await pilot.press(key)
    screen = pilot.app.screen
    assert isinstance(screen, CheckpointScreen)

    def asked() -> bool:
        pane = screen.analysis_pane
        return pane is not None and (pane.running or pane.figure is not None)

    await fakes.until(pilot, lambda: (not key or screen.tab == int(key) - 1) and asked())
    assert screen.analysis_pane is not None
    return screen.analysis_pane


def notice(pane: AnalysisPane) -> str:
    return str(pane.query_one(Notice).render())


def status(pane: AnalysisPane) -> str:
    return pane.query_one(StatusLine).render_line(0).text


async def test_the_head_says_what_the_model_is_in_both_units_of_beta() -> None:
    app = fakes.app()
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(app, pilot)
        words = str(screen.query_one(Facts).render())
        for part in ("sbm", "262,885 parameters", "receptive field 32 steps", "2 of 6 latents: z0 z4",
                     "beta 5e-3 (×367 = 1.83)", "NLL -2.3264", "-ELBO -2.3136", "KL 4.71 nats"):  # fmt: skip
            assert part in words
        assert all(len(line) <= 78 for line in words.splitlines())


async def test_data_and_model_arguments_stand_side_by_side() -> None:
    app = fakes.app()
    async with app.run_test(size=(160, 48)) as pilot:
        screen = await opened(app, pilot)
        data, model = (
            [tuple(fact[:2]) for fact in screen.query_one(f"#{part}-arguments", RowList).rows]
            for part in ("data", "model")
        )
        assert ("alpha", "0.2 … 1.8 (21 values)") in data
        assert ("N", "476") in data
        assert ("nf", "4 × 16") in model
        assert ("num_mixtures", "1") in model


async def test_tabs_are_reached_by_number_by_arrows_and_by_mouse() -> None:
    app = fakes.app()
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(app, pilot)
        strip = screen.query_one(TabStrip)
        assert strip.titles == ["Arguments", "Tensors", "Distribution", "Curve"]
        for key, tab in (("2", 1), ("right", 2), ("left", 1), ("left", 0), ("left", 3), ("9", 3)):
            await pilot.press(key)
            await pilot.pause()
            assert screen.tab == tab, key
        await pilot.click(TabStrip, offset=(strip.render_line(0).text.index("Tensors"), 0))
        await fakes.until(pilot, lambda: screen.tab == 1)
        assert "vae.conv.0.weight" in screen.pane.render_line(1).text  # type: ignore[union-attr]


async def test_a_tab_that_is_asked_for_too_early_comes_when_it_can() -> None:
    known = threading.Event()

    def plugins() -> Any:
        known.wait(60)
        return fakes.FakePlugins()

    app = fakes.app(plugins=plugins)
    async with app.run_test(size=(80, 24)) as pilot:
        app.open_checkpoint(PATH)
        await fakes.until(pilot, lambda: getattr(app.screen, "checkpoint", None))
        await pilot.press("3")
        known.set()
        pane = await analysis(pilot, key="")
        await fakes.until(pilot, lambda: pane.running)


async def test_an_analysis_is_computed_when_its_tab_is_first_shown_and_then_kept() -> None:
    worker = fakes.FakeWorker()
    app = fakes.app(worker=lambda: worker)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(app, pilot)
        await fakes.until(pilot, lambda: worker.jobs)
        assert [op for op, _, _ in worker.jobs] == ["warm"]
        pane = await analysis(pilot)
        assert worker.analyses[-1] == {
            "checkpoint": PATH,
            "analysis": "distribution",
            "options": {"bins": 60, "scale": "linear", "outline": True},
            "data": {"per_cell": 20, "grid": "training", "seed": 12345},
        }
        worker.done()
        await fakes.until(pilot, lambda: not pane.running)
        assert pane.plot.figure is pane.figure
        assert "nll -2.326" in status(pane)
        await pilot.press("1")
        await fakes.until(pilot, lambda: screen.tab == 0)
        assert await analysis(pilot) is pane
        assert len(worker.analyses) == 1


async def test_progress_is_shown_and_escape_cancels_before_it_goes_back() -> None:
    worker = fakes.FakeWorker()
    app = fakes.app(worker=lambda: worker)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(app, pilot)
        pane = await analysis(pilot)
        worker.answer(Progress(1, 4, "simulating trajectories"))
        await fakes.until(pilot, lambda: "simulating trajectories" in notice(pane))
        assert "esc Cancel" in screen.query_one("KeyBar").render_line(0).text
        await pilot.press("escape")
        await pilot.pause()
        assert worker.cancelled == [len(worker.jobs) - 1]
        assert "cancelled" in notice(pane)
        worker.answer(Cancelled())
        await pilot.pause()
        assert app.screen is screen
        assert "esc Back" in screen.query_one("KeyBar").render_line(0).text
        await pilot.press("escape")
        await pilot.pause()
        assert app.screen is not screen


async def test_an_error_is_shown_in_place_and_r_tries_again() -> None:
    worker = fakes.FakeWorker()
    app = fakes.app(worker=lambda: worker)
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot)
        pane = await analysis(pilot)
        worker.answer(Failed("the dataset has 100 steps, the model wants 399"))
        await fakes.until(pilot, lambda: not pane.running)
        assert "the model wants 399" in notice(pane)
        assert "r tries again" in notice(pane)
        await pilot.press("r")
        await pilot.pause()
        assert len(worker.analyses) == 2
        worker.done()
        await fakes.until(pilot, lambda: pane.figure is not None)
        assert pane.has_class("-drawn")


async def test_a_late_answer_of_a_cancelled_job_is_not_shown() -> None:
    worker = fakes.FakeWorker()
    app = fakes.app(worker=lambda: worker)
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot)
        pane = await analysis(pilot)
        await pilot.press("escape")
        worker.done()
        await pilot.pause(0.1)
        assert pane.figure is None


async def test_brackets_and_page_keys_turn_the_panels() -> None:
    worker = fakes.FakeWorker()
    app = fakes.app(worker=lambda: worker)
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot)
        pane = await analysis(pilot)
        worker.done(panels=5)
        await fakes.until(pilot, lambda: "page 1 of 3" in status(pane))
        for key, first, page in (
            ("right_square_bracket", 2, 2),
            ("pagedown", 4, 3),
            ("pagedown", 4, 3),
            ("left_square_bracket", 2, 2),
            ("pageup", 0, 1),
            ("pageup", 0, 1),
        ):
            await pilot.press(key)
            assert (pane.first, f"page {page} of 3" in status(pane)) == (first, True)


async def test_pages_are_counted_for_the_size_that_the_plot_has() -> None:
    worker = fakes.FakeWorker()
    app = fakes.app(worker=lambda: worker)
    async with app.run_test(size=(120, 36)) as pilot:
        await opened(app, pilot)
        pane = await analysis(pilot)
        worker.done(panels=5)
        await fakes.until(pilot, lambda: pane.plot.is_current and pane.figure is not None)
        await fakes.until(pilot, lambda: "page" not in status(pane))
        pane.plot.styles.max_height = 8
        await fakes.until(pilot, lambda: "page 1 of" in status(pane))
        pane.plot.styles.max_height = None
        await fakes.until(pilot, lambda: "page" not in status(pane))


async def test_options_make_controls_and_a_change_computes_again() -> None:
    worker = fakes.FakeWorker()
    app = fakes.app(worker=lambda: worker)
    async with app.run_test(size=(120, 36)) as pilot:
        screen = await opened(app, pilot)
        pane = await analysis(pilot)
        worker.done()
        await pilot.press("o")
        await fakes.until(pilot, lambda: pane.options_open)
        fields = {field.option.name: field for field in pane.query("Field")}  # type: ignore[attr-defined]
        assert list(fields) == [
            *("bins", "scale", "outline", "latent"),
            *("per_cell", "grid", "subset", "seed", "file"),
        ]
        assert app.focused is fields["bins"].query_one(Input)
        await pilot.press("backspace", "backspace", "4", "0", "enter")
        await fakes.until(pilot, lambda: worker.analyses[-1]["options"]["bins"] == 40)
        fields["scale"].query_one(Select).value = "log"
        await fakes.until(pilot, lambda: worker.analyses[-1]["options"]["scale"] == "log")
        await pilot.press("tab", "tab", "space")
        await fakes.until(pilot, lambda: worker.analyses[-1]["options"]["outline"] is False)
        worker.done()
        await fakes.until(pilot, lambda: not pane.running)
        await pilot.press("escape")
        await fakes.until(pilot, lambda: not pane.options_open)
        assert app.screen is screen


async def test_a_value_that_is_not_allowed_is_refused_with_the_reason() -> None:
    worker = fakes.FakeWorker()
    app = fakes.app(worker=lambda: worker)
    async with app.run_test(size=(120, 36)) as pilot:
        await opened(app, pilot)
        pane = await analysis(pilot)
        worker.done()
        await pilot.press("o")
        await fakes.until(pilot, lambda: pane.options_open)
        await pilot.press("backspace", "backspace", "1", "enter")
        await fakes.until(pilot, lambda: "outside 2..500" in str(pane.query_one(".field-help").render()))
        assert len(worker.analyses) == 1


async def test_data_options_are_shared_by_all_analyses() -> None:
    worker = fakes.FakeWorker()
    app = fakes.app(worker=lambda: worker)
    async with app.run_test(size=(120, 36)) as pilot:
        await opened(app, pilot)
        pane = await analysis(pilot)
        worker.done()
        await fakes.until(pilot, lambda: not pane.running)
        curve = await analysis(pilot, "4")
        worker.done()
        await pilot.press("o")
        await fakes.until(pilot, lambda: curve.options_open)
        await pilot.press("backspace", "backspace", "5", "enter")
        await fakes.until(pilot, lambda: worker.analyses[-1]["data"]["per_cell"] == 5)
        assert worker.analyses[-1]["analysis"] == "curve"
        worker.done()
        await pilot.press("escape")
        await fakes.until(pilot, lambda: not curve.options_open)
        await analysis(pilot)
        await fakes.until(pilot, lambda: worker.analyses[-1]["analysis"] == "distribution")
        assert worker.analyses[-1]["data"]["per_cell"] == 5


async def test_a_checkpoint_that_cannot_be_read_says_why() -> None:
    def refuse(path: str) -> Any:
        raise SpivaeError(f"{path}: names os.system, which is not allowed")

    app = fakes.app(read_header=refuse)
    async with app.run_test(size=(80, 24)) as pilot:
        app.open_checkpoint(PATH)
        await fakes.until(pilot, lambda: app.screen.query("#notice"))
        words = app.screen.query_one("#notice", Notice)
        await fakes.until(pilot, lambda: "names os.system" in str(words.render()))
        await pilot.press("escape")
        await pilot.pause()
        assert not isinstance(app.screen, CheckpointScreen)


async def test_leaving_the_screen_cancels_what_runs_and_leaving_the_app_ends_the_worker() -> None:
    worker = fakes.FakeWorker()
    app = fakes.app(worker=lambda: worker)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(app, pilot)
        await analysis(pilot)
        job = len(worker.jobs) - 1
        await pilot.press("1")
        await fakes.until(pilot, lambda: screen.tab == 0)
        await pilot.press("escape")
        await fakes.until(pilot, lambda: worker.cancelled == [job])
    assert worker.closed


@pytest.mark.parametrize("size", [(80, 24), (200, 60)])
async def test_plots_follow_the_glyphs_that_are_chosen(size: tuple[int, int]) -> None:
    worker = fakes.FakeWorker()
    app = fakes.app(worker=lambda: worker)
    async with app.run_test(size=size) as pilot:
        await opened(app, pilot)
        pane = await analysis(pilot)
        worker.done()
        await fakes.until(pilot, lambda: pane.figure is not None and pane.plot.is_current)
        app.set_glyphs("ascii")
        await fakes.until(pilot, lambda: pane.plot.is_current)
        text = "".join(pane.plot.render_line(y).text for y in range(pane.plot.size.height))
        assert text.isascii()


@pytest.mark.parametrize("moments", range(1, 13, 2))
async def test_leaving_while_a_tab_is_being_made_is_no_accident(moments: int) -> None:
    app = fakes.app()
    async with app.run_test(size=(80, 24)) as pilot:
        app.open_checkpoint(PATH)
        for _ in range(moments):
            await asyncio.sleep(0.01)
        app.pop_screen()
        await pilot.pause(0.1)
    assert app.return_code != 1
