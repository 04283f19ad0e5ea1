"""The conformance kit finds what is wrong, and nothing where nothing is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import faulty_analyses
import faulty_architectures
import faulty_processes
import pytest

from spivae.cli import main
from spivae.conformance import (
    Check,
    analyses,
    architectures,
    checks,
    counts,
    exporters,
    find,
    importing,
    processes,
)
from spivae.conformance.checking import Broken, NotApplicable


def one(subject: object, name: str) -> Check:
    return next(check for check in checks(subject) if check.name == name)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        *((kind, name) for kind, name in faulty_processes.FAULTS.items()),
        *((kind, name) for kind, name in faulty_analyses.FAULTS.items()),
    ],
    ids=lambda part: part if isinstance(part, str) else part.__name__,
)
def test_the_check_of_a_fault_finds_it(kind: type, name: str) -> None:
    finding = find(one(kind(), name))
    assert finding.status == ("advice" if name in processes.ADVISORY else "failed"), finding
    assert finding.note


@pytest.mark.parametrize("right", [faulty_processes.Right(), faulty_processes.Cauchy()])
def test_nothing_is_found_in_a_process_without_faults(right: object) -> None:
    found = {finding.check: finding for finding in map(find, checks(right))}
    assert {finding.status for finding in found.values()} <= {"passed", "skipped"}, found
    heavy = isinstance(right, faulty_processes.Cauchy)
    assert (found["quantiles"].status, found["moments and msd"].status) == (
        ("passed", "skipped") if heavy else ("skipped", "passed")
    )


def test_nothing_is_found_in_an_analysis_without_faults() -> None:
    found = [find(check) for check in checks(faulty_analyses.Right())]
    assert counts(found) == {"passed": len(analyses.CHECKS), "failed": 0, "advice": 0, "skipped": 0}, found


@pytest.mark.parametrize("fault", faulty_architectures.FAULTS)
def test_the_check_of_an_architectures_fault_finds_it(fault: str) -> None:
    architecture, name = faulty_architectures.FAULTS[fault]
    finding = find(one(architecture, name))
    assert finding.status == "failed", finding


@pytest.mark.parametrize(("kind", "name"), faulty_architectures.OF_EXPORTERS.items())
def test_the_check_of_an_exporters_fault_finds_it(kind: type, name: str) -> None:
    assert find(one(kind(), name)).status == "failed"


@pytest.mark.parametrize("right", [faulty_architectures.RIGHT, faulty_architectures.Writes()])
def test_nothing_is_found_in_an_architecture_or_exporter_without_faults(right: object) -> None:
    found = [find(check) for check in checks(right)]
    assert {finding.status for finding in found} == {"passed"}, found


def test_every_check_has_a_plugin_that_fails_it() -> None:
    assert set(faulty_processes.FAULTS.values()) == set(processes.CHECKS)
    assert set(faulty_analyses.FAULTS.values()) == set(analyses.CHECKS)
    assert {name for _, name in faulty_architectures.FAULTS.values()} == set(architectures.CHECKS)
    assert set(faulty_architectures.OF_EXPORTERS.values()) == set(exporters.CHECKS)


def test_the_checks_need_no_torch_to_be_imported() -> None:
    modules = ", ".join(
        f"spivae.conformance.{name}" for name in ("analyses", "architectures", "exporters", "processes")
    )
    code = f"import sys, {modules}; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_check_that_does_not_come_back_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spivae.conformance.checking.SECONDS", 0.2)
    finding = find(Check("process slow", "speed", lambda: str(time.sleep(600))))
    assert finding.status == "failed"
    assert "within 0.2 s" in finding.note


def test_in_pytest_a_check_skips_warns_or_fails() -> None:
    def raising(error: Exception) -> Check:
        def run() -> str:
            raise error

        return Check("process x", "speed", run, advisory=True)

    with pytest.raises(pytest.skip.Exception, match="for a reason"):
        raising(NotApplicable("for a reason")).test()
    with pytest.warns(UserWarning, match="process x: speed: slow"):
        raising(Broken("slow")).test()
    with pytest.raises(Broken, match="wrong"):
        Check("process x", "moments", raising(Broken("wrong")).run).test()


HOOK = "from spivae.api import hookimpl\n@hookimpl\ndef training_started(): pass\n"
IMPORTS = {
    "broken": ("raise ValueError('no')", "loads", "failed"),
    "chatty": ("print('hello')", "nothing printed on import", "failed"),
    "heavy": ("import plotext", "light import", "failed"),
    "sluggish": ("import time; time.sleep(0.4)", "quick import", "advice"),
}


def test_what_an_import_does_is_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Through the command, for all at once: a process that loads plugins takes a while."""
    for name, (source, _, _) in IMPORTS.items():
        (tmp_path / f"{name}.py").write_text(f"{source}\n{HOOK}")
    assert {check for _, check, _ in IMPORTS.values()} == set(importing.CHECKS)
    watched = importing._watched((str(tmp_path),))
    for name, (_, check, status) in IMPORTS.items():
        found = {one.name: find(one) for one in importing.checks_of_import(name, (str(tmp_path),))}
        assert found[check].status == status, (name, found[check], watched[name])
        assert [one.status for key, one in found.items() if key != check] == ["passed"] * 3, found


FAULTY = """
from spivae.api import Parameter, Process, hookimpl

class Lazy(Process):
    name = title = "lazy"
    parameters = (Parameter("D", low=1e-3, high=1e-1, scale="log"),)
    def displacements(self, rng, theta, steps):
        return rng.standard_normal((len(theta), steps))

@hookimpl
def register_processes(register):
    register(Lazy())
"""


def test_the_command_counts_and_tells(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plugin = tmp_path / "lazy.py"
    plugin.write_text(FAULTY)
    assert main(["plugin", "check", str(plugin), "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    status = {found["check"]: found["status"] for found in document["checks"]}
    assert status["nonsense refused"] == "failed"
    assert status["moments and msd"] == "skipped"
    assert document["failed"] == sum(one == "failed" for one in status.values()) == 1
    assert main(["plugin", "check", str(plugin)]) == 1
    out = capsys.readouterr().out
    assert "process lazy\n" in out
    assert out.rstrip().endswith(
        f"{document['passed']} passed, 1 failed, {document['advice']} advice, {document['skipped']} skipped"
    )


def test_checking_what_is_not_there_names_what_is_near(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plugin", "check", "sbn"]) == 2
    assert "did you mean 'sbm'?" in capsys.readouterr().err


def test_pytest_runs_the_same_checks_for_the_plugins_that_are_named(tmp_path: Path) -> None:
    plugin = tmp_path / "lazy.py"
    plugin.write_text(FAULTY)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-rs",
        "-p",
        "no:cacheprovider",
        "--pyargs",
        "spivae.conformance",
    ]
    named = {**os.environ, "SPIVAE_PLUGINS": str(plugin), "SPIVAE_CHECK": "lazy"}
    done = subprocess.run(command, cwd=tmp_path, env=named, capture_output=True, text=True, check=False)
    last = done.stdout.splitlines()[-1]
    assert "1 failed" in last, done.stdout
    assert "test_conforms[process lazy: nonsense refused]" in done.stdout
    assert "has no msd" in done.stdout
