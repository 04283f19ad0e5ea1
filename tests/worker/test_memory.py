"""What a session remembers from one process to the next, and what makes it ask again."""

import dataclasses
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import spivae.worker.memory
from spivae.analysis import declared_options
from spivae.dataset import Grid, simulate_grid
from spivae.errors import SpivaeError, WorkFailed
from spivae.figure.spec import encode
from spivae.layout import save_npz
from spivae.plugins import load_plugins
from spivae.worker.memory import Memory, ask
from spivae.worker.results import Results
from spivae.worker.session import Session, WorkCancelled
from spivae.worker.sources import Sources, stamp

HERE = Path(__file__).parent
TRAINED = HERE.parent / "data" / "original_sbm_trained.tar"


@pytest.fixture
def results(tmp_path):
    return Results(tmp_path / "results", 10_000_000, pytest.fail)


@pytest.fixture
def plugin(tmp_path):
    """The file of a plugin whose analyses never say the same twice."""
    folder = tmp_path / "plugins"
    folder.mkdir()
    return Path(shutil.copy(HERE / "clock_plugin.py", folder / "clock.py"))


@pytest.fixture
def checkpoint(tmp_path):
    return Path(shutil.copy(TRAINED, tmp_path / "model.tar"))


@pytest.fixture
def run(results, plugin, checkpoint):
    """Ask the clock, in a session as a new process would make it."""

    def asked(analysis="clock", data=None, path=checkpoint, fresh=False, **options):
        session = Session(load_plugins([plugin.parent]), threads=1, results=results)
        answer = session.analyze(path, analysis, options, data, fresh=fresh)
        return int(answer.result.arrays["now"][0])

    return asked


def test_what_was_asked_before_is_remembered(run):
    assert run() == run()
    assert run(size=3) == run(size=3.0) == run(size="3")


def test_a_real_answer_is_the_same_from_memory_to_the_last_byte(results, tiny_checkpoint):
    plugins, data = load_plugins(), {"per_cell": 2}
    for name in ("latents", "loss", "output"):
        first = Session(plugins, 1, results).analyze(tiny_checkpoint, name, {}, data)
        silent = Session(plugins, 1, results)
        silent.prepare = pytest.fail  # what is remembered needs no model
        second = silent.analyze(tiny_checkpoint, name, {}, data)
        assert second is not first
        assert encode(second.figure) == encode(first.figure)
        assert second.result.arrays.keys() == first.result.arrays.keys()
        for key, array in first.result.arrays.items():
            np.testing.assert_array_equal(second.result.arrays[key], array, strict=True)
        assert second.result.to_json() == first.result.to_json()
        assert (second.process, second.trajectories) == (first.process, first.trajectories)


def test_fresh_computes_and_takes_the_place_of_what_was_remembered(run):
    first = run()
    second = run(fresh=True)
    assert second != first
    assert run() == second


def test_options_data_and_analyses_are_told_apart(run):
    answers = [
        run(),
        run(size=3),
        run("counting"),
        run("counting", {"per_cell": 1}),
        run("counting", {"per_cell": 1, "seed": 1}),
        run("counting", {"per_cell": 1, "subset": "alpha=1"}),
        run(data={"seed": 1}),
        run(data={"grid": "test"}),
    ]
    assert len(set(answers)) == len(answers)


def test_how_many_trajectories_does_not_count_where_none_are_looked_at(run):
    assert run() == run(data={"per_cell": 3}) == run(data={"file": "nowhere.npz"})


def test_such_an_analysis_is_not_told_of_them_either(plugin, checkpoint):
    session = Session(load_plugins([plugin.parent]))
    told = session.analyze(checkpoint, "clock", {}, {"per_cell": 3, "seed": 5}).result.scalars["data"]
    assert "per_cell=20" in told
    assert "seed=5" in told


def test_a_checkpoint_is_known_by_what_is_in_it(run, checkpoint, tmp_path):
    first = run()
    os.utime(checkpoint, (1, 1))
    assert run() == first
    elsewhere = shutil.copy(checkpoint, tmp_path / "elsewhere.tar")
    assert run(path=elsewhere) == first
    shutil.copy(HERE.parent / "data" / "original_init.tar", checkpoint)
    os.utime(checkpoint, (1, 1))
    assert run() != first


def test_a_data_file_is_known_by_what_is_in_it(run, tmp_path, checkpoint):
    def write(path, seed):
        process = load_plugins().process("sbm")
        grid = Grid({"alpha": [0.5, 1.0], "D": [1e-3]})
        save_npz(path, simulate_grid(process, grid, 2, 400, np.random.default_rng(seed)))

    write(tmp_path / "a.npz", 1)
    data = {"file": str(tmp_path / "a.npz")}
    first = run("counting", data)
    assert run("counting", data) == first
    write(tmp_path / "a.npz", 2)
    assert run("counting", data) != first
    write(tmp_path / "a.npz", 1)
    assert run("counting", data) == first


def test_a_file_that_an_option_names_is_known_by_what_is_in_it(run, tmp_path):
    file = tmp_path / "tracks.csv"
    missing = run(tracks=str(file))
    file.write_text("1,2")
    first = run(tracks=str(file))
    assert run(tracks=str(file)) == first != missing
    file.write_text("1,3")
    assert run(tracks=str(file)) != first
    os.unlink(file)
    assert run(tracks=str(file)) == missing
    assert run(tracks=str(tmp_path)) != run(tracks=str(tmp_path))  # a folder may hold anything


def test_a_large_file_is_read_once(monkeypatch, results, plugin, checkpoint):
    read = []
    hashed = spivae.worker.memory.content_hash
    monkeypatch.setattr(spivae.worker.memory, "content_hash", lambda path: read.append(path) or hashed(path))
    monkeypatch.setattr(spivae.worker.memory, "LARGE", 1000)
    plugins = load_plugins([plugin.parent])
    memory, question = Memory(plugins, results), ask(plugins, checkpoint, "clock")
    key = memory.key(question)
    assert memory.key(question) == key
    assert read.count(checkpoint) == 1
    shutil.copy(HERE.parent / "data" / "original_init.tar", checkpoint)
    assert memory.key(question) != key
    assert read.count(checkpoint) == 2


def test_changed_code_of_the_analysis_asks_again(run, plugin):
    first = run()
    source = plugin.read_text()
    plugin.write_text(source.replace("VERSION = 1", "VERSION = 2"))
    second = run()
    assert second != first
    assert run() == second
    plugin.write_text(source)
    assert run() == first


def test_changed_code_of_the_process_asks_again(results, tmp_path, checkpoint):
    from spivae.checkpoint import read, write

    process = tmp_path / "brownian.py"
    process.write_text((HERE / "clock_plugin.py").read_text() + BROWNIAN)
    header = read(checkpoint)
    header.process = "brownian"
    write(tmp_path / "b.safetensors", header)
    keys = set()
    for number in (1, 2):
        (tmp_path / "brownian.py").write_text(process.read_text() + f"# {number}\n")
        plugins = load_plugins([process])
        keys.add(Memory(plugins, results).key(ask(plugins, tmp_path / "b.safetensors", "latents")))
    assert len(keys) == 2
    assert "" not in keys


BROWNIAN = """
from spivae.api import Parameter, Process


class Brownian(Process):
    name = title = "brownian"
    parameters = (Parameter("alpha", low=0.2, high=1.8), Parameter("D", low=1e-5, high=1e-2, scale="log"))


@hookimpl
def register_processes(register):
    register(Brownian())
"""


def test_code_that_is_changed_while_it_runs_is_not_remembered(results, plugin, checkpoint):
    session = Session(load_plugins([plugin.parent]), threads=1, results=results)
    source = plugin.read_text()
    plugin.write_text(source + "# changed\n")
    session.analyze(checkpoint, "clock")
    assert results.usage().entries == 0
    plugin.write_text(source)
    session.analyze(checkpoint, "clock")
    assert results.usage().entries == 1


def test_a_checkpoint_that_is_replaced_while_it_is_read_is_not_remembered(results, plugin, checkpoint):
    def replace(done, total, what):
        shutil.copy(HERE.parent / "data" / "original_init.tar", checkpoint)

    session = Session(load_plugins([plugin.parent]), threads=1, results=results)
    session.analyze(checkpoint, "clock", progress=replace)
    assert results.usage().entries == 0


def test_a_package_counts_with_all_of_its_files(tmp_path, monkeypatch):
    package = tmp_path / "lab_of_clocks"
    (package / "inner").mkdir(parents=True)
    for name in ("__init__.py", "inner/__init__.py", "helper.py"):
        (package / name).write_text("")
    shutil.copy(HERE / "clock_plugin.py", package / "inner" / "clock.py")
    monkeypatch.syspath_prepend(tmp_path)
    from lab_of_clocks.inner.clock import Clock

    sources = Sources([Clock])
    before = sources.of(Clock)
    assert package in before
    assert sources.unchanged()
    (package / "helper.py").write_text("# new\n")
    assert not sources.unchanged()
    assert sources.of(Clock) == before  # of the code that runs
    assert Sources([Clock]).of(Clock) != before


def test_code_without_a_file_is_not_remembered(results, checkpoint):
    from clock_plugin import Clock

    made = type("Made", (Clock,), {"__module__": "nowhere", "name": "made"})
    plugins = load_plugins()
    plugins.analyses["made"] = made()
    assert Memory(plugins, results).key(ask(plugins, checkpoint, "made")) == ""


def test_a_stamp_differs_once_a_file_is_written_made_or_removed(tmp_path):
    package, file = tmp_path / "package", tmp_path / "file"
    package.mkdir()
    (package / "__init__.py").write_text("")
    places = [package, file]
    seen = [stamp(places)]
    for write in (
        lambda: file.write_text("a"),
        lambda: file.write_text("b"),
        lambda: (package / "new.py").write_text(""),
        lambda: os.unlink(package / "new.py"),
        lambda: (package / "__init__.py").write_text("# "),
    ):
        write()
        assert stamp(places) == stamp(reversed(places))
        seen.append(stamp(places))
    assert len(set(seen)) == len(seen) - 1  # a file that was there for a while has left no trace
    (package / "notes.txt").write_text("")
    assert stamp(places) == seen[-1]


def test_an_analysis_that_depends_on_more_is_asked_each_time(run):
    assert run("forgetful") != run("forgetful")


def test_a_foreign_checkpoint_is_not_remembered(results, plugin, tmp_path):
    """It may be spread over files that its plugin alone knows."""
    plugin.write_text(
        plugin.read_text()
        + f"""
@hookimpl
def read_checkpoint(path):
    import dataclasses
    from spivae.checkpoint import read_header
    header = read_header({str(TRAINED)!r})
    header.format = "foreign"
    return header
"""
    )
    (tmp_path / "other.bin").write_bytes(b"other")
    plugins = load_plugins([plugin.parent])
    assert Memory(plugins, results).key(ask(plugins, tmp_path / "other.bin", "clock")) == ""


def test_failures_and_cancelled_work_are_not_remembered(results, plugin, checkpoint):
    session = Session(load_plugins([plugin.parent]), threads=1, results=results)
    with pytest.raises(WorkFailed, match="seven"):
        session.analyze(checkpoint, "clock", {"size": 7})
    with pytest.raises(WorkCancelled):
        session.analyze(checkpoint, "clock", cancelled=lambda: True)
    with pytest.raises(SpivaeError, match="no such"):
        session.analyze(checkpoint, "counting", data={"file": "nowhere.npz"})
    assert results.usage().entries == 0


def test_a_full_disk_does_not_cost_the_answer(monkeypatch, tmp_path, plugin, checkpoint):
    def refuse(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    told = []
    results = Results(tmp_path / "results", 10_000_000, told.append)
    session = Session(load_plugins([plugin.parent]), threads=1, results=results)
    for size in (1, 2):
        assert session.analyze(checkpoint, "clock", {"size": size}).result.arrays["now"]
    assert len(told) == 1


def test_without_results_every_question_is_asked(plugin, checkpoint):
    session = Session(load_plugins([plugin.parent]), threads=1)
    first, second = (session.analyze(checkpoint, "clock").result.arrays["now"] for _ in range(2))
    assert first != second


@pytest.mark.parametrize("part", ["__version__", "np.__version__"])
def test_other_versions_ask_again(monkeypatch, results, plugin, checkpoint, part):
    plugins = load_plugins([plugin.parent])
    question, memory = ask(plugins, checkpoint, "clock"), Memory(plugins, results)
    before = memory.key(question)
    monkeypatch.setattr(f"spivae.worker.memory.{part}", "9.9")
    assert memory.key(question) != before


def test_a_key_names_every_option_and_field_of_the_data(results, plugin, checkpoint):
    """One that a later version adds must not be forgotten."""
    plugins = load_plugins([plugin.parent])
    question, memory = ask(plugins, checkpoint, "counting"), Memory(plugins, results)
    keys = {memory.key(question)}
    for part in ("options", "data"):
        chosen = getattr(question, part)
        for option in declared_options(type(chosen)):
            other = dataclasses.replace(chosen, **{option.name: option.kind(99)})
            keys.add(memory.key(dataclasses.replace(question, **{part: other})))
    assert len(keys) == 1 + 2 + 5


def test_the_key_is_the_same_in_every_process(results, plugin, checkpoint):
    plugins = load_plugins([plugin.parent])
    script = f"""
from pathlib import Path
from spivae.plugins import load_plugins
from spivae.worker.memory import Memory, ask
from spivae.worker.results import Results
plugins = load_plugins([{str(plugin.parent)!r}])
memory = Memory(plugins, Results(Path("/nowhere"), 1))
print(memory.key(ask(plugins, {str(checkpoint)!r}, "latents")))
"""
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == Memory(plugins, results).key(ask(plugins, checkpoint, "latents"))
