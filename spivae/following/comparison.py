"""Runs side by side: in what they differ, how they stand, and their curves on the same axes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spivae.errors import SpivaeError
from spivae.following.follower import RunFollower, RunView
from spivae.training.differences import differences, short_names

if TYPE_CHECKING:
    from spivae.figure.spec import Figure
    from spivae.following.overlay import Along
    from spivae.training.recipe import Recipe
    from spivae.training.run import Run

_WORDS = 28  # characters of a label
_OF_RUN = ("lr_scale", "device", "nproc", "nnodes", "threads")  # what a run is trained with beside its recipe


@dataclass(frozen=True)
class Compared:
    """A run among others: how it stands, and the fields in which it differs from them, by path.

    Of one that cannot be read, `error` says why, and the state is "broken".
    """

    view: RunView
    settings: dict[str, Any]
    error: str = ""

    @property
    def metrics(self) -> dict[str, Any]:
        """The newest validation: nll, kl (the sum), neg_elbo, surviving, epoch; empty before the first."""
        if not self.view.epochs:
            return {}
        row = self.view.epochs[-1]
        kl = row.get("kl") or []
        found = {key: row[key] for key in ("nll", "neg_elbo", "surviving", "epoch") if key in row}
        return found | {"kl": None if not kl or None in kl else sum(kl), "kl_latents": kl}

    def says(self, path: str) -> bool:
        """Whether a field is its own, not a default of the model that its recipe leaves out."""
        table, _, name = path.partition(".")
        recipe = self.view.recipe
        return self.settings[path] is not None and (
            table != "model" or (recipe is not None and name in recipe.model)
        )


class Comparison:
    """Follows any number of runs. `poll` is called from one thread at a time."""

    def __init__(self, paths: Iterable[str], open_run: Callable[[str], Run]) -> None:
        self.followers = [RunFollower(path, open_run, draws=False) for path in paths]
        self.runs: list[Compared] = []
        self._views: dict[str, RunView] = {}
        self._errors: dict[str, str] = {}
        self._recipes: list[Recipe | None] = []
        self._differing: dict[str, list[Any]] = {}

    def poll(self) -> bool:
        """Look at all runs; whether anything is new. Those that are gone are left out."""
        new = False
        for follower in list(self.followers):
            path = str(follower.path)
            try:
                for view in follower.poll():
                    self._views[path] = view
                    self._errors.pop(path, None)
                    new = True
            except SpivaeError as error:
                if (follower.path / "run.json").exists():
                    new |= self._errors.get(path) != str(error)
                    self._errors[path] = str(error)
                    self._views[path] = _broken(self._views.get(path), follower.path)
                else:
                    self.followers.remove(follower)
                    new = True
        if new:
            views = [self._views[str(follower.path)] for follower in self.followers]
            recipes = [view.recipe for view in views]
            if recipes != self._recipes:  # as they hardly ever are, with every step of a run
                self._recipes, self._differing = recipes, differences(recipes)
            fields = self._differing | _differences_of_runs(views)
            self.runs = [
                Compared(
                    view,
                    {path: values[number] for path, values in fields.items()},
                    self._errors.get(str(view.path), ""),
                )
                for number, view in enumerate(views)
            ]
        return new

    @property
    def fields(self) -> dict[str, str]:
        """The paths of the fields in which the runs differ, and a short name for each."""
        return short_names(list(self.runs[0].settings)) if self.runs else {}

    @property
    def best(self) -> Compared | None:
        """The run that `best_of` names."""
        index = best_of([run.metrics for run in self.runs])
        return None if index is None else self.runs[index]

    @property
    def curved(self) -> list[Compared]:
        """The runs that have a curve in each panel of `figure`, in the order of the curves."""
        return [run for run, follower in zip(self.runs, self.followers, strict=True) if follower.series.step]

    def figure(self, along: Along = "epoch", chosen: str = "") -> Figure:
        """Their curves on the same axes, with those of the run at the `chosen` path in front."""
        from spivae.following.overlay import Member, overlay

        members = [
            Member(
                label,
                follower.series,
                run.view.info,
                follower.searched,
                chosen=str(follower.path) == chosen,
            )
            for label, follower, run in zip(self._labels(), self.followers, self.runs, strict=True)
        ]
        return overlay(members, along)

    def names(self) -> dict[str, str]:
        """The ends of the runs' ids that tell them apart, by the runs' paths."""
        ends = _ends([run.view.info.id for run in self.runs])
        return {str(run.view.path): end for run, end in zip(self.runs, ends, strict=True)}

    def _labels(self) -> list[str]:
        """What tells the runs apart: the fields, where they are few and short; else the ends of their ids."""
        names = self.fields
        words = [
            " ".join(f"{names[path]} {text(value)}" for path, value in run.settings.items())
            for run in self.runs
        ]
        if words and all(words) and len(set(words)) == len(words) and max(map(len, words)) <= _WORDS:
            return words
        return list(self.names().values())


def _differences_of_runs(views: Sequence[RunView]) -> dict[str, list[Any]]:
    """What runs that have begun are trained with, where that is not the same for all."""
    found = {}
    for name in _OF_RUN:
        values = [getattr(view.info, name) if view.info.started else None for view in views]
        if len(set(values) - {None}) > 1:
            found[name] = values
    return found


def _broken(view: RunView | None, path: Path) -> RunView:
    """What is shown of a run that cannot be read: what was known of it, or its folder's name."""
    from spivae.training.run import RunInfo

    if view is None:
        info = RunInfo(id=path.name, process="", epochs=0, created=0.0)
        view = RunView(info, "broken", stopping=False, recipe=None, checkpoints=(), path=path)
    return replace(view, state="broken")


def best_of(metrics: Sequence[Mapping[str, Any]]) -> int | None:
    """Which of these metrics are best: those with the lowest -ELBO; None where none has one."""
    judged = [index for index, row in enumerate(metrics) if row.get("neg_elbo") is not None]
    return min(judged, key=lambda index: float(metrics[index]["neg_elbo"]), default=None)


def _ends(ids: Sequence[str]) -> list[str]:
    """The last parts of ids that are all different."""
    parts = [name.split("-") for name in ids]
    for count in range(1, max(map(len, parts), default=1) + 1):
        ends = ["-".join(part[-count:]) for part in parts]
        if len(set(ends)) == len(ends):
            return ends
    return list(ids)


def text(value: Any) -> str:
    """A field's value in few characters."""
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        return "[" + ", ".join(map(text, value)) + "]"
    return str(value)
