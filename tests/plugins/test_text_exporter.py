"""Exporters of plugins: the bundled one, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from spivae import exporter, exporting
from spivae.analysis import Result
from spivae.api import About, Exporter, Figure, Line, Panel
from spivae.cli import main
from spivae.errors import SpivaeError, WorkFailed
from spivae.plugins import Plugins, load_plugins

FIGURE = Figure(title="A line", panels=(Panel(title="up", marks=(Line(x=np.arange(3), y=np.arange(3)),)),))
ABOUT = About("line", "Line", checkpoint="models/sbm.safetensors")


class Broken(Exporter):
    name = ".broken"
    title = "Broken"
    gives: object = None

    def content(self, figure, result, about):
        if self.gives is None:
            raise ZeroDivisionError("no")
        return self.gives


def test_a_figure_becomes_text(tmp_path: Path) -> None:
    path = exporting.export(tmp_path / "a.TXT", FIGURE, Result(), ABOUT, load_plugins().exporters)
    lines = path.read_text().splitlines()
    assert lines[:3] == ["Line of models/sbm.safetensors", "", "A line"]
    assert any("up" in line for line in lines)
    assert max(map(len, lines)) <= 100
    assert not any(line.endswith(" ") for line in lines)


def test_the_command_writes_it(
    tiny_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "history.txt"
    assert main(["analyze", str(tiny_checkpoint), "history", "--export", str(out)]) == 0
    assert capsys.readouterr().out.strip() == str(out)
    assert "NLL" in out.read_text()


def test_an_unknown_suffix_names_those_of_plugins(tmp_path: Path) -> None:
    with pytest.raises(SpivaeError, match=r"there are \.png, .*\.npz, \.txt"):
        exporting.check(tmp_path / "a.doc", load_plugins().exporters)
    with pytest.raises(SpivaeError, match=r"\.npz$"):
        exporting.check(tmp_path / "a.txt")


@pytest.mark.parametrize(
    ("gives", "said"), [(None, "ZeroDivisionError: no"), ("text", "gave str, not bytes")]
)
def test_one_that_breaks_is_named_and_writes_nothing(tmp_path: Path, gives: object, said: str) -> None:
    broken = Broken()
    broken.gives = gives
    with pytest.raises(WorkFailed, match=rf"exporter \.broken: {said}"):
        exporting.export(tmp_path / "a.broken", FIGURE, Result(), ABOUT, {".broken": broken})
    assert not list(tmp_path.iterdir())


def registering(name: str) -> Callable[[], object]:
    kind = type("Made", (Broken,), {"name": name})
    source = "from spivae.api import hookimpl\n@hookimpl\ndef register_exporters(register): register(made)"

    def find() -> object:
        from types import ModuleType

        module = ModuleType("made")
        module.made = kind()  # type: ignore[attr-defined]
        exec(source, vars(module))  # noqa: S102  # a module of the test's own
        return module

    return find


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("txt", "its name is a suffix in small letters, such as '.txt'"),
        (".Tex", "its name is a suffix in small letters"),
        (".png", "the exporter '.png' is built in"),
        (".txt", "the exporter '.txt' is already registered"),
    ],
)
def test_a_suffix_that_cannot_be_is_refused(name: str, said: str) -> None:
    plugins = load_plugins(into=Plugins())
    plugins.load("made", "here", "", registering(name))
    assert said in (plugins.info("made").error or "")
    assert set(plugins.exporters) == {".txt"}


def test_what_is_built_in_is_what_is_written() -> None:
    assert set(exporter.BUILT_IN) == set(exporting.SUFFIXES)
