"""All bundled plugins conform."""

from __future__ import annotations

import pytest

from spivae.conformance import checks_of_plugin, find
from spivae.plugins import load_plugins

PLUGINS = load_plugins()


def takes_seconds(provided: list[str]) -> bool:
    """Analyses that ask a model: their own tests do that too."""
    names = [name.removeprefix("analysis ") for name in provided]
    return any("model" in PLUGINS.analyses[name].needs for name in names if name in PLUGINS.analyses)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(info.name, marks=pytest.mark.full) if takes_seconds(info.provides) else info.name
        for info in PLUGINS.infos
        if info.source == "bundled"
    ],
)
def test_a_bundled_plugin_conforms(name: str) -> None:
    found = [find(check) for check in checks_of_plugin(name, PLUGINS)]
    assert [finding for finding in found if finding.status == "failed"] == []
