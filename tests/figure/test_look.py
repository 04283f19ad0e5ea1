from __future__ import annotations

import pytest
from figures import LOOKS
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from spivae.figure.look import Look
from spivae.figure.palettes import to_xterm, viridis


@pytest.mark.parametrize(
    ("environ", "encoding", "expected"),
    [
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor"}, "utf-8", Look("braille", "truecolor")),
        ({"TERM": "xterm-256color"}, "UTF-8", Look("braille", "256")),
        ({"TERM": "xterm"}, "utf8", Look("braille", "16")),
        ({"TERM": "xterm-256color", "NO_COLOR": "1"}, "utf-8", Look("braille", "none")),
        ({"TERM": "xterm-256color", "NO_COLOR": ""}, "utf-8", Look("braille", "256")),
        ({"TERM": "xterm-256color"}, "ANSI_X3.4-1968", Look("ascii", "256")),
        ({"TERM": "xterm-256color"}, None, Look("ascii", "256")),
        ({"TERM": "dumb"}, "utf-8", Look("ascii", "none")),
        ({"TERM": "linux"}, "utf-8", Look("ascii", "16")),
        ({}, "utf-8", Look("braille", "none")),
        ({"TERM": "xterm-256color", "COLORFGBG": "0;15"}, "utf-8", Look("braille", "256", dark=False)),
        ({"TERM": "xterm-256color", "COLORFGBG": "15;0"}, "utf-8", Look("braille", "256", dark=True)),
        ({"TERM": "xterm-256color", "SPIVAE_GLYPHS": "block"}, "utf-8", Look("block", "256")),
        ({"TERM": "xterm-256color", "SPIVAE_GLYPHS": "braille"}, "latin-1", Look("ascii", "256")),
    ],
)
def test_the_look_follows_the_terminal(environ: dict[str, str], encoding: str | None, expected: Look) -> None:
    assert Look.detect(environ, encoding) == expected


@pytest.mark.parametrize("look", LOOKS, ids=str)
def test_six_categories_differ_in_colour_and_in_marker(look: Look) -> None:
    assert len({look.marker(index) for index in range(6)}) == 6
    assert len({look.category(index) for index in range(6)}) == (6 if look.colored else 1)
    assert look.category(6) == look.category(0)
    assert all(cell_len(look.marker(index)) == 1 for index in range(6))


@pytest.mark.parametrize("look", [look for look in LOOKS if look.colored], ids=str)
def test_colours_are_of_the_kind_that_the_terminal_knows(look: Look) -> None:
    used = [look.category(3), look.shade(0.5), look.heat(0.5), look.muted, look.frame]
    for color in used:
        assert color is not None
        assert color.startswith("ansi_") == (look.colors == "16")
        assert look.colors != "256" or to_xterm(color) == color.upper()


@given(st.text())
def test_shown_text_is_one_cell_a_character(text: str) -> None:
    assert Look("ascii").text(text).isascii()
    shown = Look().text(text)
    assert cell_len(shown) <= len(shown)
    assert shown.isprintable() or not text.isprintable() or any(char.isspace() for char in shown)


def test_greek_and_exponents_are_spelled_in_ascii() -> None:
    assert Look("ascii").text("σ² of μ₀ (10⁻³ µm²/s)") == "sigma^2 of mu0 (10^-3 um^2/s)"


def test_the_sequential_map_grows_lighter() -> None:
    def luminance(color: str) -> float:
        return sum(
            weight * int(color[i : i + 2], 16)
            for weight, i in zip((0.2126, 0.7152, 0.0722), (1, 3, 5), strict=True)
        )

    for look in (Look(), Look(colors="256")):
        steps = [luminance(look.heat(fraction / 20) or "") for fraction in range(21)]
        assert steps == sorted(steps)
    assert viridis(0.0) == "#440154"
    assert viridis(1.0) == "#FDE725"
