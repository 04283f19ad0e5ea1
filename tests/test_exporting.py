"""Answers as files: the numbers come back as they were, and what cannot be written is said at once."""

from __future__ import annotations

import csv
import io
import json
import math
import zipfile
from pathlib import Path

import numpy as np
import pytest

from spivae import exporting
from spivae.analysis import DataOptions, Result
from spivae.errors import SpivaeError, WorkFailed
from spivae.exporting import SUFFIXES, About, check, export, of_several
from spivae.figure.spec import Axis, Figure, Heatmap, Histogram, HLine, Line, Panel, Points, Text, VLine
from spivae_plugins.history import History
from spivae_plugins.limits import LimitsAnalysis
from spivae_plugins.limits import Options as LimitsOptions
from spivae_plugins.loss_map import LossMap
from spivae_plugins.loss_map import Options as LossOptions

X = np.array([0.1, 1 / 3, math.nan])
Y = np.array([1e-300, -math.inf, math.pi])
FIGURE = Figure(
    panels=(
        Panel(
            marks=(Line(x=X, y=Y, label="one, two"), Points(x=X[:1], y=Y[:1]), HLine(y=0.5), VLine(x=2.0)),
            title="Curves",
            x=Axis(label="t", unit="s"),
        ),
        Panel(
            marks=(
                Heatmap(
                    x_edges=np.array([0.0, 1.0, 2.0]),
                    y_edges=np.array([5.0, 6.0]),
                    values=np.array([[7.0, 8.0]]),
                    label="NLL",
                ),
                Histogram(edges=np.array([0.0, 1.0, 3.0]), counts=np.array([4, 5])),
                Text(x=1.0, y=2.0, text="R²"),
            )
        ),
    ),
    title="Some",
)
RESULT = Result(
    arrays={"file": X, "names": np.array(["α", "ln D"]), "counts": np.arange(6).reshape(2, 3)},
    scalars={"gap": math.inf, "n": 3, "parts": {"a": [1.5, None]}},
)
ABOUT = About("some", "Some", {"n": 3}, {"seed": 1}, "models/sbm")


def rows_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))


def test_a_table_has_a_row_for_each_point_and_numbers_come_back_exactly(tmp_path: Path) -> None:
    rows = rows_of(export(tmp_path / "a.csv", FIGURE, RESULT, ABOUT))
    curve = [row for row in rows if row["kind"] == "line"]
    np.testing.assert_array_equal([float(row["x"]) for row in curve], X)
    np.testing.assert_array_equal([float(row["y"]) for row in curve], Y)
    assert {(row["panel"], row["title"], row["label"], row["x_label"], row["x_unit"]) for row in curve} == {
        ("a", "Curves", "one, two", "t", "s")
    }
    assert [row["kind"] for row in rows if row["panel"] == "a"][3:] == ["points", "hline", "vline"]
    cells = [row for row in rows if row["kind"] == "heatmap"]
    assert [(row["x"], row["x_end"], row["y"], row["y_end"], row["value"]) for row in cells] == [
        ("0.0", "1.0", "5.0", "6.0", "7.0"),
        ("1.0", "2.0", "5.0", "6.0", "8.0"),
    ]
    assert {row["value_label"] for row in cells} == {"NLL"}
    bars = [row for row in rows if row["kind"] == "histogram"]
    assert [(row["x"], row["x_end"], row["y"]) for row in bars] == [("0.0", "1.0", "4"), ("1.0", "3.0", "5")]
    assert [row["label"] for row in rows if row["kind"] == "text"] == ["R²"]


def test_json_has_what_was_asked_and_found_and_null_for_what_is_not_finite(tmp_path: Path) -> None:
    found = json.loads(export(tmp_path / "a.json", FIGURE, RESULT, ABOUT).read_text(encoding="utf-8"))
    assert found["name"] == "some"
    assert (found["options"], found["data"], found["checkpoint"]) == ({"n": 3}, {"seed": 1}, "models/sbm")
    assert found["arrays"]["file"] == [0.1, 1 / 3, None]
    assert found["arrays"]["names"] == ["α", "ln D"]
    assert found["scalars"] == {"gap": None, "n": 3, "parts": {"a": [1.5, None]}}


def test_npz_has_the_arrays_under_their_names_whatever_those_are(tmp_path: Path) -> None:
    path = export(tmp_path / "a.npz", FIGURE, RESULT, ABOUT)
    with zipfile.ZipFile(path) as archive:
        assert {entry.compress_type for entry in archive.infolist()} == {zipfile.ZIP_DEFLATED}
    with np.load(path, allow_pickle=False) as found:
        assert set(found.files) == {"file", "names", "counts", "scalars.json", "about.json"}
        np.testing.assert_array_equal(found["file"], X)
        np.testing.assert_array_equal(found["counts"], RESULT.arrays["counts"])
        assert json.loads(str(found["scalars.json"]))["n"] == 3
        assert json.loads(str(found["about.json"]))["checkpoint"] == "models/sbm"


def test_an_array_of_objects_is_refused_and_costs_no_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    export(path, FIGURE, RESULT, ABOUT)
    before = path.read_bytes()
    with pytest.raises(WorkFailed, match="analysis some: array bad holds objects"):
        export(path, FIGURE, Result(arrays={"bad": np.array([{}])}), ABOUT)
    assert path.read_bytes() == before
    assert [item.name for item in tmp_path.iterdir()] == ["a.npz"]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_same_answer_is_the_same_file_in_every_format(suffix: str, tmp_path: Path) -> None:
    one, other = (export(tmp_path / f"{name}{suffix}", FIGURE, RESULT, ABOUT) for name in "ab")
    assert one.read_bytes() == other.read_bytes() != b""


def test_a_suffix_may_be_in_capitals_and_an_unknown_one_is_told_the_known(tmp_path: Path) -> None:
    assert export(tmp_path / "a.CSV", FIGURE, RESULT, ABOUT).read_text().startswith("panel,")
    for name in ("a.txt", "a"):
        with pytest.raises(SpivaeError, match=r"its suffix names no format; there are \.png, \.svg, \.pdf"):
            check(tmp_path / name)


def test_a_missing_folder_and_a_folder_as_file_are_told_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(SpivaeError, match="there is no folder"):
        check(tmp_path / "none" / "a.csv")
    (tmp_path / "a.csv").mkdir()
    with pytest.raises(SpivaeError, match="is a folder"):
        check(tmp_path / "a.csv")


def test_pictures_alone_need_matplotlib(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SpivaeError, match=r"pictures need matplotlib: pip install 'spivae\[export\]'"):
        check(tmp_path / "a.svg")
    assert check(tmp_path / "a.npz")


def test_several_analyses_that_share_a_path_get_their_names() -> None:
    assert of_several(Path("out/fig.pdf"), "loss") == Path("out/fig-loss.pdf")


def test_of_the_datas_options_those_are_told_that_matter() -> None:
    data = DataOptions(seed=7)
    loss = About.of(LossMap(), LossOptions(), data, "m")
    assert loss.options == {"times": 4}
    assert loss.data == vars(data)
    model_alone = About.of(LimitsAnalysis(), LimitsOptions(), data, "m")
    assert set(model_alone.data) == {"grid", "subset", "seed"}
    assert About.of(History(), History.options(), data, "m").data == {}
