"""The job script, and how it is handed over."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

import pytest

from spivae.errors import SpivaeError
from spivae.slurm.commands import SlurmError, call
from spivae.slurm.options import Options
from spivae.slurm.script import Array, job_script, literal, submit_held


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A program that stands for one of Slurm's: `program(name, lines of shell)`."""

    def made(name: str, text: str) -> None:
        path = tmp_path / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    return made


def test_all_that_is_asked_stands_in_the_script(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SPIVAE_PLUGINS", "/my plugins")
    asked = Options(
        partition="gpu",
        account="phys",
        qos="long",
        time="2-0",
        cpus=4,
        gpus="a100:1",
        memory="8G",
        setup=("module load cuda",),
        sbatch=("--constraint=a100",),
    )
    lines = job_script(asked, "sbm-1", "/runs/sbm-1/log.txt", ["python", "-m", "a b"], 4).splitlines()
    assert lines[0] == "#!/bin/bash"
    for option in (
        *(
            "partition=gpu",
            "account=phys",
            "qos=long",
            "time=2-0",
            "cpus-per-task=4",
            "gpus=a100:1",
            "mem=8G",
        ),
        *("job-name=sbm-1", "output=/runs/sbm-1/log.txt", "open-mode=append", "constraint=a100"),
        *("requeue", "signal=B:USR1@60"),
    ):
        assert f"#SBATCH --{option}" in lines
    assert "export SPIVAE_PLUGINS='/my plugins'" in lines
    assert lines[-2:] == ["module load cuda", f"exec {shlex.join(['python', '-m', 'a b'])}"]


def test_what_is_not_asked_is_left_to_the_cluster():
    text = job_script(Options(requeue=False), "sbm-1", "log", ["true"], 1)
    for absent in ("partition", "time", "account", "gpus", "mem", "array", "--requeue"):
        assert absent not in text
    assert "#SBATCH --no-requeue" in text


def test_on_several_nodes_one_command_runs_on_each_and_all_meet_on_the_first(program, tmp_path: Path):
    program("scontrol", '[ "$*" = "show hostnames node[7-8]" ] && printf "node7\\nnode8\\n"')
    program("srun", f'printf "%s|" "$@" > {tmp_path}/called; shift 3; exec "$@"')
    program("spivae", f'kill -USR1 $$; printf "%s|" "$@" > {tmp_path}/trained')
    asked = Options(gpus="a100:2", memory="8G")
    text = job_script(asked, "sbm-1", "log", ["spivae", "a b"], 6, nodes=2)
    for option in ("nodes=2", "ntasks-per-node=1", "cpus-per-task=6", "gpus-per-node=a100:2", "mem=8G"):
        assert f"#SBATCH --{option}\n" in text
    assert "--gpus=" not in text
    environment = {"PATH": os.environ["PATH"], "SLURM_JOB_NODELIST": "node[7-8]", "SLURM_JOB_ID": "24018"}
    subprocess.run(["bash", "-c", text], env=environment, check=True)
    called = (tmp_path / "called").read_text().split("|")
    assert called[-5:] == ["spivae", "a b", "--rdzv-endpoint", "node7:20018", ""]
    assert {"--cpus-per-task=6", "--kill-on-bad-exit=0", "--wait=60"} == set(called[:3])
    # a warning in its first moment has not ended it
    assert (tmp_path / "trained").read_text() == "a b|--rdzv-endpoint|node7:20018|"


def test_a_warning_before_the_trainer_heeds_it_does_not_end_the_job(tmp_path: Path):
    command = ["sh", "-c", f"kill -USR1 $$; echo trained > {tmp_path}/said"]
    text = job_script(Options(setup=("kill -USR1 $$",)), "sbm-1", "log", command, 1)
    subprocess.run(["bash", "-c", text], check=True)
    assert (tmp_path / "said").read_text() == "trained\n"


@pytest.mark.parametrize(
    ("tasks", "at_once", "text"),
    [([1], 0, "1"), ([1, 2, 3], 2, "1-3%2"), ([9, 1, 2, 5, 7, 8], 0, "1-2,5,7-9")],
)
def test_an_array_is_written_short(tasks: list[int], at_once: int, text: str):
    assert str(Array(tasks, at_once)) == text


def test_names_of_folders_stand_for_themselves():
    assert literal(Path("/a/50%j\\x")) == "/a/50%%j\\\\x"
    assert '#SBATCH --output="/a b/\\"c\\""' in job_script(Options(), "n", '/a b/"c"', ["true"], 1)
    with pytest.raises(SpivaeError, match="line break"):
        job_script(Options(), "n", "/a\nb", ["true"], 1)


def test_the_script_wins_over_the_environment(program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    program("sbatch", f"env > {tmp_path}/env; echo some remark of the site; echo '12;cluster'")
    for name in ("SBATCH_PARTITION", "SBATCH_TIMELIMIT", "SBATCH_WAIT", "SBATCH_ACCOUNT"):
        monkeypatch.setenv(name, "x")
    path = tmp_path / "job.sh"
    path.write_text(job_script(Options(partition="gpu", time="10"), "n", "log", ["true"], 1))
    assert submit_held(path) == ("12", "cluster")
    seen = (tmp_path / "env").read_text()
    assert "SBATCH_ACCOUNT=x" in seen  # not asked for: what the user has set counts
    assert not any(name in seen for name in ("SBATCH_PARTITION", "SBATCH_TIMELIMIT", "SBATCH_WAIT"))


def test_an_answer_that_is_no_number_is_told(program, tmp_path: Path):
    program("sbatch", "echo Welcome")
    (tmp_path / "job.sh").write_text("#!/bin/sh\n")
    with pytest.raises(SlurmError, match="sbatch: answered 'Welcome', which is no number"):
        submit_held(tmp_path / "job.sh")


def test_what_a_program_complains_of_is_one_line(program):
    program("scancel", "echo 'scancel: error: Kill job error on 5: Invalid job id' >&2; exit 1")
    with pytest.raises(SlurmError, match=r"^scancel: Kill job error on 5: Invalid job id$"):
        call("scancel", "5")
    program("scancel", "exit 3")
    with pytest.raises(SlurmError, match=r"^scancel: failed with exit code 3$"):
        call("scancel", "5")
    program("scancel", "exec sleep 20")
    with pytest.raises(SlurmError, match=r"^scancel: has not answered within 0.1 s"):
        call("scancel", "5", seconds=0.1)
    program("scancel", "echo 'scancel: error: no route to host' >&2; exec sleep 20")
    with pytest.raises(SlurmError, match=r"within 2 s \(no route to host\); try again later$"):
        call("scancel", "5", seconds=2.0)
    with pytest.raises(SlurmError, match="squelch: not found"):
        call("squelch")


def test_where_slurm_is_not_configured_it_says_what_to_do_in_one_line(
    program, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("SLURM_CONF", raising=False)
    lines = (
        "sbatch: error: fetch_config: DNS SRV lookup failed",
        "sbatch: fatal: Could not establish a configuration source",
    )
    program("sbatch", f"printf '%s\n' '{lines[0]}' '{lines[1]}' >&2; exit 1")
    with pytest.raises(SlurmError) as told:
        call("sbatch")
    assert str(told.value) == (
        "sbatch: finds no configuration of Slurm on this machine "
        "(Could not establish a configuration source); go to a login node of the cluster, "
        "or let SLURM_CONF name its slurm.conf"
    )
    monkeypatch.setenv("SLURM_CONF", "/none")  # which sbatch looks for again and again
    program("sbatch", "echo 'sbatch: error: s_p_parse_file: cannot stat file /none' >&2; exec sleep 20")
    with pytest.raises(
        SlurmError, match=r"Slurm in SLURM_CONF=/none \(s_p_parse_file: cannot stat file /none"
    ):
        call("sbatch", seconds=2.0)
