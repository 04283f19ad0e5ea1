"""Checks of an analysis: it answers whatever it is given, the same each time, and changes nothing."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import io
import json
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from spivae.analysis import Analysis, Context, Result, declared_options
from spivae.conformance.checking import Check, NotApplicable, each, require
from spivae.conformance.contexts import Drifting, grid_theta, make
from spivae.conformance.words import check_name
from spivae.errors import SpivaeError
from spivae.figure.spec import Figure, decode, encode

NEEDS = {"predictions", "dataset", "model"}
SIZES = ((40, 12), (80, 24), (200, 60))
TWO = Drifting(2)


def answer(analysis: Analysis, context: Context) -> tuple[Result, Figure]:
    """What it finds and draws, with the types checked."""
    result = analysis.compute(context)
    require(isinstance(result, Result), f"compute gave {type(result).__name__}, not a Result")
    figure = analysis.figure(result)
    require(isinstance(figure, Figure), f"figure gave {type(figure).__name__}, not a Figure")
    return result, figure


def usual(analysis: Analysis) -> Context:
    return make(analysis, TWO, grid_theta(TWO))


def metadata(analysis: Analysis) -> str:
    check_name("analysis", analysis.name)
    unknown = set(analysis.needs) - NEEDS
    require(not unknown, f"needs {', '.join(sorted(unknown))}: there are {', '.join(sorted(NEEDS))}")
    parameters: Any = getattr(analysis.options, "__dataclass_params__", None)
    require(parameters is not None and parameters.frozen, "options: needs a frozen dataclass")
    for option in declared_options(analysis.options):
        require(option.kind in (bool, int, float, str), f"option {option.name}: no control for {option.kind}")
        require(option.default is not dataclasses.MISSING, f"option {option.name}: needs a default")
        require(option.help, f"option {option.name}: needs a help text")
        if option.default is not None:
            option.parse(option.default)
    return f"needs {', '.join(analysis.needs) or 'nothing'}"


def answers(analysis: Analysis) -> str:
    begin = time.perf_counter()
    _, figure = answer(analysis, usual(analysis))
    require(figure.title, "figure: needs a title")
    require(figure.panels or figure.caption, "figure: neither panels nor a caption that says why")
    return f"{len(figure.panels)} panels in {time.perf_counter() - begin:.2f} s"


def the_same_each_time(analysis: Analysis) -> str:
    (first, drawn), (again, redrawn) = (answer(analysis, usual(analysis)) for _ in range(2))
    require(
        first.to_json() == again.to_json() and encode(drawn) == encode(redrawn),
        "two equal contexts get two answers: take random numbers from context.rng(), keep nothing",
    )
    return ""


def inputs_untouched(analysis: Analysis) -> str:
    context = usual(analysis)
    before = copy.deepcopy(_inputs(context))
    result, _ = answer(analysis, context)
    for name, value in _inputs(context).items():
        same = np.array_equal(value, before[name], equal_nan=True) if _is_array(value) else None
        require(value == before[name] if same is None else same, f"compute changed {name}")
    kept = copy.deepcopy(dict(result.arrays)), copy.deepcopy(dict(result.scalars))
    analysis.figure(result)
    require(
        _equal(kept, (dict(result.arrays), dict(result.scalars))),
        "figure changed the result, which is kept and drawn again",
    )
    return ""


def _inputs(context: Context) -> dict[str, Any]:
    checkpoint = context.checkpoint
    found: dict[str, Any] = {
        name: getattr(checkpoint, name) for name in ("metrics", "history", "ds_args", "model_args")
    }
    if context._dataset is not None:
        found |= {"displacements": context.dataset.displacements, "theta": context.dataset.theta}
    if context._predictions is not None:
        found |= {
            f"predictions.{name}": value
            for name, value in vars(context.predictions).items()
            if _is_array(value)
        }
    if context._model is not None:
        found |= {f"the model's {name}": value.numpy() for name, value in context.model.state_dict().items()}
    return found


def _is_array(value: object) -> bool:
    return isinstance(value, np.ndarray)


def _equal(first: Any, second: Any) -> bool:
    return repr(_listed(first)) == repr(_listed(second))


def _listed(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, dict):
        return {key: _listed(item) for key, item in value.items()}
    return [_listed(item) for item in value] if isinstance(value, list | tuple) else value


def round_trips(analysis: Analysis) -> str:
    result, figure = answer(analysis, usual(analysis))
    document = result.to_json()
    require(
        json.loads(json.dumps(document, allow_nan=False)) == document,
        "the result is not what its JSON says: take strings for keys, and no tuples, sets or objects",
    )
    for name, array in result.arrays.items():
        require(not np.asarray(array).dtype.hasobject, f"array {name} holds objects")
    require(encode(decode(encode(figure))) == encode(figure), "the figure changes on its way to the app")
    return f"{len(result.arrays)} arrays, {len(result.scalars)} scalars"


def one_and_three_parameters(analysis: Analysis) -> str:
    for process in (Drifting(1), Drifting(3)):
        _drawable(answer_or_refusal(analysis, make(analysis, process, grid_theta(process))))
    return ""


def a_single_trajectory(analysis: Analysis) -> str:
    _with_data(analysis)
    _drawable(answer_or_refusal(analysis, make(analysis, TWO, grid_theta(TWO)[:1])))
    return ""


def empty_cells(analysis: Analysis) -> str:
    _with_data(analysis)
    corners = np.array([[0.0, 1e-3], [0.05, 1e-1], [0.0, 1e-2]])
    _drawable(answer_or_refusal(analysis, make(analysis, TWO, corners)))
    return ""


def predictions_of_nan(analysis: Analysis) -> str:
    if "predictions" not in analysis.needs:
        raise NotApplicable("looks at no predictions")
    found = answer_or_refusal(analysis, make(analysis, TWO, grid_theta(TWO), broken=True))
    _drawable(found)
    if found is not None:
        json.dumps(found[0].to_json(), allow_nan=False)
    return ""


def no_latents(analysis: Analysis) -> str:
    _drawable(answer_or_refusal(analysis, make(analysis, TWO, grid_theta(TWO), latents=0)))
    return ""


def answer_or_refusal(analysis: Analysis, context: Context) -> tuple[Result, Figure] | None:
    """An answer, or None where the analysis refuses with a SpivaeError, which users are shown."""
    try:
        return answer(analysis, context)
    except SpivaeError:
        return None


def _with_data(analysis: Analysis) -> None:
    if not {"dataset", "predictions"}.intersection(analysis.needs):
        raise NotApplicable("looks at no trajectories")


def _drawable(found: tuple[Result, Figure] | None) -> None:
    if found is not None:
        _draw(found[1], *SIZES[1])


def figures_at_all_sizes(analysis: Analysis) -> str:
    _, figure = answer(analysis, usual(analysis))
    for width, height in SIZES:
        _draw(figure, width, height)
    for panel in figure.panels:
        drawn = [_finite(mark) for mark in panel.marks]
        require(any(drawn), f"panel {panel.title!r}: no mark has a finite point")
    return ""


def _draw(figure: Figure, width: int, height: int) -> None:
    from spivae.figure.look import Look
    from spivae.figure.terminal import draw, panels_per_page

    look = Look(glyphs="braille", colors="none", dark=True)
    for first in range(0, max(len(figure.panels), 1), panels_per_page(figure, width, height)):
        draw(figure, width, height, look, first)


def _finite(mark: Any) -> bool:
    arrays = [
        np.asarray(getattr(mark, name)) for name in ("x", "y", "values", "counts") if hasattr(mark, name)
    ]
    return all(np.isfinite(array.astype(float)).any() for array in arrays)


def nothing_printed(analysis: Analysis) -> str:
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        answer(analysis, usual(analysis))
    require(not said.getvalue(), f"prints {said.getvalue()[:60]!r}: use context.progress, or the caption")
    return ""


CHECKS: dict[str, Callable[[Analysis], str]] = {
    "metadata": metadata,
    "answers": answers,
    "the same each time": the_same_each_time,
    "inputs untouched": inputs_untouched,
    "round trips": round_trips,
    "one and three parameters": one_and_three_parameters,
    "a single trajectory": a_single_trajectory,
    "empty cells": empty_cells,
    "predictions of NaN": predictions_of_nan,
    "no latents": no_latents,
    "figures at all sizes": figures_at_all_sizes,
    "nothing printed": nothing_printed,
}


def checks_of_analysis(analysis: Analysis) -> list[Check]:
    """All checks of one analysis."""
    return each(f"analysis {analysis.name}", analysis, CHECKS)
