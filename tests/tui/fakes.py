"""A library that answers at once and always the same, so that screens can be tested alone."""

from __future__ import annotations

import asyncio
import dataclasses
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from textual.pilot import Pilot

from spivae.analysis import Analysis, option
from spivae.figure.look import Look
from spivae.figure.spec import Axis, Figure, Line, Panel
from spivae.model.latents import surviving
from spivae.worker.client import Done
from spivae_tui.app import SpivaeApp
from spivae_tui.plot import PlotView
from spivae_tui.services import Services

NOW = 1_800_000_000.0
KL = [3.981, 0.0031, 0.0028, 0.0034, 0.7123, 0.0025]
HOUR, DAY = 3600, 86400


class Entry(msgspec.Struct, kw_only=True):
    """The fields of spivae.catalog.Entry."""

    path: str
    name: str
    kind: str = "checkpoint"
    format: str = "spivae"
    process: str = "sbm"
    parameters: int | None = 262_885
    modified: float = NOW
    size: int = 1_071_404
    metrics: dict[str, Any] = {}
    state: str = ""
    error: str | None = None
    progress: float | None = None
    left: float | None = None
    tags: list[str] = []
    where: str = ""
    why: str = ""


def metrics(beta: float, nll: float, kl: list[float], **more: Any) -> dict[str, Any]:
    """Metrics as a checkpoint keeps them."""
    total = sum(kl)
    alive = surviving(kl)
    return {
        "beta": beta,
        "nll": nll,
        "kl": total,
        "neg_elbo": nll + total / 367,
        "kl_latents": kl,
        "surviving": alive,
        **more,
    }


ENTRIES = [
    Entry(
        path="models/sbm.safetensors",
        name="sbm",
        modified=NOW - 12 * DAY,
        metrics=metrics(1 / 367, -2.3263, [3.612, 1.204, 0.011, 0.008, 0.006, 0.004], epoch=18),
    ),
    Entry(
        path="models/original_sbm_trained.tar",
        name="original_sbm_trained",
        format="original",
        modified=NOW - 400 * DAY,
        size=1_093_120,
        metrics=metrics(5e-3, -2.3264, KL, epoch=49),
    ),
    Entry(
        path="runs/20270114-0932-sbm",
        name="20270114-0932-sbm",
        kind="run",
        state="running",
        parameters=None,
        modified=NOW - 20,
        size=0,
        metrics=metrics(1e-3, -2.2911, [2.9, 2.2, 1.9, 0.6, 0.3, 0.1], epoch=7),
        progress=0.43,
        left=1500.0,
        tags=["paper"],
        where="Slurm job 1742 on node07",
    ),
    Entry(
        path="runs/20270113-1801-fbm",
        name="20270113-1801-fbm",
        kind="run",
        state="finished",
        process="fbm",
        parameters=None,
        modified=NOW - 15 * HOUR,
        size=0,
        metrics=metrics(4e-3, -2.3591, [3.2, 1.6, 0.01, 0.004, 0.002, 0.001], epoch=176),
    ),
    Entry(
        path="runs/20270112-1130-sbm",
        name="20270112-1130-sbm",
        kind="run",
        state="failed",
        parameters=None,
        modified=NOW - 2 * DAY,
        size=0,
    ),
    Entry(
        path="runs/20270113-1801-fbm/checkpoints/best.safetensors",
        name="20270113-1801-fbm/best",
        process="fbm",
        modified=NOW - 16 * HOUR,
        metrics=metrics(4e-3, -2.3588, [3.2, 1.59, 0.01, 0.004, 0.002, 0.001], epoch=170),
    ),
    Entry(
        path="runs/20270114-0932-sbm/checkpoints/phase-1.safetensors",
        name="20270114-0932-sbm/phase-1",
        modified=NOW - 300,
        metrics=metrics(0.0, -2.3309, [5100.0, 4200.0, 3300.0, 1500.0, 900.0, 116.0], epoch=2),
    ),
    Entry(
        path="models/wavenet_only.safetensors",
        name="wavenet_only",
        process="",
        parameters=38_112,
        size=160_233,
        modified=NOW - 90 * DAY,
        metrics={"nll": -2.2014},
    ),
    Entry(
        path="models/half_copied.tar",
        name="half_copied",
        format="",
        process="",
        parameters=None,
        size=524_288,
        modified=NOW - 40 * 60,
        error="models/half_copied.tar: not a whole zip file; copy it again",
    ),
]


def entry(index: int) -> Entry:
    """One of very many checkpoints."""
    return Entry(
        path=f"models/sweep/{index:05d}.safetensors",
        name=f"sweep/{index:05d}",
        modified=NOW - 60 * index,
        metrics=metrics(1e-3 * (1 + index % 7), -2.3 - (index % 97) / 1e4, KL),
    )


class Tensor(msgspec.Struct):
    name: str
    shape: tuple[int, ...]
    dtype: str


class Checkpoint(msgspec.Struct, kw_only=True):
    """The fields of spivae.checkpoint.Checkpoint that screens read."""

    path: str
    format: str = "spivae"
    process: str = "sbm"
    architecture: str = "wavenet-vae"
    model_args: dict[str, Any] = {}
    ds_args: dict[str, Any] = {}
    recipe: dict[str, Any] = {}
    metrics: dict[str, Any] = {}
    history: list[dict[str, Any]] = []
    versions: dict[str, str] = {}
    created: str = ""
    tensors: list[Tensor] = []
    parameters: int = 262_885
    receptive_field: int = 32
    beta: float | None = None


MODEL_ARGS = {
    "o_dim": 399,
    "nc_in": 1,
    "nc_out": 6,
    "nf": [16, 16, 16, 16],
    "avg_size": 16,
    "encoder": [200, 100],
    "z_dim": 6,
    "decoder": [100, 200],
    "in_channels": 1,
    "res_channels": 16,
    "skip_channels": 16,
    "c_channels": 6,
    "g_channels": 0,
    "res_kernel_size": 3,
    "layer_size": 4,
    "stack_size": 1,
    "out_distribution": "Normal",
    "num_mixtures": 1,
    "use_pad": False,
}
DS_ARGS = {
    "path": "../../data/raw/",
    "model": "sbm",
    "N": 476,
    "T": 400,
    "D": [1e-5 * 10 ** (k / 3) for k in range(10)],
    "alpha": [0.2 + 0.08 * k for k in range(21)],
    "valid_pct": 0.2,
    "bs": 256,
    "seed": 0,
    "scale": False,
}


def checkpoint(path: str) -> Checkpoint:
    """The header of any listed checkpoint."""
    found = next((item for item in ENTRIES if item.path == path), ENTRIES[0])
    tensors = [Tensor(f"vae.conv.{2 * k}.weight", (16, 1 if not k else 16, 3), "F32") for k in range(4)]
    tensors += [
        Tensor(
            f"res_stack.{k}.{part}.weight",
            (32 if part == "dilated.conv" else 16, 16, 3 if "dil" in part else 1),
            "F32",
        )
        for k in range(4)
        for part in ("dilated.conv", "conv_c", "conv_res", "conv_skip")
    ]
    return Checkpoint(
        path=path,
        format=found.format,
        process=found.process,
        model_args=MODEL_ARGS,
        ds_args=DS_ARGS,
        metrics=found.metrics,
        tensors=tensors,
        beta=found.metrics.get("beta"),
        created="2027-01-02T10:00:00Z",
        versions={"spivae": "0.1.0", "torch": "2.13.0"},
    )


def scan(folders: Any) -> Iterator[Entry]:
    """All entries, one after the other."""
    yield from ENTRIES


def nothing(folders: Any) -> Iterator[Entry]:
    """Empty folders."""
    yield from ()


FOLDERS = (Path("models"), Path("runs"))


async def becomes(true: Callable[[], object], seconds: float = 60) -> None:
    """Wait until something is true; fail after very many seconds, for the machine may be busy."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it never came true"
        await asyncio.sleep(0.02)


async def until(pilot: Pilot[Any], true: Callable[[], object]) -> None:
    """Let the app work until something is true, and handle what that has brought."""
    await becomes(true)
    await pilot.pause()


async def drawn(pilot: Pilot[Any], plot: PlotView) -> None:
    """Let the app work until a plot is drawn at a size that stays."""
    looks = 0
    while looks < 5:
        await until(pilot, lambda: plot.figure is not None and plot.is_current)
        before = plot.size
        await pilot.pause(0.02)
        looks = looks + 1 if plot.is_current and plot.size == before else 0


async def settled(pilot: Pilot[Any]) -> None:
    """Let the app work until there is nothing left to do on any screen, those under a dialog too."""
    app = pilot.app

    def at_rest() -> bool:
        plots = (plot for screen in app.screen_stack for plot in screen.query(PlotView))
        return all(worker.is_finished for worker in app.workers) and all(plot.is_current for plot in plots)

    looks, before = 0, ""
    while looks < 5:
        await until(pilot, at_rest)
        now = app.export_screenshot()
        looks, before = (looks + 1 if now == before else 0), now
        await pilot.pause(0.02)


# Analyses and a worker, without a process


@dataclasses.dataclass(frozen=True)
class HistogramOptions:
    """Options of every kind that controls are made for."""

    bins: int = option(60, "bins of the histogram", low=2, high=500)
    scale: str = option("linear", "scale of the counts", choices=("linear", "log"))
    outline: bool = option(True, "draw the outline alone")
    latent: int | None = option(None, "this latent alone", low=0)


class Distribution(Analysis):
    """An analysis whose figure has five panels."""

    name = "distribution"
    title = "Distribution"
    options = HistogramOptions


class Curve(Analysis):
    """A second analysis."""

    name = "curve"
    title = "Curve"


def figure(panels: int = 5) -> Figure:
    """Panels with a parabola each."""
    x = np.linspace(-1, 1, 50)
    return Figure(
        title="Distribution",
        panels=tuple(
            Panel(
                title=f"Panel {k + 1}", marks=(Line(x=x, y=k * x**2),), x=Axis(label="x"), y=Axis(label="y")
            )
            for k in range(panels)
        ),
    )


class FakePlugins:
    """Plugins that registered two analyses."""

    analyses = {"distribution": Distribution(), "curve": Curve()}  # noqa: RUF012
    exporters = {}  # noqa: RUF012
    infos = []  # noqa: RUF012


class FakeWorker:
    """Keeps what it is asked; `answer` lets a job end, or progress, when the test wants it."""

    def __init__(self) -> None:
        self.jobs: list[tuple[str, dict[str, Any], Callable[[Any], None]]] = []
        self.cancelled: list[int] = []
        self.closed = False

    def submit(self, op: str, payload: dict[str, Any], on_event: Callable[[Any], None]) -> int:
        self.jobs.append((op, payload, on_event))
        return len(self.jobs) - 1

    def cancel(self, job: int) -> None:
        self.cancelled.append(job)

    def close(self) -> None:
        self.closed = True

    @property
    def analyses(self) -> list[dict[str, Any]]:
        """Payloads of the analyses that were asked for."""
        return [payload for op, payload, _ in self.jobs if op == "analyze"]

    def answer(self, event: Any) -> None:
        """Say something about the last job, from a thread as the real one does."""
        thread = threading.Thread(target=self.jobs[-1][2], args=(event,))
        thread.start()
        thread.join()

    def done(self, panels: int = 5) -> None:
        self.answer(Done(figure(panels), {"nll": -2.3264, "surviving": [0, 4]}, 0.5))


def services(**changes: Any) -> Services:
    """A library of fakes."""
    fakes: dict[str, Any] = {
        "scan": scan,
        "moved_on": lambda entries: [],
        "read_header": checkpoint,
        "plugins": FakePlugins,
        "worker": FakeWorker,
        "now": lambda: NOW,
        **changes,
    }
    return Services(**fakes)


def app(**changes: Any) -> SpivaeApp:
    """The app on a library of fakes."""
    theme = changes.pop("theme", "spivae-dark")
    look = Look(glyphs="braille", colors="truecolor", dark=True)
    return SpivaeApp(FOLDERS, theme=theme, look=look, services=services(**changes))
