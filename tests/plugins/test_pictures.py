"""Each analysis as it looks in a terminal of 80 x 24 cells, against pictures kept as text in `snapshots/`.

Words, axes and legends must be those of the picture. What is drawn inside the axes may differ in a small
share of its cells, because the last digits of a model's output depend on the processor. `make snapshots`
takes anew what no longer fits: look at the difference in git before you commit it.
"""

from pathlib import Path

import numpy as np
import pytest

from spivae.figure import terminal
from spivae.figure.look import Look
from spivae.plugins import load_plugins
from spivae.worker.session import Session

WIDTH, HEIGHT = 80, 24
DATA = {"per_cell": 4, "subset": "alpha=0.2..1.8, D=1e-4..1e-2", "seed": 1}
OPTIONS = {"limits": {"n": 400}}  # enough for a picture
SNAPSHOTS = Path(__file__).parent / "snapshots"
TOLERATED = 0.03  # of the cells that something is drawn in
CANVAS = "\0"

PLUGINS = load_plugins()


@pytest.fixture(scope="module")
def figures():
    """Figures of the shipped model on one small dataset, each made when it is first asked for."""
    session, made = Session(PLUGINS, threads=1), {}

    def figure(name):
        if name not in made:
            made[name] = session.analyze("sbm", name, OPTIONS.get(name), DATA).figure
        return made[name]

    return figure


def pages(figure, look):
    """The figure on as many pages as it needs, as one array of characters (rows, WIDTH)."""
    first, rows = 0, []
    while first < max(len(figure.panels), 1):
        rows += terminal.draw(figure, WIDTH, HEIGHT, look, first)
        first += terminal.panels_per_page(figure, WIDTH, HEIGHT)
    return np.array([list("".join(span.text for span in row).ljust(WIDTH)) for row in rows])


def canvases(figure, look, monkeypatch):
    """Which characters of `pages` lie inside the axes of a panel."""

    def mark(cells, frame, *_):
        for row in range(frame.rows):
            cells.put(frame.left, frame.top + row, CANVAS * frame.columns)

    with monkeypatch.context() as patch:
        patch.setattr(terminal, "paint_strokes", mark)
        patch.setattr(terminal, "paint_texts", lambda *_: None)
        patch.setattr(terminal, "notes", lambda _: [])
        return pages(figure, look) == CANVAS


def written(picture):
    return "".join("".join(row).rstrip() + "\n" for row in picture)


def difference(picture, path, inside):
    """What is wrong with a picture (rows, WIDTH) for the one at `path`, or nothing."""
    if not path.exists():
        return f"there is no {path.name}: take it with `make snapshots`, and look at it"
    lines = path.read_text(encoding="utf-8").splitlines()
    kept = np.array([list(line.ljust(WIDTH)) for line in lines])
    if kept.shape != picture.shape:
        return f"{path.name} has another number of pages"
    if (kept != picture)[~inside].any():
        rows = np.flatnonzero(((kept != picture) & ~inside).any(axis=1))
        was, now = ("\n".join("".join(row) for row in rows_of[rows]) for rows_of in (kept, picture))
        return f"{path.name} has other words or axes; it had\n{was}\nand would have\n{now}"
    ink = inside & ((picture != " ") | (kept != " "))
    differing = int((picture != kept)[inside].sum())
    if differing > TOLERATED * ink.sum():
        return f"{path.name} has other curves: {differing} of {ink.sum()} cells differ"
    return ""


@pytest.mark.parametrize("glyphs", ["braille", "ascii"])
@pytest.mark.parametrize("name", PLUGINS.analyses)
def test_each_analysis_looks_as_in_its_picture(name, glyphs, figures, monkeypatch, request):
    look, path = Look(glyphs, "none"), SNAPSHOTS / f"{name}.{glyphs}.txt"
    picture = pages(figures(name), look)
    problem = difference(picture, path, canvases(figures(name), look, monkeypatch))
    if problem and request.config.getoption("update_snapshots", False):
        path.parent.mkdir(exist_ok=True)
        path.write_text(written(picture), encoding="utf-8")
    else:
        assert not problem, problem


def test_a_moved_curve_another_word_and_a_missing_page_are_noticed(tmp_path):
    picture = np.array([list("title".ljust(WIDTH)), list("|....*****" * 8)])
    inside = np.zeros(picture.shape, dtype=bool)
    inside[1, 1:] = True
    path = tmp_path / "kept.txt"
    path.write_text(written(picture))
    assert difference(picture, path, inside) == ""
    changed = picture.copy()
    changed[1, 5:7] = " "
    assert difference(changed, path, inside) == ""  # two cells of 79
    changed[1, 5:10] = " "
    assert "5 of 79 cells differ" in difference(changed, path, inside)
    changed = picture.copy()
    changed[0, 0] = "T"
    assert "other words" in difference(changed, path, inside)
    assert "another number of pages" in difference(picture[:1], path, inside[:1])
    assert "there is no other.txt" in difference(picture, tmp_path / "other.txt", inside)
