"""What is asked of Slurm: one declaration behind flags, config.toml, and README."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from spivae.cli import train
from spivae.errors import SpivaeError
from spivae.slurm.options import Options, declared, merged, read

README = Path(__file__).parents[2] / "README.md"


def test_every_option_is_declared_with_what_it_is():
    kinds = {one.name: (one.kind, one.sbatch) for one in declared()}
    assert list(kinds) == list(Options.__struct_fields__)
    assert kinds["partition"] == ("text", "partition")
    assert kinds["cpus"] == ("whole", "cpus-per-task")
    assert (kinds["requeue"], kinds["setup"]) == (("switch", ""), ("list", ""))
    assert all(one.help for one in declared())


def test_every_option_is_a_flag_of_its_commands_and_in_the_manual():
    from spivae.cli import resume, sweep

    for module, name in ((train, "train"), (resume, "resume"), (sweep, "sweep")):
        flags = {flag for parameter in getattr(module, name).params for flag in parameter.opts}
        assert {f"--{one.name}" for one in declared()} <= flags
    assert all(f"`{one.name}`" in README.read_text() for one in declared())


def test_a_table_is_read_and_numbers_may_stand_for_texts():
    table = {"partition": "gpu", "time": 90, "gpus": 1, "cpus": 4, "setup": ["module load cuda"]}
    options = read(table, "config.toml: slurm")
    assert (options.partition, options.time, options.gpus, options.cpus) == ("gpu", "90", "1", 4)
    assert options.setup == ("module load cuda",)
    assert options.requeue


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("partition", "a\n#SBATCH --uid=0"),
        ("account", ""),
        ("time", "soon"),
        ("cpus", 0),
        ("cpus", "four"),
        ("gpus", "-1"),
        ("memory", "8 apples"),
        ("requeue", "maybe"),
        ("sbatch", ["constraint=a100"]),
        ("setup", ["a\nb"]),
    ],
)
def test_a_wrong_value_is_told_with_its_place(name: str, value: Any):
    with pytest.raises(SpivaeError, match=rf"^config.toml: slurm\.{name}: .* is not what it takes"):
        read({name: value}, "config.toml: slurm")
    with pytest.raises(SpivaeError, match=rf"^--{name}: "):
        merged(Options(), {name: value})


def test_an_unknown_key_is_told_with_those_that_there_are():
    with pytest.raises(SpivaeError, match=r"slurm\.partitoin: no such option; there are partition, account"):
        read({"partitoin": "gpu"}, "config.toml: slurm")
    with pytest.raises(SpivaeError, match="needs a table"):
        read(3, "config.toml: slurm")


@pytest.mark.parametrize("time", ["90", "90:30", "12:00:00", "2-0", "2-12:30", "2-12:30:15", "UNLIMITED"])
def test_times_as_slurm_writes_them(time: str):
    assert merged(Options(), {"time": time}).time == time


def test_what_is_given_counts_more_and_all_of_it_can_be_noted_down():
    before = Options(partition="cpu", time="10", requeue=False, sbatch=("--nice=5",))
    options = merged(before, {"partition": "gpu"})
    assert (options.partition, options.time, options.requeue) == ("gpu", "10", False)
    assert msgspec.json.decode(msgspec.json.encode(options), type=Options) == options
