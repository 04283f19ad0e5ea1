"""The seed's notebook, walked through on a small test set."""

import numpy as np

from tests.walkthrough import walk


def test_every_step_of_the_notebook_works(tmp_path, capsys):
    found = walk(2, tmp_path)
    assert found["model_args"]["z_dim"] == 6
    assert (found["trajectories"], found["part"]) == (588 * 2, 7 * 3 * 2)
    assert (found["counts"] == 2).all()
    assert found["counts"].shape == (49, 12)
    assert found["nll_shape"] == (588 * 2, 367)
    assert found["surviving"] == [1, 4]
    assert 0.8 < np.median(found["D_ratio"][4:46, 2:-2]) < 1.25
    # smaller D, smaller displacements, lower loss
    assert (np.diff(found["loss"][24:30].mean(0))[2:] > 0).all()
    assert np.isfinite(found["batch_loss"])
    assert all(counts.sum() == 588 * 2 for counts in found["mu_counts"])
    assert "surviving: [1, 4]" in capsys.readouterr().out
