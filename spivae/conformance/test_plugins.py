"""`pytest --pyargs spivae.conformance`: the checks as tests, of the plugins in $SPIVAE_CHECK, or of all."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from spivae.conformance import Check, checks_of_plugin
from spivae.plugins import load_plugins

ENVIRONMENT = "SPIVAE_CHECK"  # names of plugins, separated by commas


def _checks() -> Iterator[Check]:
    plugins = load_plugins()
    named = [name.strip() for name in os.environ.get(ENVIRONMENT, "").split(",") if name.strip()]
    for name in named or [info.name for info in plugins.infos if info.status != "disabled"]:
        yield from checks_of_plugin(name, plugins)


@pytest.mark.parametrize("check", list(_checks()), ids=str)
def test_conforms(check: Check) -> None:
    check.test()
