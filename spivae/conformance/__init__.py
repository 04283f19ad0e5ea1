"""The conformance kit: named checks that a plugin keeps to its contract, whoever runs them.

`spivae plugin check NAME` and `pytest --pyargs spivae.conformance` run them for a plugin that is there to be
loaded. A plugin's own tests have them one by one:

    @pytest.mark.parametrize("check", checks(Brownian()), ids=str)
    def test_conforms(check):
        check.test()
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from spivae.conformance.checking import Broken as Broken
from spivae.conformance.checking import Check as Check
from spivae.conformance.checking import Finding as Finding
from spivae.conformance.checking import NotApplicable as NotApplicable
from spivae.conformance.checking import counts as counts
from spivae.conformance.checking import find as find

if TYPE_CHECKING:
    from spivae.analysis import Analysis
    from spivae.exporter import Exporter
    from spivae.model.architectures import Architecture
    from spivae.plugins import Plugins
    from spivae.process import Process


def checks(subject: Process | Analysis | Architecture | Exporter) -> list[Check]:
    """All checks of a process, an analysis, an architecture or an exporter."""
    # a kind's checks are imported where there is one to check
    from spivae.exporter import Exporter
    from spivae.model.architectures import Architecture
    from spivae.process import Process

    if isinstance(subject, Process):
        from spivae.conformance.processes import checks_of_process

        return checks_of_process(subject)
    if isinstance(subject, Architecture):
        from spivae.conformance.architectures import checks_of_architecture

        return checks_of_architecture(subject)
    if isinstance(subject, Exporter):
        from spivae.conformance.exporters import checks_of_exporter

        return checks_of_exporter(subject)
    from spivae.conformance.analyses import checks_of_analysis

    return checks_of_analysis(subject)


def checks_of_plugin(name: str, plugins: Plugins, folders: Sequence[str] = ()) -> Iterator[Check]:
    """All checks of a plugin, and of what it provides. Raises SpivaeError where no plugin has this name."""
    from spivae.conformance.importing import checks_of_import

    provided: dict[str, Mapping[str, Any]] = {
        "process": plugins.processes,
        "analysis": plugins.analyses,
        "architecture": plugins.architectures,
        "exporter": plugins.exporters,
    }
    info = plugins.info(name)
    yield from checks_of_import(name, tuple(folders))
    for words in info.provides:
        kind, _, subject = words.partition(" ")
        yield from checks(provided[kind][subject])
