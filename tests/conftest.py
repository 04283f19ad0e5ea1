"""What all tests share: the reference files, and one tiny training a session."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

# before torch is imported: several test processes share two cores, and what they expect is the CPU's
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["CUDA_VISIBLE_DEVICES"] = ""

TINY = """\
[process]
name = "sbm"
grid = { alpha = { low = 0.4, high = 1.6, n = 3 }, D = { low = 1e-4, high = 1e-2, n = 2, scale = "log" } }
[dataset]
steps = 63
trajectories = 300
[model]
nf = [4, 4]
avg_size = 4
encoder = [8]
decoder = [8]
z_dim = 2
res_channels = 4
skip_channels = 4
layer_size = 2
[training]
batch = 64
[[training.phase]]
epochs = 1
beta = 0.0
[[training.phase]]
epochs = 2
beta = 1e-3
"""


@pytest.fixture(scope="session", autouse=True)
def _nobody_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Neither models nor plugins of whoever runs the tests get in."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(home / "data"))
        patch.setenv("XDG_CONFIG_HOME", str(home / "config"))
        patch.setenv("XDG_CACHE_HOME", str(home / "cache"))
        patch.setenv("SPIVAE_CACHE", "off")  # a test that analyzes means to compute
        patch.delenv("SPIVAE_PLUGINS", raising=False)
        yield


@pytest.fixture(scope="session")
def reference() -> Path:
    """The folder of the original's checkpoints and what its model computes."""
    return Path(__file__).parent / "data"


@pytest.fixture(scope="session")
def tiny_recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recipe that trains in a second: 3 x 2 cells, 63 displacements, two latents."""
    path = tmp_path_factory.mktemp("recipes") / "tiny.toml"
    path.write_text(TINY)
    return path


@pytest.fixture(scope="session")
def tiny_run(tiny_recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a finished run of the tiny recipe; leave it as it is."""
    from spivae.plugins import load_plugins
    from spivae.training import recipe as recipes
    from spivae.training.loop import train
    from spivae.training.run import Run

    run = Run.create(tmp_path_factory.mktemp("runs"), recipes.load(tiny_recipe))
    train(run, load_plugins().process("sbm"), threads=1)
    return run.path


@pytest.fixture(scope="session")
def tiny_checkpoint(tiny_run: Path) -> Path:
    """The last checkpoint of `tiny_run`."""
    return tiny_run / "checkpoints" / "final.safetensors"
