"""The device that a training computes on, as an option of the commands that begin one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from spivae.training.device import check_device


def device_option(default: str) -> Callable[[Any], Any]:
    """`--device`, checked without torch; None where it is not given, for which the help names the default."""
    return click.option(
        "--device",
        metavar="D",
        callback=_checked,
        help=f"cpu, cuda, or one GPU of several as cuda:1  [default: {default}]",
    )


def _checked(context: click.Context, option: click.Parameter, device: str | None) -> str | None:
    if device is not None:
        check_device(device)
    return device
