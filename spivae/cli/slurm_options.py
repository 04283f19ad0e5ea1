"""--slurm, and a flag for all that can be asked of Slurm; config.toml has defaults in its table [slurm]."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from spivae.errors import SpivaeError
from spivae.slurm.options import Declared, Options, declared, merged

if TYPE_CHECKING:
    from spivae.cli.common import Decorated

_KINDS: dict[str, dict[str, Any]] = {
    "text": {"type": str},
    "whole": {"type": int},
    "switch": {},
    "list": {"type": str, "multiple": True},
}
_PREFIX = "slurm_"


def slurm_options(help: str, switch: str = "--slurm") -> Callable[[Decorated], Decorated]:
    """`--slurm`, and a flag for each option; the command hands its values of them to `chosen`."""

    def decorate(function: Decorated) -> Decorated:
        for one in reversed(list(declared())):
            function = _flag(one)(function)
        return click.option(switch, "slurm", is_flag=True, default=None, help=help)(function)

    return decorate


def _flag(one: Declared) -> Callable[[Decorated], Decorated]:
    flag = f"--{one.name}/--no-{one.name}" if one.kind == "switch" else f"--{one.name}"
    return click.option(
        flag,
        _PREFIX + one.name,
        default=None,
        metavar=one.metavar or None,
        help=f"Slurm: {one.help}",
        **_KINDS[one.kind],
    )


def chosen(slurm: bool | None, values: dict[str, Any], before: Options | None = None) -> Options | None:
    """What to ask of Slurm, or None where it is not to be asked at all.

    The flags count most, then what was asked `before`, then config.toml. Where --slurm was not said, it is as
    before. Raises SpivaeError for wrong values, and for flags without --slurm.
    """
    given = {
        name.removeprefix(_PREFIX): value
        for name, value in values.items()
        if value is not None and value != ()
    }
    if not (before is not None if slurm is None else slurm):
        if given:
            raise SpivaeError(f"--{next(iter(given))}: is for Slurm; add --slurm")
        return None
    from spivae.plugin_settings import slurm_options

    return merged(before or slurm_options(), given)
