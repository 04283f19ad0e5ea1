"""Options that an analysis declares, as options of a command: declared once, there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from spivae.errors import SpivaeError

if TYPE_CHECKING:
    from spivae.analysis import Analysis, Option

_METAVARS = {int: "N", float: "X", str: "TEXT"}


def export_option(more: str = "") -> Callable[[Any], Any]:
    """`--export F`, which can be given again; `more` is what else its help says."""
    return click.option(
        "--export",
        "exports",
        type=click.Path(path_type=Path),
        multiple=True,
        metavar="F",
        help=f"Write instead of drawing; the suffix picks .png, .svg, .pdf, .csv, .json or .npz. {more}"
        "Plugins add formats, such as .txt. Can be given again.",
    )


def as_click(option: Option, prefix: str = "") -> click.Option:
    """The command's option for a declared one: `per_cell` is `--per-cell`, a bool also has `--no-...`.

    Its value is None where it was not given; `prefix` goes in front of the flag's name.
    """
    flag = f"{prefix}{option.name}".replace("_", "-").lower()
    default = "yes" if option.default is True else "no" if option.default is False else option.default
    shown = "" if option.default is None else f"  [default: {default}]"
    return click.Option(
        [f"--{flag}/--no-{flag}" if option.kind is bool else f"--{flag}", parameter_name(option, prefix)],
        type=_click_type(option),
        metavar=None if option.choices else _METAVARS.get(option.kind),
        default=None,
        help=option.help + shown,
    )


def parameter_name(option: Option, prefix: str = "") -> str:
    """Under which name a command gets the value of a declared option."""
    return f"option_{prefix}{option.name}".replace("-", "_")


def _click_type(option: Option) -> click.ParamType[Any]:
    if option.choices:
        return click.Choice(option.choices)
    bounded = option.low is not None or option.high is not None
    if option.kind is int:
        return click.IntRange(_whole(option.low), _whole(option.high)) if bounded else click.INT
    if option.kind is float:
        return click.FloatRange(option.low, option.high) if bounded else click.FLOAT
    return click.BOOL if option.kind is bool else click.STRING


def _whole(limit: float | None) -> int | None:
    return None if limit is None else int(limit)


def given(options: Sequence[Option], values: Mapping[str, Any], prefix: str = "") -> dict[str, object]:
    """Those declared options that were given on the command line, by their own names."""
    found = {option.name: values.get(parameter_name(option, prefix)) for option in options}
    return {name: value for name, value in found.items() if value is not None}


def share_out(assigned: Mapping[str, str], analyses: Sequence[Analysis]) -> dict[str, dict[str, object]]:
    """`name=value` options for each analysis that declares them. Raises SpivaeError for an unknown one."""
    from spivae.analysis import declared_options

    declared = {item.name: {option.name for option in declared_options(item.options)} for item in analyses}
    known = sorted(set().union(*declared.values()))
    for name in assigned:
        if name not in known:
            raise SpivaeError(
                f"--opt {name}: no such option; these analyses have {', '.join(known) or 'none'}"
            )
    return {
        analysis: {name: value for name, value in assigned.items() if name in names}
        for analysis, names in declared.items()
    }
