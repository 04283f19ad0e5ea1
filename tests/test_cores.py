"""How many cores there are for this process, by its affinity and by the groups that it is in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from spivae import cgroups, cores
from spivae.blocks import usable_threads

Groups = Callable[[str, dict[str, str]], None]


@pytest.fixture
def groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Groups:
    """A process in these groups (/proc/self/cgroup), with files under /sys/fs/cgroup."""
    monkeypatch.setattr(cgroups, "_OWN", tmp_path / "own")
    monkeypatch.setattr(cgroups, "_MOUNTED", tmp_path / "mounted")

    def make(own: str, files: dict[str, str]) -> None:
        (tmp_path / "own").write_text(own)
        for name, text in files.items():
            path = tmp_path / "mounted" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    return make


@pytest.mark.parametrize(
    ("own", "files", "limit"),
    [
        ("0::/\n", {"cpu.max": "200000 100000\n"}, 2.0),
        ("0::/\n", {"cpu.max": "max 100000\n"}, None),
        ("0::/a/b\n", {"a/b/cpu.max": "max 100000\n", "a/cpu.max": "150000 100000\n"}, 1.5),
        ("0::/docker/1234\n", {"cpu.max": "300000 100000\n"}, 3.0),
        (
            "4:memory:/\n3:cpu,cpuacct:/job/step\n0::/\n",
            {
                "cpu/job/cpu.cfs_quota_us": "400000\n",
                "cpu/job/cpu.cfs_period_us": "100000\n",
                "cpu/job/step/cpu.cfs_quota_us": "-1\n",
                "cpu/job/step/cpu.cfs_period_us": "100000\n",
            },
            4.0,
        ),
        ("0::/\n", {}, None),
    ],
    ids=["container", "no limit", "around it", "named as outside", "version 1", "nothing told"],
)
def test_the_time_of_a_group_and_of_those_around_it_bounds_the_cores(
    groups: Groups, own: str, files: dict[str, str], limit: float | None
) -> None:
    groups(own, files)
    assert cgroups.cpu_limit() == limit


@pytest.mark.parametrize(("limit", "allowed"), [(None, 64), (2.0, 2), (2.9, 2), (0.5, 1), (100.0, 64)])
def test_no_more_threads_are_taken_than_a_container_has_time_for(
    monkeypatch: pytest.MonkeyPatch, limit: float | None, allowed: int
) -> None:
    monkeypatch.setattr(cores, "own_cores", lambda: set(range(64)))
    monkeypatch.setattr(cores, "cpu_limit", lambda: limit)
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert cores.allowed_cores() == usable_threads() == allowed
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    assert usable_threads() == 5


@pytest.mark.parametrize(
    ("own", "files", "left"),
    [
        (
            "0::/a/b\n",
            {
                "a/b/memory.max": "max\n",
                "a/b/memory.current": "10\n",
                "a/memory.max": "1000\n",
                "a/memory.current": "700\n",
                "a/memory.stat": "anon 300\ninactive_file 400\n",
                "memory.max": "5000\n",
                "memory.current": "4000\n",
            },
            1000 - (700 - 400),
        ),
        (
            "5:memory:/slurm/step\n",
            {
                "memory/slurm/step/memory.limit_in_bytes": "2000\n",
                "memory/slurm/step/memory.usage_in_bytes": "500\n",
                "memory/slurm/memory.limit_in_bytes": "900\n",
                "memory/slurm/memory.usage_in_bytes": "600\n",
                "memory/slurm/memory.stat": "inactive_file 1\ntotal_inactive_file 50\n",
            },
            900 - (600 - 50),
        ),
        ("0::/\n", {"memory.max": "100\n", "memory.current": "120\n"}, 0),
        ("0::/\n", {}, None),
    ],
    ids=["around it", "version 1", "over it", "nothing told"],
)
def test_the_memory_left_is_the_least_of_the_groups(
    groups: Groups, own: str, files: dict[str, str], left: int | None
) -> None:
    groups(own, files)
    assert cgroups.memory_left() == left


def test_a_system_without_groups_bounds_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroups, "_OWN", tmp_path / "none")
    assert cgroups.cpu_limit() is None
    assert cgroups.memory_left() is None
