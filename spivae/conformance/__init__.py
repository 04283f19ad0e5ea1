"""The conformance kit: named checks that a plugin keeps to its contract, whoever runs them.

`spivae plugin check NAME` and `pytest --pyargs spivae.conformance` run them for a plugin that is there to be
loaded. A plugin's own tests have them one by one:

    @pytest.mark.parametrize("check", checks(Brownian()), ids=str)
    def test_conforms(check):
        check.test()
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from spivae.conformance.checking import Broken as Broken
from spivae.conformance.checking import Check as Check
from spivae.conformance.checking import Finding as Finding
from spivae.conformance.checking import NotApplicable as NotApplicable
from spivae.conformance.checking import counts as counts
from spivae.conformance.checking import find as find

if TYPE_CHECKING:
    from spivae.analysis import Analysis
    from spivae.plugins import Plugins
    from spivae.process import Process


def checks(subject: Process | Analysis) -> list[Check]:
    """All checks of a process or an analysis."""
    from spivae.process import Process

    if isinstance(subject, Process):
        from spivae.conformance.processes import checks_of_process

        return list(checks_of_process(subject))
    from spivae.conformance.analyses import checks_of_analysis

    return list(checks_of_analysis(subject))


def checks_of_plugin(name: str, plugins: Plugins, folders: Sequence[str] = ()) -> Iterator[Check]:
    """All checks of a plugin, and of what it provides. Raises SpivaeError where no plugin has this name."""
    from spivae.conformance.importing import checks_of_import

    info = plugins.info(name)
    yield from checks_of_import(name, tuple(folders))
    for provided in info.provides:
        kind, _, subject = provided.partition(" ")
        if kind == "process":
            yield from checks(plugins.processes[subject])
        elif kind == "analysis":
            yield from checks(plugins.analyses[subject])
