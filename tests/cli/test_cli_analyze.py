"""`analyze` and `evaluate`: what a model has learned."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import click
import pytest

from spivae.analysis import DataOptions, declared_options, option, parse_options
from spivae.cli.options import as_click, given


def test_an_analysis_is_drawn_in_the_width_that_is_asked_for(spivae, tiny_checkpoint: Path):
    drawn = spivae("analyze", tiny_checkpoint, "latents", "--per-cell", 2, "--width", 70)
    assert drawn.code == 0
    lines = drawn.out.splitlines()
    assert lines[0] == "Latents"
    assert max(map(len, lines)) <= 70
    assert "\x1b" not in drawn.out


def test_all_panels_are_drawn_whatever_the_height_of_a_page(spivae, tiny_checkpoint: Path):
    whole = spivae("analyze", tiny_checkpoint, "latents", "--per-cell", 2, "--width", 80).out
    paged = spivae("analyze", tiny_checkpoint, "latents", "--per-cell", 2, "--width", 80, "--height", 14).out
    for title in ("Distribution of", "Which latents are used", "μ against α", "μ against log(α D T^(1-α))"):
        assert title in whole
        assert title in paged


def test_ascii_glyphs_draw_in_plain_letters(spivae, tiny_checkpoint: Path):
    drawn = spivae("analyze", tiny_checkpoint, "loss", "--per-cell", 2, "--glyphs", "ascii")
    assert drawn.out.isascii()


def test_without_names_all_analyses_are_run(spivae, tiny_checkpoint: Path):
    answer = spivae("analyze", tiny_checkpoint, "--per-cell", 2, "--json").json
    names = [item["name"] for item in answer["analyses"]]
    assert {"data", "density", "latents", "loss", "output", "surface"} <= set(names)
    assert len(set(names)) == len(names)
    assert answer["data"] == {
        "per_cell": 2,
        "grid": "training",
        "subset": None,
        "seed": 12345,
        "file": None,
    }
    assert answer["trajectories"] == 12
    assert all({"name", "title", "options", "scalars", "arrays"} <= set(item) for item in answer["analyses"])


def test_of_several_analyses_those_that_cannot_answer_are_told_and_the_rest_shown(
    spivae, tiny_checkpoint: Path
):
    asked = ("analyze", tiny_checkpoint, "--per-cell", 2, "--opt", "latent=99")
    some = spivae(*asked[:2], "loss", "encoding", *asked[2:], "--json")
    assert some.code == 2
    assert [item["name"] for item in some.json["analyses"]] == ["loss"]
    assert some.err.startswith("error: encoding: ")
    none = spivae(*asked[:2], "latents", "encoding", *asked[2:])
    assert (none.code, none.out) == (2, "")
    assert "error: " in none.err


def test_of_several_analyses_one_that_lacks_memory_leaves_the_others_be(
    spivae, tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
):
    def hungry(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("spivae_plugins.latents.Latents.compute", hungry)
    asked = spivae("analyze", tiny_checkpoint, "latents", "history", "--per-cell", 2, "--json")
    assert asked.code == 1
    assert [item["name"] for item in asked.json["analyses"]] == ["history"]
    assert asked.err.startswith("error: latents: not enough memory; ask for fewer")


def test_the_options_of_one_analysis_are_flags(spivae, tiny_checkpoint: Path):
    answer = spivae("analyze", tiny_checkpoint, "latents", "--bins", 7, "--per-cell", 2, "--json").json
    [found] = answer["analyses"]
    assert found["options"]["bins"] == 7
    assert len(found["arrays"]["mu_counts"][0]) == 7


def test_the_value_of_a_flag_may_be_the_name_of_an_analysis(spivae, tiny_checkpoint: Path):
    answer = spivae("analyze", tiny_checkpoint, "msd", "--source", "data", "--per-cell", 2, "--json").json
    [found] = answer["analyses"]
    assert found["name"] == "msd"
    assert found["options"]["source"] == "data"


def test_options_of_several_go_to_those_that_have_them(spivae, tiny_checkpoint: Path):
    answer = spivae(
        "analyze",
        tiny_checkpoint,
        "latents",
        "output",
        "--opt",
        "bins=7",
        "--opt",
        "curves=2",
        "--per-cell",
        2,
        "--json",
    ).json
    latents, output = answer["analyses"]
    assert latents["options"]["bins"] == 7
    assert output["options"]["curves"] == 2


def test_help_of_one_analysis_shows_its_options(spivae):
    assert "--bins N" in spivae("analyze", "sbm", "latents", "--help").out
    assert "--bins N" not in spivae("analyze", "--help").out
    assert "\n  latents" in spivae("analyze", "--help").out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["latent"], "unknown analysis 'latent'; did you mean 'latents'?"),
        (["latents", "--bins", "1"], "1 is not in the range 2<=x<=500"),
        (["latents", "--opt", "bins=1"], "option bins: 1 is outside 2..500"),
        (["latents", "output", "--bins", "7"], "No such option '--bins'"),
        (["--opt", "nothing=7"], "--opt nothing: no such option"),
        (["latents", "--latent", "5"], "this model has latents 0..1"),
        (["--per-cell", "0"], "0 is not in the range"),
        (["--per-cell", "10000", "--grid", "test"], "choose fewer a cell"),
        (["--file", "nothing.npz"], "nothing.npz: no such file"),
    ],
)
def test_wrong_names_and_options_are_wrong_input(
    spivae, tiny_checkpoint: Path, arguments: list[str], message: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("spivae.scratch.shutil.disk_usage", lambda _: SimpleNamespace(free=10_000_000))
    failed = spivae("analyze", tiny_checkpoint, *arguments)
    assert failed.code == 2
    assert message in failed.err


@dataclass(frozen=True)
class Options:
    how_many: int = option(3, "how many", low=1)
    exactly: bool = option(True, "no rounding")
    seed: int | None = option(None, "of its own")
    style: str = option("plain", "how", choices=("plain", "fancy"))


def test_declared_options_become_flags_and_come_back_as_they_were_declared():
    declared = declared_options(Options)
    command = click.Command("test", params=[as_click(item) for item in declared])
    context = command.make_context("test", ["--how-many", "5", "--no-exactly", "--style", "fancy"])
    assert parse_options(Options, given(declared, context.params)) == Options(5, False, None, "fancy")


def test_flags_that_are_not_given_leave_the_declared_defaults():
    declared = declared_options(Options)
    context = click.Command("test", params=[as_click(item) for item in declared]).make_context("test", [])
    assert given(declared, context.params) == {}


def test_a_flag_that_the_data_have_taken_bears_the_name_of_the_analysis():
    from spivae.analysis import Analysis
    from spivae.cli.analyze import flags_of

    class Question(Analysis):
        name, title, options = "question", "Question", Options

    flags = [
        flag
        for param in flags_of(Question(), [as_click(item) for item in declared_options(DataOptions)])
        for flag in param.opts
    ]
    assert "--question-seed" in flags
    assert "--how-many" in flags


def test_evaluate_json_has_the_documented_keys(spivae, tiny_checkpoint: Path):
    answer = spivae("evaluate", tiny_checkpoint, "-n", 50, "--seed", 7, "--json").json
    assert {"n", "seed", "nll", "kl", "neg_elbo", "neg_elbo_se", "entropy", "information", "floor"} <= set(
        answer
    )
    assert {"gap_nats", "surviving", "latents", "parameters", "worst_cell_nats", "generation"} <= set(answer)
    assert (answer["n"], answer["seed"]) == (54, 7)  # whole cells of 3 x 2
    assert answer["neg_elbo"] == pytest.approx(answer["nll"] + answer["kl"] / 55, rel=1e-5)
    assert [set(latent) for latent in answer["latents"]] == [
        {"index", "kl", "var_mu", "mean_logvar", "expression", "r2"}
    ] * 2


def test_evaluate_follows_its_seed(spivae, tiny_checkpoint: Path):
    def bound(seed: int) -> float:
        return spivae("evaluate", tiny_checkpoint, "-n", 12, "--seed", seed, "--json").json["neg_elbo"]

    assert bound(1) == bound(1) != bound(2)


def test_one_trajectory_a_cell_has_no_standard_error(spivae, tiny_checkpoint: Path):
    assert spivae("evaluate", tiny_checkpoint, "-n", 6, "--json").json["neg_elbo_se"] is None


def test_evaluate_for_people_names_the_figures_and_their_units(spivae, tiny_checkpoint: Path):
    out = spivae("evaluate", tiny_checkpoint, "-n", 12).out
    assert "12 fresh trajectories of Scaled Brownian motion" in out
    assert "nats per step" in out
    assert "z1" in out


def test_analyses_are_written_to_files_each_with_its_name(spivae, tiny_checkpoint: Path, tmp_path: Path):
    wish = ("--export", tmp_path / "a.csv", "--export", tmp_path / "a.json")
    done = spivae("analyze", tiny_checkpoint, "loss", "history", "--per-cell", 2, *wish)
    expected = [tmp_path / f"a-{name}.{kind}" for name in ("loss", "history") for kind in ("csv", "json")]
    assert done.out.splitlines() == [str(path) for path in expected]
    assert expected[0].read_text().startswith("panel,title,mark")
    found = spivae(
        "analyze", tiny_checkpoint, "loss", "--per-cell", 2, "--json", "--export", tmp_path / "b.json"
    ).json
    assert found["exported"] == [str(tmp_path / "b.json")]
    written = json.loads((tmp_path / "b.json").read_text())
    assert written["arrays"] == found["analyses"][0]["arrays"]


def test_a_file_that_cannot_be_written_is_refused_before_the_work(
    spivae, tiny_checkpoint: Path, tmp_path: Path
):
    done = spivae("analyze", tiny_checkpoint, "loss", "--export", tmp_path / "a.doc")
    assert done.code == 2
    assert "its suffix names no format" in done.err
