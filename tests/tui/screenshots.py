"""The pictures of README, taken from the real app on the shipped models: `make screenshots`."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from textual.pilot import Pilot

from spivae.figure.look import Look
from spivae.training.recipe import load, with_overrides
from spivae_tui.app import SpivaeApp
from spivae_tui.plot import PlotView
from spivae_tui.where_form import Where

SIZE = (120, 34)
ROOT = Path(__file__).parents[2]


async def until(pilot: Pilot[Any], true: Callable[[], object], seconds: float = 300) -> None:
    for _ in range(int(seconds / 0.1)):
        if true():
            await pilot.pause(0.5)
            return
        await pilot.pause(0.1)
    raise SystemExit("the picture did not come")


def drawn(app: SpivaeApp) -> bool:
    plots = list(app.screen.query(PlotView))
    return any(plot.figure is not None and plot.is_current for plot in plots)


async def browse(app: SpivaeApp, pilot: Pilot[Any]) -> None:
    await until(pilot, lambda: app.screen.listing.entries)  # type: ignore[attr-defined]
    await pilot.pause(2)


async def latents(app: SpivaeApp, pilot: Pilot[Any]) -> None:
    app.open_checkpoint("models/sbm.safetensors")
    await until(pilot, lambda: getattr(app.screen, "analyses", None))
    await pilot.press("3")
    await until(pilot, lambda: drawn(app))


async def training(app: SpivaeApp, pilot: Pilot[Any]) -> None:
    recipe = with_overrides(load(ROOT / "models" / "tiny.toml"), {"dataset.trajectories": "3600"})
    run = app.services.launch(recipe, Where())
    app.open_run(str(run.path))
    await until(pilot, lambda: run.open(run.path).state() == "finished" and drawn(app))


async def take(name: str, walk: Callable[[SpivaeApp, Pilot[Any]], Awaitable[None]]) -> None:
    app = SpivaeApp([Path("models"), Path("runs")], look=Look())
    async with app.run_test(size=SIZE) as pilot:
        await walk(app, pilot)
        (ROOT / "docs" / f"{name}.svg").write_text(app.export_screenshot(), encoding="utf-8")


def main() -> None:
    folder = Path(tempfile.gettempdir()) / "spivae-tour"  # its name is in the pictures
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(ROOT / "models", folder / "models")
    os.chdir(folder)
    try:
        for walk in (training, browse, latents):
            asyncio.run(take(walk.__name__, walk))
            print(f"docs/{walk.__name__}.svg", file=sys.stderr)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
